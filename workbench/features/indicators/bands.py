"""Bands around the price: Bollinger, Keltner, Donchian; levels in price units, places and widths for models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.features.indicators.steps import NAN, Ema, RunningBands, TrueRange, Wilder
from workbench.features.indicators.windows import FROM_2, MOST, SMA, full
from workbench.features.registry import Step, StepMaker, indicator
from workbench.typing import FloatArray

_BOLLINGER = {"window": (2, MOST), "k": (0.01, 100.0)}
_KELTNER = {"window": (2, MOST), "atr_window": (1, MOST), "k": (0.01, 100.0)}
_BOOK = ("Bollinger (2001), Bollinger on Bollinger Bands",)
_CHESTER = ("Keltner (1960), How to Make Money in Commodities",)
_Value = Callable[[float, float, float, float], float]
_FLAT = 1e-12  # a distance between bands below this part of the price is rounding


def _bollinger(close: FloatArray, window: int, k: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    import talib

    return talib.BBANDS(close, window, k, k, SMA)


def _place(close: FloatArray, upper: FloatArray, middle: FloatArray, lower: FloatArray) -> FloatArray:
    """(close - lower) / (upper - lower), 0.5 where the bands coincide; written over the bands."""
    upper -= lower
    np.subtract(close, lower, out=lower)
    middle *= _FLAT
    flat = upper <= middle
    if flat.any():
        upper[flat], lower[flat] = 1.0, 0.5
    lower /= upper
    return lower


def _width(upper: FloatArray, middle: FloatArray, lower: FloatArray) -> FloatArray:
    """Distance between the bands over their middle; written over the upper one."""
    upper -= lower
    upper /= middle
    return upper


def _place_of(close: float, upper: float, middle: float, lower: float) -> float:
    return 0.5 if upper - lower <= _FLAT * middle else (close - lower) / (upper - lower)


def _bollinger_step(value_of: _Value) -> StepMaker:
    def make(window: int, k: float = 1.0) -> Step:
        bands = RunningBands(window)

        def step(close: float) -> float:
            seen = bands(close)
            if seen is None:
                return NAN
            middle, deviation = seen
            return value_of(close, middle + deviation * k, middle, middle - deviation * k)

        return step

    return make


def _keltner_step(value_of: _Value) -> StepMaker:
    def make(window: int, atr_window: int, k: float) -> Step:
        first = max(window - 1, atr_window)  # both averages are seeded so that they start on this bar
        centre, reach = Ema(window, skip=first - (window - 1)), Wilder(atr_window)
        true_range, wait = TrueRange(), first - atr_window + 1

        def step(high: float, low: float, close: float) -> float:
            nonlocal wait
            ranged = true_range(high, low, close)
            if wait:
                wait -= 1
                ranged = NAN
            middle, half = centre((high + low + close) / 3.0), reach(ranged) * k
            return value_of(close, middle + half, middle, middle - half)

        return step

    return make


@indicator(
    "bollinger_upper",
    warmup=full,
    family="volatility",
    stationary=False,
    references=_BOOK,
    stream=_bollinger_step(lambda _close, upper, _middle, _lower: upper),
    bounds=_BOLLINGER,
)
def bollinger_upper(close: FloatArray, *, window: int = 20, k: float = 2.0) -> FloatArray:
    """Upper Bollinger band, SMA + k population standard deviations, in price units."""
    return _bollinger(close, window, k)[0]


@indicator(
    "bollinger_lower",
    warmup=full,
    family="volatility",
    stationary=False,
    references=_BOOK,
    stream=_bollinger_step(lambda _close, _upper, _middle, lower: lower),
    bounds=_BOLLINGER,
)
def bollinger_lower(close: FloatArray, *, window: int = 20, k: float = 2.0) -> FloatArray:
    """Lower Bollinger band, SMA - k population standard deviations, in price units."""
    return _bollinger(close, window, k)[2]


@indicator(
    "bollinger_percent_b",
    warmup=full,
    family="volatility",
    recursive=True,
    references=_BOOK,
    stream=_bollinger_step(_place_of),
    bounds=_BOLLINGER,
)
def bollinger_percent_b(close: FloatArray, *, window: int = 20, k: float = 2.0) -> FloatArray:
    """Place of the close between the Bollinger bands: 0 at the lower, 1 at the upper; 0.5 where they coincide."""
    return _place(close, *_bollinger(close, window, k))


@indicator(
    "bollinger_width",
    warmup=full,
    family="volatility",
    recursive=True,
    references=_BOOK,
    stream=_bollinger_step(lambda _close, upper, middle, lower: (upper - lower) / middle),
    bounds=_BOLLINGER,
)
def bollinger_width(close: FloatArray, *, window: int = 20, k: float = 2.0) -> FloatArray:
    """Distance between the Bollinger bands as a fraction of their middle; 0 in a flat window."""
    return _width(*_bollinger(close, window, k))


@indicator(
    "bollinger_middle",
    warmup=full,
    family="volatility",
    stationary=False,
    references=_BOOK,
    bounds=FROM_2,
    stream=_bollinger_step(lambda _close, _upper, middle, _lower: middle),
)
def bollinger_middle(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Middle Bollinger band, the SMA of the window, in price units."""
    return _bollinger(close, window, 1.0)[1]


def _keltner(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int, atr_window: int, k: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    import talib

    return talib.KC(high, low, close, window, atr_window, k)


def _keltner_warmup(window: int, atr_window: int, **_: float) -> int:
    return max(window - 1, atr_window)


@indicator(
    "keltner_upper",
    warmup=_keltner_warmup,
    family="volatility",
    recursive=True,
    stationary=False,
    references=_CHESTER,
    stream=_keltner_step(lambda _close, upper, _middle, _lower: upper),
    bounds=_KELTNER,
)
def keltner_upper(
    high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 20, atr_window: int = 10, k: float = 2.0
) -> FloatArray:
    """Upper Keltner channel, EMA of the typical price + k ATR, in price units; both seeded to start on one bar."""
    return _keltner(high, low, close, window, atr_window, k)[0]


@indicator(
    "keltner_lower",
    warmup=_keltner_warmup,
    family="volatility",
    recursive=True,
    stationary=False,
    references=_CHESTER,
    stream=_keltner_step(lambda _close, _upper, _middle, lower: lower),
    bounds=_KELTNER,
)
def keltner_lower(
    high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 20, atr_window: int = 10, k: float = 2.0
) -> FloatArray:
    """Lower Keltner channel, EMA of the typical price - k ATR, in price units; both seeded to start on one bar."""
    return _keltner(high, low, close, window, atr_window, k)[2]


@indicator(
    "keltner_position",
    warmup=_keltner_warmup,
    family="volatility",
    recursive=True,
    references=_CHESTER,
    stream=_keltner_step(_place_of),
    bounds=_KELTNER,
)
def keltner_position(
    high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 20, atr_window: int = 10, k: float = 2.0
) -> FloatArray:
    """Place of the close in the Keltner channel: 0 at its lower side, 1 at its upper; 0.5 where they coincide."""
    return _place(close, *_keltner(high, low, close, window, atr_window, k))


@indicator(
    "keltner_width",
    warmup=_keltner_warmup,
    family="volatility",
    recursive=True,
    references=_CHESTER,
    stream=_keltner_step(lambda _close, upper, middle, lower: (upper - lower) / middle),
    bounds=_KELTNER,
)
def keltner_width(
    high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 20, atr_window: int = 10, k: float = 2.0
) -> FloatArray:
    """Width of the Keltner channel as a fraction of its middle; 0 where the price has never moved."""
    return _width(*_keltner(high, low, close, window, atr_window, k))


_DONCHIAN = ("Donchian (1960), High finance in copper, Financial Analysts Journal 16",)


@indicator("donchian_upper", warmup=full, family="volatility", stationary=False, bounds=FROM_2, references=_DONCHIAN)
def donchian_upper(high: FloatArray, *, window: int = 20) -> FloatArray:
    """Highest high of the last ``window`` bars, this one included, in price units."""
    import talib

    return talib.MAX(high, window)


@indicator("donchian_lower", warmup=full, family="volatility", stationary=False, bounds=FROM_2, references=_DONCHIAN)
def donchian_lower(low: FloatArray, *, window: int = 20) -> FloatArray:
    """Lowest low of the last ``window`` bars, this one included, in price units."""
    import talib

    return talib.MIN(low, window)


@indicator("donchian_middle", warmup=full, family="volatility", stationary=False, bounds=FROM_2, references=_DONCHIAN)
def donchian_middle(high: FloatArray, low: FloatArray, *, window: int = 20) -> FloatArray:
    """Middle between the highest high and the lowest low of the last ``window`` bars, in price units."""
    import talib

    middle = talib.MAX(high, window)
    middle += talib.MIN(low, window)
    middle /= 2.0
    return middle


@indicator("donchian_width", warmup=full, family="volatility", bounds=FROM_2, references=_DONCHIAN)
def donchian_width(high: FloatArray, low: FloatArray, *, window: int = 20) -> FloatArray:
    """Range of the last ``window`` bars as a fraction of its middle; 0 where flat."""
    import talib

    ceiling, floor = talib.MAX(high, window), talib.MIN(low, window)
    middle = ceiling + floor
    middle /= 2.0
    return _width(ceiling, middle, floor)


@indicator("donchian_position", warmup=full, family="trend", bounds=FROM_2, references=_DONCHIAN)
def donchian_position(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 20) -> FloatArray:
    """Place of the close in the range of the last ``window`` bars, this one included: 0 low, 1 high; flat is 0.5."""
    import talib

    ceiling, floor = talib.MAX(high, window), talib.MIN(low, window)
    ceiling -= floor
    np.subtract(close, floor, out=floor)
    flat = ceiling == 0
    if flat.any():
        ceiling[flat], floor[flat] = 1.0, 0.5
    floor /= ceiling
    return floor
