"""The file of an image: one version of a series as plain arrays, in blocks of rows, with a checksum for each column.

Layout of the data file: blocks of `BLOCK_ROWS` rows; within a block the columns lie one after another, each as
little-endian 8-byte numbers (time as int64 microseconds, then float64 values). The last block is as long as the
others; rows that the meta file does not count are no rows. The meta file names version, rows and data file, the first
and last time and the step of each block, and a checksum (xxh3) of the valid part of each column of each block; its own
last 8 bytes are a checksum of all before them.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from workbench.typing import FloatArray, IntArray

Column = npt.NDArray[Any]
"""One column of rows: int64 or float64."""

BLOCK_ROWS = 8192
FORMAT = 1
META = "meta"
_MAGIC = b"WBIMAGE\0"
_HEADER = struct.Struct("<8sIIqqI16s64s")
_MOST_BUFFERS = 512  # of one system call

UintArray = npt.NDArray[np.uint64]


class ImageError(Exception):
    """An image is absent, of another format or damaged: it is not to be used."""


@dataclass(frozen=True)
class Meta:
    """What the meta file says. ``first``, ``last`` and ``step`` (0: uneven) have one item a block, ``sums`` one row."""

    version: int
    stamp: str
    rows: int
    name: str
    first: IntArray
    last: IntArray
    step: IntArray
    sums: UintArray

    @property
    def columns(self) -> int:
        """Number of columns with the time."""
        return int(self.sums.shape[1])

    def valid(self, block: int) -> int:
        """Return the number of rows of a block."""
        return min(BLOCK_ROWS, self.rows - block * BLOCK_ROWS)


def load_meta(folder: Path) -> Meta | None:
    """Return the meta data of an image, ``None`` where there is none.

    Raises
    ------
    ImageError
        When the file is damaged or of another format.
    """
    try:
        with open(f"{folder}/{META}", "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        return None
    except OSError as err:
        raise ImageError(f"the meta file cannot be read: {err.strerror}") from err
    if len(data) < _HEADER.size + 8 or xxhash.xxh3_64_intdigest(data[:-8]) != int.from_bytes(data[-8:], "little"):
        raise ImageError("the meta file is damaged")
    magic, number, block_rows, version, rows, columns, stamp, name = _HEADER.unpack_from(data)
    if (magic, number, block_rows) != (_MAGIC, FORMAT, BLOCK_ROWS):
        raise ImageError(f"the meta file has format {number} with blocks of {block_rows} rows")
    blocks = -(-rows // BLOCK_ROWS)
    if len(data) != _HEADER.size + 8 * (blocks * (3 + columns) + 1):
        raise ImageError("the meta file has a wrong size")
    numbers = np.frombuffer(data, "<i8", blocks * 3, _HEADER.size).reshape(3, blocks)
    sums = np.frombuffer(data, "<u8", blocks * columns, _HEADER.size + blocks * 24).reshape(blocks, columns)
    text = name.rstrip(b"\0").decode()
    return Meta(version, stamp.decode(), rows, text, numbers[0], numbers[1], numbers[2], sums)


def save_meta(folder: Path, meta: Meta) -> None:
    """Put the meta file in place at once; not synced, for a torn one is found and an old one is harmless."""
    head = _HEADER.pack(
        _MAGIC, FORMAT, BLOCK_ROWS, meta.version, meta.rows, meta.columns, meta.stamp.encode(), meta.name.encode()
    )
    body = b"".join([head, *(a.astype("<i8").tobytes() for a in (meta.first, meta.last, meta.step))])
    body += meta.sums.astype("<u8").tobytes()
    with placed(folder / META) as handle:
        write_all(handle, body + xxhash.xxh3_64_intdigest(body).to_bytes(8, "little"))


@contextmanager
def placed(path: Path) -> Iterator[int]:
    """Yield a handle of a temporary file that takes ``path``'s place on leaving without an error."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        try:
            yield handle
            os.fchmod(handle, 0o644)
        finally:
            os.close(handle)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_all(handle: int, data: bytes | memoryview, offset: int | None = None) -> None:
    """Write all bytes, at the handle's place or at an offset."""
    view = memoryview(data)
    while view:
        done = os.write(handle, view) if offset is None else os.pwrite(handle, view, offset)
        offset = None if offset is None else offset + done
        view = view[done:]


def read_rows(
    folder: Path, meta: Meta, columns: Sequence[int], start: int | None, end: int | None
) -> tuple[IntArray, FloatArray]:
    """Return times, shape (n,), and values, shape (n_columns, n), with ``start <= time < end``.

    Only the blocks and columns asked for are read, and each is compared with its checksum.

    Parameters
    ----------
    columns : sequence of int
        Increasing numbers of value columns, the first is 1 (0 is the time).

    Raises
    ------
    ImageError
        When the data file is absent, too short or damaged.
    """
    low = 0 if start is None else int(np.searchsorted(meta.last, start))
    high = len(meta.first) if end is None else int(np.searchsorted(meta.first, end))
    if low >= high:
        return np.empty(0, np.int64), np.empty((len(columns), 0))
    rows = min(meta.rows, high * BLOCK_ROWS) - low * BLOCK_ROWS
    times, values = np.empty(rows, np.int64), np.empty((len(columns), rows))
    wanted: list[tuple[int, int, Column]] = []
    for block in range(low, high):
        at = slice((block - low) * BLOCK_ROWS, (block - low) * BLOCK_ROWS + meta.valid(block))
        if meta.step[block]:
            times[at] = np.arange(meta.valid(block)) * meta.step[block] + meta.first[block]
        else:
            wanted.append((block, 0, times[at]))
        wanted += [(block, column, values[i, at]) for i, column in enumerate(columns)]
    _fill(folder / meta.name, meta, wanted)
    first = 0 if start is None else int(np.searchsorted(times, start))
    stop = rows if end is None else int(np.searchsorted(times, end))
    return times[first:stop], values[:, first:stop]


def _fill(path: Path, meta: Meta, wanted: Sequence[tuple[int, int, Column]]) -> None:
    """Read columns of blocks into arrays, neighbours on disk by one call, and verify each."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as err:
        raise ImageError(f"the data file cannot be opened: {err.strerror}") from err
    try:
        for offset, run in _runs(meta.columns, wanted):
            size = sum(a.nbytes for a in run)
            if os.preadv(handle, [a.data.cast("B") for a in run], offset) != size:
                raise ImageError("the data file is too short")
    except OSError as err:
        raise ImageError(f"the data file cannot be read: {err.strerror}") from err
    finally:
        os.close(handle)
    for block, column, array in wanted:
        if xxhash.xxh3_64_intdigest(array.data) != int(meta.sums[block, column]):
            raise ImageError(f"block {block} of column {column} is damaged")


def _runs(columns: int, wanted: Sequence[tuple[int, int, Column]]) -> Iterator[tuple[int, list[Column]]]:
    begin = end = -1
    run: list[Column] = []
    for block, column, array in wanted:
        offset = (block * columns + column) * BLOCK_ROWS * 8
        if offset != end or len(run) == _MOST_BUFFERS:
            if run:
                yield begin, run
            begin, run = offset, []
        run.append(array)
        end = offset + array.nbytes
    if run:
        yield begin, run


def build(folder: Path, version: int, stamp: str, times: IntArray, values: Sequence[FloatArray]) -> Meta:
    """Write an image anew and return its meta data; the data files before it are removed."""
    columns: list[Column] = [times, *values]
    name = f"rows-{version:08d}-{stamp}.img"
    blocks = -(-len(times) // BLOCK_ROWS)
    described = [_describe(columns, b, 0, len(times)) for b in range(blocks)]
    with placed(folder / name) as handle:
        for block in range(blocks):
            buffer = np.zeros((len(columns), BLOCK_ROWS), np.int64)
            for row, column in zip(buffer, columns, strict=True):
                part = column[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS]
                row[: len(part)] = part.view(np.int64)
            write_all(handle, buffer.data.cast("B"))
    meta = _meta(version, stamp, len(times), name, described)
    save_meta(folder, meta)
    for other in folder.glob("rows-*.img"):
        if other.name != name:
            with suppress(FileNotFoundError):
                other.unlink()
    return meta


def extend(folder: Path, meta: Meta, version: int, stamp: str, times: IntArray, values: Sequence[FloatArray]) -> Meta:
    """Add rows behind those of an image and return its new meta data; readers of the old one see no change.

    Raises
    ------
    ImageError
        When the last block, which the rows continue, is damaged.
    """
    full, rest = divmod(meta.rows, BLOCK_ROWS)
    kept: list[Column] = [np.empty(rest, np.int64), *(np.empty(rest) for _ in values)]
    if rest:
        _fill(folder / meta.name, meta, [(full, i, a) for i, a in enumerate(kept)])
    added: list[Column] = [times, *values]
    columns = [np.concatenate(pair) for pair in zip(kept, added, strict=True)]
    rows = meta.rows + len(times)
    blocks = -(-rows // BLOCK_ROWS)
    handle = os.open(folder / meta.name, os.O_RDWR)
    try:
        os.ftruncate(handle, blocks * len(columns) * BLOCK_ROWS * 8)
        for block in range(full, blocks):
            skip = rest if block == full else 0
            for number, column in enumerate(columns):
                part = column[(block - full) * BLOCK_ROWS + skip : (block - full + 1) * BLOCK_ROWS]
                offset = ((block * len(columns) + number) * BLOCK_ROWS + skip) * 8
                write_all(handle, np.ascontiguousarray(part).data.cast("B"), offset)
    finally:
        os.close(handle)
    described = [_describe(columns, b, full, rows) for b in range(full, blocks)]
    new = _meta(version, stamp, rows, meta.name, described)
    first, last, step = (
        np.concatenate([a[:full], b])
        for a, b in ((meta.first, new.first), (meta.last, new.last), (meta.step, new.step))
    )
    longer = Meta(version, stamp, rows, meta.name, first, last, step, np.concatenate([meta.sums[:full], new.sums]))
    save_meta(folder, longer)
    return longer


_Described = tuple[int, int, int, list[int]]


def _describe(columns: Sequence[Column], block: int, base: int, rows: int) -> _Described:
    """Return first, last and step of the times of a block, and the checksums of its columns."""
    count = min(BLOCK_ROWS, rows - block * BLOCK_ROWS)
    at = slice((block - base) * BLOCK_ROWS, (block - base) * BLOCK_ROWS + count)
    times = columns[0][at]
    steps = np.diff(times)
    even = len(steps) > 0 and steps[0] > 0 and bool((steps == steps[0]).all())
    sums = [xxhash.xxh3_64_intdigest(np.ascontiguousarray(c[at]).data) for c in columns]
    return int(times[0]), int(times[-1]), int(steps[0]) if even else 0, sums


def _meta(version: int, stamp: str, rows: int, name: str, described: Sequence[_Described]) -> Meta:
    first, last, step, sums = zip(*described, strict=True)
    a, b, c = (np.array(x, np.int64) for x in (first, last, step))
    return Meta(version, stamp, rows, name, a, b, c, np.array(sums, np.uint64))
