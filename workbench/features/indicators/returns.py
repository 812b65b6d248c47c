"""Features of past returns: returns themselves, their shape, their memory."""

from __future__ import annotations

import numpy as np

from workbench.features.columns import lagged
from workbench.features.indicators.windows import (
    FROM_1,
    FROM_3,
    MOST,
    changes_full,
    correlation,
    mean,
    shape,
    share,
    variance,
)
from workbench.features.registry import indicator
from workbench.typing import FloatArray

_JOANES = ("Joanes & Gill (1998), Comparing measures of sample skewness and kurtosis",)
_LO = ("Lo & MacKinlay (1988), Stock market prices do not follow random walks, Review of Financial Studies 1",)


def simple_returns(close: FloatArray) -> FloatArray:
    """Return the n - 1 bar-by-bar simple returns of n closes."""
    return close[1:] / close[:-1] - 1


@indicator("ret", warmup=changes_full, family="returns", bounds=FROM_1)
def ret(close: FloatArray, *, window: int = 1) -> FloatArray:
    """Simple return over the last ``window`` bars, close to close, as a fraction."""
    return close / lagged(close, window) - 1


@indicator("log_ret", warmup=changes_full, family="returns", bounds=FROM_1)
def log_ret(close: FloatArray, *, window: int = 1) -> FloatArray:
    """Logarithmic return over the last ``window`` bars, close to close."""
    return np.log(close / lagged(close, window))


@indicator("open_gap", warmup=1, family="returns")
def open_gap(open: FloatArray, close: FloatArray) -> FloatArray:
    """Return from the last bar's close to this bar's open, as a fraction; 0 where trading never stops."""
    return open / lagged(close, 1) - 1


@indicator("skew", warmup=changes_full, family="returns", bounds=FROM_3, references=_JOANES)
def skew(close: FloatArray, *, window: int = 60) -> FloatArray:
    """Sample skewness (adjusted, G1) of the last ``window`` simple returns; 0 where they are all equal.

    Notes
    -----
    ``G1 = n / ((n - 1)(n - 2)) * sum(((r - mean) / s)**3)`` with s at ddof=1, n = window.
    """
    return shape(simple_returns(close), window, min(close.size, 1))[0]


@indicator("kurt", warmup=changes_full, family="returns", bounds={"window": (4, MOST)}, references=_JOANES)
def kurt(close: FloatArray, *, window: int = 60) -> FloatArray:
    """Sample excess kurtosis (adjusted, G2; normal = 0) of the last ``window`` simple returns; 0 where equal."""
    return shape(simple_returns(close), window, min(close.size, 1))[1]


@indicator(
    "autocorr",
    warmup=lambda window, lag: window + lag,
    family="returns",
    bounds={"window": (3, MOST), "lag": (1, MOST)},
)
def autocorr(close: FloatArray, *, window: int = 60, lag: int = 1) -> FloatArray:
    """Correlation of the last ``window`` simple returns with those ``lag`` bars before, -1 to 1; 0 where flat.

    Means and deviations are those of the two windows, so an AR(1) series gives its coefficient.
    """
    if close.size <= lag + 1:
        return np.full(close.size, np.nan)
    r = simple_returns(close)
    return correlation(r[lag:], r[:-lag], window, 1 + lag)


@indicator(
    "variance_ratio",
    warmup=changes_full,
    family="returns",
    bounds={"window": (3, MOST), "lag": (2, MOST)},
    rules={"lag < window": lambda window, lag: lag < window},
    references=_LO,
)
def variance_ratio(close: FloatArray, *, window: int = 120, lag: int = 5) -> FloatArray:
    """Variance of ``lag``-bar log returns over ``lag`` times that of one-bar ones: above 1 trending, below 1 reverting.

    1 in a flat window.

    Notes
    -----
    Overlapping returns within the window, both variances unbiased (Lo & MacKinlay's Mc + 1).
    """
    log_price = np.log(close)
    return share(_aggregated(log_price, window, lag), _aggregated(log_price, window, 1), 1.0)


@indicator(
    "hurst",
    warmup=changes_full,
    family="returns",
    bounds={"window": (16, MOST)},
    references=("Taqqu, Teverovsky & Willinger (1995), Estimators for long-range dependence, Fractals 3", *_LO),
)
def hurst(close: FloatArray, *, window: int = 128) -> FloatArray:
    """Hurst exponent by aggregated variance, 0 to 1: 0.5 for a random walk and a flat window, above it trending.

    Notes
    -----
    The least-squares slope of ``log2 s(q)`` on ``log2 q`` for q = 1, 2, 4 … up to a quarter of the window, with s(q)
    the unbiased standard deviation of overlapping q-bar log returns. This is not the rescaled range, which leans
    above 0.5 in short windows.
    """
    log_price = np.log(close)
    powers = np.arange(int(np.log2(window // 4)) + 1)
    weights = (powers - powers.mean()) / ((powers - powers.mean()) ** 2).sum()
    slope = np.zeros(close.size)
    flat = np.zeros(close.size, dtype=bool)
    for power, weight in zip(powers.tolist(), weights.tolist(), strict=True):
        squares = _aggregated(log_price, window, 2**power) * 2.0**power  # per q bars
        still = squares <= 0
        flat |= still
        slope += weight * 0.5 * np.log2(np.where(still, 1.0, squares))
    return np.where(flat, 0.5, np.clip(slope, 0.0, 1.0))


def _aggregated(log_price: FloatArray, window: int, lag: int) -> FloatArray:
    """Unbiased variance per bar of overlapping ``lag``-bar changes among the last ``window`` changes, shape (n,)."""
    if log_price.size <= window:
        return np.full(log_price.size, np.nan)
    changes = log_price[lag:] - log_price[:-lag]
    if lag == 1:
        return variance(changes, window, 1)
    count = window - lag + 1
    drift = lag * (log_price - lagged(log_price, window)) / window
    apart = mean(changes, count, lag) - drift
    squares = count * (variance(changes, count, lag, ddof=0) + apart * apart)
    return squares / (lag * count * (1 - lag / window))
