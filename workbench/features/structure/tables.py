"""From the kernels' records to rows of the event table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.features.structure.records import Breaks, Pools, Spans, Swings, Zones
from workbench.features.structure.trackers import PERIODS, Prices
from workbench.typing import IntArray

Rows = dict[str, Any]
"""Columns of some rows; bars by number."""


def swing_rows(swings: Swings) -> Rows:
    """Return one row a swing."""
    n = swings.state[0]
    level = swings.level[:n]
    return _rows(
        "swing", swings.direction[:n], swings.origin[:n], swings.known[:n], level, level, ended=swings.ended[:n]
    )


def break_rows(swings: Swings, breaks: Breaks, kinds: set[str]) -> list[Rows]:
    """Return one row a break, of the kinds asked for."""
    n = breaks.state[0]
    parts = []
    for kind, character in (("bos", 0), ("choch", 1)):
        if kind in kinds:
            at = np.flatnonzero(breaks.character[:n] == character)
            swing = breaks.swing[at]
            level = swings.level[swing]
            parts.append(_rows(kind, breaks.direction[at], swings.origin[swing], breaks.known[at], level, level))
    return parts


def zone_rows(kind: str, sign: int, zones: Zones) -> Rows:
    """Return one row a gap or block."""
    n = zones.state[0]
    top, bottom = (zones.near, zones.far) if sign > 0 else (zones.far, zones.near)
    times = dict(touched=zones.touched[:n], ended=zones.ended[:n])
    return _rows(kind, np.full(n, sign), zones.origin[:n], zones.known[:n], top[:n], bottom[:n], **times)


def pool_rows(sign: int, swings: Swings, pools: Pools, tolerance: float) -> Rows:
    """Return one row a state of a pool."""
    n = pools.state[0]
    leader = pools.pool[:n]
    level = swings.level[leader]
    half = tolerance * level
    rows = _rows("liquidity", np.full(n, sign), swings.origin[leader], pools.known[:n], level + half, level - half)
    return rows | {"level": pools.level[:n], "touched": pools.swept[:n], "ended": pools.ended[:n]}


def span_rows(name: str, spans: Spans, prices: Prices) -> list[Rows]:
    """Return two rows a period, its high and its low, or one row a session; those that are over."""
    begun = spans.state[0]
    n = begun if begun and spans.known[begun - 1] >= 0 else max(begun - 1, 0)
    known, ended = spans.known[:n], np.append(spans.known[:begun], -1)[1 : n + 1]
    high_bar, low_bar = spans.high_bar[:n], spans.low_bar[:n]
    high, low = prices.high[high_bar], prices.low[low_bar]
    up, down = spans.high_broken[:n], spans.low_broken[:n]
    if name.removeprefix("previous_") in PERIODS:
        times: Any = dict(ended=ended)
        return [
            _rows(name, np.ones(n, dtype=np.int64), high_bar, known, high, high, touched=up, **times),
            _rows(name, -np.ones(n, dtype=np.int64), low_bar, known, low, low, touched=down, **times),
        ]
    left = np.where((up >= 0) & (down >= 0), np.minimum(up, down), np.maximum(up, down))
    first = spans.first[:n]
    return [_rows(f"session_{name}", np.zeros(n, dtype=np.int64), first, known, high, low, touched=left, ended=ended)]


def _rows(
    kind: str, direction: IntArray, origin: IntArray, known: IntArray, top: Any, bottom: Any, **more: Any
) -> Rows:
    none = np.full(origin.size, -1, dtype=np.int64)
    rows = {"kind": kind, "direction": direction, "origin": origin, "known": known}
    middle = top if top is bottom else (top + bottom) / 2
    return rows | {"top": top, "bottom": bottom, "level": middle, "touched": none, "ended": none} | more


def table(parts: Sequence[Rows], times: pd.DatetimeIndex, columns: Sequence[str]) -> pd.DataFrame:
    """Put rows together, in the order in which they become known, with times for bars."""
    numbers = [c for c in columns if c != "kind"]
    whole: Rows = {c: np.concatenate([p[c] for p in parts]) if parts else np.zeros(0) for c in numbers}
    kinds = list(dict.fromkeys(p["kind"] for p in parts))
    codes: IntArray = np.repeat([kinds.index(p["kind"]) for p in parts], [p["origin"].size for p in parts])
    order = np.argsort(whole["known"] * len(times) + whole["origin"], kind="stable")
    for name in ("origin", "known", "touched", "ended"):
        whole[name] = _times(whole[name], times)
    whole["kind"] = pd.Categorical.from_codes(codes, pd.Index(kinds, dtype=object))
    return pd.DataFrame({c: whole[c][order] for c in columns})


def _times(bar: IntArray, times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the open times of bars, NaT for -1."""
    return times.take(bar.astype(np.int64), allow_fill=True, fill_value=None)
