"""True ranges and estimators of volatility from returns and ranges. Volatilities are per bar, never annualised here."""

from __future__ import annotations

import numpy as np

from workbench.features.indicators.returns import simple_returns
from workbench.features.indicators.steps import TrueRange, Wilder
from workbench.features.indicators.windows import FROM_1, FROM_2, changes_full, full, mean, variance
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray

_WILDER = ("Wilder (1978), New Concepts in Technical Trading Systems",)


@indicator("true_range", warmup=1, family="volatility", stationary=False, references=_WILDER)
def true_range(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Greatest of high - low and the distances of both from the last close, in price units."""
    import talib

    return talib.TRANGE(high, low, close)


def _atr_step(window: int) -> Step:
    reach, average = TrueRange(), Wilder(window)
    return lambda high, low, close: average(reach(high, low, close))


def _natr_step(window: int) -> Step:
    average = _atr_step(window)
    return lambda high, low, close: average(high, low, close) / close * 100.0


@indicator(
    "atr",
    warmup=changes_full,
    family="volatility",
    recursive=True,
    stationary=False,
    bounds=FROM_1,
    references=_WILDER,
    stream=_atr_step,
)
def atr(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 14) -> FloatArray:
    """Average true range, Wilder smoothing, in price units: grows with the price; see `natr`."""
    import talib

    return talib.ATR(high, low, close, window)


@indicator(
    "natr",
    warmup=changes_full,
    family="volatility",
    recursive=True,
    bounds=FROM_2,
    references=_WILDER,
    stream=_natr_step,
)
def natr(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 14) -> FloatArray:
    """Average true range in percent of the close (TA-Lib's NATR)."""
    import talib

    return talib.NATR(high, low, close, window)


@indicator("realized_vol", warmup=changes_full, family="volatility", bounds=FROM_2)
def realized_vol(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Standard deviation (ddof=1) of the last ``window`` simple returns, per bar."""
    return np.sqrt(variance(simple_returns(close), window, min(close.size, 1)))


@indicator(
    "parkinson_vol",
    warmup=full,
    family="volatility",
    bounds=FROM_1,
    references=("Parkinson (1980), The extreme value method, Journal of Business 53",),
)
def parkinson_vol(high: FloatArray, low: FloatArray, *, window: int = 20) -> FloatArray:
    """Volatility per bar from high-low ranges, sqrt(mean(ln(high / low)**2) / (4 ln 2)) over ``window`` bars."""
    return np.sqrt(mean(np.log(high / low) ** 2, window) / (4 * np.log(2)))


@indicator(
    "garman_klass_vol",
    warmup=full,
    family="volatility",
    bounds=FROM_1,
    references=("Garman & Klass (1980), On the estimation of security price volatilities, Journal of Business 53",),
)
def garman_klass_vol(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    window: int = 20,
) -> FloatArray:
    """Volatility per bar from open, high, low and close, without drift and opening gaps.

    Notes
    -----
    ``sqrt(mean(ln(high / low)**2 / 2 - (2 ln 2 - 1) ln(close / open)**2))`` over ``window`` bars.
    """
    squares = 0.5 * np.log(high / low) ** 2 - (2 * np.log(2) - 1) * np.log(close / open) ** 2
    return np.sqrt(mean(squares, window))


@indicator(
    "rogers_satchell_vol",
    warmup=full,
    family="volatility",
    bounds=FROM_1,
    references=("Rogers & Satchell (1991), Estimating variance from high, low and closing prices, AAP 1",),
)
def rogers_satchell_vol(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    window: int = 20,
) -> FloatArray:
    """Volatility per bar from open, high, low and close, right under any drift within the bar.

    Notes
    -----
    ``sqrt(mean(ln(high / close) ln(high / open) + ln(low / close) ln(low / open)))`` over ``window`` bars.
    """
    return np.sqrt(mean(_rogers_satchell(open, high, low, close), window))


@indicator(
    "yang_zhang_vol",
    warmup=changes_full,
    family="volatility",
    bounds=FROM_2,
    references=("Yang & Zhang (2000), Drift-independent volatility estimation, Journal of Business 73",),
)
def yang_zhang_vol(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    window: int = 20,
) -> FloatArray:
    """Volatility per bar from all four prices and the opening gap, right under drift and gaps.

    Notes
    -----
    ``s**2 = s_gap**2 + k s_day**2 + (1 - k) s_rs**2``: variances (ddof=1) of ln(open / last close) and of
    ln(close / open), Rogers and Satchell's mean, ``k = 0.34 / (1.34 + (n + 1) / (n - 1))``, n = window.
    """
    before = min(close.size, 1)
    gaps, days = np.log(open[1:] / close[:-1]), np.log(close[1:] / open[1:])
    inside = mean(_within(np.log(high[1:] / open[1:]), np.log(low[1:] / open[1:]), days), window, before)
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    return np.sqrt(variance(gaps, window, before) + k * variance(days, window, before) + (1 - k) * inside)


def _rogers_satchell(open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    return _within(np.log(high / open_), np.log(low / open_), np.log(close / open_))


def _within(up: FloatArray, down: FloatArray, move: FloatArray) -> FloatArray:
    """Rogers and Satchell's term from the logs of high, low and close over the open."""
    return up * (up - move) + down * (down - move)
