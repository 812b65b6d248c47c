"""Moving averages of the close by TA-Lib: levels in price units, and the close's distance from each for models."""

from __future__ import annotations

from collections import deque

from workbench.features.indicators.steps import NAN, Ema, RunningMean, multiply_add
from workbench.features.indicators.windows import FROM_1, FROM_2, MOST, changes_full, full, gap
from workbench.features.registry import Step, StepMaker, indicator
from workbench.typing import FloatArray

_MULLOY = ("Mulloy (1994), Smoothing data with faster moving averages, Stocks & Commodities 12",)
_KAUFMAN = ("Kaufman (1995), Smarter Trading",)
_HULL = ("Hull (2005), How to reduce lag in a moving average",)
_TWICE = {"window": (2, MOST // 2)}
_THRICE = {"window": (2, MOST // 3)}


def _gap_of(level_step: StepMaker) -> StepMaker:
    def make(**parameters: int) -> Step:
        level = level_step(**parameters)
        return lambda close: close / level(close) - 1.0

    return make


def _root_more(window: int) -> int:
    """Warm-up of Hull's average: a weighted one of the window, then one of its root."""
    return window - 1 + int(window**0.5) - 1


@indicator("sma", warmup=full, family="trend", stationary=False, bounds=FROM_1, stream=RunningMean)
def sma(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Simple moving average of the close, in price units: a level that wanders with the price."""
    import talib

    return talib.SMA(close, window)


@indicator("sma_gap", warmup=full, family="trend", bounds=FROM_2, stream=_gap_of(RunningMean))
def sma_gap(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Distance of the close from its SMA as a fraction, close / sma - 1."""
    import talib

    return gap(close, talib.SMA(close, window))


@indicator("ema", warmup=full, family="trend", recursive=True, stationary=False, bounds=FROM_1, stream=Ema)
def ema(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Exponential moving average, alpha = 2 / (window + 1), seeded with the SMA of the first window; in price units."""
    import talib

    return talib.EMA(close, window)


@indicator("ema_gap", warmup=full, family="trend", recursive=True, bounds=FROM_2, stream=_gap_of(Ema))
def ema_gap(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Distance of the close from its EMA as a fraction, close / ema - 1."""
    import talib

    return gap(close, talib.EMA(close, window))


@indicator("wma", warmup=full, family="trend", stationary=False, bounds=FROM_1)
def wma(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Weighted moving average, weights 1 for the oldest close to ``window`` for the newest, in price units."""
    import talib

    return talib.WMA(close, window)


@indicator("wma_gap", warmup=full, family="trend", bounds=FROM_2)
def wma_gap(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Distance of the close from its WMA as a fraction, close / wma - 1."""
    import talib

    return gap(close, talib.WMA(close, window))


def _dema_step(window: int) -> Step:
    first, second = Ema(window), Ema(window)

    def step(close: float) -> float:
        once = first(close)
        return 2.0 * once - second(once)

    return step


@indicator(
    "dema",
    warmup=lambda window: 2 * (window - 1),
    family="trend",
    recursive=True,
    stationary=False,
    bounds=_TWICE,
    references=_MULLOY,
    stream=_dema_step,
)
def dema(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Double exponential moving average, 2 EMA - EMA(EMA), in price units: follows faster than an EMA."""
    import talib

    return talib.DEMA(close, window)


@indicator(
    "dema_gap",
    warmup=lambda window: 2 * (window - 1),
    family="trend",
    recursive=True,
    bounds=_TWICE,
    references=_MULLOY,
    stream=_gap_of(_dema_step),
)
def dema_gap(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Distance of the close from its DEMA as a fraction, close / dema - 1."""
    import talib

    return gap(close, talib.DEMA(close, window))


def _tema_step(window: int) -> Step:
    first, second, third = Ema(window), Ema(window), Ema(window)

    def step(close: float) -> float:
        once = first(close)
        twice = second(once)
        return third(twice) + (3.0 * once - 3.0 * twice)

    return step


@indicator(
    "tema",
    warmup=lambda window: 3 * (window - 1),
    family="trend",
    recursive=True,
    stationary=False,
    bounds=_THRICE,
    references=_MULLOY,
    stream=_tema_step,
)
def tema(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Triple exponential moving average, 3 EMA - 3 EMA(EMA) + EMA(EMA(EMA)), in price units."""
    import talib

    return talib.TEMA(close, window)


@indicator(
    "tema_gap",
    warmup=lambda window: 3 * (window - 1),
    family="trend",
    recursive=True,
    bounds=_THRICE,
    references=_MULLOY,
    stream=_gap_of(_tema_step),
)
def tema_gap(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Distance of the close from its TEMA as a fraction, close / tema - 1."""
    import talib

    return gap(close, talib.TEMA(close, window))


def _kama_step(window: int) -> Step:
    closes: deque[float] = deque()
    fma = multiply_add()
    slow = 2.0 / 31.0
    spread = 2.0 / 3.0 - slow
    path = value = 0.0
    dropped = NAN

    def step(close: float) -> float:
        nonlocal path, value, dropped
        closes.append(close)
        if len(closes) <= window:
            path += abs(closes[-2] - close) if len(closes) > 1 else 0.0
            value = close
            return NAN
        oldest = closes.popleft()
        if dropped == dropped:
            path -= abs(dropped - oldest)
        path += abs(close - closes[-2])
        dropped = oldest
        moved = close - oldest
        efficiency = 1.0 if path <= moved or path <= 0.0 else abs(moved / path)
        factor = fma(efficiency, spread, slow)
        value = fma(close - value, factor * factor, value)
        return value

    return step


@indicator(
    "kama",
    warmup=changes_full,
    family="trend",
    recursive=True,
    stationary=False,
    bounds=FROM_2,
    references=_KAUFMAN,
    stream=_kama_step,
)
def kama(close: FloatArray, *, window: int = 10) -> FloatArray:
    """Kaufman's adaptive moving average, in price units: an EMA of 2 bars in a straight move, of 30 in noise.

    The share of the window's path that is progress, ``|close[t] - close[t - window]| / sum |changes|``, sets its speed.
    """
    import talib

    return talib.KAMA(close, window)


@indicator(
    "kama_gap",
    warmup=changes_full,
    family="trend",
    recursive=True,
    bounds=FROM_2,
    references=_KAUFMAN,
    stream=_gap_of(_kama_step),
)
def kama_gap(close: FloatArray, *, window: int = 10) -> FloatArray:
    """Distance of the close from its KAMA as a fraction, close / kama - 1."""
    import talib

    return gap(close, talib.KAMA(close, window))


@indicator("hull", warmup=_root_more, family="trend", stationary=False, bounds={"window": (2, MOST)}, references=_HULL)
def hull(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Hull moving average, WMA(2 WMA(window / 2) - WMA(window), root of window), in price units.

    Half and root are cut to whole bars.
    """
    import talib

    return talib.HMA(close, window)


@indicator("hull_gap", warmup=_root_more, family="trend", bounds={"window": (2, MOST)}, references=_HULL)
def hull_gap(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Distance of the close from its Hull average as a fraction, close / hull - 1."""
    import talib

    return gap(close, talib.HMA(close, window))
