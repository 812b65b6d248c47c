"""Which series lie under a root, and what to say of one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from workbench.config import did_you_mean
from workbench.data.store.entry import Entry
from workbench.data.store.names import from_folder
from workbench.data.store.table import SeriesTable
from workbench.errors import DataError
from workbench.ops import file_lock

LOCK_SECONDS = 60


def series_of(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the three names of each series: source and time frame (or kind and source), and symbol."""
    for entry in sorted(root.glob(f"*/*/*/_delta_log/{1:020d}.json")):
        folder = entry.parents[1]
        yield folder.parent.parent.name, folder.parent.name, from_folder(folder.name)


def missing_bars(root: Path, source: str, symbol: str, timeframe: str) -> str:
    """Say in one line why a series of bars is not there, with the closest name that is."""
    series = [*series_of(root)]
    sources = {s for s, _, _ in series}
    if source not in sources:
        empty = " The store is empty; import a file with 'workbench data import'."
        return f"the store holds no source {source!r}.{did_you_mean(source, sources) if sources else empty}"
    lengths = sorted({t for s, t, name in series if s == source and name == symbol})
    if lengths:
        return f"{symbol} of {source!r} is stored at {', '.join(lengths)}, not at {timeframe}"
    known = {name for s, t, name in series if (s, t) == (source, timeframe)}
    hint = did_you_mean(symbol, known) if known else f" It holds no series at {timeframe}."
    return f"source {source!r} holds no symbol {symbol!r} at {timeframe}.{hint}"


def check_version(table: SeriesTable, version: int, newest: int) -> None:
    """Refuse a version that was never written."""
    if not 0 < version <= newest:
        raise DataError(f"{table.label} has no version {version}; its versions are 1 to {newest}")


def row_of(table: SeriesTable) -> dict[str, object]:
    """Return one row of a list of series; its ``status`` is ``ok`` or the line that says why it cannot be read."""
    try:
        entry = table.entry()
    except DataError as err:
        lost = {"bars": 0, "first": pd.NaT, "last": pd.NaT, "version": table.newest(), "bytes": 0, "updated": pd.NaT}
        return {**lost, "status": str(err)}
    first, last = span_of(entry)
    return {
        "bars": entry.rows, "first": first, "last": last, "version": entry.version, "bytes": entry.size,
        "updated": entry.updated, "status": "ok",
    }  # fmt: skip


def span_of(entry: Entry) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the times of the first and last row."""
    if not entry.parts:
        return pd.NaT, pd.NaT  # type: ignore[return-value]  # no rows, no times
    return pd.Timestamp(entry.first, unit="us", tz="UTC"), pd.Timestamp(entry.last, unit="us", tz="UTC")


def span_words(entry: Entry) -> str:
    """Return the span of a version in words."""
    if not entry.parts:
        return "nothing"
    first, last = span_of(entry)
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"


def versions_of(table: SeriesTable) -> pd.DataFrame:
    """Return the versions of a series, oldest first: version, updated, mode, rows_written, content_hash."""
    rows = [
        (e.version, e.updated, e.note["mode"], int(e.note["rows"]), e.note["content_hash"])
        for e in table.history()
        if "content_hash" in e.note
    ]
    return pd.DataFrame(rows, columns=["version", "updated", "mode", "rows_written", "content_hash"])


@contextmanager
def writing(table: SeriesTable) -> Iterator[None]:
    """Hold the lock of a series while the block writes it."""
    try:
        with file_lock(table.folder / "_lock", f"writing {table.label}", timeout=LOCK_SECONDS):
            yield
    except OSError as err:
        cure = "free space or make the folder writable; the versions stored before are whole"
        raise DataError(f"cannot write {table.label} in {table.folder}: {err.strerror or err}; {cure}") from err
