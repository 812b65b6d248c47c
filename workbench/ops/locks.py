"""A lock between processes that says who holds it; the kernel frees it when its holder dies."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from workbench.errors import WorkbenchError


@contextmanager
def file_lock(path: Path | str, what: str, timeout: float = 30.0) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs.

    The lock is the kernel's (``flock``), so a killed holder frees it at once; the file itself stays and is harmless.

    Parameters
    ----------
    path : path
        The lock file; made with its folder where absent.
    what : str
        What the holder is doing, shown to those who wait in vain, such as ``"promoting 'momentum'"``.
    timeout : float
        Seconds to wait.

    Raises
    ------
    WorkbenchError
        When another process holds it for longer, naming it and what it does; or when the place is not writable.
    """
    path = Path(path)
    lock = filelock.FileLock(path, timeout=timeout, poll_interval=0.02)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise WorkbenchError(
            f"{path} is held by {_holder(path)}; waited {timeout:g} s for {what}: "
            "let it finish or end it, then try again"
        ) from None
    except OSError as err:
        raise WorkbenchError(f"cannot lock {path}: {err.strerror or err}; make the folder writable") from err
    try:
        try:
            _state_holder(path, {"pid": os.getpid(), "host": socket.gethostname(), "what": what})
        except OSError as err:
            raise WorkbenchError(f"cannot write {path}: {err.strerror or err}; free space on the disk") from err
        yield
    finally:
        with suppress(OSError):  # an old holder's name does no harm, and must not hide what went wrong inside
            _state_holder(path, None)
        lock.release()


def _state_holder(path: Path, holder: dict[str, object] | None) -> None:
    # Not through the atomic writer: a rename would take the locked inode away from those who wait on it.
    text = b"" if holder is None else json.dumps(holder).encode()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.truncate(handle, 0)
        os.write(handle, text)
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_bytes())
        return f"process {holder['pid']} on {holder['host']} ({holder['what']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
