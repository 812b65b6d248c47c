"""What a query sees of the store: one table of all bars whose files are opened only where a filter needs them.

The Parquet files of a version never change, so the files of one snapshot of each series are a consistent picture
however long the query runs. Each file stands in a pyarrow data set with what is known of it without opening it
(source, symbol, time frame, first and last time); DuckDB hands its filters down, and files they rule out stay shut.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.config import Settings, did_you_mean
from workbench.data.store.barstore import open_store
from workbench.data.store.catalog import series_of
from workbench.data.store.layout import BARS, PROVENANCE, RECORDS, arrow_schema
from workbench.data.store.log import Entry, entry_path, newest_version, read_entry
from workbench.data.store.names import to_folder
from workbench.data.store.records import open_records
from workbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_BARS_COLUMNS = (
    "of_source as source, of_symbol as symbol, of_timeframe as timeframe, time, open, high, low, close, volume, "
    "coalesce(source, of_source) as venue, coalesce(repaired, false) as repaired"
)
_MOST_KEPT = 20_000
_KEPT: OrderedDict[tuple[str, int, int], Entry] = OrderedDict()
_KEPT_LOCK = Lock()


@dataclass(frozen=True)
class Series:
    """One series at the version that a query reads; ``note`` says why that is not the newest.

    ``names`` are its source, time frame and symbol, or its kind, source and symbol for records.
    """

    table: str
    names: tuple[str, str, str]
    folder: Path
    entry: Entry | None = None
    note: str = ""

    @property
    def name(self) -> str:
        """``source:timeframe:symbol``, as a data set is named, or ``kind:source:symbol``."""
        return ":".join(self.names)

    @property
    def constants(self) -> dict[str, str]:
        """What every row of it shares, by column."""
        columns = ("of_source", "of_timeframe", "of_symbol") if self.table == "bars" else ("", "of_source", "of_symbol")
        return {c: n for c, n in zip(columns, self.names, strict=True) if c}


@dataclass(frozen=True)
class Picture:
    """All series that a query may read, each at one version: what it reads from beginning to end."""

    series: tuple[Series, ...] = ()

    def of(self, table: str) -> tuple[Series, ...]:
        """Return the series of one table: ``bars`` or a kind of records."""
        return tuple(s for s in self.series if s.table == table)

    @property
    def versions(self) -> dict[str, int]:
        """Version read of each series, by its name; handed back to a query it reads the same again."""
        return {s.name: s.entry.version for s in self.series if s.entry is not None}

    @property
    def notes(self) -> list[str]:
        """One line for each series that is not read at its newest version."""
        return [s.note for s in self.series if s.note]


def picture_of(
    settings: Settings,
    tables: Iterable[str],
    at: pd.Timestamp | None = None,
    versions: Mapping[str, int] | None = None,
) -> Picture:
    """Take the newest sound version of every series of some tables, the one of a time, or those that are named.

    Parameters
    ----------
    tables : iterable of str
        ``bars`` or kinds of records.
    at : Timestamp, optional
        The newest version that was written at or before this time; series that are younger are left out.
    versions : mapping of series name to int, optional
        Versions of some series; the others are taken as without it.

    Raises
    ------
    DataError
        When a named series or version does not exist or is damaged.
    """
    wanted = dict(versions or {})
    found = []
    for series in _all_series(settings, set(tables)):
        if series.name in wanted:
            found.append(_named(series, wanted.pop(series.name)))
        elif at is None:
            found.append(_newest_sound(series))
        else:
            number = _version_at(series, at)
            found += [_named(series, number)] if number else []
    if wanted:
        name = next(iter(wanted))
        hint = did_you_mean(name, [s.name for s in found])
        raise DataError(f"version= names {name!r}, which this query does not read.{hint}")
    return Picture(tuple(found))


def entry_of(folder: Path, version: int) -> Entry:
    """Return what a version consists of; versions never change, so each is read from the log once in a process."""
    try:
        stamp = entry_path(folder, version).stat().st_mtime_ns  # tells a series that was deleted and begun anew
    except OSError as err:
        raise DataError(f"version {version} in {folder} cannot be read: {err.strerror}") from err
    key = (str(folder), version, stamp)
    with _KEPT_LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key]
    try:
        entry = read_entry(folder, version)
    except OSError as err:
        raise DataError(f"version {version} in {folder} cannot be read: {err.strerror}") from err
    with _KEPT_LOCK:
        _KEPT[key] = entry
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    return entry


def dataset_of(picture: Picture, table: str) -> Any:
    """Return all rows of a table as a pyarrow data set; nothing is opened before a query asks for it.

    Its columns are those of the files, and ``of_source``, ``of_symbol`` and for bars ``of_timeframe`` of the series.
    """
    import pyarrow as pa

    from workbench.data.query.files import VerifiedDataset

    layout = BARS if table == "bars" else RECORDS[table]
    names = ("of_source", "of_symbol", "of_timeframe") if table == "bars" else ("of_source", "of_symbol")
    schema = pa.schema([*(pa.field(n, pa.string()) for n in names), *arrow_schema(layout)])
    files = {f"{s.folder}/{p.path}": (s, p) for s in picture.of(table) if s.entry for p in s.entry.parts}
    if not files:
        return schema.empty_table()
    parts = {path: part for path, (_, part) in files.items()}
    known = {path: series.constants for path, (series, _) in files.items()}
    required = ("time", *(c for c in layout.columns if c not in PROVENANCE))
    return VerifiedDataset(schema, parts, known, required)


def columns_of(table: str) -> str:
    """Return the SELECT list that turns the columns of `dataset_of` into those of the table."""
    if table == "bars":
        return _BARS_COLUMNS
    return ", ".join(["of_source as source", "of_symbol as symbol", "time", *RECORDS[table].columns])


def series_table(picture: Picture) -> pa.Table:
    """Return one row a series, with the columns of `BarStore.list`, as the query sees it."""
    import pyarrow as pa

    text, moment, whole = pa.string(), pa.timestamp("us", "UTC"), pa.int64()
    schema = pa.schema([
        ("source", text), ("symbol", text), ("timeframe", text), ("bars", whole), ("first", moment), ("last", moment),
        ("version", whole), ("bytes", whole), ("updated", moment), ("status", text),
    ])  # fmt: skip
    return pa.Table.from_pylist([_series_row(s) for s in picture.of("bars")], schema=schema)


def _series_row(series: Series) -> dict[str, Any]:
    entry, (source, timeframe, symbol) = series.entry, series.names
    row = {
        "source": source, "symbol": symbol, "timeframe": timeframe, "bars": 0,
        "version": entry.version if entry else 0, "bytes": 0, "status": series.note or "ok",
    }  # fmt: skip
    if entry is None or not entry.parts:
        return row
    updated = None if entry.timestamp is None else entry.timestamp * 1000
    return {
        **row, "bars": entry.rows, "bytes": entry.size, "first": entry.first, "last": entry.last, "updated": updated,
    }  # fmt: skip


def _all_series(settings: Settings, tables: set[str]) -> Iterator[Series]:
    if "bars" in tables:
        root = open_store(settings).root
        yield from (Series("bars", names, _folder(root, names)) for names in series_of(root))
    if tables & set(RECORDS):
        root = open_records(settings).root
        yield from (Series(n[0], n, _folder(root, n)) for n in series_of(root) if n[0] in tables)


def _folder(root: Path, names: tuple[str, str, str]) -> Path:
    return root / names[0] / names[1] / to_folder(names[2])


def _newest_sound(series: Series) -> Series:
    """Take the newest version whose log entry reads and whose files are whole; say so when it is not the newest."""
    newest, why = newest_version(series.folder), ""
    for version in range(newest, 0, -1):
        try:
            entry = entry_of(series.folder, version)
            broken = _broken_part(series.folder, entry)
        except DataError as err:
            broken = str(err)
        else:
            if not broken:
                note = f"{series.name} is read at version {version}, not {newest}: {why}" if why else ""
                return replace(series, entry=entry, note=note)
        why = why or broken
    return replace(series, note=f"{series.name} has no sound version: {why}")


def _broken_part(folder: Path, entry: Entry) -> str:
    if "lost" in entry.note:
        return f"it was lost to damage: {entry.note['lost']}"
    for part in entry.parts:
        try:
            size = os.stat(f"{folder}/{part.path}").st_size
        except OSError as err:
            return f"{part.path}: {err.strerror}"
        if size != part.size:
            return f"{part.path} has {size:,} bytes of {part.size:,}"
    return ""


def _named(series: Series, version: int) -> Series:
    newest = newest_version(series.folder)
    if not isinstance(version, int) or not 0 < version <= newest:
        raise DataError(f"{series.name} has no version {version!r}; its versions are 1 to {newest}")
    entry = entry_of(series.folder, version)
    broken = _broken_part(series.folder, entry)
    if broken:
        raise DataError(f"version {version} of {series.name} is damaged: {broken}; name an earlier version")
    return replace(series, entry=entry)


def _version_at(series: Series, at: pd.Timestamp) -> int:
    """Return the last version written at or before a time, 0 where there was none."""
    moment = int(at.timestamp() * 1000)
    versions = range(1, newest_version(series.folder) + 1)
    return bisect_right(versions, moment, key=lambda v: entry_of(series.folder, v).timestamp or 0)
