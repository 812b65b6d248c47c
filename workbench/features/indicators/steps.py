"""Smoothers that take one value at a time: the parts of indicators that are updated bar by bar.

Each repeats TA-Lib's arithmetic in TA-Lib's order, so that a stream gives the batch's value to the last bit: a
difference of two averages at a price level of 50,000 shows every bit of them. A step returns NaN until it has seen
enough values, and lets a NaN pass without counting it, so that steps can be chained.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from functools import cache

NAN = math.nan
TINY = 1e-14  # TA-Lib's zero, relative to what is compared
MultiplyAdd = Callable[[float, float, float], float]
_SPLIT = 134217729.0  # 2**27 + 1 parts a double into two halves
_PROBE = 1.8419753111  # one step of an average from 1 to here rounds differently when fused


def _rounded_twice(a: float, b: float, c: float) -> float:
    return a * b + c


def _rounded_once(a: float, b: float, c: float) -> float:
    """``a * b + c`` as a fused multiply-add gives it, by error-free transformations (Dekker 1971; Knuth 1969)."""
    product = a * b
    high = _SPLIT * a
    a_high = high - (high - a)
    a_low = a - a_high
    high = _SPLIT * b
    b_high = high - (high - b)
    b_low = b - b_high
    lost = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    total = product + c
    part = total - product
    return total + (((product - (total - part)) + (c - part)) + lost)


@cache
def multiply_add() -> MultiplyAdd:
    """Return ``(a, b, c) -> a * b + c`` as TA-Lib computes it here: rounded once where the processor can fuse it."""
    import numpy as np
    import talib

    seen = float(talib.EMA(np.array([1.0] * 9 + [_PROBE]), 9)[-1])
    return _rounded_once if seen == _rounded_once(_PROBE - 1.0, 0.2, 1.0) else _rounded_twice


class Ema:
    """Exponential moving average, alpha = 2 / (window + 1), seeded with the mean of its first ``window`` values.

    The first ``skip`` values are passed over, so that averages of differing windows can be seeded on the same bar.
    """

    def __init__(self, window: int, skip: int = 0) -> None:
        self._window, self._left, self._skip = window, window, skip
        self._alpha = 2.0 / (window + 1)
        self._value = 0.0
        self._fma = multiply_add()

    def __call__(self, x: float) -> float:
        if x != x:
            return NAN
        if self._skip:
            self._skip -= 1
            return NAN
        if self._left:
            self._left -= 1
            self._value += x
            if self._left:
                return NAN
            self._value /= self._window
        elif self._window == 1:
            self._value = x
        else:
            self._value = self._fma(x - self._value, self._alpha, self._value)
        return self._value


class Wilder:
    """Wilder's average: seeded with the mean of its first ``window`` values, then 1 / window of the newest."""

    def __init__(self, window: int) -> None:
        self._window, self._left = window, window
        self._old = (window - 1) / window
        self._new = 1.0 - self._old
        self._value = 0.0
        self._fma = multiply_add()

    def __call__(self, x: float) -> float:
        if x != x:
            return NAN
        if self._left:
            self._left -= 1
            self._value += x
            if self._left:
                return NAN
            self._value /= self._window
        else:
            self._value = self._fma(self._old, self._value, self._new * x)
        return self._value


class Gains:
    """Wilder's averages of the rises and of the falls, both positive; None until ``window`` changes are seen.

    ``by_factor``: whether the averages are scaled by 1 / window (the relative strength index) or divided by it.
    """

    def __init__(self, window: int, *, by_factor: bool) -> None:
        self._window, self._seen = window, 0
        self._before = NAN
        self._up = self._down = 0.0
        self._factor = 1.0 / window
        self._by_factor = by_factor

    def __call__(self, x: float) -> tuple[float, float] | None:
        change = x - self._before
        self._before = x
        if change != change:
            return None
        self._seen += 1
        if self._seen > self._window:
            self._up *= self._window - 1
            self._down *= self._window - 1
        rise = change if change > 0.0 else 0.0
        self._up += rise
        self._down += rise - change
        if self._seen < self._window:
            return None
        if self._by_factor:
            self._up *= self._factor
            self._down *= self._factor
        else:
            self._up /= self._window
            self._down /= self._window
        return self._up, self._down


class TrueRange:
    """Greatest of high - low and the distances of both from the last close; NaN on the first bar."""

    def __init__(self) -> None:
        self._close = NAN

    def __call__(self, high: float, low: float, close: float) -> float:
        last, self._close = self._close, close
        return NAN if last != last else max(high - low, abs(last - high), abs(last - low))


class Directional:
    """Wilder's +DI and -DI, 0 to 100; None during the first ``window`` bars."""

    def __init__(self, window: int) -> None:
        self._window, self._seen = window, 0
        self._high = self._low = NAN
        self._plus = self._minus = self._range = 0.0
        self._true_range = TrueRange()

    def __call__(self, high: float, low: float, close: float) -> tuple[float, float] | None:
        up, down = high - self._high, self._low - low
        self._high, self._low = high, low
        reach = self._true_range(high, low, close)
        if reach != reach:
            return None
        self._seen += 1
        if self._seen >= self._window:
            self._plus -= self._plus / self._window
            self._minus -= self._minus / self._window
            self._range -= self._range / self._window
        self._plus += up if up > 0 and up > down else 0.0
        self._minus += down if down > 0 and down > up else 0.0
        self._range += reach
        if self._seen < self._window:
            return None
        if self._range <= 0.0:
            return 0.0, 0.0
        return 100.0 * (self._plus / self._range), 100.0 * (self._minus / self._range)


class RunningMean:
    """Mean of the last ``window`` values: the newest is added to a total and the oldest taken off."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._values: deque[float] = deque()
        self._total = 0.0

    def __call__(self, x: float) -> float:
        if x != x:
            return NAN
        self._values.append(x)
        self._total += x
        if len(self._values) < self._window:
            return NAN
        value = self._total / self._window
        self._total -= self._values.popleft()
        return value


class RunningBands:
    """Mean and population standard deviation of the last ``window`` values, as Bollinger's bands need them.

    Deviations are taken from a shift that is renewed from the window itself every 32 windows, when the variance
    becomes small against it, and when a far value leaves.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._values: deque[float] = deque()
        self._total = self._first = self._second = 0.0
        self._shift = NAN
        self._left = 32 * window

    def __call__(self, x: float) -> tuple[float, float] | None:
        if self._shift != self._shift:
            self._shift = x
        factor = 1.0 / self._window
        self._values.append(x)
        self._total += x
        self._add(x)
        if len(self._values) < self._window:
            return None
        variance = self._variance(factor)
        mean = self._total / self._window
        oldest = self._values[0]
        self._total -= oldest
        far = self._take(oldest)
        self._left -= 1
        if variance < 1e-6 * (self._second * factor) or far > 1e6 * self._second or self._left <= 0:
            variance = self._renewed(factor)
        self._values.popleft()
        return mean, math.sqrt(variance)

    def _renewed(self, factor: float) -> float:
        self._left = 32 * self._window
        total = 0.0
        for value in self._values:
            total += value
        self._shift, self._first, self._second = total * factor, 0.0, 0.0
        for value in self._values:
            self._add(value)
        variance = self._variance(factor)
        if variance < 1e-12 * (self._second * factor):
            variance = 0.0
        self._take(self._values[0])
        return variance

    def _variance(self, factor: float) -> float:
        mean = self._first * factor
        return self._second * factor - mean * mean

    def _add(self, x: float) -> None:
        deviation = x - self._shift
        self._first += deviation
        self._second += deviation * deviation

    def _take(self, x: float) -> float:
        deviation = x - self._shift
        self._first -= deviation
        self._second -= deviation * deviation
        return deviation * deviation
