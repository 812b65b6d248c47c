"""Ranges, bands and standard deviations. Volatilities are per bar, never annualised here."""

from __future__ import annotations

import numpy as np

from workbench.features.columns import by_symbol, delayed
from workbench.features.registry import feature
from workbench.features.returns import simple_returns
from workbench.features.rolling import rolling_std, rolling_sum
from workbench.typing import Bars, FloatArray, Panel

_MOST = 100_000  # TA-Lib's longest period
_SMA = 0  # TA-Lib's code of the simple moving average
_BAND_BOUNDS = {"window": (2, _MOST), "k": (0.01, 100.0)}
_WILDER = ("Wilder (1978), New Concepts in Technical Trading Systems",)


def _band_warmup(window: int, **_: float) -> int:
    return window - 1


@feature(
    "bollinger_upper",
    inputs=("close",),
    warmup=_band_warmup,
    family="volatility",
    stationary=False,
    bounds=_BAND_BOUNDS,
)
def bollinger_upper(bars: Bars, *, window: int = 20, k: float = 2.0) -> Panel:
    """Upper Bollinger band, SMA + k population standard deviations, in price units."""
    return by_symbol(lambda close: _bands(close, window, k)[0], bars, "close")


@feature(
    "bollinger_lower",
    inputs=("close",),
    warmup=_band_warmup,
    family="volatility",
    stationary=False,
    bounds=_BAND_BOUNDS,
)
def bollinger_lower(bars: Bars, *, window: int = 20, k: float = 2.0) -> Panel:
    """Lower Bollinger band, SMA - k population standard deviations, in price units."""
    return by_symbol(lambda close: _bands(close, window, k)[2], bars, "close")


@feature("bollinger_percent_b", inputs=("close",), warmup=_band_warmup, family="volatility", bounds=_BAND_BOUNDS)
def bollinger_percent_b(bars: Bars, *, window: int = 20, k: float = 2.0) -> Panel:
    """Place of the close between the Bollinger bands: 0 at the lower, 1 at the upper; 0.5 where they coincide."""

    def one(close: FloatArray) -> FloatArray:
        upper, middle, lower = _bands(close, window, k)
        flat = upper - lower <= 1e-12 * middle
        return np.where(flat, 0.5, (close - lower) / np.where(flat, 1.0, upper - lower))

    return by_symbol(one, bars, "close")


@feature("bollinger_width", inputs=("close",), warmup=_band_warmup, family="volatility", bounds=_BAND_BOUNDS)
def bollinger_width(bars: Bars, *, window: int = 20, k: float = 2.0) -> Panel:
    """Distance between the Bollinger bands as a fraction of their middle."""

    def one(close: FloatArray) -> FloatArray:
        upper, middle, lower = _bands(close, window, k)
        return (upper - lower) / middle

    return by_symbol(one, bars, "close")


@feature(
    "atr",
    inputs=("high", "low", "close"),
    warmup=lambda window: window,
    family="volatility",
    recursive=True,
    stationary=False,
    bounds={"window": (1, _MOST)},
    references=_WILDER,
)
def atr(bars: Bars, *, window: int = 14) -> Panel:
    """Average true range, Wilder smoothing, in price units: grows with the price; see `natr`."""
    import talib

    return by_symbol(lambda h, low, c: talib.ATR(h, low, c, window), bars, "high", "low", "close")


@feature(
    "natr",
    inputs=("high", "low", "close"),
    warmup=lambda window: window,
    family="volatility",
    recursive=True,
    bounds={"window": (1, _MOST)},
    references=_WILDER,
)
def natr(bars: Bars, *, window: int = 14) -> Panel:
    """Average true range in percent of the close (TA-Lib's NATR)."""
    import talib

    return by_symbol(lambda h, low, c: talib.NATR(h, low, c, window), bars, "high", "low", "close")


@feature(
    "realized_vol", inputs=("close",), warmup=lambda window: window, family="volatility", bounds={"window": (2, _MOST)}
)
def realized_vol(bars: Bars, *, window: int = 20) -> Panel:
    """Standard deviation (ddof=1) of the last ``window`` simple returns, per bar."""

    def one(close: FloatArray) -> FloatArray:
        return delayed(rolling_std(simple_returns(close), window), close.size)

    return by_symbol(one, bars, "close")


@feature(
    "parkinson_vol",
    inputs=("high", "low"),
    warmup=lambda window: window - 1,
    family="volatility",
    bounds={"window": (1, _MOST)},
    references=("Parkinson (1980), The extreme value method, Journal of Business 53",),
)
def parkinson_vol(bars: Bars, *, window: int = 20) -> Panel:
    """Volatility per bar from high-low ranges, sqrt(mean(ln(high / low)**2) / (4 ln 2)) over ``window`` bars."""

    def one(high: FloatArray, low: FloatArray) -> FloatArray:
        return np.sqrt(rolling_sum(np.log(high / low) ** 2, window) / (window * 4 * np.log(2)))

    return by_symbol(one, bars, "high", "low")


def _bands(close: FloatArray, window: int, k: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    import talib

    return talib.BBANDS(close, window, k, k, _SMA)
