"""Finished parts of some work, kept by content: whoever asks for the same again reads them instead of computing."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from workbench.errors import WorkbenchError
from workbench.ops import atomic_write
from workbench.typing import FloatArray

_MARK = b"workbench part 1\n"
_DIGEST = 32


class KeptParts:
    """A folder of finished parts under one key.

    Parameters
    ----------
    folder
        Where parts are kept; a folder named by the key is made in it at the first part.
    key
        Hexadecimal hash of everything that the numbers depend on besides the part itself.

    Notes
    -----
    A part is a file of arrays (npz without pickle) behind its SHA-256, written by the atomic writer. A part that is
    torn or was changed is as good as none: it is computed again. Parts may be deleted at any time.
    """

    def __init__(self, folder: Path | str, key: str) -> None:
        self.folder = Path(folder) / key[:32]

    def read(self, part: Sequence[Mapping[str, Any]]) -> dict[str, FloatArray] | None:
        """Return the arrays of a part, None where it is not there whole."""
        try:
            data = self._path(part).read_bytes()
        except OSError:
            return None
        start = len(_MARK) + _DIGEST
        if data[: len(_MARK)] != _MARK or data[len(_MARK) : start] != hashlib.sha256(data[start:]).digest():
            return None
        try:
            with np.load(io.BytesIO(data[start:]), allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (ValueError, OSError, BadZipFile):
            return None

    def write(self, part: Sequence[Mapping[str, Any]], arrays: Mapping[str, FloatArray]) -> None:
        """Keep the arrays of a part.

        Raises
        ------
        WorkbenchError
            When the folder cannot be written.
        """
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        data = stream.getvalue()
        atomic_write(self._path(part), _MARK + hashlib.sha256(data).digest() + data)

    def _path(self, part: Sequence[Mapping[str, Any]]) -> Path:
        return self.folder / f"{_part_hash(part)}.part"


def content_key(named: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> str:
    """Return the hash of plain values by name and of arrays, 64 hex digits."""
    digest = hashlib.sha256(json.dumps(dict(named), sort_keys=True, default=_plain).encode())
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _part_hash(part: Sequence[Mapping[str, Any]]) -> str:
    text = json.dumps([dict(p) for p in part], default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """Turn a value of numpy into one that JSON can write.

    Raises
    ------
    WorkbenchError
        For a value without a text of its own, which would look like another one.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | frozenset | set | range):
        return sorted(value) if isinstance(value, frozenset | set) else list(value)
    text = repr(value)
    if " at 0x" in text:
        raise WorkbenchError(
            f"a configuration holds {text}, which cannot be told from others; use numbers and text, or leave the "
            "folder out"
        )
    return text
