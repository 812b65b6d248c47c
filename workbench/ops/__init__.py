"""Atomic files, checksums, locks, logging and the environment of a run."""

from workbench.ops.environment import describe_environment, git_revision, lock_hash
from workbench.ops.files import append_line, atomic_folder, atomic_path, atomic_write, sha256_file
from workbench.ops.locks import file_lock
from workbench.ops.logs import get_logger, log_context, redact_text, set_up_logging

__all__ = [
    "append_line",
    "atomic_folder",
    "atomic_path",
    "atomic_write",
    "describe_environment",
    "file_lock",
    "get_logger",
    "git_revision",
    "lock_hash",
    "log_context",
    "redact_text",
    "set_up_logging",
    "sha256_file",
]
