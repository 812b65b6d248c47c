"""Operators that look back in time over one symbol's own bars; every window includes the newest bar."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.features.expressions.operators import operator
from workbench.typing import FloatArray

_LONGEST = 1_000_000


def _full(window: int, **_: Any) -> int:
    return window - 1


def _back(periods: int, **_: Any) -> int:
    return periods


_ONE = {"window": (1, _LONGEST)}
_TWO = {"window": (2, _LONGEST)}
_AGO = {"periods": (0, _LONGEST)}


@operator("ref", lookback=_back, bounds=_AGO, aliases=("shift", "delay"))
def ref(out: FloatArray, x: FloatArray, *, periods: int) -> None:
    """The value so many bars ago; the future cannot be named."""
    out[periods:] = x[: x.size - periods] if periods else x


@operator("delta", lookback=_back, bounds=_AGO)
def delta(out: FloatArray, x: FloatArray, *, periods: int) -> None:
    """Change over so many bars."""
    np.subtract(x[periods:], x[: x.size - periods], out=out[periods:])


@operator("change", lookback=_back, bounds=_AGO, aliases=("pct",))
def change(out: FloatArray, x: FloatArray, *, periods: int) -> None:
    """Relative change over so many bars, a fraction."""
    np.divide(x[periods:], x[: x.size - periods], out=out[periods:])
    out[periods:] -= 1.0


@operator("sum", lookback=_full, bounds=_ONE)
def sum_(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Sum over the window."""
    from workbench.features.kernels.windows import rolling_sum

    rolling_sum(x, window, out)


@operator("mean", lookback=_full, bounds=_ONE)
def mean(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Mean over the window."""
    from workbench.features.kernels.windows import rolling_mean

    rolling_mean(x, window, out)


@operator("var", lookback=_full, bounds=_TWO)
def var(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Variance (ddof=1)."""
    from workbench.features.kernels.windows import rolling_var

    rolling_var(x, window, 1, out)


@operator("std", lookback=_full, bounds=_TWO)
def std(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Standard deviation (ddof=1)."""
    from workbench.features.kernels.windows import rolling_var

    rolling_var(x, window, 1, out)
    np.sqrt(out, out=out)


@operator("zscore_over", lookback=_full, bounds=_TWO, aliases=("zscore", "ts_zscore"))
def zscore_over(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Newest value in standard deviations from the window's mean; 0 where flat."""
    from workbench.features.kernels.windows import rolling_zscore

    rolling_zscore(x, window, out)


@operator("skewness", lookback=_full, bounds={"window": (3, _LONGEST)}, aliases=("skew",))
def skewness(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Sample skewness (G1); 0 where flat."""
    from workbench.features.kernels.windows import rolling_shape

    rolling_shape(x, window, out, np.empty(x.size))


@operator("kurtosis_over", lookback=_full, bounds={"window": (4, _LONGEST)}, aliases=("kurt", "kurtosis"))
def kurtosis_over(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Sample excess kurtosis (G2); 0 where flat."""
    from workbench.features.kernels.windows import rolling_shape

    rolling_shape(x, window, np.empty(x.size), out)


@operator("min", lookback=_full, bounds=_ONE)
def min_(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Lowest value of the window."""
    from workbench.features.kernels.windows import rolling_min

    rolling_min(x, window, out)


@operator("max", lookback=_full, bounds=_ONE)
def max_(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Highest value of the window."""
    from workbench.features.kernels.windows import rolling_max

    rolling_max(x, window, out)


@operator("span", lookback=_full, bounds=_ONE)
def span(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Highest less lowest value of the window."""
    from workbench.features.kernels.windows import rolling_max, rolling_min

    low = np.empty(x.size)
    rolling_min(x, window, low)
    rolling_max(x, window, out)
    out -= low


@operator("position", lookback=_full, bounds=_ONE)
def position(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Place of the newest value between lowest (0) and highest (1) of the window; 0.5 where flat."""
    from workbench.features.kernels.windows import rolling_max, rolling_min

    low = np.empty(x.size)
    rolling_min(x, window, low)
    rolling_max(x, window, out)
    out -= low
    flat = out == 0
    np.divide(x - low, np.where(flat, 1.0, out), out=out)
    out[flat] = 0.5


@operator("idxmax", lookback=_full, bounds=_ONE)
def idxmax(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Place of the highest value, 1 (oldest) to window (newest); the oldest of equals."""
    from workbench.features.kernels.windows import rolling_argmax

    rolling_argmax(x, window, 1.0, out)


@operator("idxmin", lookback=_full, bounds=_ONE)
def idxmin(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Place of the lowest value, 1 (oldest) to window (newest); the oldest of equals."""
    from workbench.features.kernels.windows import rolling_argmax

    rolling_argmax(x, window, -1.0, out)


@operator("quantile", lookback=_full, bounds={**_ONE, "q": (0.0, 1.0)})
def quantile(out: FloatArray, x: FloatArray, *, window: int, q: float) -> None:
    """Quantile of the window, linear between values."""
    from workbench.features.kernels.orders import rolling_quantile

    rolling_quantile(x, window, q, out)


@operator("median", lookback=_full, bounds=_ONE, aliases=("med",))
def median(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Median of the window."""
    from workbench.features.kernels.orders import rolling_quantile

    rolling_quantile(x, window, 0.5, out)


@operator("rank_over", lookback=_full, bounds=_ONE, aliases=("rank", "ts_rank"))
def rank_over(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Rank of the newest value in its window over its length, ties by their mean: up to 1 = highest."""
    from workbench.features.kernels.orders import rolling_rank

    rolling_rank(x, window, out)


@operator("mad", lookback=_full, bounds=_ONE)
def mad(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Mean absolute deviation from the window's mean."""
    from workbench.features.kernels.orders import rolling_mad

    rolling_mad(x, window, out)


@operator("decay", lookback=_full, bounds=_ONE, aliases=("wma", "decay_linear"))
def decay(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Mean with linearly falling weights, the newest bar the heaviest."""
    from workbench.features.kernels.pairs import WEIGHTED, rolling_line

    rolling_line(x, window, WEIGHTED, out)


@operator("slope", lookback=_full, bounds=_TWO)
def slope(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Slope per bar of the least-squares line through the window."""
    from workbench.features.kernels.pairs import SLOPE, rolling_line

    rolling_line(x, window, SLOPE, out)


@operator("rsquare", lookback=_full, bounds=_TWO)
def rsquare(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Share of the window's variance that its line explains; 0 where flat."""
    from workbench.features.kernels.pairs import RSQUARE, rolling_line

    rolling_line(x, window, RSQUARE, out)


@operator("resi", lookback=_full, bounds=_TWO, aliases=("residual",))
def resi(out: FloatArray, x: FloatArray, *, window: int) -> None:
    """Newest value less the window's least-squares line there."""
    from workbench.features.kernels.pairs import RESIDUAL, rolling_line

    rolling_line(x, window, RESIDUAL, out)


@operator("cov", lookback=_full, bounds=_TWO)
def cov(out: FloatArray, x: FloatArray, y: FloatArray, *, window: int) -> None:
    """Covariance of two series (ddof=1)."""
    from workbench.features.kernels.pairs import COVARIANCE, rolling_pair

    rolling_pair(x, y, window, COVARIANCE, out)


@operator("corr", lookback=_full, bounds=_TWO)
def corr(out: FloatArray, x: FloatArray, y: FloatArray, *, window: int) -> None:
    """Correlation of two series; 0 where one is flat."""
    from workbench.features.kernels.pairs import CORRELATION, rolling_pair

    rolling_pair(x, y, window, CORRELATION, out)


@operator("beta_on", lookback=_full, bounds=_TWO, aliases=("beta",))
def beta_on(out: FloatArray, x: FloatArray, y: FloatArray, *, window: int) -> None:
    """Slope of x on y over the window; 0 where y is flat."""
    from workbench.features.kernels.pairs import BETA, rolling_pair

    rolling_pair(x, y, window, BETA, out)


@operator(
    "autocorr_over",
    lookback=lambda window, lag: window + lag - 1,
    bounds={"window": (2, _LONGEST), "lag": (1, _LONGEST)},
    aliases=("autocorr",),
)
def autocorr_over(out: FloatArray, x: FloatArray, *, window: int, lag: int = 1) -> None:
    """Correlation of the window with itself so many bars before; 0 where flat."""
    from workbench.features.kernels.pairs import CORRELATION, rolling_pair

    if x.size > lag:
        rolling_pair(x[lag:], x[: x.size - lag], window, CORRELATION, out[lag:])


@operator("count", lookback=_full, bounds=_ONE)
def count(out: FloatArray, condition: FloatArray, *, window: int) -> None:
    """Bars of the window on which the condition is true."""
    from workbench.features.kernels.windows import rolling_sum

    rolling_sum((condition != 0).astype(np.float64), window, out)


@operator("since", lookback=_full, bounds=_ONE)
def since(out: FloatArray, condition: FloatArray, *, window: int) -> None:
    """Bars since the condition was last true, 0 on such a bar; ``window`` where it was not in the window."""
    from workbench.features.kernels.orders import bars_since

    bars_since(condition, window, out)


@operator("cross_above", lookback=1)
def cross_above(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 on the bar on which x goes from at most y to above y."""
    above = x > y
    out[1:] = above[1:] & ~above[:-1]


@operator("cross_below", lookback=1)
def cross_below(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 on the bar on which x goes from at least y to below y."""
    below = x < y
    out[1:] = below[1:] & ~below[:-1]
