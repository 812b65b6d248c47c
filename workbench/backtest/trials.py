"""How many independent bets a set of trials amounts to: clusters of trials whose returns move together."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.backtest.clusters import clusters_of
from workbench.errors import ConfigError, DataError
from workbench.risk import expected_max_sharpe_ratio
from workbench.typing import BoolArray, FloatArray, IntArray

_ROWS = 1_024
_BLOCK = 32
_ROUNDING = 1e-12
_DRAWS = 1_000


@dataclass(frozen=True, eq=False)
class EffectiveTrials:
    """Clusters of trials, and what deflates the best of them.

    Parameters
    ----------
    n
        Effective number of trials: the number of clusters, a trial that goes with no other counting as one.
    n_independent
        Number of independent trials the best of which looks as good by luck as the best of these.
    labels
        Cluster of each trial, (n_trials,), numbered 0 to n − 1 by first appearance.
    silhouettes
        How much nearer each trial is to its own cluster than to the next one, (n_trials,), from −1 to 1; 0 for a trial
        on its own, NaN for one that was assigned and not clustered.
    cluster_sharpes
        Sharpe ratio of each cluster's returns per row of the input, not annualised, (n,); NaN for returns that do not
        vary.
    sharpe_variance
        Variance (ddof 1) of ``cluster_sharpes``; 0 for fewer than two.
    """

    n: int
    n_independent: int
    labels: IntArray
    silhouettes: FloatArray
    cluster_sharpes: FloatArray
    sharpe_variance: float


def effective_trials(
    returns: Any, *, min_correlation: float = 0.5, max_compared: int = 1_000, seed: int = 0
) -> EffectiveTrials:
    """Return how many independent trials many correlated ones amount to.

    A thousand cells of a sweep are not a thousand independent bets, and counting them as such refuses good strategies;
    counting them as one lets luck pass, since the best cell of a cluster was chosen too. Deflate with the larger of
    ``n`` and ``n_independent`` (`workbench.risk.deflated_sharpe_ratio`), and show the plain count beside.

    Parameters
    ----------
    returns
        Simple returns of every trial on one calendar, (n_obs, n_trials); NaN where a trial has none. Sums over days or
        weeks serve as well as bars.
    min_correlation
        Mean correlation from which trials may count as one bet; at 0.5 they share half of their variance.
    max_compared
        Most trials that are compared pair by pair. With more, a random sample of so many is clustered and each other
        trial joins the cluster it correlates with most; if that is less than ``min_correlation`` it counts on its own.
    seed
        Of that sample and of the draws behind ``n_independent``.

    Returns
    -------
    EffectiveTrials

    Raises
    ------
    DataError
        When a return is infinite or a trial has none.

    Notes
    -----
    Distance ``sqrt((1 − ρ) / 2)``, average linkage. Groups are merged only up to the distance that belongs to
    ``min_correlation``, or to the largest correlation that chance gives among so many independent trials over so few
    rows (Fisher's z at 5 % over all pairs) if that is more: independent trials stay as many as they are, where a search
    by silhouettes alone puts them into a few loose clusters. Among the cuts left the one with the highest mean
    silhouette ``(b − a) / max(a, b)`` is taken: a is the mean distance to one's own cluster, b that to the nearest
    other one, or to a trial with correlation 0 if that is nearer, so that a single cluster has a silhouette too. Each
    cluster found is then searched again by itself. Where in doubt there are more clusters and the deflation is harder.
    A trial and its mirror image (ρ = −1) are two bets. All trials without any variation are one.

    ρ is over the rows that both trials have; fewer than 5 count as no correlation, and pairs with fewer than is usual
    must beat chance over their own number. More than 1,024 rows are first summed over as many stretches.

    A cluster's returns are the mean of its trials', each weighted by the inverse of its variance.

    Trials within a cluster still differ, and the best of them is chosen: of 100 that correlate with 0.8 the best is
    expected 1.1 standard errors above their mean, which one cluster says nothing of. ``n_independent`` does. The
    trials' Sharpe ratios without skill are drawn 1,000 times with the correlations the returns have, by random signs
    and sizes for the rows; the number sought is that of independent trials with the same expected maximum
    (`workbench.risk.expected_max_sharpe_ratio`). It is 1 for identical trials and ``n_trials`` for independent ones.

    References
    ----------
    Chernozhukov, V., Chetverikov, D. and Kato, K. (2013). Gaussian Approximations and Multiplier Bootstrap for Maxima
    of Sums of High-Dimensional Random Vectors. Annals of Statistics 41(6), 2786-2819.

    López de Prado, M. and Lewis, M. J. (2019). Detection of False Investment Strategies Using Unsupervised Learning
    Methods. Quantitative Finance 19(9), 1555-1565.

    Examples
    --------
    >>> noise = np.random.default_rng(7).normal(size=(500, 2))
    >>> effective_trials(noise[:, [0, 1, 0, 1, 1]]).labels.tolist()
    [0, 1, 0, 1, 1]
    """
    values = _checked(returns, min_correlation, max_compared)
    flat = _flat(values)
    n_trials = values.shape[1]
    labels, silhouettes, independent = np.zeros(n_trials, dtype=np.int64), np.zeros(n_trials), 1
    if not flat.all():
        rng = np.random.default_rng(seed)
        scaled = _standardised(_shortened(values)[:, ~flat])
        independent = _independent(scaled, rng)
        labels[~flat], silhouettes[~flat] = clusters_of(scaled, min_correlation, max_compared, rng)
        labels[flat] = labels[~flat].max() + 1
    labels = _by_appearance(labels)
    sharpes = _cluster_sharpes(values, labels, flat)
    finite = sharpes[np.isfinite(sharpes)]
    variance = float(finite.var(ddof=1)) if len(finite) > 1 else 0.0
    return EffectiveTrials(len(sharpes), independent, labels, silhouettes, sharpes, variance)


def _checked(returns: Any, min_correlation: float, max_compared: int) -> FloatArray:
    if not 0.0 < min_correlation < 1.0:
        raise ConfigError(f"effective_trials: min_correlation must lie in (0, 1), got {min_correlation}; 0.5 is usual")
    if max_compared < 2:
        raise ConfigError(f"effective_trials: max_compared must be at least 2, got {max_compared}; 1000 is usual")
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(f"effective_trials: returns must be (n_obs, n_trials), got {values.shape}; a column each")
    return values


def _flat(values: FloatArray) -> BoolArray:
    """Say which trials do not vary, and refuse infinite and missing ones; NaN compare as False."""
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    for wrong, what in ((np.isnan(low), "no returns"), (np.isinf(low) | np.isinf(high), "an infinite return")):
        if wrong.any():
            raise DataError(f"effective_trials: trial {int(np.argmax(wrong))} has {what}; leave it out or mend it")
    return np.asarray(low == high)


def _shortened(values: FloatArray) -> FloatArray:
    if len(values) <= _ROWS:
        return values
    short = np.empty((_ROWS, values.shape[1]))
    for row, stretch in enumerate(np.array_split(values, _ROWS)):
        seen = ~np.isnan(stretch)
        sums = np.where(seen, stretch, 0.0).sum(axis=0)
        short[row] = np.where(seen.any(axis=0), sums, np.nan)
    return short


def _standardised(values: FloatArray) -> FloatArray:
    spread = np.nanstd(values, axis=0)
    return (values - np.nanmean(values, axis=0)) / np.where(spread > 0, spread, 1.0)


def _independent(scaled: FloatArray, rng: np.random.Generator) -> int:
    """Return how many independent trials have the expected best Sharpe ratio that these have without skill."""
    n_trials = scaled.shape[1]
    lengths = np.sqrt((~np.isnan(scaled)).sum(axis=0))
    draws = rng.normal(size=(_DRAWS, len(scaled))) @ np.nan_to_num(scaled) / lengths
    best = float(np.ptp(draws, axis=1).mean()) / 2.0  # as large as the maximum, and exactly 0 where all are the same

    def expected(n: int) -> float:
        return expected_max_sharpe_ratio(n, 1.0)

    above = min(1 + bisect_left(range(1, n_trials + 1), best, key=expected), n_trials)
    below = max(above - 1, 1)
    return below if best - expected(below) < expected(above) - best else above


def _by_appearance(labels: IntArray) -> IntArray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _cluster_sharpes(values: FloatArray, labels: IntArray, flat: BoolArray) -> FloatArray:
    """Return each cluster's Sharpe ratio per row, its trials weighted by inverse variance among those present."""
    _, variance = _moments(_blocks(values))
    weights = np.where(flat, 1.0, 1.0 / np.maximum(variance, np.finfo(np.float64).tiny))
    mean, variance = _moments(_cluster_returns(values, labels, weights))
    varies = variance > (_ROUNDING * mean) ** 2
    varies[labels[flat]] = False
    return np.where(varies, mean / np.sqrt(np.where(varies, variance, 1.0)), np.nan)


def _blocks(values: FloatArray) -> Iterator[FloatArray]:
    """Cut into so few rows that each block stays in the processor's cache while it is worked on."""
    return (values[first : first + _BLOCK] for first in range(0, len(values), _BLOCK))


def _cluster_returns(values: FloatArray, labels: IntArray, weights: FloatArray) -> Iterator[FloatArray]:
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(labels.max() + 1))
    for block in _blocks(values):
        ordered = block[:, order]
        seen = ~np.isnan(ordered)
        total = np.add.reduceat(seen * weights[order], starts, axis=1)
        returns = np.add.reduceat(np.where(seen, ordered, 0.0) * weights[order], starts, axis=1)
        yield np.where(total > 0, returns / np.where(total > 0, total, 1.0), np.nan)


def _moments(blocks: Iterable[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return the mean and variance (ddof 1; 0 for one value) of each column over blocks of rows, NaN left out.

    Means and squares are joined as by Chan, Golub and LeVeque (1983), The American Statistician 37(3), 242-247.
    """
    n = mean = squares = np.zeros(1)
    for block in blocks:
        seen = ~np.isnan(block)
        k = seen.sum(axis=0)
        here = np.where(seen, block, 0.0).sum(axis=0) / np.maximum(k, 1)
        apart = np.where(seen, block - here, 0.0)
        share, delta = k / np.maximum(n + k, 1), here - mean
        squares = squares + (apart * apart).sum(axis=0) + delta * delta * n * share
        mean, n = mean + delta * share, n + k
    return mean, squares / np.maximum(n - 1, 1)
