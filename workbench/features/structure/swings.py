"""Features of swings and of the structure that they make: distances, breaks, trend, dealing range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.features.registry import Step, StepMaker, indicator
from workbench.features.structure.readings import Reading, distance, read, step
from workbench.features.structure.trackers import BreakTracker, DealingTracker, Prices, SwingTracker
from workbench.typing import FloatArray

LONGEST = 100_000
FAMILY: Any = dict(
    warmup=lambda swing_length, **_: 2 * swing_length - 1,
    family="structure",
    recursive=True,
    bounds={"swing_length": (1, LONGEST)},
)
"""The first swing can be known on bar 2 swing_length - 1, counted from 0; which swings count depends on all before."""


def _streamed(tracker: Callable[..., Any], reading: Reading, *names: str) -> StepMaker:
    def make(*, swing_length: int) -> Step:
        return step(lambda n: tracker(n, swing_length=swing_length), reading, 2 * swing_length - 1, *names)

    return make


def _high_distance(tracker: SwingTracker, bars: Prices, rows: slice) -> FloatArray:
    return distance(tracker.swings.level, tracker.swings.top[rows], bars.close[rows])


def _low_distance(tracker: SwingTracker, bars: Prices, rows: slice) -> FloatArray:
    return distance(tracker.swings.level, tracker.swings.bottom[rows], bars.close[rows])


def _age(tracker: SwingTracker, bars: Prices, rows: slice) -> FloatArray:  # noqa: ARG001
    swings = tracker.swings
    newest = np.maximum(swings.top[rows], swings.bottom[rows])
    return np.where(newest >= 0, np.arange(rows.start, rows.stop) - swings.origin[newest], 0.0)


def _break_of(character: int) -> Reading:
    def reading(tracker: BreakTracker, bars: Prices, rows: slice) -> FloatArray:  # noqa: ARG001
        breaks = tracker.breaks
        at = breaks.at[rows]
        return np.where((at >= 0) & (breaks.character[at] == character), breaks.direction[at], 0).astype(np.float64)

    return reading


def _trend(tracker: BreakTracker, bars: Prices, rows: slice) -> FloatArray:  # noqa: ARG001
    return tracker.breaks.trend[rows].astype(np.float64)


def _place(tracker: DealingTracker, bars: Prices, rows: slice) -> FloatArray:
    top, bottom = tracker.dealing.top[rows], tracker.dealing.bottom[rows]
    span = top - bottom
    wide = span > 0  # NaN of an unknown range is not
    return np.where(wide, (bars.close[rows] - bottom) / np.where(wide, span, 1.0), 0.5)


def _current(tracker: DealingTracker, bars: Prices, rows: slice) -> FloatArray:  # noqa: ARG001
    return tracker.dealing.current[rows].copy()


def _deepest(tracker: DealingTracker, bars: Prices, rows: slice) -> FloatArray:  # noqa: ARG001
    return tracker.dealing.deepest[rows].copy()


_BOS, _CHOCH = _break_of(0), _break_of(1)
_HLC = ("high", "low", "close")


def _read(tracker: Callable[..., Any], reading: Reading, swing_length: int, **columns: FloatArray) -> FloatArray:
    return read(lambda n: tracker(n, swing_length=swing_length), reading, 2 * swing_length - 1, **columns)


@indicator("swing_high_distance", stream=_streamed(SwingTracker, _high_distance, *_HLC), **FAMILY)
def swing_high_distance(high: FloatArray, low: FloatArray, close: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """Distance from the close to the last known swing high, level / close - 1; 0 before the first one."""
    return _read(SwingTracker, _high_distance, swing_length, high=high, low=low, close=close)


@indicator("swing_low_distance", stream=_streamed(SwingTracker, _low_distance, *_HLC), **FAMILY)
def swing_low_distance(high: FloatArray, low: FloatArray, close: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """Distance from the close to the last known swing low, level / close - 1; 0 before the first one."""
    return _read(SwingTracker, _low_distance, swing_length, high=high, low=low, close=close)


@indicator("swing_age", stream=_streamed(SwingTracker, _age, "high", "low"), **FAMILY)
def swing_age(high: FloatArray, low: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """Bars since the last known swing, high or low: ``swing_length`` or more; 0 before the first one."""
    return _read(SwingTracker, _age, swing_length, high=high, low=low)


@indicator("bos", stream=_streamed(BreakTracker, _BOS, *_HLC), **FAMILY)
def bos(high: FloatArray, low: FloatArray, close: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """Break of structure by this close: 1 upwards, -1 downwards, 0 none.

    The close lies beyond a known swing's level, in the direction of the last break; the first break counts as one.
    """
    return _read(BreakTracker, _BOS, swing_length, high=high, low=low, close=close)


@indicator("choch", stream=_streamed(BreakTracker, _CHOCH, *_HLC), **FAMILY)
def choch(high: FloatArray, low: FloatArray, close: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """Change of character by this close: a break of a known swing's level against the last break; 1, -1 or 0."""
    return _read(BreakTracker, _CHOCH, swing_length, high=high, low=low, close=close)


@indicator("trend_state", stream=_streamed(BreakTracker, _trend, *_HLC), **FAMILY)
def trend_state(high: FloatArray, low: FloatArray, close: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """Direction of the market's structure: that of the last break, 1 or -1; 0 before the first one."""
    return _read(BreakTracker, _trend, swing_length, high=high, low=low, close=close)


@indicator("premium_discount", stream=_streamed(DealingTracker, _place, *_HLC), **FAMILY)
def premium_discount(high: FloatArray, low: FloatArray, close: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """Place of the close in the dealing range: 0 bottom, 1 top; above 0.5 is premium, below it discount.

    The range reaches from the last known swing low to the last known swing high, each moved out by prices beyond it
    since. 0.5 until both are known, and in a range without width.
    """
    return _read(DealingTracker, _place, swing_length, high=high, low=low, close=close)


@indicator("retracement", stream=_streamed(DealingTracker, _current, "high", "low"), **FAMILY)
def retracement(high: FloatArray, low: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """How far this bar has come back from the last known swing to the one before, as a fraction of their distance.

    After a swing high: (high of the swing - low) / (high of the swing - last swing low); mirrored after a swing low.
    Below 0 beyond the swing, above 1 beyond the other. 0 until both are known, and where they do not lie apart.
    """
    return _read(DealingTracker, _current, swing_length, high=high, low=low)


@indicator("deepest_retracement", stream=_streamed(DealingTracker, _deepest, "high", "low"), **FAMILY)
def deepest_retracement(high: FloatArray, low: FloatArray, *, swing_length: int = 10) -> FloatArray:
    """The largest `retracement` since the last known swing, the bars until it was known among them; 0 until known."""
    return _read(DealingTracker, _deepest, swing_length, high=high, low=low)
