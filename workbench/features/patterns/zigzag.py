"""Registered features of the ZigZag itself: direction, age and size of its legs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.features.patterns.follow import PivotFollower
from workbench.features.patterns.pivots import (
    ATR_WINDOW,
    PIVOT_BOUNDS,
    PIVOT_RULES,
    THRESHOLD,
    Pivots,
    latest,
    pivot_warmup,
    zigzag_pivots,
)
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray, IntArray

_Row = tuple[int, int, float, int]
_At = Callable[[int, float, _Row, _Row | None], float]


def _follow(value: _At) -> Callable[..., Step]:
    """Return the maker of a step: ``value(bar, close, newest pivot, the one before)`` once there is a pivot."""

    def make(*, threshold: float, atr_window: int) -> Step:
        follower = PivotFollower(threshold, atr_window)

        def step(high: float, low: float, close: float) -> float:
            follower.take(high, low, close)
            if follower.bar < atr_window:
                return np.nan
            rows = follower.rows
            return value(follower.bar, close, rows[-1], rows[-2] if len(rows) > 1 else None) if rows else 0.0

        return step

    return make


def _on_bars(
    high: FloatArray, low: FloatArray, close: FloatArray, threshold: float, atr_window: int, needed: int = 1
) -> tuple[Pivots, FloatArray, IntArray, IntArray]:
    """Return the pivots, a result of zeros with NaN on the warm-up, the bars with ``needed`` pivots, their newest."""
    pivots = zigzag_pivots(high, low, close, threshold=threshold, atr_window=atr_window)
    out = np.zeros(close.size)
    out[:atr_window] = np.nan
    newest = latest(pivots.known, close.size)
    bars: IntArray = np.flatnonzero(newest >= needed - 1)
    return pivots, out, bars, newest[bars]


@indicator(
    "zigzag_direction",
    warmup=pivot_warmup,
    family="patterns",
    bounds=PIVOT_BOUNDS,
    rules=PIVOT_RULES,
    recursive=True,
    stream=_follow(lambda _bar, _close, last, _before: float(-last[3])),
)
def zigzag_direction(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Direction of the ZigZag's running leg: 1 after a confirmed low, -1 after a confirmed high, 0 before the first.

    Parameters
    ----------
    high, low, close
        Prices of one symbol's bars, shape (n,).
    threshold
        Reversal that confirms a pivot, in average true ranges of ``atr_window`` bars; a fraction where that is 0.
    """
    pivots, out, bars, newest = _on_bars(high, low, close, threshold, atr_window)
    out[bars] = -pivots.side[newest]
    return out


@indicator(
    "zigzag_age",
    warmup=pivot_warmup,
    family="patterns",
    bounds=PIVOT_BOUNDS,
    rules=PIVOT_RULES,
    recursive=True,
    stream=_follow(lambda bar, _close, last, _before: float(bar - last[0])),
)
def zigzag_age(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Bars since the newest confirmed pivot's own bar, at least 1; 0 before the first pivot."""
    pivots, out, bars, newest = _on_bars(high, low, close, threshold, atr_window)
    out[bars] = bars - pivots.origin[newest]
    return out


@indicator(
    "zigzag_leg",
    warmup=pivot_warmup,
    family="patterns",
    bounds=PIVOT_BOUNDS,
    rules=PIVOT_RULES,
    recursive=True,
    stream=_follow(lambda _bar, close, last, _before: close / last[2] - 1.0),
)
def zigzag_leg(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Size of the running leg: the close over the newest confirmed pivot's price, less 1; 0 before the first pivot."""
    pivots, out, bars, newest = _on_bars(high, low, close, threshold, atr_window)
    out[bars] = close[bars] / pivots.price[newest] - 1.0
    return out


@indicator(
    "zigzag_swing",
    warmup=pivot_warmup,
    family="patterns",
    bounds=PIVOT_BOUNDS,
    rules=PIVOT_RULES,
    recursive=True,
    stream=_follow(lambda _bar, _close, last, before: last[2] / before[2] - 1.0 if before else 0.0),
)
def zigzag_swing(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Size of the newest finished leg, from pivot to pivot, as a signed fraction; 0 before there are two pivots."""
    pivots, out, bars, newest = _on_bars(high, low, close, threshold, atr_window, needed=2)
    out[bars] = pivots.price[newest] / pivots.price[newest - 1] - 1.0
    return out


@indicator(
    "zigzag_retracement",
    warmup=pivot_warmup,
    family="patterns",
    bounds=PIVOT_BOUNDS,
    rules=PIVOT_RULES,
    recursive=True,
    stream=_follow(lambda _bar, close, last, before: (close - last[2]) / (before[2] - last[2]) if before else 0.0),
)
def zigzag_retracement(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Part of the newest finished leg that the close has taken back: 0 at its end, 1 at its start, more beyond it."""
    pivots, out, bars, newest = _on_bars(high, low, close, threshold, atr_window, needed=2)
    end, start = pivots.price[newest], pivots.price[newest - 1]
    out[bars] = (close[bars] - end) / (start - end)
    return out
