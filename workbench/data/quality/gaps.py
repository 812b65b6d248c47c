"""The gap table: every hole of a series with its cause and the evidence for it. It looks and mends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from workbench.config import Settings
from workbench.data.bars import symbol_frame
from workbench.data.quality.calendars import Calendar, infer_calendar, missing_times
from workbench.data.quality.causes import Evidence, Gap, cause_of
from workbench.data.store.barstore import BarStore
from workbench.data.timeframes import canonical_timeframe, timeframe_delta
from workbench.data.universe.breaks import Break, find_breaks
from workbench.data.universe.identities import Identity, identities_of, load_identities
from workbench.data.universe.spans import SILENCE, stored_symbols
from workbench.typing import IntArray

GAP_COLUMNS = ("symbol", "start", "end", "bars_missing", "cause", "others", "others_missing", "evidence")
_MANY_HOLES, _THIN = 10, 0.01


@dataclass(eq=False)
class _Series:
    symbol: str
    times: IntArray  # open times, ns since 1970
    own: IntArray  # those of bars that its own venue gave
    calendar: Calendar
    holes: list[tuple[pd.Timestamp, int]]
    breaks: list[Break]
    idle: int  # bars without volume
    notes: pd.DataFrame | None = None
    witness: bool = field(init=False)

    def __post_init__(self) -> None:
        # A market that often has no bar by itself says nothing about its venue; an outage is one hole, however long.
        self.witness = len(self.holes) < _MANY_HOLES or len(self.holes) <= _THIN * len(self.times)


def gap_table(
    store: BarStore,
    source: str,
    timeframe: str,
    symbols: Sequence[str] | None = None,
    *,
    edges: bool = False,
    settings: Settings | None = None,
    table: Iterable[Identity] | None = None,
    notes: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Return every gap of the stored series of a source, with its cause.

    Parameters
    ----------
    symbols : sequence of str, optional
        Series whose gaps are listed; default all. All other series of the source bear witness in any case.
    edges : bool
        Also list the time before a series' first bar and after its last one, measured against the whole source.
    settings : Settings, optional
        The home; brings its identities and what venues answered when bars were fetched.
    table, notes : optional
        Identities and, by symbol, what the venue said to be empty (start, stop, venue, cause), in place of the home's.

    Returns
    -------
    DataFrame
        Sorted by symbol and start: symbol, start (first missing open time), end (open time of the next bar),
        bars_missing (by the series' own calendar), cause, others (other series that traded around the gap),
        others_missing (of these, how many lack the same bars), evidence (one sentence).

    Notes
    -----
    Causes, in the order in which they are looked for:

    - ``delisted``: another asset has the symbol after the gap (`workbench.data.universe`), or the venue said so; at
      the end of a series, at least half of the other series go on for 7 days or more.
    - ``not_listed``: before the first bar, or the venue said so.
    - ``market_closed``: most other series with the same weekly sessions lack the same bars.
    - ``venue_down``: around the clock, most other series lack the same bars. A series bears witness when it has bars
      before and after the gap, and fewer than 10 holes or at most one hole in 100 bars; it lacks the same bars when
      its venue gave at most half of them. Bars of another venue and repaired ones bear no witness. One witness is
      enough; the table tells the counts.
    - ``no_trades``: the venue was asked and has no bar there, or the market trades thinly around the gap (at least 10
      other short holes of its own within 1,000 bars).
    - ``unknown``: none of these.
    """
    store_symbols = store.symbols(source, timeframe)
    chosen = stored_symbols(store, source, timeframe, symbols)
    delta = timeframe_delta(timeframe)
    lines = tuple(table) if table is not None else load_identities(settings)
    series = {s: _load(store, source, s, timeframe, delta, lines) for s in store_symbols}
    for symbol in chosen:
        series[symbol].notes = _notes(settings, source, symbol, timeframe) if notes is None else notes.get(symbol)
    rows: list[tuple[object, ...]] = []
    for symbol in chosen:
        one = series[symbol]
        others = [o for s, o in series.items() if s != symbol and o.witness and o.calendar == one.calendar]
        rows += _rows(one, others, identities_of(source, symbol, lines))
        if edges:
            rows += _edge_rows(one, [o for s, o in series.items() if s != symbol], delta.value)
    found = pd.DataFrame(rows, columns=list(GAP_COLUMNS))
    for column in ("start", "end"):
        found[column] = pd.to_datetime(found[column], utc=True).astype("datetime64[us, UTC]")
    return found.sort_values(["symbol", "start"], ignore_index=True)


def gap_summary(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return a gap table counted: one row a symbol, columns gaps, bars_missing and the missing bars of each cause."""
    from workbench.data.quality.causes import CAUSES

    total = gaps.groupby("symbol")["bars_missing"].agg(gaps="size", bars_missing="sum")
    by_cause = gaps.pivot_table(index="symbol", columns="cause", values="bars_missing", aggfunc="sum", fill_value=0)
    return total.join(by_cause.reindex(columns=list(CAUSES), fill_value=0).astype(int))


def _load(
    store: BarStore, source: str, symbol: str, timeframe: str, delta: pd.Timedelta, lines: tuple[Identity, ...]
) -> _Series:
    frame = symbol_frame(store.read(source, symbol, timeframe), symbol)
    times = pd.DatetimeIndex(frame.index)
    calendar = infer_calendar(times, delta)
    holes = missing_times(times, delta, calendar) if len(times) > 1 else []
    breaks = find_breaks(frame, symbol, source, lines)
    idle = int((frame["volume"].to_numpy() == 0).sum())
    told = store.provenance(source, symbol, timeframe)
    own = ((told["source"] == source) & ~told["repaired"]).to_numpy(dtype=bool)
    opens = times.as_unit("ns").asi8.astype(np.int64)
    return _Series(symbol, opens, opens if own.all() else opens[own], calendar, holes, breaks, idle)


def _notes(settings: Settings | None, source: str, symbol: str, timeframe: str) -> pd.DataFrame | None:
    if settings is None:
        return None
    from workbench.data.fetching.known_empty import known_empty

    return known_empty(settings, source, symbol, canonical_timeframe(timeframe))


def _rows(one: _Series, others: list[_Series], known: tuple[Identity, ...]) -> list[tuple[object, ...]]:
    if not one.holes:
        return []
    starts = np.array([t.value for t, _ in one.holes], np.int64)
    counts = np.array([n for _, n in one.holes], np.int64)
    ends = one.times[np.searchsorted(one.times, starts)]
    asked, lacking = _witnesses(starts, ends, counts, others)
    alone = _alone_nearby(one.times, starts, counts, lacking * 2 <= asked)
    rows: list[tuple[object, ...]] = []
    for row, (start, missing) in enumerate(one.holes):
        gap = Gap(start, pd.Timestamp(int(ends[row]), unit="ns", tz="UTC"), missing)
        evidence = Evidence(
            calendar=one.calendar, asked=int(asked[row]), lacking=int(lacking[row]), thin=int(alone[row]),
            has_idle_bars=one.idle > 0, breaks=one.breaks, identities=known, notes=one.notes,
        )  # fmt: skip
        cause, words = cause_of(gap, evidence)
        rows.append((one.symbol, gap.start, gap.end, missing, cause, int(asked[row]), int(lacking[row]), words))
    return rows


def _witnesses(starts: IntArray, ends: IntArray, counts: IntArray, others: list[_Series]) -> tuple[IntArray, IntArray]:
    """Return for each gap how many other series traded around it, and how many of them lack the same bars."""
    asked, lacking = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
    for other in others:
        first, stop = np.searchsorted(other.own, starts), np.searchsorted(other.own, ends)
        around = (first > 0) & (stop < len(other.own))
        asked += around
        lacking += around & (2 * (stop - first) <= counts)
    return asked, lacking


def _alone_nearby(times: IntArray, starts: IntArray, counts: IntArray, alone: np.ndarray) -> IntArray:
    """Return for each gap how many other short holes, its own ones, lie within 500 bars to either side."""
    place = np.searchsorted(times, starts)
    mine = place[alone & (counts <= 48)]
    near = np.searchsorted(mine, place + 500, side="right") - np.searchsorted(mine, place - 500)
    return np.maximum(near - 1, 0)


def _edge_rows(one: _Series, others: list[_Series], delta: int) -> list[tuple[object, ...]]:
    """Return the time before the first and after the last bar, where the rest of the source has bars."""
    rows: list[tuple[object, ...]] = []
    if not others:
        return rows
    first, stop = min(o.times[0] for o in others), max(o.times[-1] for o in others) + delta
    mine, done = int(one.times[0]), int(one.times[-1]) + delta
    if first < mine:
        there = sum(o.times[0] < mine for o in others)
        missing = max(int(np.searchsorted(o.times, mine)) for o in others)
        words = f"before its first bar; {there} of {len(others)} other series have bars by then"
        rows.append((one.symbol, _time(int(first)), _time(mine), missing, "not_listed", len(others), 0, words))
    if done < stop:
        there = sum(o.times[-1] >= done for o in others)
        missing = max(len(o.times) - int(np.searchsorted(o.times, done)) for o in others)
        gone = 2 * sum(o.times[-1] - int(one.times[-1]) >= max(SILENCE.value, delta) for o in others) >= len(others)
        words = f"after its last bar; {there} of {len(others)} other series go on, to {_time(int(stop)):%Y-%m-%d %H:%M}"
        words += "" if gone else "; too few or too short to call it delisted"
        cause = "delisted" if gone else "unknown"
        rows.append((one.symbol, _time(done), _time(int(stop)), missing, cause, len(others), 0, words))
    return rows


def _time(nanoseconds: int) -> pd.Timestamp:
    return pd.Timestamp(nanoseconds, unit="ns", tz="UTC")
