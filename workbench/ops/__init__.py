"""Atomic files, checksums, locks, logging and the environment of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.ops.environment import describe_environment, git_revision, lock_hash
from workbench.ops.files import append_line, atomic_folder, atomic_path, atomic_write, sha256_file
from workbench.ops.locks import file_lock

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:  # logs alone cost 0.15 s to load: only whoever logs pays
    if name in ("get_logger", "log_context", "redact_text", "set_up_logging"):
        from workbench.ops import logs

        return getattr(logs, name)
    raise AttributeError(f"module 'workbench.ops' has no attribute {name!r}")
