"""Volume and volume-weighted prices. The typical price is (high + low + close) / 3."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.features.columns import by_symbol, panel
from workbench.features.registry import feature
from workbench.features.rolling import rolling_moments, rolling_sum
from workbench.typing import Bars, FloatArray, Panel

_MOST = 100_000  # TA-Lib's longest period
_FLAT = 1e-10  # a standard deviation of log volumes below this is rounding
_PRICE_VOLUME = ("high", "low", "close", "volume")


@feature(
    "obv",
    inputs=("close", "volume"),
    warmup=0,
    family="volume",
    recursive=True,
    stationary=False,
    references=("Granville (1963), New Key to Stock Market Profits",),
)
def obv(bars: Bars) -> Panel:
    """On-balance volume, starting at the first bar's volume: a running total whose level means nothing."""
    import talib

    return by_symbol(talib.OBV, bars, "close", "volume")


@feature("mfi", inputs=_PRICE_VOLUME, warmup=lambda window: window, family="volume", bounds={"window": (2, _MOST)})
def mfi(bars: Bars, *, window: int = 14) -> Panel:
    """Money flow index, 0 to 100; 0 where no money flowed (no volume, or the typical price did not move)."""
    import talib

    return by_symbol(lambda h, low, c, v: talib.MFI(h, low, c, v, window), bars, *_PRICE_VOLUME)


@feature(
    "volume_z", inputs=("volume",), warmup=lambda window: window - 1, family="volume", bounds={"window": (2, _MOST)}
)
def volume_z(bars: Bars, *, window: int = 20) -> Panel:
    """Log volume, ln(1 + volume), in standard deviations (ddof=1) from its mean over ``window`` bars, with this one.

    0 where the window's volume is constant, such as zero throughout.
    """

    def one(volume: FloatArray) -> FloatArray:
        logs = np.log1p(volume)
        mean, squares, _ = rolling_moments(logs, window)
        std = np.sqrt(squares / (window - 1))
        moving = ~(std <= _FLAT)  # NaN of the warm-up stays NaN
        return np.where(moving, (logs - mean) / np.where(moving, std, 1.0), 0.0)

    return by_symbol(one, bars, "volume")


@feature(
    "vwap",
    inputs=_PRICE_VOLUME,
    warmup=lambda window: window - 1,
    family="volume",
    stationary=False,
    bounds={"window": (1, _MOST)},
)
def vwap(bars: Bars, *, window: int = 48) -> Panel:
    """Volume-weighted average of the typical price over the last ``window`` bars, in price units.

    Where the window has no volume, the plain mean of its typical prices.
    """
    return by_symbol(lambda h, low, c, v: _vwap(h, low, c, v, window), bars, *_PRICE_VOLUME)


@feature(
    "vwap_gap", inputs=_PRICE_VOLUME, warmup=lambda window: window - 1, family="volume", bounds={"window": (1, _MOST)}
)
def vwap_gap(bars: Bars, *, window: int = 48) -> Panel:
    """Distance of the close from the rolling VWAP as a fraction, close / vwap - 1."""
    return by_symbol(lambda h, low, c, v: c / _vwap(h, low, c, v, window) - 1, bars, *_PRICE_VOLUME)


@feature("session_vwap", inputs=_PRICE_VOLUME, warmup=0, family="volume", recursive=True, stationary=False)
def session_vwap(bars: Bars) -> Panel:
    """Volume-weighted average of the typical price since 00:00 UTC of the bar's day, in price units.

    Until the day has volume, the plain mean of its typical prices. A first day that begins late starts with its
    first bar.
    """
    typical = (panel(bars, "high") + panel(bars, "low") + panel(bars, "close")) / 3
    day = pd.DatetimeIndex(bars.index).floor("D")
    value = (typical * panel(bars, "volume")).groupby(day).cumsum()
    volume = panel(bars, "volume").groupby(day).cumsum()
    plain = typical.groupby(day).cumsum() / typical.notna().groupby(day).cumsum()
    return (value / volume.where(volume > 0)).where(volume > 0, plain).where(typical.notna())


def _vwap(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, window: int) -> FloatArray:
    typical = (high + low + close) / 3
    total = rolling_sum(volume, window)
    empty = total <= 0
    weighted = rolling_sum(typical * volume, window) / np.where(empty, 1.0, total)
    return np.where(empty, rolling_sum(typical, window) / window, weighted) if empty.any() else weighted
