"""All patterns of one symbol as a table of events for a chart, each with the time at which it was known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.features.patterns.candles import CANDLES, candle_values
from workbench.features.patterns.divergence import (
    DIVERGENCE_NAMES,
    OSCILLATORS,
    find_divergences,
    oscillator_values,
    oscillator_warmup,
)
from workbench.features.patterns.elliott import ELLIOTT_NAMES, find_corrections, find_impulses
from workbench.features.patterns.harmonic import HARMONIC_NAMES, TOLERANCE, find_harmonics, reversal_zone
from workbench.features.patterns.pivots import (
    ATR_WINDOW,
    THRESHOLD,
    Candidates,
    Matches,
    Pivots,
    broken,
    zigzag_pivots,
)
from workbench.features.patterns.shapes import (
    DOUBLE_NAMES,
    HEAD_SHOULDERS_NAMES,
    TRIANGLE_NAMES,
    find_doubles,
    find_head_shoulders,
    find_triangles,
)
from workbench.features.registry import BAR_FIELDS
from workbench.typing import Bars, FloatArray

_Point = tuple[pd.Timestamp, float]
COLUMNS = ("kind", "name", "direction", "score", "known", "points", "zone_low", "zone_high")


@dataclass(frozen=True)
class _Kind:
    """How a kind of pattern is found, its names, and how many pivots its polyline has by name."""

    find: Callable[[Pivots], Matches | Candidates]
    names: tuple[str, ...]
    n_pivots: tuple[int, ...]


_CHART = {
    "harmonic": _Kind(find_harmonics, HARMONIC_NAMES, (5,) * 6),
    "elliott_impulse": _Kind(find_impulses, ELLIOTT_NAMES, (6, 6, 4, 4)),
    "elliott_correction": _Kind(find_corrections, ELLIOTT_NAMES, (6, 6, 4, 4)),
    "head_shoulders": _Kind(find_head_shoulders, HEAD_SHOULDERS_NAMES, (5, 5)),
    "double_top": _Kind(find_doubles, DOUBLE_NAMES, (3, 3)),
    "triangle": _Kind(find_triangles, TRIANGLE_NAMES, (5, 5, 5)),
}
CHART_KINDS = (*_CHART, "divergence")
"""Kinds that `pattern_events` looks for when none is named."""
PATTERN_KINDS = (*CHART_KINDS, "zigzag", "candle")
"""All kinds that it knows."""


def pattern_events(
    bars: Bars,
    symbol: str,
    *,
    kinds: Sequence[str] | None = None,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
    as_known: str | pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Return one symbol's patterns, at their default tolerances, in the order in which they became known.

    Parameters
    ----------
    bars
        Bars by the house's convention; rows where the symbol does not trade are left out.
    symbol
        One of their symbols.
    kinds
        Some of `PATTERN_KINDS`; None: `CHART_KINDS`, all but the bare ZigZag and the candlesticks.
    threshold, atr_window
        The ZigZag's reversal, see `zigzag_pivots`.
    as_known
        Show what was known when the bar of this time had closed.

    Returns
    -------
    pandas.DataFrame
        One row per event: ``kind``, ``name``, ``direction`` (1 up, -1 down: what the textbook expects next),
        ``score`` (0 to 1), ``known`` (open time of the bar at whose close it is known), ``points`` (tuples of time
        and price, to be joined by lines; a shape that a close completes ends with that close), and ``zone_low`` and
        ``zone_high``, a harmonic pattern's reversal zone.

    Raises
    ------
    ConfigError
        An unknown kind or symbol.
    DataError
        A field that is missing.

    Notes
    -----
    ``points`` lie before ``known``: a chart draws a pattern where it was, an analyst acts when it was known.
    """
    own = _own_bars(bars, symbol)
    chosen = _checked_kinds(kinds)
    times: Any = own.index
    if as_known is not None:
        own = own[times <= _utc(as_known)]
        times = own.index
    open_, high, low, close, volume = (np.ascontiguousarray(own[f].to_numpy(dtype=np.float64)) for f in BAR_FIELDS)
    pivots = zigzag_pivots(high, low, close, threshold=threshold, atr_window=atr_window)
    turns = list(zip(times[pivots.origin], pivots.price.tolist(), strict=True))
    rows: list[dict[str, Any]] = []
    for kind in chosen:
        if kind == "candle":
            rows += _candles(times, open_, high, low, close)
        elif kind == "zigzag":
            rows += _legs(times, turns, pivots)
        elif kind == "divergence":
            rows += _divergences(times, turns, pivots, close, volume)
        else:
            rows += _shapes(kind, _CHART[kind], times, turns, pivots, close)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    dtypes: dict[str, Any] = {
        "kind": "str",
        "name": "str",
        "direction": np.int64,
        "score": np.float64,
        "zone_low": np.float64,
        "zone_high": np.float64,
    }
    table = table.astype({**dtypes, "known": pd.DatetimeIndex(bars.index).dtype})
    return table.sort_values("known", kind="stable", ignore_index=True)


def _shapes(
    kind: str, how: _Kind, times: Any, turns: list[_Point], pivots: Pivots, close: FloatArray
) -> list[dict[str, Any]]:
    result = how.find(pivots)
    is_waiting = isinstance(result, Candidates)
    matches = broken(result, close) if isinstance(result, Candidates) else result
    closes = zip(times[matches.known], close[matches.known].tolist(), strict=True)
    tail = [[close_] if is_waiting else [] for close_ in closes]
    rows = _rows(kind, how.names, how.n_pivots, times, turns, matches, tail)
    if kind == "harmonic":
        for row, last in zip(rows, matches.last, strict=True):
            x, a, b, c = (float(p) for p in pivots.price[last - 4 : last])
            row["zone_low"], row["zone_high"] = reversal_zone(x, a, b, c, row["name"], TOLERANCE)
    return rows


def _divergences(
    times: Any, turns: list[_Point], pivots: Pivots, close: FloatArray, volume: FloatArray
) -> list[dict[str, Any]]:
    rows = []
    for name in OSCILLATORS:
        if close.size > oscillator_warmup(name):
            matches = find_divergences(pivots, oscillator_values(name, close, volume))
            names = tuple(f"{name}_{part}" for part in DIVERGENCE_NAMES)
            rows += _rows("divergence", names, (3,) * 4, times, turns, matches, [[]] * matches.last.size)
    for row in rows:
        row["points"] = row["points"][::2]  # a line from the first pivot to the second, without the one between
    return rows


def _rows(
    kind: str,
    names: tuple[str, ...],
    n_pivots: tuple[int, ...],
    times: Any,
    turns: list[_Point],
    matches: Matches,
    tail: list[list[_Point]],
) -> list[dict[str, Any]]:
    rows = []
    known = list(times[matches.known])
    for k in range(matches.known.size):
        code, last = int(matches.code[k]), int(matches.last[k])
        points = turns[last - n_pivots[code] + 1 : last + 1]
        rows.append(
            {
                "kind": kind,
                "name": names[code],
                "direction": int(matches.direction[k]),
                "score": float(matches.score[k]),
                "known": known[k],
                "points": tuple(points + tail[k]),
                "zone_low": np.nan,
                "zone_high": np.nan,
            }
        )
    return rows


def _legs(times: Any, turns: list[_Point], pivots: Pivots) -> list[dict[str, Any]]:
    """The confirmed ZigZag, one leg an event: it ends in the pivot confirmed."""
    rows = []
    known = list(times[pivots.known])
    for i in range(pivots.price.size):
        row = dict.fromkeys(COLUMNS, np.nan) | {"kind": "zigzag", "score": 1.0, "direction": -int(pivots.side[i])}
        row["name"] = "high" if pivots.side[i] > 0 else "low"
        row["known"] = known[i]
        row["points"] = tuple(turns[max(i - 1, 0) : i + 1])
        rows.append(row)
    return rows


def _candles(
    times: Any, open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray
) -> list[dict[str, Any]]:
    """Candlesticks: the score is TA-Lib's value over its largest, the point is the bar's close."""
    rows = []
    for name, candle in CANDLES.items():
        if close.size <= candle.lookback:
            continue
        values = candle_values(candle, open_, high, low, close, candle.penetration)
        shown = np.flatnonzero(np.nan_to_num(values))
        for value, when, price in zip(values[shown], times[shown], close[shown], strict=True):
            direction = 0 if candle.direction is None else int(np.sign(value))
            row = dict.fromkeys(COLUMNS, np.nan) | {"kind": "candle", "name": name, "direction": direction}
            row |= {"score": min(abs(float(value)), 1.0), "known": when, "points": ((when, float(price)),)}
            rows.append(row)
    return rows


def _own_bars(bars: Bars, symbol: str) -> pd.DataFrame:
    columns: Any = bars.columns
    symbols = list(columns.unique(1))
    if symbol not in symbols:
        raise ConfigError(f"these bars have no symbol {symbol!r}.{did_you_mean(str(symbol), symbols)}")
    missing = [f for f in BAR_FIELDS if (f, symbol) not in columns]
    if missing:
        raise DataError(f"patterns need the field {missing[0]!r} of {symbol}, which these bars lack; load it as well")
    own = pd.DataFrame({field: bars[(field, symbol)] for field in BAR_FIELDS}, index=bars.index)
    return own.dropna()


def _checked_kinds(kinds: Sequence[str] | None) -> tuple[str, ...]:
    if kinds is None:
        return CHART_KINDS
    chosen = (kinds,) if isinstance(kinds, str) else tuple(dict.fromkeys(kinds))
    for kind in chosen:
        if kind not in PATTERN_KINDS:
            raise ConfigError(f"there is no kind of pattern {kind!r}.{did_you_mean(str(kind), PATTERN_KINDS)}")
    return chosen


def _utc(when: str | pd.Timestamp) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(when)
    except (ValueError, TypeError) as err:
        raise ConfigError(f"as_known {when!r} is no time; write it like '2024-03-01 12:00'") from err
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
