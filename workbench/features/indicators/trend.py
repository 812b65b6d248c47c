"""Trend strength and direction: Wilder's directional system, Aroon, the slope of a line."""

from __future__ import annotations

import numpy as np

from workbench.features.indicators.steps import NAN, TINY, Directional
from workbench.features.indicators.windows import FROM_2, MOST, changes_full, full
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray

_WILDER = ("Wilder (1978), New Concepts in Technical Trading Systems",)
_CHANDE = ("Chande (1995), A time price oscillator, Stocks & Commodities 13",)


def _adx_step(window: int) -> Step:
    directional = Directional(window)
    seen = 0
    value = 0.0

    def step(high: float, low: float, close: float) -> float:
        nonlocal seen, value
        both = directional(high, low, close)
        if both is None:
            return NAN
        seen += 1
        plus, minus = both
        total = plus + minus
        moves = abs(total) > TINY  # a bar without direction leaves the average where it is
        index = 100.0 * (abs(minus - plus) / total) if moves else 0.0
        if seen <= window:
            value += index
            if seen < window:
                return NAN
            value /= window
        elif moves:
            value = (value * (window - 1) + index) / window
        return value

    return step


def _plus_step(window: int) -> Step:
    directional = Directional(window)

    def step(high: float, low: float, close: float) -> float:
        both = directional(high, low, close)
        return NAN if both is None else both[0]

    return step


def _minus_step(window: int) -> Step:
    directional = Directional(window)

    def step(high: float, low: float, close: float) -> float:
        both = directional(high, low, close)
        return NAN if both is None else both[1]

    return step


@indicator(
    "adx",
    warmup=lambda window: 2 * window - 1,
    family="trend",
    recursive=True,
    bounds={"window": (2, MOST // 2)},
    references=_WILDER,
    stream=_adx_step,
)
def adx(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 14) -> FloatArray:
    """Average directional index, 0 (no trend) to 100, Wilder smoothing; 0 where the price has never moved."""
    import talib

    return talib.ADX(high, low, close, window)


@indicator(
    "plus_di",
    warmup=changes_full,
    family="trend",
    recursive=True,
    bounds=FROM_2,
    references=_WILDER,
    stream=_plus_step,
)
def plus_di(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 14) -> FloatArray:
    """Wilder's +DI, 0 to 100: smoothed upward moves of the high over smoothed true ranges; 0 without ranges."""
    import talib

    return talib.PLUS_DI(high, low, close, window)


@indicator(
    "minus_di",
    warmup=changes_full,
    family="trend",
    recursive=True,
    bounds=FROM_2,
    references=_WILDER,
    stream=_minus_step,
)
def minus_di(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 14) -> FloatArray:
    """Wilder's -DI, 0 to 100: smoothed downward moves of the low over smoothed true ranges; 0 without ranges."""
    import talib

    return talib.MINUS_DI(high, low, close, window)


@indicator("aroon_osc", warmup=changes_full, family="trend", bounds=FROM_2, references=_CHANDE)
def aroon_osc(high: FloatArray, low: FloatArray, *, window: int = 25) -> FloatArray:
    """Aroon oscillator, -100 (new lows) to 100 (new highs); the latest of equal extremes counts."""
    import talib

    return talib.AROONOSC(high, low, window)


@indicator("aroon_up", warmup=changes_full, family="trend", bounds=FROM_2, references=_CHANDE)
def aroon_up(high: FloatArray, low: FloatArray, *, window: int = 25) -> FloatArray:
    """Aroon up: 100 on a new high of ``window`` + 1 bars, falling to 0 as it ages; the latest of equals counts."""
    import talib

    return talib.AROON(high, low, window)[1]


@indicator("aroon_down", warmup=changes_full, family="trend", bounds=FROM_2, references=_CHANDE)
def aroon_down(high: FloatArray, low: FloatArray, *, window: int = 25) -> FloatArray:
    """Aroon down: 100 on a new low of ``window`` + 1 bars, falling to 0 as it ages; the latest of equals counts."""
    import talib

    return talib.AROON(high, low, window)[0]


@indicator("trend_slope", warmup=full, family="trend", bounds=FROM_2)
def trend_slope(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Slope per bar of the least-squares line through the last ``window`` log closes.

    TA-Lib's LINEARREG_SLOPE without its running sums, which at a high price level leave fewer right digits.
    """
    from workbench.features.kernels.pairs import SLOPE, rolling_line

    out = np.empty(close.size)
    rolling_line(np.log(close), window, SLOPE, out)
    return out
