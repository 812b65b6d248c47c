"""Operators that look across symbols at one time.

Arrays are (n_bars, n_symbols); NaN marks a symbol without a value then, which takes no part and stays NaN.
"""

from __future__ import annotations

import numpy as np

from workbench.features.expressions.operators import operator
from workbench.typing import FloatArray


@operator("rank", cross=True, aliases=("cs_rank",))
def rank(out: FloatArray, x: FloatArray) -> None:
    """Rank among the symbols over their number, ties by their mean: up to 1 = highest."""
    from workbench.features.kernels.sections import ranks

    ranks(x, out)


@operator("zscore", cross=True, aliases=("cs_zscore",))
def zscore(out: FloatArray, x: FloatArray) -> None:
    """Distance from the symbols' mean in their standard deviations (ddof=1); 0 where they are equal or one."""
    from workbench.features.kernels.sections import standardise

    standardise(x, out)


@operator("demean", cross=True)
def demean(out: FloatArray, x: FloatArray) -> None:
    """Value less the symbols' mean."""
    np.subtract(x, _mean(x), out=out)


@operator("neutralize", cross=True, aliases=("neutralise",))
def neutralize(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """What a regression of x on y across the symbols leaves; x less its mean where y is equal for all."""
    from workbench.features.kernels.sections import residuals

    residuals(x, y, out)


@operator("scale", cross=True)
def scale(out: FloatArray, x: FloatArray) -> None:
    """Value over the sum of the symbols' absolute values; 0 where all are 0."""
    total = np.nansum(np.abs(x), axis=1, keepdims=True)
    np.divide(x, np.where(total == 0, 1.0, total), out=out)


@operator("winsorize", cross=True, bounds={"share": (0.0, 0.49)}, aliases=("winsorise",))
def winsorize(out: FloatArray, x: FloatArray, *, share: float = 0.05) -> None:
    """Value held between the symbols' quantiles ``share`` and 1 - ``share``."""
    from workbench.features.kernels.sections import quantile_bounds

    bounds = quantile_bounds(x, share)
    np.clip(x, bounds[:, :1], bounds[:, 1:], out=out)


@operator("bucket", cross=True, bounds={"buckets": (2, 100)})
def bucket(out: FloatArray, x: FloatArray, *, buckets: int = 5) -> None:
    """Quantile group among the symbols, 0 (lowest) to ``buckets`` - 1."""
    from workbench.features.kernels.sections import ranks

    ranks(x, out)
    np.minimum(np.ceil(out * buckets - 1e-9) - 1, buckets - 1, out=out)  # 7/25 times 25 is a bit more than 7


@operator("market_mean", cross=True)
def market_mean(out: FloatArray, x: FloatArray) -> None:
    """Mean over the symbols: the same for each of them."""
    out[:] = np.where(np.isnan(x), np.nan, _mean(x))


@operator("market_std", cross=True)
def market_std(out: FloatArray, x: FloatArray) -> None:
    """Standard deviation over the symbols (ddof=1), dispersion; 0 where there is only one."""
    n = (~np.isnan(x)).sum(axis=1, keepdims=True)
    squares = np.nansum((x - _mean(x)) ** 2, axis=1, keepdims=True)
    out[:] = np.where(np.isnan(x), np.nan, np.sqrt(squares / np.maximum(n - 1, 1)))


@operator("market_count", cross=True)
def market_count(out: FloatArray, x: FloatArray) -> None:
    """Number of symbols that have a value."""
    out[:] = np.where(np.isnan(x), np.nan, (~np.isnan(x)).sum(axis=1, keepdims=True))


def _mean(x: FloatArray) -> FloatArray:
    n = (~np.isnan(x)).sum(axis=1, keepdims=True)
    total = np.nansum(x, axis=1, keepdims=True)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)
