"""What the overlays of a candle chart draw: events with bar numbers in the place of times, each with its known bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.candlerows import of_symbol, one_symbol
from workbench.config import OVERLAYS, did_you_mean
from workbench.errors import ConfigError
from workbench.typing import Bars, FloatArray, IntArray

NOT_YET = int(np.iinfo(np.int64).max)
"""Bar number of what has not happened by the last bar."""

_DAY, _WEEK = np.timedelta64(1, "D"), np.timedelta64(7, "D")
_REGIMES = ("trend_regime", "vol_regime", "critical_event")

Arrays = dict[str, Any]
"""Columns of one kind of event as arrays of shape (n_events,), in the order in which they became known."""


@dataclass(frozen=True)
class Pattern:
    """One pattern: its points, joined by lines, and the bar at whose close it was known."""

    kind: str
    name: str
    direction: int
    score: float
    known: int
    bars: tuple[int, ...]
    prices: tuple[float, ...]


@dataclass(frozen=True)
class ChartEvents:
    """Events of one symbol by family; a family that was not asked for is empty.

    Attributes
    ----------
    structure : dict of kind to arrays
        Columns of `workbench.features.structure.EVENT_COLUMNS`, bars by number.
    patterns : tuple of Pattern
        In the order in which they became known.
    regimes : dict of feature to array (n_bars,)
        Values at the close of each bar, the bars' numbers ``i`` and their ``high``.
    """

    structure: dict[str, Arrays] = field(default_factory=dict)
    patterns: tuple[Pattern, ...] = ()
    regimes: Arrays = field(default_factory=dict)


def chart_events(bars: Bars, symbol: str, overlays: Sequence[str], *, first: int = 0) -> ChartEvents:
    """Look for the events of one symbol that a chart is to draw.

    Parameters
    ----------
    bars
        Bars by the house's convention, closed ones only.
    symbol
        One of their symbols.
    overlays
        Some of ``smart_money``, ``patterns`` and ``regimes``.
    first
        Number of the symbol's first bar on the chart, as in column ``i`` of `candle_rows`.

    Returns
    -------
    ChartEvents
        Of all bars. What of it is known at an earlier bar is exactly what would have been found there: `Overlays.draw`
        leaves out the rest.

    Raises
    ------
    ConfigError
        An unknown overlay.
    DataError
        Bars without a field that an overlay needs.
    """
    for name in overlays:
        if name not in OVERLAYS:
            raise ConfigError(f"there is no overlay {name!r}.{did_you_mean(str(name), OVERLAYS)}")
    own = of_symbol(bars, symbol)
    found = ChartEvents()
    if len(own) == 0:
        return found
    if "smart_money" in overlays:
        found = replace(found, structure=_structure(own, symbol, first))
    if "patterns" in overlays:
        found = replace(found, patterns=_patterns(own, symbol, first))
    if "regimes" in overlays:
        found = replace(found, regimes=_regimes(own, symbol, first))
    return found


def _structure(own: Bars, symbol: str, first: int) -> dict[str, Arrays]:
    from workbench.features.structure import smart_money_events

    kinds = ["swing", "bos", "choch", "fvg", "order_block", "liquidity", *_levels(own)]
    table = smart_money_events(own, symbol, kinds=kinds)
    arrays: Arrays = {c: table[c].to_numpy() for c in ("direction", "top", "bottom", "level")}
    for name in ("origin", "known", "touched", "ended"):
        arrays[name] = _numbers(own, table[name], first)
    kind = table["kind"].astype(str).to_numpy()
    return {k: {name: values[kind == k] for name, values in arrays.items()} for k in kinds}


def _levels(own: Bars) -> list[str]:
    """Return the periods that are longer than a bar: their last high and low are levels worth a line."""
    step = np.median(np.diff(pd.DatetimeIndex(own.index).to_numpy())) if len(own) > 1 else _WEEK
    return [name for name, length in (("previous_1d", _DAY), ("previous_1w", _WEEK)) if step < length]


def _patterns(own: Bars, symbol: str, first: int) -> tuple[Pattern, ...]:
    from workbench.features.patterns import pattern_events

    table = pattern_events(own, symbol)
    if table.empty:
        return ()
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    times = pd.DatetimeIndex([time for row in rows for time, _ in row["points"]])
    bars = np.split(_numbers(own, times, first), np.cumsum([len(row["points"]) for row in rows])[:-1])
    known = _numbers(own, table["known"], first)
    return tuple(
        Pattern(
            kind=row["kind"],
            name=row["name"],
            direction=row["direction"],
            score=row["score"],
            known=int(at),
            bars=tuple(where.tolist()),
            prices=tuple(price for _, price in row["points"]),
        )
        for row, at, where in zip(rows, known, bars, strict=True)
    )


def _regimes(own: Bars, symbol: str, first: int) -> Arrays:
    from workbench.features import compute

    values = one_symbol(compute(own, list(_REGIMES)), symbol)
    arrays: Arrays = {name: _values(values[name]) for name in _REGIMES}
    return arrays | {"i": np.arange(first, first + len(own)), "high": _values(own[("high", symbol)])}


def _values(column: pd.Series) -> FloatArray:
    return column.to_numpy(dtype=np.float64)


def _numbers(own: Bars, times: pd.Series | pd.DatetimeIndex, first: int) -> IntArray:
    """Return the bar numbers of times, `NOT_YET` for NaT."""
    place = pd.DatetimeIndex(own.index).get_indexer(pd.DatetimeIndex(times))
    return np.where(place < 0, NOT_YET, place + first).astype(np.int64)
