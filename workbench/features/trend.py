"""Moving averages, trend strength and place in the range."""

from __future__ import annotations

import numpy as np

from workbench.features.columns import by_symbol
from workbench.features.registry import feature
from workbench.typing import Bars, FloatArray, Panel

_MOST = 100_000  # TA-Lib's longest period


@feature(
    "sma",
    inputs=("close",),
    warmup=lambda window: window - 1,
    family="trend",
    stationary=False,
    bounds={"window": (1, _MOST)},
)
def sma(bars: Bars, *, window: int = 20) -> Panel:
    """Simple moving average of the close, in price units: a level that wanders with the price."""
    import talib

    return by_symbol(lambda close: talib.SMA(close, window), bars, "close")


@feature(
    "ema",
    inputs=("close",),
    warmup=lambda window: window - 1,
    family="trend",
    recursive=True,
    stationary=False,
    bounds={"window": (1, _MOST)},
)
def ema(bars: Bars, *, window: int = 20) -> Panel:
    """Exponential moving average, alpha = 2 / (window + 1), seeded with the SMA of the first window; in price units."""
    import talib

    return by_symbol(lambda close: talib.EMA(close, window), bars, "close")


@feature(
    "ema_gap",
    inputs=("close",),
    warmup=lambda window: window - 1,
    family="trend",
    recursive=True,
    bounds={"window": (2, _MOST)},
)
def ema_gap(bars: Bars, *, window: int = 20) -> Panel:
    """Distance of the close from its EMA as a fraction, close / ema - 1."""
    import talib

    return by_symbol(lambda close: close / talib.EMA(close, window) - 1, bars, "close")


@feature(
    "adx",
    inputs=("high", "low", "close"),
    warmup=lambda window: 2 * window - 1,
    family="trend",
    recursive=True,
    bounds={"window": (2, _MOST // 2)},
    references=("Wilder (1978), New Concepts in Technical Trading Systems",),
)
def adx(bars: Bars, *, window: int = 14) -> Panel:
    """Average directional index, 0 (no trend) to 100, Wilder smoothing; 0 where the price has never moved."""
    import talib

    return by_symbol(lambda h, low, c: talib.ADX(h, low, c, window), bars, "high", "low", "close")


@feature(
    "aroon_osc",
    inputs=("high", "low"),
    warmup=lambda window: window,
    family="trend",
    bounds={"window": (2, _MOST)},
    references=("Chande (1995), A time price oscillator, Stocks & Commodities 13",),
)
def aroon_osc(bars: Bars, *, window: int = 25) -> Panel:
    """Aroon oscillator, -100 (new lows) to 100 (new highs); the latest of equal extremes counts."""
    import talib

    return by_symbol(lambda high, low: talib.AROONOSC(high, low, window), bars, "high", "low")


@feature(
    "trend_slope", inputs=("close",), warmup=lambda window: window - 1, family="trend", bounds={"window": (2, _MOST)}
)
def trend_slope(bars: Bars, *, window: int = 20) -> Panel:
    """Slope per bar of the least-squares line through the last ``window`` log closes."""
    import talib

    return by_symbol(lambda close: talib.LINEARREG_SLOPE(np.log(close), window), bars, "close")


@feature(
    "donchian_position",
    inputs=("high", "low", "close"),
    warmup=lambda window: window - 1,
    family="trend",
    bounds={"window": (2, _MOST)},
)
def donchian_position(bars: Bars, *, window: int = 20) -> Panel:
    """Place of the close in the range of the last ``window`` bars, this one included: 0 low, 1 high; flat is 0.5."""
    import talib

    def one(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
        floor, ceiling = talib.MIN(low, window), talib.MAX(high, window)
        flat = ceiling == floor
        return np.where(flat, 0.5, (close - floor) / np.where(flat, 1.0, ceiling - floor))

    return by_symbol(one, bars, "high", "low", "close")
