"""Trailing stops that turn with the trend: Wilder's parabolic stop and reverse, SuperTrend."""

from __future__ import annotations

import numpy as np

from workbench.features.indicators.steps import NAN, TrueRange, Wilder, multiply_add
from workbench.features.indicators.windows import MOST, changes_full, gap
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray

_SAR = {"acceleration": (0.0001, 10.0), "maximum": (0.0001, 10.0)}
_SUPER = {"window": (2, MOST), "k": (0.01, 100.0)}
_WILDER = ("Wilder (1978), New Concepts in Technical Trading Systems",)
_SEBAN = ("Seban (2008), Tout le monde mérite d'être riche",)
_SLOWER = {"acceleration <= maximum": lambda acceleration, maximum: acceleration <= maximum}


class _Parabolic:
    """State of the parabolic stop: side, stop for the next bar, extreme point, acceleration factor."""

    def __init__(self, acceleration: float, maximum: float) -> None:
        self._step, self._most = acceleration, maximum
        self._factor = acceleration
        self._long = True
        self._stop = self._extreme = 0.0
        self._high = self._low = NAN
        self._seen = 0
        self._fma = multiply_add()

    def __call__(self, high: float, low: float) -> float:
        self._seen += 1
        if self._seen == 1:
            self._high, self._low = high, low
            return NAN
        if self._seen == 2:
            self._begin(high, low)
        value = self._on_long(high, low) if self._long else self._on_short(high, low)
        self._high, self._low = high, low
        return value

    def _begin(self, high: float, low: float) -> None:
        down, up = self._low - low, high - self._high
        self._long = not (down > 0.0 and down > up)
        self._extreme, self._stop = (high, self._low) if self._long else (low, self._high)
        self._high, self._low = high, low

    def _on_long(self, high: float, low: float) -> float:
        if low <= self._stop:
            self._long = False
            value = max(self._extreme, self._high, high)
            self._factor, self._extreme = self._step, low
            self._stop = max(self._next(value), self._high, high)
            return value
        value = self._stop
        if high > self._extreme:
            self._extreme = high
            self._factor = min(self._factor + self._step, self._most)
        self._stop = min(self._next(value), self._low, low)
        return value

    def _on_short(self, high: float, low: float) -> float:
        if high >= self._stop:
            self._long = True
            value = min(self._extreme, self._low, low)
            self._factor, self._extreme = self._step, high
            self._stop = min(self._next(value), self._low, low)
            return value
        value = self._stop
        if low < self._extreme:
            self._extreme = low
            self._factor = min(self._factor + self._step, self._most)
        self._stop = max(self._next(value), self._high, high)
        return value

    def _next(self, stop: float) -> float:
        return self._fma(self._factor, self._extreme - stop, stop)


def _sar_gap_step(acceleration: float, maximum: float) -> Step:
    stop = _Parabolic(acceleration, maximum)
    return lambda high, low, close: close / stop(high, low) - 1.0


@indicator(
    "sar",
    warmup=1,
    family="trend",
    recursive=True,
    stationary=False,
    bounds=_SAR,
    rules=_SLOWER,
    references=_WILDER,
    stream=_Parabolic,
)
def sar(high: FloatArray, low: FloatArray, *, acceleration: float = 0.02, maximum: float = 0.2) -> FloatArray:
    """Parabolic stop and reverse for the bar, in price units: below the price when long, above when short.

    The first side is that of the greater directional move between the first two bars, long where they are equal.
    """
    import talib

    return talib.SAR(high, low, acceleration, maximum)


@indicator(
    "sar_gap",
    warmup=1,
    family="trend",
    recursive=True,
    bounds=_SAR,
    rules=_SLOWER,
    references=_WILDER,
    stream=_sar_gap_step,
)
def sar_gap(
    high: FloatArray, low: FloatArray, close: FloatArray, *, acceleration: float = 0.02, maximum: float = 0.2
) -> FloatArray:
    """Distance of the close from the parabolic stop as a fraction, close / sar - 1: positive when long."""
    import talib

    return gap(close, talib.SAR(high, low, acceleration, maximum))


class _SuperTrend:
    """State of SuperTrend: both bands, the side and the last close."""

    def __init__(self, window: int, k: float) -> None:
        self._k = k
        self._true_range, self._average = TrueRange(), Wilder(window)
        self._upper = self._lower = self._close = NAN
        self._up = True

    def __call__(self, high: float, low: float, close: float) -> tuple[float, float]:
        reach = self._average(self._true_range(high, low, close))
        last, self._close = self._close, close
        if reach != reach:
            return NAN, NAN
        middle, half = (high + low) / 2.0, self._k * reach
        if self._upper != self._upper:
            self._upper, self._lower = middle + half, middle - half
            return self._lower, 1.0
        if middle + half < self._upper or last > self._upper:
            self._upper = middle + half
        if middle - half > self._lower or last < self._lower:
            self._lower = middle - half
        self._up = not close < self._lower if self._up else close > self._upper
        return (self._lower, 1.0) if self._up else (self._upper, -1.0)


def _supertrend_step(window: int, k: float) -> Step:
    state = _SuperTrend(window, k)
    return lambda high, low, close: state(high, low, close)[0]


def _direction_step(window: int, k: float) -> Step:
    state = _SuperTrend(window, k)
    return lambda high, low, close: state(high, low, close)[1]


def _supertrend_gap_step(window: int, k: float) -> Step:
    state = _SuperTrend(window, k)
    return lambda high, low, close: close / state(high, low, close)[0] - 1.0


@indicator(
    "supertrend",
    warmup=changes_full,
    family="trend",
    recursive=True,
    stationary=False,
    bounds=_SUPER,
    references=_SEBAN,
    stream=_supertrend_step,
)
def supertrend(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 10, k: float = 3.0) -> FloatArray:
    """SuperTrend, in price units: the lower band, median price - k ATR, in an up trend and the upper in a down trend.

    Bands only tighten until a close lies beyond them; the first side is up.
    """
    import talib

    return talib.SUPERTREND(high, low, close, window, k)[0]


@indicator(
    "supertrend_direction",
    warmup=changes_full,
    family="trend",
    recursive=True,
    bounds=_SUPER,
    references=_SEBAN,
    stream=_direction_step,
)
def supertrend_direction(
    high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 10, k: float = 3.0
) -> FloatArray:
    """Side of SuperTrend: 1 in an up trend, -1 in a down trend; it turns on a close beyond the band."""
    import talib

    direction = talib.SUPERTREND(high, low, close, window, k)[1].astype(np.float64)
    direction[:window] = np.nan
    return direction


@indicator(
    "supertrend_gap",
    warmup=changes_full,
    family="trend",
    recursive=True,
    bounds=_SUPER,
    references=_SEBAN,
    stream=_supertrend_gap_step,
)
def supertrend_gap(
    high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 10, k: float = 3.0
) -> FloatArray:
    """Distance of the close from SuperTrend as a fraction, close / supertrend - 1."""
    import talib

    return gap(close, talib.SUPERTREND(high, low, close, window, k)[0])
