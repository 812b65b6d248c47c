"""Kernels of the pattern features: the ZigZag that only confirms, line breaks after a pivot, ranges of segments.

The ZigZag's whole memory is one small array, so that a run over all bars, over pieces of them and bar by bar is the
same arithmetic: ``zigzag`` calls ``advance`` for each bar, and so does a stream.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray

STATE_SIZE = 12
# Places in the state. The start is all zeros.
BARS, LEG, HIGH, HIGH_BAR, HIGH_LEVEL, LOW, LOW_BAR, LOW_LEVEL, CLOSE, RANGE, PIVOT_BAR, PIVOT_PRICE = range(STATE_SIZE)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _average_range(s: FloatArray, high: float, low: float, close: float, window: int) -> None:
    """Take one bar into Wilder's average true range, seeded with the mean of its first ``window`` ranges."""
    bar = s[BARS]
    if bar > 0:
        true_range = max(high - low, abs(high - s[CLOSE]), abs(low - s[CLOSE]))
        if bar < window:
            s[RANGE] += true_range
        elif bar == window:
            s[RANGE] = (s[RANGE] + true_range) / window
        else:
            s[RANGE] = (s[RANGE] * (window - 1) + true_range) / window
    s[CLOSE] = close


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _extend_high(s: FloatArray, bar: int, high: float, threshold: float, atr_window: int) -> None:
    s[HIGH], s[HIGH_BAR] = high, bar
    s[HIGH_LEVEL] = high - threshold * (s[RANGE] if atr_window > 0 else high)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _extend_low(s: FloatArray, bar: int, low: float, threshold: float, atr_window: int) -> None:
    s[LOW], s[LOW_BAR] = low, bar
    s[LOW_LEVEL] = low + threshold * (s[RANGE] if atr_window > 0 else low)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance(s: FloatArray, high: float, low: float, close: float, threshold: float, atr_window: int) -> int:
    """Take one bar; return 1 where it confirms a high, -1 where it confirms a low, else 0.

    The pivot confirmed stands in ``s[PIVOT_BAR]`` and ``s[PIVOT_PRICE]``.
    """
    if atr_window > 0:
        _average_range(s, high, low, close, atr_window)
    bar = int(s[BARS])
    s[BARS] += 1
    if bar < atr_window:
        return 0
    if bar == atr_window:
        _extend_high(s, bar, high, threshold, atr_window)
        _extend_low(s, bar, low, threshold, atr_window)
        return 0
    if s[LEG] >= 0 and high > s[HIGH]:
        _extend_high(s, bar, high, threshold, atr_window)
    if s[LEG] <= 0 and low < s[LOW]:
        _extend_low(s, bar, low, threshold, atr_window)
    down = s[LEG] >= 0 and s[HIGH_BAR] < bar and low < s[HIGH] and low <= s[HIGH_LEVEL]
    up = s[LEG] <= 0 and s[LOW_BAR] < bar and high > s[LOW] and high >= s[LOW_LEVEL]
    if down and up:  # only before the first pivot: the half of its range in which the bar closes decides
        down = close < (high + low) / 2
    if down:
        s[PIVOT_BAR], s[PIVOT_PRICE], s[LEG] = s[HIGH_BAR], s[HIGH], -1
        _extend_low(s, bar, low, threshold, atr_window)
        return 1
    if up:
        s[PIVOT_BAR], s[PIVOT_PRICE], s[LEG] = s[LOW_BAR], s[LOW], 1
        _extend_high(s, bar, high, threshold, atr_window)
        return -1
    return 0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def zigzag(
    s: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    threshold: float,
    atr_window: int,
    origin: IntArray,
    known: IntArray,
    price: FloatArray,
    side: IntArray,
) -> int:
    """Take bars on from the state, write the pivots they confirm and return how many; bars count from the first."""
    count = 0
    for i in range(high.size):
        found = advance(s, high[i], low[i], close[i], threshold, atr_window)
        if found != 0:
            origin[count], known[count] = int(s[PIVOT_BAR]), int(s[BARS]) - 1
            price[count], side[count] = s[PIVOT_PRICE], found
            count += 1
    return count


@nb.njit(cache=True, nogil=True, error_model="numpy")
def line_breaks(
    close: FloatArray,
    known: IntArray,
    until: IntArray,
    upper: FloatArray,
    upper_slope: FloatArray,
    lower: FloatArray,
    lower_slope: FloatArray,
    bar: IntArray,
    side: IntArray,
) -> None:
    """Write the first bar in ``known .. until`` that closes beyond a line and the side it does so; -1 and 0 for none.

    Lines are given by their value at the bar ``known`` and their slope per bar.
    """
    for i in range(known.size):
        bar[i], side[i] = -1, 0
        for t in range(known[i], min(until[i] + 1, close.size)):
            ahead = t - known[i]
            if close[t] > upper[i] + upper_slope[i] * ahead:
                bar[i], side[i] = t, 1
                break
            if close[t] < lower[i] + lower_slope[i] * ahead:
                bar[i], side[i] = t, -1
                break


@nb.njit(cache=True, nogil=True, error_model="numpy")
def segment_ranges(x: FloatArray, first: IntArray, last: IntArray, span: FloatArray) -> None:
    """Write the highest less the lowest value of ``x`` over the bars ``first .. last``, both included."""
    for i in range(first.size):
        lowest, highest = np.inf, -np.inf
        for t in range(first[i], last[i] + 1):
            lowest, highest = min(lowest, x[t]), max(highest, x[t])
        span[i] = highest - lowest


def warm() -> None:
    """Compile every kernel for the types that it is called with."""
    x, i = np.array([1.0, 2.0, 1.0]), np.zeros(3, dtype=np.int64)
    zigzag(np.zeros(STATE_SIZE), x, x, x, 0.1, 0, i.copy(), i.copy(), x.copy(), i.copy())
    advance(np.zeros(STATE_SIZE), 1.0, 1.0, 1.0, 0.1, 0)
    line_breaks(x, i, i, x, x, x, x, i.copy(), i.copy())
    segment_ranges(x, i, i, x.copy())
