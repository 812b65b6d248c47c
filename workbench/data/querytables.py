"""What a query sees of the store: one table of all bars whose files are opened only where a filter needs them.

The Parquet files of a version never change, so the files of one snapshot of each series are a consistent picture
however long the query runs. Each file stands in a pyarrow data set with what is known of it without opening it
(source, symbol, time frame, first and last time); DuckDB hands its filters down, and files they rule out stay shut.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.config import did_you_mean
from workbench.data.store.barstore import BarStore
from workbench.data.store.layout import BARS, arrow_schema
from workbench.data.store.log import Entry, entry_path, newest_version, read_entry
from workbench.data.store.names import from_folder
from workbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_KEPT = 20_000
_KEPT: OrderedDict[tuple[str, int, int], Entry] = OrderedDict()
_KEPT_LOCK = Lock()


@dataclass(frozen=True)
class Series:
    """One series at the version that a query reads; ``note`` says why that is not the newest."""

    source: str
    timeframe: str
    symbol: str
    folder: Path
    entry: Entry | None = None
    note: str = ""

    @property
    def name(self) -> str:
        """``source:timeframe:symbol``, as a data set is named."""
        return f"{self.source}:{self.timeframe}:{self.symbol}"

    @property
    def label(self) -> str:
        """The series in words, as errors name it."""
        return f"{self.symbol} {self.timeframe} ({self.source})"


@dataclass(frozen=True)
class Picture:
    """All series of a store, each at one version: what one query reads from beginning to end."""

    series: tuple[Series, ...] = ()

    @property
    def versions(self) -> dict[str, int]:
        """Version read of each series, by its name; handed back to a query it reads the same bars again."""
        return {s.name: s.entry.version for s in self.series if s.entry is not None}

    @property
    def notes(self) -> list[str]:
        """One line for each series that is not read at its newest version."""
        return [s.note for s in self.series if s.note]


def picture_of(store: BarStore, at: pd.Timestamp | None = None, versions: Mapping[str, int] | None = None) -> Picture:
    """Take the newest sound version of every series, the one of a time, or those that are named.

    Parameters
    ----------
    at : Timestamp, optional
        The newest version that was written at or before this time; series that are younger are left out.
    versions : mapping of ``source:timeframe:symbol`` to int, optional
        Versions of some series; the others are taken as without it.

    Raises
    ------
    DataError
        When a named series or version does not exist or is damaged.
    """
    wanted = dict(versions or {})
    found = []
    for series in _all_series(store.root):
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
        raise DataError(f"version= names {name!r}, which the store does not hold.{hint}")
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


def bars_dataset(picture: Picture) -> Any:
    """Return all bars of a picture as a pyarrow data set; nothing is opened before a query asks for it.

    Its columns are those of the files, and ``of_source``, ``of_symbol`` and ``of_timeframe`` of the series.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow.fs import LocalFileSystem

    names = [pa.field(n, pa.string()) for n in ("of_source", "of_symbol", "of_timeframe")]
    schema = pa.schema([*names, *arrow_schema(BARS)])
    checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    parquet, disk = ds.ParquetFileFormat(default_fragment_scan_options=checked), LocalFileSystem()
    micro = pa.timestamp("us", "UTC")
    fragments = []
    for series in picture.series:
        ours = (ds.field("of_source") == series.source) & (ds.field("of_symbol") == series.symbol)
        known = ours & (ds.field("of_timeframe") == series.timeframe)
        for part in series.entry.parts if series.entry else ():
            first, last = (pa.scalar(t, pa.int64()).cast(micro) for t in (part.first, part.last))
            span = (ds.field("time") >= first) & (ds.field("time") <= last)
            path = str(series.folder / part.path)
            fragments.append(parquet.make_fragment(path, filesystem=disk, partition_expression=known & span))
    return ds.FileSystemDataset(fragments, schema, parquet, disk) if fragments else schema.empty_table()


def series_table(picture: Picture) -> pa.Table:
    """Return one row a series, with the columns of `BarStore.list`, as the query sees it."""
    import pyarrow as pa

    text, moment, whole = pa.string(), pa.timestamp("us", "UTC"), pa.int64()
    schema = pa.schema([
        ("source", text), ("symbol", text), ("timeframe", text), ("bars", whole), ("first", moment), ("last", moment),
        ("version", whole), ("bytes", whole), ("updated", moment), ("status", text),
    ])  # fmt: skip
    return pa.Table.from_pylist([_series_row(s) for s in picture.series], schema=schema)


def _series_row(series: Series) -> dict[str, Any]:
    entry = series.entry
    row = {
        "source": series.source, "symbol": series.symbol, "timeframe": series.timeframe, "bars": 0,
        "version": entry.version if entry else 0, "bytes": 0, "status": series.note or "ok",
    }  # fmt: skip
    if entry is None or not entry.parts:
        return row
    updated = None if entry.timestamp is None else entry.timestamp * 1000
    return {
        **row, "bars": entry.rows, "bytes": entry.size, "first": entry.first, "last": entry.last, "updated": updated,
    }  # fmt: skip


def _all_series(root: Path) -> Iterator[Series]:
    for path in sorted(root.glob(f"*/*/*/_delta_log/{1:020d}.json")):
        folder = path.parents[1]
        yield Series(folder.parent.parent.name, folder.parent.name, from_folder(folder.name), folder)


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
                note = f"{series.label} is read at version {version}, not {newest}: {why}" if why else ""
                return replace(series, entry=entry, note=note)
        why = why or broken
    return replace(series, note=f"{series.label} has no sound version: {why}")


def _broken_part(folder: Path, entry: Entry) -> str:
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
        raise DataError(f"{series.label} has no version {version!r}; its versions are 1 to {newest}")
    entry = entry_of(series.folder, version)
    broken = _broken_part(series.folder, entry)
    if broken:
        raise DataError(f"version {version} of {series.label} is damaged: {broken}; name an earlier version")
    return replace(series, entry=entry)


def _version_at(series: Series, at: pd.Timestamp) -> int:
    """Return the last version written at or before a time, 0 where there was none."""
    moment = int(at.timestamp() * 1000)
    versions = range(1, newest_version(series.folder) + 1)
    return bisect_right(versions, moment, key=lambda v: entry_of(series.folder, v).timestamp or 0)
