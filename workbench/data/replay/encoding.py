"""Rows of numbers as JSON text, made by numpy: no Python object a field, so that pages of bars cost next to nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workbench.typing import BoolArray, FloatArray, IntArray

Bytes = npt.NDArray[np.uint8]
Column = str | tuple[FloatArray | IntArray, int] | BoolArray
"""Literal text, values and the number of their decimals, or true and false."""

_GROUP = 10_000
_FOUR = np.array([list(f"{i:04d}".encode()) for i in range(_GROUP)], dtype=np.uint8)
_SPACE, _ZERO, _POINT = 32, 48, 46
_EXACT = 9.0e15
_TRUE, _FALSE = (np.frombuffer(word, dtype=np.uint8) for word in (b"true ", b"false"))


def rows_as_json(columns: list[Column], n: int) -> bytes:
    """Return the same text for each of n rows, with its numbers in place, joined by commas in square brackets.

    ``["[", (times, 0), ',"', (prices, 2), '"]']`` gives ``[[1499040000000,"0.80"],[1499040060000,"0.81"]]``. Numbers
    are not negative. Literal text has no spaces: spaces pad numbers to one width and are deleted at the end.
    """
    if n == 0:
        return b"[]"
    blocks = [_block(column, n) for column in columns]
    matrix = np.concatenate([*blocks, _text(",", n)], axis=1)
    return b"[" + matrix.tobytes().translate(None, b" ")[:-1] + b"]"


def digits(values: FloatArray | IntArray, decimals: int) -> Bytes:
    """Return numbers as text of one width, (n, width), padded with spaces on the left.

    Numbers too large to be exact with so many decimals are written with fewer, then zeros.
    """
    shown = decimals
    if shown and len(values):
        largest = max(1.0, float(np.max(values)))
        while shown and largest * 10.0**shown > _EXACT:
            shown -= 1
    whole = np.rint(values * 10.0**shown).astype(np.int64) if shown else values.astype(np.int64)
    if not shown and values.dtype.kind == "f":
        whole = np.rint(values).astype(np.int64)
    width = max(len(str(int(whole.max()))), shown + 1)
    groups = -(-width // 4)
    parts = []
    for _ in range(groups):
        whole, rest = np.divmod(whole, _GROUP)
        parts.append(_FOUR[rest])
    text = np.concatenate(parts[::-1], axis=1)[:, groups * 4 - width :]
    before = width - shown
    if before > 1:
        leading = np.logical_and.accumulate(text[:, : before - 1] == _ZERO, axis=1)
        text[:, : before - 1][leading] = _SPACE
    if not decimals:
        return text
    point = np.full((len(text), 1), _POINT, dtype=np.uint8)
    zeros = np.full((len(text), decimals - shown), _ZERO, dtype=np.uint8)
    return np.concatenate([text[:, :before], point, text[:, before:], zeros], axis=1)


def _block(column: Column, n: int) -> Bytes:
    if isinstance(column, str):
        return _text(column, n)
    return digits(*column) if isinstance(column, tuple) else np.where(column[:, None], _TRUE, _FALSE)


def _text(text: str, n: int) -> Bytes:
    return np.broadcast_to(np.frombuffer(text.encode(), dtype=np.uint8), (n, len(text)))
