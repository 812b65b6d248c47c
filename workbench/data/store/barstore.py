"""The bar store: versioned, transactional tables under ``data/bars``, one for each source, time frame and symbol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pandas as pd

from workbench.config import Settings, did_you_mean
from workbench.data.bars import bars_of, check_bars, content_hash, symbol_frame, symbols_of
from workbench.data.store.kept import keep_findings, read_findings
from workbench.data.store.names import check_source, check_symbol, from_folder, to_folder
from workbench.data.store.table import SeriesTable, Snapshot
from workbench.data.store.writing import Mode, plan_write
from workbench.data.timeframes import canonical_timeframe, utc_range
from workbench.errors import DataError
from workbench.ops import file_lock
from workbench.typing import Bars

if TYPE_CHECKING:
    from workbench.data.quality.report import QualityReport

_LIST_COLUMNS = ("source", "symbol", "timeframe", "bars", "first", "last", "version", "bytes", "updated", "status")
_LOCK_SECONDS = 60


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
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if "%" in str(self.root.absolute()):
            raise DataError(
                f"the bar store cannot lie in {self.root}: its path has a '%'; set WORKBENCH_DATA to another folder"
            )

    def write(
        self,
        source: str,
        symbol: str,
        timeframe: str,
        bars: Bars,
        mode: Mode = "merge",
        findings: pd.DataFrame | None = None,
    ) -> int:
        """Write bars of one symbol and return the version that holds them.

        A write that changes nothing makes no new version and returns the current one.

        Parameters
        ----------
        bars : DataFrame
            Bars of exactly this symbol.
        mode : {"merge", "append", "replace"}
            ``merge`` adds bars at new times, anywhere; ``append`` adds bars after the last stored one; both refuse a
            bar whose stored twin differs. ``replace`` makes the series consist of these bars alone.
        findings : DataFrame, optional
            What an import found (kind, symbol, time, field, value, note, set_aside); kept beside the table.

        Raises
        ------
        DataError
            When the bars break the convention, contradict stored ones, or the disk is full or read-only.
        """
        if mode not in get_args(Mode):
            raise DataError(f"unknown write mode {mode!r}.{did_you_mean(str(mode), get_args(Mode))}")
        table = self._table(source, symbol, timeframe)
        frame = _one_series(bars, symbol)
        with self._writing(table):
            stored = table.snapshot() if table.newest() else None
            rows, kind = plan_write(table, stored, frame, mode)
            version = (stored.version if stored else 0) + (kind is not None)
            if findings is not None and len(findings):
                since = version if kind and mode == "replace" else _last_replacement(table, version)
                keep_findings(table.folder, findings, version, since)
            if kind is not None:
                note = {"content_hash": content_hash(bars_of({symbol: rows})), "mode": mode, "rows": str(len(rows))}
                version = table.commit(rows, kind, note)
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
        first, last = utc_range(start, end)
        table, snapshot = self._found(source, symbol, timeframe, version)
        frame = table.read(snapshot, first, last)
        if frame.empty:
            asked = f"from {start or 'the start'} to {end or 'the end'}"
            raise DataError(f"{table.label} has no bar {asked}; it holds {_span(snapshot)}")
        return bars_of({symbol: frame}), snapshot.version

    def quality(self, source: str, symbol: str, timeframe: str, version: int | None = None) -> QualityReport:
        """Return the quality report of a version: its bars, and what imports set aside on the way to it."""
        from workbench.data.quality.report import quality_report

        bars, number = self.read_version(source, symbol, timeframe, version=version)
        kept = self.import_findings(source, symbol, timeframe, number)
        return quality_report(bars, canonical_timeframe(timeframe), findings=kept)

    def import_findings(self, source: str, symbol: str, timeframe: str, version: int | None = None) -> pd.DataFrame:
        """Return what the imports behind a version found: bars set aside, rows out of order.

        A replacement of the series begins anew: findings before it are not those of the bars after it.
        """
        table = self._table(source, symbol, timeframe)
        number = table.newest() if version is None else version
        return read_findings(table.folder, _last_replacement(table, number), number)

    def versions(self, source: str, symbol: str, timeframe: str) -> pd.DataFrame:
        """Return the versions of a series, oldest first: version, updated, mode, rows_written, content_hash."""
        table, _ = self._found(source, symbol, timeframe, None)
        rows = [
            (
                e["version"],
                pd.Timestamp(e["timestamp"], unit="ms", tz="UTC"),
                e["mode"],
                int(e["rows"]),
                e["content_hash"],
            )
            for e in table.history()
            if "content_hash" in e
        ]
        return pd.DataFrame(rows, columns=["version", "updated", "mode", "rows_written", "content_hash"])

    def newest_version(self, source: str, symbol: str, timeframe: str) -> int:
        """Return the newest version of a series, 0 where none is stored."""
        return self._table(source, symbol, timeframe).newest()

    def has(self, source: str, symbol: str, timeframe: str) -> bool:
        """Tell whether a series is stored."""
        return self.newest_version(source, symbol, timeframe) > 0

    def sources(self) -> tuple[str, ...]:
        """Return the sources that hold at least one series, sorted."""
        return tuple(sorted({s for s, _, _ in self._series()}))

    def symbols(self, source: str, timeframe: str) -> tuple[str, ...]:
        """Return the stored symbols of a source at a time frame, sorted."""
        wanted = (source, canonical_timeframe(timeframe))
        return tuple(sorted(symbol for s, t, symbol in self._series() if (s, t) == wanted))

    def list(self, source: str | None = None) -> pd.DataFrame:
        """Return one row a series: source, symbol, timeframe, bars, first, last, version, bytes, updated, status.

        ``status`` is ``"ok"``, or the one line that says why a damaged series cannot be read.
        """
        rows = [
            {"source": s, "symbol": symbol, "timeframe": t, **_row(self._table(s, symbol, t))}
            for s, t, symbol in self._series()
            if source is None or s == source
        ]
        return pd.DataFrame(rows, columns=list(_LIST_COLUMNS))

    def _series(self) -> Iterator[tuple[str, str, str]]:
        for entry in sorted(self.root.glob(f"*/*/*/_delta_log/{1:020d}.json")):
            folder = entry.parents[1]
            yield folder.parent.parent.name, folder.parent.name, from_folder(folder.name)

    def _table(self, source: str, symbol: str, timeframe: str) -> SeriesTable:
        length = canonical_timeframe(timeframe)
        folder = self.root / check_source(source) / length / to_folder(check_symbol(symbol))
        return SeriesTable(folder, f"{symbol} {length} ({source})")

    def _found(self, source: str, symbol: str, timeframe: str, version: int | None) -> tuple[SeriesTable, Snapshot]:
        table = self._table(source, symbol, timeframe)
        newest = table.newest()
        if not newest:
            raise DataError(self._missing(source, symbol, canonical_timeframe(timeframe)))
        if version is not None and not 0 < version <= newest:
            raise DataError(f"{table.label} has no version {version}; its versions are 1 to {newest}")
        return table, table.snapshot(version)

    def _missing(self, source: str, symbol: str, timeframe: str) -> str:
        series = [*self._series()]
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

    @contextmanager
    def _writing(self, table: SeriesTable) -> Iterator[None]:
        try:
            with file_lock(table.folder / "_lock", f"writing {table.label}", timeout=_LOCK_SECONDS):
                yield
        except OSError as err:
            cure = "free space or make the folder writable; the versions stored before are whole"
            raise DataError(f"cannot write {table.label} in {table.folder}: {err.strerror or err}; {cure}") from err


def _one_series(bars: Bars, symbol: str) -> pd.DataFrame:
    check_bars(bars)
    if symbols_of(bars) != (symbol,):
        raise DataError(f"write takes bars of {symbol!r} alone, got bars of {', '.join(symbols_of(bars))}")
    frame = symbol_frame(bars, symbol)
    if frame.empty:
        raise DataError(f"bars of {symbol!r} hold no traded bar")
    index = pd.DatetimeIndex(frame.index)
    if (index.as_unit("ns").asi8 % 1000).any():
        raise DataError(f"bars of {symbol!r} have times finer than a microsecond; floor them to the time frame")
    return frame.set_axis(index.as_unit("us"), axis=0)


def _last_replacement(table: SeriesTable, version: int) -> int:
    entries = table.history() if table.newest() else []
    return max((e["version"] for e in entries if e.get("mode") == "replace" and e["version"] <= version), default=0)


def _row(table: SeriesTable) -> dict[str, object]:
    try:
        snapshot = table.snapshot()
    except DataError as err:
        lost = {"bars": 0, "first": pd.NaT, "last": pd.NaT, "version": table.newest(), "bytes": 0, "updated": pd.NaT}
        return {**lost, "status": str(err)}
    first, last = (snapshot.parts[0].first, snapshot.last) if snapshot.parts else (pd.NaT, pd.NaT)
    return {
        "bars": snapshot.rows,
        "first": first,
        "last": last,
        "version": snapshot.version,
        "bytes": snapshot.size,
        "updated": snapshot.updated,
        "status": "ok",
    }


def _span(snapshot: Snapshot) -> str:
    if not snapshot.parts:
        return "nothing"
    return f"{snapshot.parts[0].first:%Y-%m-%d %H:%M} to {snapshot.last:%Y-%m-%d %H:%M}"
