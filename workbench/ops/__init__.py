"""Atomic files, checksums, logging and the doctor."""

from workbench.ops.files import atomic_path, atomic_write, sha256_file

__all__ = ["atomic_path", "atomic_write", "sha256_file"]
