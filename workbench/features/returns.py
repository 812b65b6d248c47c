"""Features of past returns."""

from __future__ import annotations

import numpy as np

from workbench.features.columns import by_symbol, delayed, lagged
from workbench.features.registry import feature
from workbench.features.rolling import rolling_moments
from workbench.typing import Bars, FloatArray, Panel

_MOST = 100_000  # TA-Lib's longest period, kept for all windows
_FLAT = 1e-10  # a standard deviation of returns below this is rounding


def simple_returns(close: FloatArray) -> FloatArray:
    """Return the n - 1 bar-by-bar simple returns of n closes."""
    return close[1:] / close[:-1] - 1


@feature("ret", inputs=("close",), warmup=lambda window: window, family="returns", bounds={"window": (1, _MOST)})
def ret(bars: Bars, *, window: int = 1) -> Panel:
    """Simple return over the last ``window`` bars, close to close, as a fraction."""
    return by_symbol(lambda close: close / lagged(close, window) - 1, bars, "close")


@feature("log_ret", inputs=("close",), warmup=lambda window: window, family="returns", bounds={"window": (1, _MOST)})
def log_ret(bars: Bars, *, window: int = 1) -> Panel:
    """Logarithmic return over the last ``window`` bars, close to close."""
    return by_symbol(lambda close: np.log(close / lagged(close, window)), bars, "close")


@feature("open_gap", inputs=("open", "close"), warmup=1, family="returns")
def open_gap(bars: Bars) -> Panel:
    """Return from the last bar's close to this bar's open, as a fraction; 0 where trading never stops."""
    return by_symbol(lambda open_, close: open_ / lagged(close, 1) - 1, bars, "open", "close")


@feature(
    "skew",
    inputs=("close",),
    warmup=lambda window: window,
    family="returns",
    bounds={"window": (3, _MOST)},
    references=("Joanes & Gill (1998), Comparing measures of sample skewness and kurtosis, G1",),
)
def skew(bars: Bars, *, window: int = 60) -> Panel:
    """Sample skewness (adjusted, G1) of the last ``window`` simple returns; 0 where they are all equal.

    Notes
    -----
    ``G1 = n / ((n - 1)(n - 2)) * sum(((r - mean) / s)**3)`` with s at ddof=1, n = window.
    """

    def one(close: FloatArray) -> FloatArray:
        if close.size < 2:
            return np.full(close.size, np.nan)
        _, squares, cubes = rolling_moments(simple_returns(close), window)
        std = np.sqrt(squares / (window - 1))
        moving = ~(std <= _FLAT)  # NaN of the warm-up stays NaN
        scale = window / ((window - 1) * (window - 2))
        return delayed(np.where(moving, scale * cubes / np.where(moving, std, 1.0) ** 3, 0.0), close.size)

    return by_symbol(one, bars, "close")
