"""From trackers to features: one number a bar, for a whole array and for one bar at a time by the same code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from workbench.features.structure.trackers import Prices
from workbench.typing import FloatArray, IntArray

_ROOM = 1024


class Tracker(Protocol):
    """What a feature reads."""

    def grow(self, capacity: int) -> None:
        """Make room."""

    def advance(self, bars: Prices, start: int, stop: int) -> None:
        """Go on over bars ``start`` to ``stop - 1``."""


Maker = Callable[[int], Any]
"""Bars to make room for in, a `Tracker` out."""
Reading = Callable[[Any, Prices, slice], FloatArray]
"""A tracker, its bars and some of them in, the feature's values there out."""


def read(make: Maker, reading: Reading, warmup: int, **columns: FloatArray) -> FloatArray:
    """Return a feature over whole columns of bars, shape (n,), NaN on the first ``warmup`` rows."""
    n_bars = next(iter(columns.values())).size
    if n_bars <= warmup:
        return np.full(n_bars, np.nan)
    bars, tracker = Prices(**columns), make(n_bars)
    tracker.advance(bars, 0, n_bars)
    values = reading(tracker, bars, slice(0, n_bars))
    values[:warmup] = np.nan
    return values


def step(make: Maker, reading: Reading, warmup: int, *names: str) -> Callable[..., float]:
    """Return a function that takes one bar's values, in the order of the names, and returns the feature at that bar.

    It keeps the bars that it is given and what the tracker recorded of them; both get twice the room when it runs out.
    """
    types = {name: np.int64 if name == "time" else np.float64 for name in names}
    columns: dict[str, Any] = {name: np.zeros(_ROOM, dtype=types[name]) for name in names}
    tracker: Tracker = make(_ROOM)
    bars = Prices(**columns)
    t = -1

    def on_bar(*values: float) -> float:
        nonlocal t
        t += 1
        if t == columns[names[0]].size:
            for name in names:
                columns[name] = np.concatenate([columns[name], np.zeros(t, dtype=types[name])])
            bars.replace(**columns)
            tracker.grow(2 * t)
        for name, value in zip(names, values, strict=True):
            columns[name][t] = value
        tracker.advance(bars, t, t + 1)
        return float(reading(tracker, bars, slice(t, t + 1))[0]) if t >= warmup else np.nan

    return on_bar


def distance(level: FloatArray, at: IntArray, close: FloatArray) -> FloatArray:
    """Return level / close - 1 of the entries numbered, and 0 where the number is -1."""
    return np.where(at >= 0, level[at] / close - 1, 0.0)
