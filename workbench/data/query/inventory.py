"""What the store holds of a source: bars of each month, the venues they came from, and how fresh the series are.

Counted by queries over the files, so that no series has to be loaded for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import Settings, load_settings, parse_spec
from workbench.data.bars import symbol_frame
from workbench.data.dataset import available_symbols, load_bars
from workbench.data.quality.calendars import expected_times, infer_calendar
from workbench.data.query.sql import sql
from workbench.data.sources.sample import ingest_sample
from workbench.data.sources.synthetic import MARKETS
from workbench.data.store.barstore import open_store
from workbench.data.timeframes import canonical_timeframe, timeframe_delta

FRESH_BARS = 1
LATE_BARS = 24
REST_DAYS = 4
FRESHNESS_RULE = (
    f"Fresh: at most {FRESH_BARS} closed bar is missing at the end; late: at most {LATE_BARS}; stale: more. "
    f"A market that trades less than three quarters of its time may rest {REST_DAYS} more days."
)
"""How `freshness` decides, in words."""

_MONTH_COLUMNS = ("symbol", "month", "held", "expected", "share")
_OF_SOURCE = "from bars where source = $source and timeframe = $timeframe"
_MONTHS = (
    "select symbol, date_trunc('month', time) as month, epoch_us(time) % $step as phase, count(*) as held, "
    f"min(time) as first, max(time) as last {_OF_SOURCE} group by all order by all"
)
_SATURDAYS = f"select symbol, count(distinct time::date) as days {_OF_SOURCE} and dayofweek(time) = 6 group by symbol"
_SHARES = (
    "select symbol, venue, count(*) as bars, count(*) filter (repaired) as repaired "
    f"{_OF_SOURCE} group by symbol, venue order by symbol, bars desc, venue"
)


def month_table(
    source: str, timeframe: str, symbols: Sequence[str] | None = None, settings: Settings | None = None
) -> pd.DataFrame:
    """Return how many bars of each month are stored and how many there should be.

    Parameters
    ----------
    symbols : sequence of str, optional
        Default: all of the source at this time frame.

    Returns
    -------
    DataFrame
        One row a symbol and month from its first to its last bar, sorted, months without a bar too: symbol, month
        (its first moment, UTC), held, expected (by the symbol's own calendar, between its first and last bar), share
        (bars at expected times, 0 to 1; NaN where none is expected). Empty where there is no such series.
    """
    settings = settings or load_settings()
    step = timeframe_delta(timeframe)
    if parse_spec(source).name in MARKETS:
        return _joined({s: _months_by_calendar(t, step) for s, t in _drawn(source, timeframe, symbols, settings)})
    counts = _ask(_MONTHS, source, timeframe, settings, step=step.value // 1000)
    saturdays = _ask(_SATURDAYS, source, timeframe, settings).set_index("symbol")["days"]
    chosen = [s for s in counts["symbol"].unique() if symbols is None or s in symbols]
    months = {}
    for symbol in chosen:
        mine = counts[counts["symbol"] == symbol]
        if _around_the_clock(mine, int(saturdays.get(symbol, 0)), step):
            months[symbol] = _months_by_count(mine, step)
        else:
            months[symbol] = _months_by_calendar(_times(source, timeframe, symbol, settings), step)
    return _joined(months)


def source_shares(
    source: str, timeframe: str, symbols: Sequence[str] | None = None, settings: Settings | None = None
) -> pd.DataFrame:
    """Return from which venues the bars of each symbol came, and how many of them were repaired.

    Returns
    -------
    DataFrame
        One row a symbol and venue: symbol, venue, bars, repaired, share (of the symbol's bars, 0 to 1),
        repaired_share (repaired bars of this venue, as a share of the symbol's bars).
    """
    settings = settings or load_settings()
    if parse_spec(source).name in MARKETS:
        drawn = [(s, "synthetic", len(t), 0) for s, t in _drawn(source, timeframe, symbols, settings)]
        table = pd.DataFrame(drawn, columns=["symbol", "venue", "bars", "repaired"])
    else:
        table = _ask(_SHARES, source, timeframe, settings)
    table = table if symbols is None else table[table["symbol"].isin(list(symbols))].reset_index(drop=True)
    total = table.groupby("symbol")["bars"].transform("sum")
    return table.assign(share=table["bars"] / total, repaired_share=table["repaired"] / total)


def freshness(series: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Tell how far the newest bar of each series lies behind.

    Parameters
    ----------
    series : DataFrame
        As `BarStore.list` returns.
    now : Timestamp
        The time that it is measured at.

    Returns
    -------
    DataFrame
        ``series`` and three columns: age (time since the newest bar closed, never negative), behind (closed bars that
        are missing at the end, around the clock) and state: ``fresh``, ``late``, ``stale``, or ``damaged`` where the
        series cannot be read.

    Notes
    -----
    A bar of time t closes at t + time frame; rules in `FRESHNESS_RULE`. A market that rests is told by how densely
    its bars fill their span.
    """
    rows = [_fresh(row, now) for row in series.to_dict("records")]
    ages = pd.Series([age for age, _, _ in rows], index=series.index, dtype="timedelta64[us]")
    return series.assign(age=ages, behind=[n for _, n, _ in rows], state=[state for _, _, state in rows])


def _fresh(row: dict[Any, Any], now: pd.Timestamp) -> tuple[pd.Timedelta, int, str]:
    if not row["bars"] or pd.isna(row["last"]):
        return pd.NaT, 0, "damaged" if row["status"] != "ok" else "stale"  # type: ignore[return-value]
    step = timeframe_delta(row["timeframe"])
    age = max(now - (row["last"] + step), pd.Timedelta(0))
    dense = row["bars"] * step >= 0.75 * (row["last"] - row["first"] + step)
    excused = age if dense else max(age - pd.Timedelta(days=REST_DAYS), pd.Timedelta(0))
    behind = int(excused // step)
    return age, int(age // step), "fresh" if behind <= FRESH_BARS else "late" if behind <= LATE_BARS else "stale"


def _ask(query: str, source: str, timeframe: str, settings: Settings, **values: Any) -> pd.DataFrame:
    if source == "sample":
        ingest_sample(open_store(settings))
    return sql(query, settings, {"source": source, "timeframe": canonical_timeframe(timeframe), **values})


def _drawn(
    source: str, timeframe: str, symbols: Sequence[str] | None, settings: Settings
) -> list[tuple[str, pd.DatetimeIndex]]:
    """Return the times of the symbols of a synthetic market, which no store holds."""
    names = list(symbols or available_symbols(source, timeframe, settings))
    bars = load_bars(source, names, timeframe, settings=settings, identities="join")
    return [(s, pd.DatetimeIndex(symbol_frame(bars, s).index)) for s in names]


def _joined(months: dict[str, pd.DataFrame]) -> pd.DataFrame:
    tables = [table.assign(symbol=symbol) for symbol, table in sorted(months.items())]
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(_MONTH_COLUMNS))
    return joined[list(_MONTH_COLUMNS)]


def _times(source: str, timeframe: str, symbol: str, settings: Settings) -> pd.DatetimeIndex:
    query = f"select time {_OF_SOURCE} and symbol = $symbol order by time"
    return pd.DatetimeIndex(_ask(query, source, timeframe, settings, symbol=symbol)["time"])


def _around_the_clock(months: pd.DataFrame, saturdays: int, step: pd.Timedelta) -> bool:
    """Decide as `infer_calendar` does, from counts."""
    if step >= pd.Timedelta(weeks=1) or months["held"].sum() < 2:
        return True
    first, last = months["first"].min(), months["last"].max()
    days = pd.date_range(first.ceil("D"), last.floor("D"), freq="D")
    in_span = int((days.day_of_week == 5).sum())
    if in_span:
        return saturdays >= 0.5 * in_span
    return bool(months["held"].sum() >= 0.5 * ((last - first) / step + 1))


def _months_by_count(counts: pd.DataFrame, step: pd.Timedelta) -> pd.DataFrame:
    """Return held, expected and share of a market around the clock: slots of a grid are counted, not made."""
    phases = counts.groupby("phase")["held"].sum()
    phase = int(phases.index[int(phases.to_numpy().argmax())])
    first, last = counts["first"].min(), counts["last"].max()
    starts = _month_starts(first, last)
    stop = last + pd.Timedelta(1, unit="us")
    edges = pd.DatetimeIndex([*starts, stop]).as_unit("us").asi8.copy()
    edges[0] = first.as_unit("us").asm8.astype(np.int64)
    width = step.value // 1000
    slots = -((phase - edges) // width)  # grid times before each edge, counted from the phase
    expected = np.diff(slots)
    held = counts.groupby("month")["held"].sum().reindex(starts, fill_value=0).to_numpy()
    on_grid = counts[counts["phase"] == phase].groupby("month")["held"].sum().reindex(starts, fill_value=0).to_numpy()
    return _shares_of(starts, held, expected, on_grid)


def _months_by_calendar(times: pd.DatetimeIndex, step: pd.Timedelta) -> pd.DataFrame:
    wanted = expected_times(times, step, infer_calendar(times, step))
    starts = _month_starts(times[0], times[-1])
    place = starts.searchsorted(wanted, side="right") - 1
    expected = np.bincount(place, minlength=len(starts))
    present = np.bincount(place, weights=wanted.isin(times), minlength=len(starts))
    held = np.bincount(starts.searchsorted(times, side="right") - 1, minlength=len(starts))
    return _shares_of(starts, held, expected, present)


def _shares_of(starts: pd.DatetimeIndex, held: np.ndarray, expected: np.ndarray, present: np.ndarray) -> pd.DataFrame:
    share = np.divide(present, expected, out=np.full(len(starts), np.nan), where=expected > 0)
    return pd.DataFrame({"month": starts, "held": held, "expected": expected, "share": share})


def _month_starts(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    begin = pd.Timestamp(first.year, first.month, 1, tz="UTC")
    return pd.date_range(begin, last, freq="MS").as_unit("us")
