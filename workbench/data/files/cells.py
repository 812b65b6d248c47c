"""Files as tables of cells: CSV, JSON, Parquet and Feather, also packed in .gz or .zip. Meaning comes later."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import DataError

_KINDS = {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".arrow": "feather", ".ipc": "feather",
}  # fmt: skip
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
_MOST_BYTES = 4 * 2**30
_MOST_BANNER_LINES = 10


@dataclass(frozen=True)
class RawTable:
    """Cells as they stand in a file.

    Attributes
    ----------
    path : Path
    stem : str
        Name without its endings, for hints.
    names : list of str, or None
        The header; ``None`` where the file has none.
    cells : DataFrame
        n_rows × n_columns, columns numbered from 0.
    lines : list of int, or None
        For text files the line of each row, counted from 1.
    """

    path: Path
    stem: str
    names: list[str] | None
    cells: pd.DataFrame
    lines: list[int] | None = None
    notes: list[str] = field(default_factory=list)

    def place(self, row: int) -> str:
        """Name a row for a person."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def error(self, text: str) -> DataError:
        """Return an error about this file."""
        return DataError(f"{self.path.name}: {text}")


def read_table(path: Path | str) -> RawTable:
    """Read a file into cells.

    Raises
    ------
    DataError
        One line: the file does not exist, is empty, of an unknown kind, torn, not UTF-8, ragged or holds no row.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it")
    if not path.is_file():
        raise DataError(f"file {path} does not exist")
    data, inner = _unpack(path)
    kind = _KINDS.get(Path(inner).suffix.lower())
    if kind is None:
        raise DataError(
            f"{path.name} is of an unknown kind; give one of {', '.join(sorted(_KINDS))}, also as .gz or .zip"
        )
    if not data:
        raise DataError(f"{path.name} is empty (0 bytes); download or export it again")
    stem = path.name[: -len("".join(Path(path.name).suffixes[-2:]))] if path.suffix == ".gz" else path.stem
    if kind == "csv":
        return _read_csv(path, stem, data)
    if kind == "json":
        return _read_json(path, stem, data)
    return _read_columnar(path, stem, data, kind)


def cell_texts(cells: pd.Series) -> pd.Series:
    """Return cells as text without blanks around it; an empty cell is ``""``."""
    if isinstance(cells.dtype, pd.StringDtype):
        return cells.fillna("").str.strip()
    return cells.map(lambda c: "" if c is None else str(c).strip())


def _unpack(path: Path) -> tuple[bytes, str]:
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                return _at_most(stream.read(_MOST_BYTES + 1), path), path.name[:-3]
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX")]
                if len(members) != 1:
                    raise DataError(f"{path.name} holds {len(members)} files; give a zip of exactly one, or unpack it")
                with archive.open(members[0]) as stream:
                    return _at_most(stream.read(_MOST_BYTES + 1), path), members[0].filename
        return _at_most(path.read_bytes(), path), path.name
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as err:
        raise DataError(f"{path.name} cannot be unpacked or read ({err}); download or export it again") from None


def _at_most(data: bytes, path: Path) -> bytes:
    if len(data) > _MOST_BYTES:
        raise DataError(f"{path.name} is larger than {_MOST_BYTES // 2**30} GiB unpacked; split it by time")
    return data


def _read_csv(path: Path, stem: str, data: bytes) -> RawTable:
    import pyarrow as pa
    import pyarrow.csv as pc

    text = _text(path, data)
    lines = text.splitlines()
    filled = [i for i, line in enumerate(lines) if line.strip()]
    if not filled:
        raise DataError(f"{path.name} holds no line of text; download or export it again")
    delimiter = _delimiter(path, [lines[i] for i in filled[:50]])
    header, first = _header(lines, filled, delimiter)
    names = None if header is None else _split(lines[header], delimiter)
    rows = [i for i in filled if i >= first]
    if not rows:
        raise DataError(f"{path.name} has a header and no row below it")
    width = len(names) if names else len(_split(lines[rows[0]], delimiter))
    columns = [str(i) for i in range(width)]
    try:
        table = pc.read_csv(
            io.BytesIO("\n".join(lines[i] for i in rows).encode()),
            read_options=pc.ReadOptions(
                column_names=columns, use_threads=False, block_size=max(1 << 20, len(data) + 1)
            ),
            parse_options=pc.ParseOptions(delimiter=delimiter, ignore_empty_lines=True),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as err:
        raise DataError(
            f"{path.name}: {_ragged(lines, rows, delimiter, width) or ' '.join(str(err).split())}"
        ) from None
    cells = table.to_pandas()
    cells.columns = range(width)
    notes = [f"skipped {header} line(s) above the header"] if header else []
    return RawTable(path, stem, names, cells, [i + 1 for i in rows], notes)


def _text(path: Path, data: bytes) -> str:
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as err:
        raise DataError(
            f"{path.name} is not UTF-8 text (byte {data[err.start]:#x} at {err.start}); export it as UTF-8"
        ) from None
    if "\x00" in text:
        raise DataError(f"{path.name} is not text: it holds zero bytes; is its ending right?")
    return text


def _delimiter(path: Path, lines: list[str]) -> str:
    """Choose the mark that splits the header into as many cells as the rows; of several, into the most cells.

    In a file with decimal commas the comma splits rows as often as the semicolon does, but not the header; where
    there is no header, the mark that leaves more numbers wins.
    """
    best, rank = "", (False, 0, 1, 0)
    for mark in _DELIMITERS:
        split = [_split(line, mark) for line in lines]
        counts = [len(cells) for cells in split]
        usual = max(set(counts), key=counts.count)
        if usual == 1:
            continue
        top = split[: _MOST_BANNER_LINES + 1]
        headers = [len(cells) for cells in top if len(cells) > 1 and not any(map(_is_number, cells))]
        numbers = sum(map(_is_number, split[-1]))
        mine = (usual in headers, usual if usual in headers else max(headers, default=0), usual, numbers)
        if mine > rank:
            best, rank = mark, mine
    if not best:
        shown = lines[-1] if len(lines[-1]) <= 60 else lines[-1][:60] + "…"
        raise DataError(
            f"{path.name} has one column only ({shown!r}); separate columns by {', '.join(_DELIMITERS.values())}"
        )
    return best


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _header(lines: list[str], filled: list[int], delimiter: str) -> tuple[int | None, int]:
    """Return the line of the header (``None``: there is none) and that of the first row."""
    for i in filled[: _MOST_BANNER_LINES + 1]:
        cells = [c.strip() for c in _split(lines[i], delimiter)]
        wide = len(cells) > 1 and len(cells) == len(
            _split(lines[filled[min(len(filled) - 1, filled.index(i) + 1)]], delimiter)
        )
        if wide and not any(_is_number(c) for c in cells):
            return i, i + 1
        if sum(_is_number(c) for c in cells) >= 2:
            return None, i
    return filled[0], filled[0] + 1


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return DECIMAL_COMMA.fullmatch(cell.strip()) is not None
    return True


def _ragged(lines: list[str], rows: list[int], delimiter: str, width: int) -> str:
    for i in rows:
        cells = len(_split(lines[i], delimiter))
        if cells > width:
            return (
                f"line {i + 1} has {cells} cells where {width} are expected; remove what is too much, and write a "
                f"point where a number has a decimal comma (columns are separated by a {_DELIMITERS[delimiter]})"
            )
        if cells < width:
            return f"line {i + 1} has {cells} cell(s) where {width} are expected; is the file cut off?"
    return ""


def _read_json(path: Path, stem: str, data: bytes) -> RawTable:
    text = _text(path, data)
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as err:
        rows = _json_lines(text)
        if rows is None:
            raise DataError(f"{path.name} is not JSON: {err.msg} at line {err.lineno}, column {err.colno}") from None
    rows = _inner_list(rows)
    if isinstance(rows, dict) and rows and all(isinstance(v, list) for v in rows.values()):
        if len({len(v) for v in rows.values()}) > 1:
            raise DataError(f"{path.name}: its lists differ in length: { ({k: len(v) for k, v in rows.items()}) }")
        return _rows_table(path, stem, list(rows), list(zip(*rows.values(), strict=True)))
    if not isinstance(rows, list):
        raise DataError(f"{path.name} must hold a list of bars, got {type(rows).__name__}")
    if not rows:
        raise DataError(f"{path.name} holds an empty list: no bar to import")
    if all(isinstance(r, dict) for r in rows):
        names = list(dict.fromkeys(k for r in rows for k in r))
        return _rows_table(path, stem, names, [tuple(r.get(n) for n in names) for r in rows])
    width = len(rows[0]) if isinstance(rows[0], list) else 0
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            seen = f"{len(row)} values" if isinstance(row, list) else repr(row)[:40]
            raise DataError(f"{path.name}: row {i + 1} is {seen} where {width} values are expected")
    return _rows_table(path, stem, None, [tuple(r) for r in rows])


def _json_lines(text: str) -> list[Any] | None:
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError:
        return None


def _inner_list(rows: Any) -> Any:
    """Unwrap ``{"results": [bars], "status": "ok"}``: the one list of lists or of objects inside."""
    if isinstance(rows, dict):
        inner = [v for v in rows.values() if isinstance(v, list) and v and isinstance(v[0], list | dict)]
        if len(inner) == 1:
            return inner[0]
    return rows


def _rows_table(path: Path, stem: str, names: list[str] | None, rows: list[tuple[Any, ...]]) -> RawTable:
    if not rows:
        raise DataError(f"{path.name} holds no row")
    cells = pd.DataFrame(rows, columns=range(len(rows[0])))
    return RawTable(path, stem, names, cells)


def _read_columnar(path: Path, stem: str, data: bytes, kind: str) -> RawTable:
    import pyarrow as pa
    import pyarrow.feather as pf

    try:
        table = _parquet(data) if kind == "parquet" else pf.read_table(pa.BufferReader(data))
        frame = table.to_pandas()
    except (pa.ArrowException, OSError, ValueError) as err:
        first = str(err).strip().splitlines()[0]
        raise DataError(
            f"{path.name} is not a readable {kind.title()} file ({first}); download or export it again"
        ) from None
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    if frame.empty:
        raise DataError(f"{path.name} holds no row")
    names = [":".join(map(str, reversed(c))).strip(":") if isinstance(c, tuple) else str(c) for c in frame.columns]
    frame.columns = range(frame.shape[1])
    return RawTable(path, stem, names, frame)


def _parquet(data: bytes) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
