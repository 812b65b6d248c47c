"""The universe at a past date: what traded then, by what was known then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.data.bars import symbol_frame
from workbench.data.store.barstore import BarStore
from workbench.data.timeframes import timeframe_delta, utc_range, utc_time
from workbench.data.universe.identities import IDENTITIES, Identity, identities_of, identity_at
from workbench.data.universe.spans import stored_symbols
from workbench.errors import DataError
from workbench.typing import FloatArray, IntArray

Measure = Literal["quote_volume", "volume"]
MEASURES = ("quote_volume", "volume")
_FRESH = pd.Timedelta("1D")
_COLUMNS = ("rank", "symbol", "asset", "value", "share", "bars", "first", "last")


@dataclass(frozen=True, eq=False)
class _Series:
    """One symbol as running sums: ``ends`` are close times (ns), ``total[i]`` sums the first i bars."""

    symbol: str
    ends: IntArray
    total: FloatArray
    edges: tuple[int, ...]  # close times (ns) up to which an earlier asset had the symbol


def universe_at(
    store: BarStore,
    source: str,
    timeframe: str,
    date: object,
    top: int = 30,
    by: Measure = "quote_volume",
    window: str = "30d",
    table: Iterable[Identity] = IDENTITIES,
) -> pd.DataFrame:
    """Return the most traded symbols at a past date, as they were known then.

    Only bars that had closed by ``date`` are looked at. A symbol belongs to the universe while its newest such bar is
    no older than one day (or one bar) before the newest such bar of any symbol of the source, so a coin that died later
    is in, one that died before is out, and an outage of the whole venue takes nobody out.

    Parameters
    ----------
    date : str or Timestamp
        UTC.
    top : int
        So many at most.
    by : {"quote_volume", "volume"}
        Sum over the window of close × volume, or of volume.
    window : str
        Such as ``30d``; bars that an earlier asset left under the same symbol do not count.

    Returns
    -------
    DataFrame
        Best first: rank (from 1), symbol, asset (see `workbench.data.universe.identities`), value, share (of the value
        of all symbols then trading), bars (in the window), first and last (open times of its first and newest bar by
        then).

    Raises
    ------
    DataError
        When the source holds no series at this time frame, or nothing traded by that date.
    """
    moment = utc_time(date, "date")
    if moment is None:
        raise DataError("a universe needs a date, such as '2021-06-01'")
    _check(top, by)
    table, length, delta = tuple(table), timeframe_delta(window), timeframe_delta(timeframe)
    series = [_load(store, source, s, timeframe, by, moment, table) for s in stored_symbols(store, source, timeframe)]
    known = [s for s in series if s is not None]
    if not known:
        raise DataError(f"source {source!r} has no {timeframe} bar that had closed by {moment:%Y-%m-%d %H:%M}")
    value, bars = _values(known, np.array([moment.value]), length.value, delta.value)
    order, everything = _ranked(value[0], top), float(np.nansum(value[0]))
    rows = []
    for rank, column in enumerate(order, start=1):
        one = known[column]
        start = int(np.searchsorted(one.ends, _last_edge(one.edges, moment.value), side="right"))
        first, last = (_time(int(one.ends[i]) - delta.value) for i in (start, -1))
        share = float(value[0, column]) / everything if everything > 0 else float("nan")
        asset = identity_at(source, one.symbol, last, table)
        rows.append((rank, one.symbol, asset, float(value[0, column]), share, int(bars[0, column]), first, last))
    return pd.DataFrame(rows, columns=list(_COLUMNS)).set_index("rank")


def membership(
    store: BarStore,
    source: str,
    timeframe: str,
    start: object,
    end: object,
    rebalance: str = "1M",
    top: int = 30,
    by: Measure = "quote_volume",
    window: str = "30d",
    table: Iterable[Identity] = IDENTITIES,
) -> pd.DataFrame:
    """Return who belonged to the universe at each bar: a mask for backtests without survivors' bias.

    At each rebalance the symbols are chosen as `universe_at` does; between two of them a symbol stays until it has not
    traded for a day (or one bar) while others have.

    Parameters
    ----------
    start, end : str or Timestamp
        UTC; rows are the bar times in ``start <= time < end``.
    rebalance : str
        ``1M`` (the first of each month), or a length such as ``1w`` (Mondays) or ``1d``.

    Returns
    -------
    DataFrame, bool
        Times × symbols that are ever chosen. The row of a bar uses only bars that closed by its open, so the mask can
        be applied to what is decided at that bar.
    """
    first, last = utc_range(start, end)
    if first is None or last is None:
        raise DataError("membership needs a start and an end, such as '2021-01-01' and '2022-01-01'")
    _check(top, by)
    table, length, delta = tuple(table), timeframe_delta(window), timeframe_delta(timeframe)
    symbols = stored_symbols(store, source, timeframe)
    series = [_load(store, source, s, timeframe, by, last, table) for s in symbols]
    known = [s for s in series if s is not None]
    times = np.unique(np.concatenate([s.ends - delta.value for s in known])) if known else np.empty(0, np.int64)
    times = times[(times >= first.value) & (times < last.value)]
    if not len(times):
        raise DataError(f"source {source!r} has no {timeframe} bar from {start} to {end}")
    dates = _rebalances(_time(int(times[0])), last, rebalance)
    values, _ = _values(known, dates, length.value, delta.value)
    chosen = np.zeros(values.shape, bool)
    for row in range(len(dates)):
        chosen[row, _ranked(values[row], top)] = True
    at = np.searchsorted(dates, times, side="right") - 1
    member = chosen[at] & _fresh(known, times, delta.value)
    ever = np.flatnonzero(chosen.any(axis=0))
    index = pd.DatetimeIndex(pd.to_datetime(times, utc=True), name="time").as_unit("us")
    columns = pd.Index([known[i].symbol for i in ever], name="symbol")
    return pd.DataFrame(member[:, ever], index=index, columns=columns)


def _check(top: int, by: str) -> None:
    if top < 1:
        raise DataError(f"top must be at least 1, got {top}")
    if by not in MEASURES:
        raise DataError(
            f"unknown measure {by!r}; a universe is ranked by {', '.join(MEASURES)}.{did_you_mean(by, MEASURES)}"
        )


def _load(
    store: BarStore, source: str, symbol: str, timeframe: str, by: str, end: pd.Timestamp, table: tuple[Identity, ...]
) -> _Series | None:
    """Read one symbol up to a time as running sums, or ``None`` when it had not begun by then."""
    delta = timeframe_delta(timeframe)
    try:
        frame = symbol_frame(store.read(source, symbol, timeframe, None, end), symbol)
    except DataError:
        if store.read(source, symbol, timeframe).index[0] < end:
            raise
        return None  # it began later
    frame = frame[frame.index <= end - delta]
    if frame.empty:
        return None
    size = frame["volume"].to_numpy() * (frame["close"].to_numpy() if by == "quote_volume" else 1.0)
    ends = pd.DatetimeIndex(frame.index).as_unit("ns").asi8 + delta.value
    lines = identities_of(source, symbol, table)
    breaks = [new.since for old, new in pairwise(lines) if old.asset != new.asset and new.since]
    edges = tuple(int(edge.value) + delta.value - 1 for edge in breaks)
    return _Series(symbol, ends, np.concatenate([[0.0], np.cumsum(size)]), edges)


def _values(known: list[_Series], dates: IntArray, window: int, delta: int) -> tuple[FloatArray, IntArray]:
    """Return the measure and the bars in the window, dates × symbols; NaN where a symbol does not trade then."""
    value = np.full((len(dates), len(known)), np.nan)
    bars = np.zeros(value.shape, np.int64)
    fresh = _fresh(known, dates, delta)
    for column, one in enumerate(known):
        stop = np.searchsorted(one.ends, dates, side="right")
        edge = np.array([_last_edge(one.edges, int(d)) for d in dates], np.int64)
        start = np.searchsorted(one.ends, np.maximum(dates - window, edge), side="right")
        bars[:, column] = np.maximum(stop - start, 0)
        alive = fresh[:, column] & (stop > start)
        value[alive, column] = (one.total[stop] - one.total[np.minimum(start, stop)])[alive]
    return value, bars


def _fresh(known: list[_Series], dates: IntArray, delta: int) -> np.ndarray:
    """Tell, dates × symbols, whether a symbol's newest closed bar is about as new as the newest of all."""
    never = np.iinfo(np.int64).min // 2
    newest = np.full((len(dates), len(known)), never, np.int64)
    for column, one in enumerate(known):
        stop = np.searchsorted(one.ends, dates, side="right")
        newest[:, column] = np.where(stop > 0, one.ends[np.maximum(stop - 1, 0)], never)
    limit = newest.max(axis=1, initial=never) - max(_FRESH.value, delta)
    return (newest > never) & (newest >= limit[:, None])


def _last_edge(edges: tuple[int, ...], moment: int) -> int:
    return max((e for e in edges if e <= moment), default=np.iinfo(np.int64).min // 2)


def _ranked(values: FloatArray, top: int) -> IntArray:
    """Return the columns with the largest values, best first; equal ones in the order of their columns."""
    order = np.argsort(-values, kind="stable")  # NaN come last
    return order[~np.isnan(values[order])][:top].astype(np.int64)


def _rebalances(first: pd.Timestamp, last: pd.Timestamp, rebalance: str) -> IntArray:
    if rebalance == "1M":
        dates = pd.date_range(first.normalize().replace(day=1), last, freq="MS")
    else:
        step = timeframe_delta(rebalance)
        monday = pd.Timestamp("1970-01-05", tz="UTC")  # weeks begin on Mondays
        dates = pd.date_range(monday + (first - monday) // step * step, last, freq=step)
    return dates.as_unit("ns").asi8.astype(np.int64)


def _time(nanoseconds: int) -> pd.Timestamp:
    return pd.Timestamp(nanoseconds, unit="ns", tz="UTC")
