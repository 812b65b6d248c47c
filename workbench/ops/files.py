"""The one atomic writer, and checksums. A reader never sees half a file, and a crash leaves the old one whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import WorkbenchError


def atomic_write(path: Path | str, data: bytes | str) -> Path:
    """Write bytes or UTF-8 text: temporary file in the same folder, fsync, rename, fsync of the folder.

    Raises
    ------
    WorkbenchError
        When the disk is full or read-only; the file that was there before is untouched.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on leaving without an error it takes ``path``'s place durably."""
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as err:
        raise WorkbenchError(
            f"cannot write {path}: {err.strerror or err}; free space or make the folder writable"
        ) from err
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; on leaving without an error it is renamed to ``path`` durably.

    ``path`` must not exist or be empty: a folder is written once and never half replaced. A crash leaves a hidden
    ``.name.*.part`` folder that readers pass over.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
        yield temporary
        for child in temporary.rglob("*"):
            _sync(child)
        _sync(temporary)
        temporary.chmod(0o755)
        temporary.replace(path)
        temporary = None
        _sync(path.parent)
    except OSError as err:
        raise WorkbenchError(
            f"cannot write {path}: {err.strerror or err}; free space or make the folder writable"
        ) from err
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def append_line(path: Path | str, line: str, *, durable: bool = True) -> None:
    """Append one line of text by one write, then fsync: after a crash it is there whole or is the torn last line.

    Callers that must not interleave with other processes hold a lock (`workbench.ops.file_lock`).

    Raises
    ------
    WorkbenchError
        When the disk is full or read-only.
    """
    path = Path(path)
    data = line.rstrip("\n").encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            written = os.write(handle, data)
            if written < len(data):  # a disk that fills up takes a part only
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as err:
        raise WorkbenchError(f"cannot write {path}: {err.strerror or err}; free space or make it writable") from err


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_file(path: Path | str) -> str:
    """Return the SHA-256 of a file as 64 hex digits, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
