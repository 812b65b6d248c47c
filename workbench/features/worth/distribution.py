"""How a feature is distributed, and whether it stays so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.errors import ConfigError
from workbench.typing import FloatArray

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
OUTLIER_WIDTH = 5.0
"""Robust standard deviations from the median beyond which a value counts as an outlier."""
STABLE, SHIFTED = 0.10, 0.25
"""Population stability index below which a feature counts as stable, and above which as shifted."""
_BIN_VALUES = 50  # with fewer a bin the index is mostly sampling noise


@dataclass(frozen=True)
class Distribution:
    """Moments and tails of a feature's known values.

    Attributes
    ----------
    n
        Values.
    mean, std
        In the feature's unit; the deviation with ddof=1.
    skewness, kurtosis
        Raw (Pearson's, 3 for a Gaussian); NaN where nothing varies.
    outliers
        Share beyond 5 robust standard deviations (1.4826 times the median absolute deviation) from the median; NaN
        where half the values or more are one value.
    quantiles
        At `QUANTILES`.
    """

    n: int
    mean: float
    std: float
    skewness: float
    kurtosis: float
    outliers: float
    quantiles: tuple[float, ...]


def coverage(x: FloatArray, trades: np.ndarray) -> float:
    """Return the share of the symbols' own bars on which a feature has a value; its warm-up counts against it.

    Parameters
    ----------
    x, trades
        (n_bars, n_assets): the feature, and True where the symbol has a bar.
    """
    n = int(trades.sum())
    return float((np.isfinite(x) & trades).sum() / n) if n else float("nan")


def describe(x: FloatArray) -> Distribution:
    """Return the distribution of a feature's finite values, those of all symbols together."""
    values = x[np.isfinite(x)]
    n, nan = values.size, float("nan")
    if n < 2:
        mean = float(values[0]) if n else nan
        return Distribution(n, mean, nan, nan, nan, nan, (mean,) * len(QUANTILES))
    mean, std = float(values.mean()), float(values.std(ddof=1))
    centred = values - mean
    second = float((centred**2).mean())
    varies = std > 1e-12 * float(np.abs(values).max())
    skewness = float((centred**3).mean()) / second**1.5 if varies else nan
    kurtosis = float((centred**4).mean()) / second**2 if varies else nan
    quantiles = tuple(float(q) for q in np.quantile(values, QUANTILES))
    return Distribution(n, mean, std, skewness, kurtosis, _outliers(values), quantiles)


def _outliers(values: FloatArray) -> float:
    distance = np.abs(values - np.median(values))
    robust = 1.4826 * float(np.median(distance))
    return float((distance > OUTLIER_WIDTH * robust).mean()) if robust > 0 else float("nan")


def population_stability(reference: FloatArray, later: FloatArray, n_bins: int = 10) -> float:
    r"""Return the population stability index of later values against a reference: 0 is the same distribution.

    Parameters
    ----------
    reference, later
        Any shape; only finite values count.
    n_bins
        Bins between quantiles of the reference alone, fewer where a part holds less than 50 values a bin (never less
        than 2); equal edges (values that repeat) are one.

    Returns
    -------
    float
        Below 0.10 is usually called stable, above 0.25 shifted. NaN where either part is empty.

    Notes
    -----
    .. math:: \sum_b (q_b - p_b) \ln(q_b / p_b)

    with the bins' shares p in the reference and q later, each with half a value added to its count, so that an empty
    bin is no infinity. Of two samples of n and m values with one distribution about (bins - 1)(1/n + 1/m) is expected.

    References
    ----------
    Siddiqi, N. (2006). Credit Risk Scorecards. Wiley.
    """
    if n_bins < 2:
        raise ConfigError(f"n_bins must be at least 2, got {n_bins}; 10 is usual")
    a, b = reference[np.isfinite(reference)], later[np.isfinite(later)]
    if not a.size or not b.size:
        return float("nan")
    n_bins = max(2, min(n_bins, a.size // _BIN_VALUES, b.size // _BIN_VALUES))
    edges = np.unique(np.quantile(a, np.arange(1, n_bins) / n_bins))
    p, q = (_shares(v, edges) for v in (a, b))
    return float(((q - p) * np.log(q / p)).sum())


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1) + 0.5
    return counts / counts.sum()


def kolmogorov_smirnov(reference: FloatArray, later: FloatArray) -> float:
    """Return the largest distance between two empirical distribution functions, 0 to 1.

    No p-value is given: its formula takes the values for independent, and those of a feature are not.

    References
    ----------
    Smirnov, N. (1948). Table for estimating the goodness of fit of empirical distributions. Annals of Mathematical
    Statistics 19, 279-281.
    """
    a, b = np.sort(reference[np.isfinite(reference)]), np.sort(later[np.isfinite(later)])
    if not a.size or not b.size:
        return float("nan")
    both = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(v, both, side="right") / v.size for v in (a, b))
    return float(np.abs(below_a - below_b).max())


def histograms(first: FloatArray, last: FloatArray, n_bins: int = 40) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return bin edges and the shares of two parts in them; the outer half percents lie in the outermost bins."""
    a, b = first[np.isfinite(first)], last[np.isfinite(last)]
    both = np.concatenate([a, b])
    if not both.size:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    low, high = np.quantile(both, [0.005, 0.995])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, n_bins + 1)
    shares = [np.histogram(np.clip(v, low, high), edges)[0] / v.size if v.size else np.zeros(n_bins) for v in (a, b)]
    return edges, shares[0], shares[1]
