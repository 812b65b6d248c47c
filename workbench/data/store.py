"""The bar store: versioned, transactional tables under ``data/bars``, one for each source, time frame and symbol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from workbench.config import Settings, did_you_mean
from workbench.data.bars import bars_of, check_bars, content_hash, symbol_frame, symbols_of
from workbench.data.names import check_source, check_symbol, from_folder, to_folder
from workbench.data.table import SeriesTable, Snapshot
from workbench.data.timeframes import canonical_timeframe, utc_range
from workbench.errors import BarsError, DataError
from workbench.ops import atomic_write, file_lock
from workbench.typing import Bars

Mode = Literal["merge", "append", "replace"]
SET_ASIDE_COLUMNS = ("kind", "symbol", "time", "field", "value", "note")


def open_store(settings: Settings) -> BarStore:
    """Return the store of a workbench home: ``data_dir/bars``."""
    return BarStore(settings.data_dir / "bars")


class BarStore:
    """Versioned bars on disk.

    Every write that changes something makes one new version of one series; a read names a version or takes the
    newest. Readers never wait for writers and see whole versions only; writers of one series take turns.

    Parameters
    ----------
    root : path
        Folder of the tables, such as ``settings.data_dir / "bars"``; made on the first write.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if "%" in str(self.root.absolute()):
            raise DataError(
                f"the bar store cannot lie in {self.root}: its path has a '%'; choose another folder (WORKBENCH_DATA)"
            )

    def write(
        self,
        source: str,
        symbol: str,
        timeframe: str,
        bars: Bars,
        mode: Mode = "merge",
        set_aside: pd.DataFrame | None = None,
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
        set_aside : DataFrame, optional
            Findings (kind, symbol, time, field, value, note) of bars that were left out; kept beside the table.

        Raises
        ------
        DataError
            When the bars break the convention, contradict stored ones, or the disk is full or read-only.
        """
        if mode not in get_args(Mode):
            raise DataError(f"unknown write mode {mode!r}.{did_you_mean(str(mode), get_args(Mode))}")
        table = self._table(source, symbol, timeframe)
        frame = _whole_microseconds(symbol_frame(_only(check_bars(bars), symbol), symbol), symbol)
        with self._writing(table):
            stored = table.snapshot() if table.newest() else None
            frame, kind = _plan(table, stored, frame, mode)
            number = stored.version if stored else 0
            if set_aside is not None and len(set_aside):
                self._keep_set_aside(table, set_aside, number + (1 if kind else 0))
            if kind is None:
                return number
            note = {"content_hash": content_hash(bars_of({symbol: frame})), "mode": mode, "rows": str(len(frame))}
            return table.commit(frame, kind, note)

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
        table, snapshot = self._found(source, symbol, timeframe, version)
        first, last = utc_range(start, end)
        frame = table.read(snapshot, first, last)
        if frame.empty:
            span = (
                f"{snapshot.parts[0].first:%Y-%m-%d %H:%M} to {snapshot.parts[-1].last:%Y-%m-%d %H:%M}"
                if snapshot.parts
                else "nothing"
            )
            raise DataError(
                f"{table.label} has no bar from {start or 'the start'} to {end or 'the end'}; it holds {span}"
            )
        return bars_of({symbol: frame}), snapshot.version

    def versions(self, source: str, symbol: str, timeframe: str) -> pd.DataFrame:
        """Return the versions of a series, oldest first: version, updated, mode, rows written, content_hash of them."""
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

    def list(self, source: str | None = None) -> pd.DataFrame:
        """Return one row a series: source, symbol, timeframe, bars, first, last, version, bytes, updated, status.

        ``status`` is ``"ok"``, or the one line that says why a damaged series cannot be read.
        """
        rows = []
        for name, timeframe, symbol in self._series():
            if source is None or name == source:
                rows.append(
                    {
                        "source": name,
                        "symbol": symbol,
                        "timeframe": timeframe,
                        **_row(self._table(name, symbol, timeframe)),
                    }
                )
        columns = ["source", "symbol", "timeframe", "bars", "first", "last", "version", "bytes", "updated", "status"]
        return pd.DataFrame(rows, columns=columns)

    def sources(self) -> tuple[str, ...]:
        """Return the sources that hold at least one series, sorted."""
        return tuple(sorted({s for s, _, _ in self._series()}))

    def symbols(self, source: str, timeframe: str) -> tuple[str, ...]:
        """Return the stored symbols of a source at a time frame, sorted."""
        wanted = (source, canonical_timeframe(timeframe))
        return tuple(sorted(symbol for s, t, symbol in self._series() if (s, t) == wanted))

    def has(self, source: str, symbol: str, timeframe: str) -> bool:
        """Tell whether a series is stored."""
        return self._table(source, symbol, timeframe).newest() > 0

    def set_aside(self, source: str, symbol: str, timeframe: str, version: int | None = None) -> pd.DataFrame:
        """Return the findings of bars that imports left out, up to a version."""
        records = self._read_set_aside(self._table(source, symbol, timeframe))
        frame = pd.DataFrame(
            [r for r in records if version is None or r["version"] <= version], columns=[*SET_ASIDE_COLUMNS, "version"]
        )
        frame["time"] = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
        frame["value"] = frame["value"].astype(float)
        return frame[list(SET_ASIDE_COLUMNS)]

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
            raise DataError(self._missing(source, symbol, timeframe))
        if version is not None and not 0 < version <= newest:
            raise DataError(f"{table.label} has no version {version}; its versions are 1 to {newest}")
        return table, table.snapshot(version)

    def _missing(self, source: str, symbol: str, timeframe: str) -> str:
        series = [*self._series()]
        if source not in {s for s, _, _ in series}:
            names = {s for s, _, _ in series}
            hint = (
                did_you_mean(source, names)
                if names
                else " The store is empty; import a file with 'workbench data import'."
            )
            return f"the store holds no source {source!r}.{hint}"
        lengths = sorted({t for s, t, name in series if s == source and name == symbol})
        if lengths:
            return f"{symbol} of {source!r} is stored at {', '.join(lengths)}, not at {timeframe}"
        known = {name for s, t, name in series if s == source and t == canonical_timeframe(timeframe)}
        hint = did_you_mean(symbol, known) if known else f" It holds no series at {timeframe}."
        return f"source {source!r} holds no symbol {symbol!r} at {timeframe}.{hint}"

    @contextmanager
    def _writing(self, table: SeriesTable) -> Iterator[None]:
        try:
            with file_lock(table.folder / "_lock", f"writing {table.label}", timeout=60):
                yield
        except OSError as err:
            raise DataError(
                f"cannot write {table.label} in {table.folder}: {err.strerror or err}; free space or make the folder writable"
            ) from err

    def _keep_set_aside(self, table: SeriesTable, findings: pd.DataFrame, version: int) -> None:
        kept = self._read_set_aside(table)
        known = {_identity(r) for r in kept}
        for row in findings[list(SET_ASIDE_COLUMNS)].to_dict("records"):
            record = {str(k): v for k, v in row.items()}
            record["time"] = None if pd.isna(record["time"]) else pd.Timestamp(record["time"]).isoformat()
            record["value"] = None if pd.isna(record["value"]) else repr(float(record["value"]))
            if _identity(record) not in known:
                known.add(_identity(record))
                kept.append({**record, "version": version})
        atomic_write(_set_aside_path(table), json.dumps(kept, indent=1))

    def _read_set_aside(self, table: SeriesTable) -> list[dict[str, object]]:
        path = _set_aside_path(table)
        if not path.is_file():
            return []
        try:
            return list(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, OSError) as err:
            raise DataError(
                f"the list of set-aside bars {path} is damaged ({err}); move it away and import the file again"
            ) from err


def _set_aside_path(table: SeriesTable) -> Path:
    return table.folder / "_quality" / "set_aside.json"


def _identity(record: dict[str, object]) -> tuple[object, ...]:
    return tuple(record[c] for c in SET_ASIDE_COLUMNS)


def _only(bars: Bars, symbol: str) -> Bars:
    if symbols_of(bars) != (symbol,):
        raise DataError(f"write takes bars of {symbol!r} alone, got bars of {', '.join(symbols_of(bars))}")
    return bars


def _whole_microseconds(frame: pd.DataFrame, symbol: str) -> pd.DataFrame:
    if frame.empty:
        raise DataError(f"bars of {symbol!r} hold no traded bar")
    nanoseconds = pd.DatetimeIndex(frame.index).as_unit("ns").asi8
    if (nanoseconds % 1000).any():
        raise DataError(f"bars of {symbol!r} have times finer than a microsecond; floor them to the time frame")
    frame.index = pd.DatetimeIndex(frame.index, name="time").as_unit("us")
    return frame


def _plan(
    table: SeriesTable, stored: Snapshot | None, frame: pd.DataFrame, mode: Mode
) -> tuple[pd.DataFrame, Literal["append", "overwrite"] | None]:
    """Return the rows to write and how, or ``None`` where nothing changes."""
    if stored is None or not stored.parts:
        return frame, "overwrite"
    if mode == "replace":
        return frame, None if _holds(table, stored, frame) else "overwrite"
    last = stored.parts[-1].last
    old = table.read(stored, frame.index[0]) if frame.index[0] <= last else frame.iloc[:0]
    shared = frame.index.intersection(old.index)
    _refuse_contradiction(table, old.loc[shared], frame.loc[shared])
    new = frame.loc[frame.index.difference(shared)]
    if new.empty:
        return frame, None
    if new.index[0] > last:
        return new, "append"
    if mode == "append":
        raise DataError(
            f"cannot append to {table.label}: {new.index[0]} lies before its last bar {last}; use mode='merge' to fill holes"
        )
    return pd.concat([table.read(stored), new]).sort_index(), "overwrite"


def _holds(table: SeriesTable, stored: Snapshot, frame: pd.DataFrame) -> bool:
    try:
        return len(frame) == stored.rows and bool(frame.equals(table.read(stored)))
    except DataError:  # a damaged file: replacing it is what the caller asks for
        return False


def _refuse_contradiction(table: SeriesTable, old: pd.DataFrame, new: pd.DataFrame) -> None:
    differs = old.to_numpy() != new.to_numpy()
    if not differs.any():
        return
    row, column = (int(i[0]) for i in differs.nonzero())
    time, field = old.index[row], str(old.columns[column])
    count = int(differs.any(axis=1).sum())
    raise BarsError(
        f"{table.label} already holds {time:%Y-%m-%d %H:%M} with {field} {old.iat[row, column]:g}, not {new.iat[row, column]:g} "
        f"({count} bar(s) differ); use another source name, or mode='replace'",
        symbol=table.label.split(" ", 1)[0], time=time, field=field, value=float(new.iat[row, column]),
    )  # fmt: skip


def _row(table: SeriesTable) -> dict[str, object]:
    try:
        snapshot = table.snapshot()
    except DataError as err:
        return {
            "bars": 0,
            "first": pd.NaT,
            "last": pd.NaT,
            "version": -1,
            "bytes": 0,
            "updated": pd.NaT,
            "status": str(err),
        }
    first, last = (snapshot.parts[0].first, snapshot.parts[-1].last) if snapshot.parts else (pd.NaT, pd.NaT)
    return {
        "bars": snapshot.rows, "first": first, "last": last, "version": snapshot.version,
        "bytes": snapshot.size, "updated": snapshot.updated, "status": "ok",
    }  # fmt: skip
