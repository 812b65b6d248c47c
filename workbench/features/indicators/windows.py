"""What the indicators share: bounds and warm-ups of windows, and sums and moments over trailing windows.

Sums and moments are the kernels of `workbench.features.kernels`, which load when the first of them is needed; the
result has ``before`` more rows of NaN in front, for series that start later than the bars.
"""

from __future__ import annotations

import numpy as np

from workbench.typing import FloatArray

MOST = 100_000
"""TA-Lib's longest period, kept for all windows."""
FROM_1 = {"window": (1, MOST)}
FROM_2 = {"window": (2, MOST)}
FROM_3 = {"window": (3, MOST)}
SMA, EMA = 0, 1
"""TA-Lib's codes of moving averages."""


def full(window: int, **_: object) -> int:
    """Warm-up of a window of bars: its first value is at the bar that fills it."""
    return window - 1


def changes_full(window: int, **_: object) -> int:
    """Warm-up of a window of changes: one bar more."""
    return window


def total(x: FloatArray, window: int, before: int = 0) -> FloatArray:
    """Sum of the last ``window`` values."""
    from workbench.features.kernels.windows import rolling_sum

    out = _blank(x, before)
    rolling_sum(x, window, out[before:])
    return out


def mean(x: FloatArray, window: int, before: int = 0) -> FloatArray:
    """Mean of the last ``window`` values."""
    from workbench.features.kernels.windows import rolling_mean

    out = _blank(x, before)
    rolling_mean(x, window, out[before:])
    return out


def variance(x: FloatArray, window: int, before: int = 0, *, ddof: int = 1) -> FloatArray:
    """Variance of the last ``window`` values."""
    from workbench.features.kernels.windows import rolling_var

    out = _blank(x, before)
    rolling_var(x, window, ddof, out[before:])
    return out


def zscore(x: FloatArray, window: int, before: int = 0) -> FloatArray:
    """Newest value in standard deviations (ddof=1) from the mean of the last ``window``; 0 where they are equal."""
    from workbench.features.kernels.windows import rolling_zscore

    out = _blank(x, before)
    rolling_zscore(x, window, out[before:])
    return out


def shape(x: FloatArray, window: int, before: int = 0) -> tuple[FloatArray, FloatArray]:
    """Sample skewness G1 and excess kurtosis G2 of the last ``window`` values; 0 where they are equal."""
    from workbench.features.kernels.windows import rolling_shape

    skew, kurtosis = _blank(x, before), _blank(x, before)
    rolling_shape(x, window, skew[before:], kurtosis[before:])
    return skew, kurtosis


def covariance(x: FloatArray, y: FloatArray, window: int, before: int = 0) -> FloatArray:
    """Covariance (ddof=1) of the last ``window`` pairs."""
    from workbench.features.kernels.pairs import COVARIANCE, rolling_pair

    out = _blank(x, before)
    rolling_pair(x, y, window, COVARIANCE, out[before:])
    return out


def correlation(x: FloatArray, y: FloatArray, window: int, before: int = 0) -> FloatArray:
    """Correlation of the last ``window`` pairs, -1 to 1; 0 where one side is flat."""
    from workbench.features.kernels.pairs import CORRELATION, rolling_pair

    out = _blank(x, before)
    rolling_pair(x, y, window, CORRELATION, out[before:])
    return out


def share(part: FloatArray, whole: FloatArray, neutral: float) -> FloatArray:
    """``part / whole``, and ``neutral`` where ``whole`` is 0; NaN stays NaN."""
    empty = whole == 0
    if not empty.any():
        return part / whole
    return np.where(empty, neutral, part / np.where(empty, 1.0, whole))


def _blank(x: FloatArray, before: int) -> FloatArray:
    out = np.empty(x.size + before)
    out[:before] = np.nan
    return out


def gap(price: FloatArray, level: FloatArray) -> FloatArray:
    """Distance of the price from a level as a fraction, ``price / level - 1``, written over the level."""
    np.divide(price, level, out=level)
    level -= 1.0
    return level
