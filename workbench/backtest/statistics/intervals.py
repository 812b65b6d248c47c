"""Bounds from the replicates of a bootstrap."""

from __future__ import annotations

from statistics import NormalDist
from typing import Literal

import numpy as np

from workbench.typing import FloatArray

Method = Literal["percentile", "bca", "studentised"]
METHODS = ("percentile", "bca", "studentised")
_NORMAL = NormalDist()


def percentile_bounds(draws: FloatArray, confidence: float) -> tuple[float, float]:
    """Return the quantiles of the replicates that leave out equal shares on both sides (Efron 1979)."""
    half = (1.0 - confidence) / 2.0
    return _quantiles(draws, half, 1.0 - half)


def bca_bounds(value: float, draws: FloatArray, left_out: FloatArray, confidence: float) -> tuple[float, float]:
    """Return bias-corrected and accelerated bounds.

    Notes
    -----
    ``α = Φ(z₀ + (z₀ + z) / (1 − a (z₀ + z)))`` with z₀ from the share of replicates below the value and a from the
    skewness of ``left_out``, the figure without one stretch at a time.

    References
    ----------
    Efron, B. (1987). Better Bootstrap Confidence Intervals. JASA 82(397), 171-185.
    """
    known = draws[~np.isnan(draws)]
    if len(known) == 0 or np.isnan(value):
        return float("nan"), float("nan")
    below = ((known < value).sum() + (known == value).sum() / 2.0) / len(known)
    edge = 0.5 / len(known)
    z0 = _NORMAL.inv_cdf(float(np.clip(below, edge, 1.0 - edge)))
    apart = np.nanmean(left_out) - left_out
    apart = apart[~np.isnan(apart)]
    spread = float((apart**2).sum()) ** 1.5
    a = float((apart**3).sum()) / (6.0 * spread) if spread > 0 else 0.0
    shares = []
    for tail in ((1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0):
        z = z0 + _NORMAL.inv_cdf(tail)
        shares.append(_NORMAL.cdf(z0 + z / (1.0 - a * z)) if a * z < 1.0 else float(z > 0))
    return _quantiles(draws, *shares)


def studentised_bounds(
    value: float, draws: FloatArray, error: float, errors: FloatArray, confidence: float
) -> tuple[float, float]:
    """Return symmetric bounds: the sample's standard error times a quantile of the replicates' absolute t.

    References
    ----------
    Ledoit, O. and Wolf, M. (2008). Robust Performance Hypothesis Testing with the Sharpe Ratio. Journal of Empirical
    Finance 15(5), 850-859, section 3.2.
    """
    known = errors > 0
    t = np.where(known, np.abs(draws - value) / np.where(known, errors, 1.0), np.nan)
    reach = error * _quantiles(t, confidence, confidence)[0]
    return value - reach, value + reach


def _quantiles(draws: FloatArray, low: float, high: float) -> tuple[float, float]:
    known = draws[~np.isnan(draws)]
    if 2 * len(known) < len(draws):
        return float("nan"), float("nan")
    bounds = np.quantile(known, [low, high])
    return float(bounds[0]), float(bounds[1])
