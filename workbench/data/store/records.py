"""The records store: what is told of a symbol beside its bars, in versioned tables under ``data/records``.

Kinds: ``funding`` (rate, mark_price), ``open_interest`` (amount, value), ``trades`` (id, price, amount, side) and
``market_cap`` (price, market_cap, volume). The same promises as those of the bar store.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pandas as pd

from workbench.config import Settings, did_you_mean
from workbench.data.store.catalog import check_version, row_of, series_of, span_words, versions_of, writing
from workbench.data.store.door import record_rows, records_hash
from workbench.data.store.entry import Entry
from workbench.data.store.layout import RECORDS
from workbench.data.store.names import check_source, check_symbol, to_folder
from workbench.data.store.repairing import RepairReport, quarantine_of, repair_series
from workbench.data.store.table import SeriesTable
from workbench.data.store.verifying import VERIFY_COLUMNS, verify_row
from workbench.data.store.writing import Mode, plan_write
from workbench.data.timeframes import utc_range
from workbench.data.venues.clock import Clock, SystemClock
from workbench.errors import DataError

_LIST_COLUMNS = ("kind", "source", "symbol", "rows", "first", "last", "version", "bytes", "updated", "status")


def open_records(settings: Settings) -> RecordStore:
    """Return the records of a workbench home: ``data_dir/records``."""
    return RecordStore(settings.data_dir / "records")


class RecordStore:
    """Versioned records on disk, one table for each kind, source and symbol.

    Parameters
    ----------
    root : path
        Folder of the tables, such as ``settings.data_dir / "records"``; made on the first write.
    clock : Clock, optional
        Tells the times of the versions; the machine's unless named.
    """

    def __init__(self, root: Path | str, *, clock: Clock | None = None) -> None:
        self.root = Path(root)
        self.clock = clock or SystemClock()

    def write(self, kind: str, source: str, symbol: str, frame: pd.DataFrame, mode: Mode = "merge") -> int:
        """Write records and return the version that holds them.

        Parameters
        ----------
        kind : {"funding", "open_interest", "trades", "market_cap"}
        frame : DataFrame
            Index ``time`` in UTC; exactly the columns of the kind. Rows are known by their time, trades by time and id.
        mode : {"merge", "append", "replace", "revise"}
            ``merge`` adds rows of new keys and refuses one whose stored twin differs; ``revise`` takes the new values.

        Raises
        ------
        DataError
            When a row is not sound, contradicts a stored one, or the disk is full or read-only.
        """
        if mode not in get_args(Mode):
            raise DataError(f"unknown write mode {mode!r}.{did_you_mean(str(mode), get_args(Mode))}")
        table = self._table(kind, source, symbol)
        rows = record_rows(table.layout, frame)
        with writing(table):
            before = table.entry() if table.newest() else None
            plan = plan_write(table, before, rows, mode)
            if plan is None:
                return before.version if before else 0
            digest = records_hash(table.layout, plan.new)
            return table.commit(plan, before, mode, self.clock.now(), digest).version

    def read(
        self,
        kind: str,
        source: str,
        symbol: str,
        start: object = None,
        end: object = None,
        version: int | None = None,
    ) -> pd.DataFrame:
        """Return the records with ``start <= time < end`` at a version (``None``: the newest), by time.

        Raises
        ------
        DataError
            When they do not exist, are damaged, or none lies in the range.
        """
        first, last = utc_range(start, end)
        table, entry = self._found(kind, source, symbol, version)
        frame = table.read(entry, micros(first), micros(last))
        if frame.empty:
            asked = f"from {start or 'the start'} to {end or 'the end'}"
            raise DataError(f"{table.label} has no record {asked}; it holds {span_words(entry)}")
        return frame

    def list(self, kind: str | None = None) -> pd.DataFrame:
        """Return one row a series: kind, source, symbol, rows, first, last, version, bytes, updated, status."""
        rows = []
        for k, source, symbol in series_of(self.root):
            if kind in (None, k):
                told = row_of(self._table(k, source, symbol))
                rows.append({"kind": k, "source": source, "symbol": symbol, "rows": told.pop("bars"), **told})
        return pd.DataFrame(rows, columns=list(_LIST_COLUMNS))

    def newest(self, kind: str, source: str, symbol: str) -> pd.Timestamp | None:
        """Return the time of the last record, ``None`` where none is stored."""
        table = self._table(kind, source, symbol)
        if not table.newest():
            return None
        return pd.Timestamp(table.entry().last, unit="us", tz="UTC")

    def versions(self, kind: str, source: str, symbol: str) -> pd.DataFrame:
        """Return the versions, oldest first: version, updated, mode, rows_written, content_hash."""
        return versions_of(self._found(kind, source, symbol, None)[0])

    def verify(
        self, kind: str | None = None, source: str | None = None, symbol: str | None = None, *, deep: bool = True
    ) -> pd.DataFrame:
        """Look for damage: one row a series with kind, source, symbol, version, status, damaged_versions, findings."""
        rows = [
            {"kind": k, "source": s, "symbol": name, **verify_row(self._table(k, s, name), deep=deep)}
            for k, s, name in series_of(self.root)
            if all(w in (None, "", x) for w, x in zip((kind, source, symbol), (k, s, name), strict=True))
        ]
        return pd.DataFrame(rows, columns=["kind", "source", "symbol", *VERIFY_COLUMNS])

    def repair(self, kind: str, source: str, symbol: str) -> RepairReport:
        """Move what is damaged or foreign into ``_quarantine`` and make a sound version of all that is still whole."""
        table, now = self._table(kind, source, symbol), self.clock.now()
        if not table.newest():
            raise DataError(f"no {kind} of {symbol!r} from {source!r} is stored")
        with writing(table):
            place = quarantine_of(table, self.root, now)
            return repair_series(table, place, now, lambda rows: records_hash(table.layout, rows))

    def _table(self, kind: str, source: str, symbol: str) -> SeriesTable:
        if kind not in RECORDS:
            raise DataError(f"unknown kind of records {kind!r}.{did_you_mean(kind, RECORDS)}")
        folder = self.root / kind / check_source(source) / to_folder(check_symbol(symbol))
        return SeriesTable(folder, f"{symbol} {kind} ({source})", RECORDS[kind])

    def _found(self, kind: str, source: str, symbol: str, version: int | None) -> tuple[SeriesTable, Entry]:
        table = self._table(kind, source, symbol)
        newest = table.newest()
        if not newest:
            stored = {s for k, _, s in series_of(self.root) if k == kind}
            hint = did_you_mean(symbol, stored) if stored else ""
            raise DataError(f"no {kind} of {symbol!r} from {source!r} is stored.{hint}")
        if version is not None:
            check_version(table, version, newest)
        return table, table.entry(version)


def micros(time: pd.Timestamp | None) -> int | None:
    """Return microseconds since 1970 UTC, rounded up: a half-open range keeps its rows."""
    return None if time is None else -(-time.as_unit("ns").value // 1000)
