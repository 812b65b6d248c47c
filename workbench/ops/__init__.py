"""Atomic files, checksums, logging and the doctor."""

from workbench.ops.files import atomic_folder, atomic_path, atomic_write, sha256_file

__all__ = ["atomic_folder", "atomic_path", "atomic_write", "sha256_file"]
