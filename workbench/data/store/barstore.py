"""The bar store: versioned, transactional tables under ``data/bars``, one for each source, time frame and symbol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pandas as pd

from workbench.config import Settings, did_you_mean
from workbench.data.bars import BAR_FIELDS
from workbench.data.store.catalog import (
    check_version,
    missing_bars,
    row_of,
    series_of,
    span_words,
    versions_of,
    writing,
)
from workbench.data.store.door import bar_rows, bars_hash
from workbench.data.store.entry import Entry
from workbench.data.store.image import SeriesImage
from workbench.data.store.kept import keep_findings, read_findings
from workbench.data.store.layout import PROVENANCE
from workbench.data.store.names import check_source, check_symbol, to_folder
from workbench.data.store.reading import Arrays, bars_frame, joined_frame, read_arrays, time_index
from workbench.data.store.records import micros
from workbench.data.store.repairing import RepairReport, quarantine_of, repair_series
from workbench.data.store.table import SeriesTable
from workbench.data.store.verifying import VERIFY_COLUMNS, verify_row
from workbench.data.store.writing import Mode, plan_write
from workbench.data.timeframes import canonical_timeframe, timeframe_delta, utc_range
from workbench.data.venues.clock import Clock, SystemClock
from workbench.errors import DataError
from workbench.typing import Bars

if TYPE_CHECKING:
    from workbench.data.quality.report import QualityReport

_LIST_COLUMNS = ("source", "symbol", "timeframe", "bars", "first", "last", "version", "bytes", "updated", "status")


def open_store(settings: Settings) -> BarStore:
    """Return the store of a workbench home: ``data_dir/bars``."""
    return BarStore(settings.data_dir / "bars")


class BarStore:
    """Versioned bars on disk.

    Every write that changes something makes one new version of one series, counted from 1; a read names a version or
    takes the newest. Readers never wait for writers and see whole versions only; writers of one series take turns.

    Parameters
    ----------
    root : path
        Folder of the tables, such as ``settings.data_dir / "bars"``; made on the first write.
    clock : Clock, optional
        Tells the times of the versions; the machine's unless named.
    image : bool
        Keep the newest version of each series that is read as plain arrays too, which doubles or triples its disk
        space and makes reads several times faster; a disposable copy, verified at every read.
    """

    def __init__(self, root: Path | str, *, clock: Clock | None = None, image: bool = True) -> None:
        self.root = Path(root)
        self.image = image
        self.clock = clock or SystemClock()

    def write(
        self,
        source: str,
        symbol: str,
        timeframe: str,
        bars: Bars,
        mode: Mode = "merge",
        findings: pd.DataFrame | None = None,
        provenance: pd.DataFrame | None = None,
    ) -> int:
        """Write bars of one symbol and return the version that holds them.

        A write that changes nothing makes no new version and returns the current one.

        Parameters
        ----------
        bars : DataFrame
            Bars of exactly this symbol.
        mode : {"merge", "append", "replace", "revise"}
            ``merge`` adds bars at new times, anywhere; ``append`` adds bars after the last stored one; both skip a
            bar that is stored already and refuse one whose stored twin has other values. ``replace`` makes the series
            consist of these bars alone. ``revise`` puts these bars in place of the stored ones of the same times, and
            adds those of other times.
        findings : DataFrame, optional
            What an import found (kind, symbol, time, field, value, note, set_aside); kept beside the table.
        provenance : DataFrame, optional
            One row for each bar: ``source``, the venue that it came from, and ``repaired``. Otherwise the bars are
            the series' own source's and not repaired.

        Raises
        ------
        DataError
            When the bars break the convention, contradict stored ones, or the disk is full or read-only.
        """
        if mode not in get_args(Mode):
            raise DataError(f"unknown write mode {mode!r}.{did_you_mean(str(mode), get_args(Mode))}")
        table = self._table(source, symbol, timeframe)
        rows = bar_rows(bars, symbol, source, provenance)
        with writing(table):
            before = table.entry() if table.newest() else None
            plan = plan_write(table, before, rows, mode)
            version = (before.version if before else 0) + (plan is not None)
            if findings is not None and len(findings):
                fresh = plan is not None and mode == "replace"
                keep_findings(table.folder, findings, version, version if fresh else before.since if before else 0)
            if plan is not None:
                after = table.commit(plan, before, mode, self.clock.now(), bars_hash(plan.new, symbol))
                if self.image and before is not None and plan.kind == "append":
                    SeriesImage(table).extend(before, after, plan.new)
        return version

    def read(
        self,
        source: str,
        symbol: str,
        timeframe: str,
        start: object = None,
        end: object = None,
        version: int | None = None,
    ) -> Bars:
        """Return bars with ``start <= time < end`` of one symbol at a version (``None``: the newest).

        Raises
        ------
        DataError
            When the series or version does not exist, is damaged, or holds no bar in the range.
        """
        return self.read_version(source, symbol, timeframe, start, end, version)[0]

    def read_version(
        self,
        source: str,
        symbol: str,
        timeframe: str,
        start: object = None,
        end: object = None,
        version: int | None = None,
    ) -> tuple[Bars, int]:
        """Return bars as `read` does, and the version that they were read from."""
        times, values, number = self._arrays(source, symbol, timeframe, BAR_FIELDS, start, end, version)
        return bars_frame(times, values, symbol), number

    def read_field(
        self,
        source: str,
        symbol: str,
        timeframe: str,
        field: str,
        start: object = None,
        end: object = None,
        version: int | None = None,
    ) -> pd.Series:
        """Return one field of one symbol with ``start <= time < end``, such as its closes; the others are not read."""
        if field not in BAR_FIELDS:
            raise DataError(f"bars have no field {field!r}.{did_you_mean(str(field), BAR_FIELDS)}")
        times, values, _ = self._arrays(source, symbol, timeframe, (field,), start, end, version)
        return pd.Series(values[0], index=time_index(times), name=field, copy=False)

    def read_many(
        self, source: str, symbols: Sequence[str], timeframe: str, start: object = None, end: object = None
    ) -> Bars:
        """Return the newest bars of several symbols with ``start <= time < end``: a cross-section.

        A symbol without a bar in the range is NaN throughout.

        Raises
        ------
        DataError
            When a series does not exist or is damaged, or when no symbol has a bar in the range.
        """
        first, last = (micros(t) for t in utc_range(start, end))
        read = {}
        for symbol in dict.fromkeys(symbols):
            table = self._table(source, symbol, timeframe)
            times, values, _ = self._read(table, source, symbol, timeframe, BAR_FIELDS, first, last, None)
            read[symbol] = times, values
        if not any(len(times) for times, _ in read.values()):
            asked = f"from {start or 'the start'} to {end or 'the end'}"
            raise DataError(f"none of {len(read)} symbols of {source!r} has a {timeframe} bar {asked}")
        return joined_frame(read)

    def provenance(
        self,
        source: str,
        symbol: str,
        timeframe: str,
        start: object = None,
        end: object = None,
        version: int | None = None,
    ) -> pd.DataFrame:
        """Return where each bar came from: index ``time``, ``source`` (category) and ``repaired`` (bool)."""
        first, last = utc_range(start, end)
        table, entry = self._found(source, symbol, timeframe, version)
        frame = table.read(entry, micros(first), micros(last), PROVENANCE)
        if frame.empty:
            raise DataError(_nothing(table, entry, start, end))
        names = frame["source"].array
        if source not in names.categories:
            names = names.add_categories([source])
        return frame.assign(source=names.fillna(source))

    def quality(self, source: str, symbol: str, timeframe: str, version: int | None = None) -> QualityReport:
        """Return the quality report of a version: its bars, and what imports set aside on the way to it."""
        from workbench.data.quality.report import quality_report

        bars, number = self.read_version(source, symbol, timeframe, version=version)
        kept = self.import_findings(source, symbol, timeframe, number)
        return quality_report(bars, canonical_timeframe(timeframe), findings=kept, source=source)

    def import_findings(self, source: str, symbol: str, timeframe: str, version: int | None = None) -> pd.DataFrame:
        """Return what the imports behind a version found: bars set aside, rows out of order.

        A replacement of the series begins anew: findings before it are not those of the bars after it.
        """
        table = self._table(source, symbol, timeframe)
        number = table.newest() if version is None else version
        return read_findings(table.folder, table.entry(number).since if number else 0, number)

    def versions(self, source: str, symbol: str, timeframe: str) -> pd.DataFrame:
        """Return the versions of a series, oldest first: version, updated, mode, rows_written, content_hash."""
        return versions_of(self._found(source, symbol, timeframe, None)[0])

    def newest_version(self, source: str, symbol: str, timeframe: str) -> int:
        """Return the newest version of a series, 0 where none is stored."""
        return self._table(source, symbol, timeframe).newest()

    def has(self, source: str, symbol: str, timeframe: str) -> bool:
        """Tell whether a series is stored."""
        return self.newest_version(source, symbol, timeframe) > 0

    def sources(self) -> tuple[str, ...]:
        """Return the sources that hold at least one series, sorted."""
        return tuple(sorted({s for s, _, _ in series_of(self.root)}))

    def symbols(self, source: str, timeframe: str) -> tuple[str, ...]:
        """Return the stored symbols of a source at a time frame, sorted."""
        wanted = (source, canonical_timeframe(timeframe))
        return tuple(sorted(symbol for s, t, symbol in series_of(self.root) if (s, t) == wanted))

    def list(self, source: str | None = None) -> pd.DataFrame:
        """Return one row a series: source, symbol, timeframe, bars, first, last, version, bytes, updated, status.

        ``status`` is ``"ok"``, or the one line that says why a damaged series cannot be read.
        """
        rows = [
            {"source": s, "symbol": symbol, "timeframe": t, **row_of(self._table(s, symbol, t))}
            for s, t, symbol in series_of(self.root)
            if source is None or s == source
        ]
        return pd.DataFrame(rows, columns=list(_LIST_COLUMNS))

    def verify(
        self, source: str | None = None, symbol: str | None = None, timeframe: str | None = None, *, deep: bool = True
    ) -> pd.DataFrame:
        """Look for damage: one row a series, with version, status, damaged_versions and findings in words.

        Parameters
        ----------
        source, symbol, timeframe : str, optional
            Only series of these.
        deep : bool
            Read every file of every version and compare its checksum; otherwise the log, names and sizes only.

        Returns
        -------
        DataFrame
            ``status`` is ``sound``; ``leftovers`` (files of killed writers, an image to be made anew: harmless);
            ``foreign`` (files that the store did not write and does not use); or ``damaged`` (something written is
            lost or changed; reads of ``damaged_versions`` refuse what they cannot vouch for).
        """
        wanted = (source, symbol, timeframe and canonical_timeframe(timeframe))
        rows = [
            {"source": s, "symbol": name, "timeframe": t, **verify_row(self._table(s, name, t), deep=deep)}
            for s, t, name in series_of(self.root)
            if all(w in (None, "", x) for w, x in zip(wanted, (s, name, t), strict=True))
        ]
        return pd.DataFrame(rows, columns=["source", "symbol", "timeframe", *VERIFY_COLUMNS])

    def repair(self, source: str, symbol: str, timeframe: str) -> RepairReport:
        """Move what is damaged or foreign into ``_quarantine`` and make a sound version of all that is still whole.

        Nothing is deleted; the report says which spans of time are lost and must be fetched again.
        """
        table = self._table(source, symbol, timeframe)
        if not table.newest():
            raise DataError(missing_bars(self.root, source, symbol, canonical_timeframe(timeframe)))
        now = self.clock.now()
        with writing(table):
            place, step = quarantine_of(table, self.root, now), timeframe_delta(timeframe).value // 1000
            return repair_series(table, place, now, lambda rows: bars_hash(rows, symbol), step)

    def _table(self, source: str, symbol: str, timeframe: str) -> SeriesTable:
        length = canonical_timeframe(timeframe)
        folder = self.root / check_source(source) / length / to_folder(check_symbol(symbol))
        return SeriesTable(folder, f"{symbol} {length} ({source})")

    def _arrays(
        self,
        source: str,
        symbol: str,
        timeframe: str,
        fields: Sequence[str],
        start: object,
        end: object,
        version: int | None,
    ) -> Arrays:
        first, last = (micros(t) for t in utc_range(start, end))
        table = self._table(source, symbol, timeframe)
        found = self._read(table, source, symbol, timeframe, fields, first, last, version)
        if not len(found[0]):
            raise DataError(_nothing(table, table.entry(found[2]), start, end))
        return found

    def _read(
        self,
        table: SeriesTable,
        source: str,
        symbol: str,
        timeframe: str,
        fields: Sequence[str],
        first: int | None,
        last: int | None,
        version: int | None,
    ) -> Arrays:
        """Read, and where that fails find out whether the series or version was never there."""
        try:
            return read_arrays(table, fields, first, last, version, image=self.image)
        except DataError:
            self._found(source, symbol, timeframe, version)
            raise

    def _found(self, source: str, symbol: str, timeframe: str, version: int | None) -> tuple[SeriesTable, Entry]:
        table = self._table(source, symbol, timeframe)
        newest = table.newest()
        if not newest:
            raise DataError(missing_bars(self.root, source, symbol, canonical_timeframe(timeframe)))
        if version is not None:
            check_version(table, version, newest)
        return table, table.entry(version)


def _nothing(table: SeriesTable, entry: Entry, start: object, end: object) -> str:
    asked = f"from {start or 'the start'} to {end or 'the end'}"
    return f"{table.label} has no bar {asked}; it holds {span_words(entry)}"
