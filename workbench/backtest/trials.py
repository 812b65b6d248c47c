"""How many independent bets a set of trials amounts to: clusters of trials whose returns move together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from workbench.errors import ConfigError, DataError
from workbench.typing import BoolArray, FloatArray, IntArray

_ROWS = 1_024
_LEAST_OVERLAP = 5
_CHANCE = 0.05
_UNRELATED = math.sqrt(0.5)
_BLOCK = 32
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class EffectiveTrials:
    """Clusters of trials, and what deflates the best of them.

    Parameters
    ----------
    n
        Effective number of trials: the number of clusters, a trial that goes with no other counting as one.
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
    labels: IntArray
    silhouettes: FloatArray
    cluster_sharpes: FloatArray
    sharpe_variance: float


def effective_trials(
    returns: Any, *, min_correlation: float = 0.5, max_compared: int = 1_000, seed: int = 0
) -> EffectiveTrials:
    """Return how many independent trials many correlated ones amount to.

    A thousand cells of a sweep are not a thousand independent bets, and counting them as such refuses good strategies;
    counting them as a handful lets luck pass. Use the result's ``n`` and ``sharpe_variance`` in
    `workbench.risk.deflated_sharpe_ratio`, beside the plain count.

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
        Of that sample.

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

    References
    ----------
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
    labels, silhouettes = np.zeros(n_trials, dtype=np.int64), np.zeros(n_trials)
    if not flat.all():
        varying = np.flatnonzero(~flat)
        labels[varying], silhouettes[varying] = _grouped(
            _standardised(_shortened(values)[:, varying]), min_correlation, max_compared, np.random.default_rng(seed)
        )
        labels[flat] = labels[varying].max() + 1
    labels = _by_appearance(labels)
    sharpes = _cluster_sharpes(values, labels, flat)
    finite = sharpes[np.isfinite(sharpes)]
    variance = float(finite.var(ddof=1)) if len(finite) > 1 else 0.0
    return EffectiveTrials(len(sharpes), labels, silhouettes, sharpes, variance)


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


def _grouped(
    scaled: FloatArray, min_correlation: float, max_compared: int, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Cluster all trials, or a sample of them and assign the others."""
    n_trials = scaled.shape[1]
    if n_trials <= max_compared:
        return _clustered(scaled, min_correlation)
    chosen = np.zeros(n_trials, dtype=bool)
    chosen[rng.choice(n_trials, max_compared, replace=False)] = True
    labels, silhouettes = np.full(n_trials, -1, dtype=np.int64), np.full(n_trials, np.nan)
    labels[chosen], silhouettes[chosen] = _clustered(scaled[:, chosen], min_correlation)
    nearest = _assigned(scaled[:, ~chosen], scaled[:, chosen], labels[chosen], min_correlation)
    alone = nearest < 0
    nearest[alone] = labels.max() + 1 + np.arange(alone.sum())
    labels[~chosen] = nearest
    return labels, silhouettes


def _clustered(scaled: FloatArray, min_correlation: float) -> tuple[IntArray, FloatArray]:
    if scaled.shape[1] == 1:
        return np.zeros(1, dtype=np.int64), np.zeros(1)
    correlation, least = _correlation(scaled, min_correlation)
    distance = np.sqrt(np.clip((1.0 - correlation) / 2.0, 0.0, 1.0))
    np.fill_diagonal(distance, 0.0)
    labels = _searched(distance, math.sqrt((1.0 - least) / 2.0))
    return labels, _silhouettes(distance, labels)


def _correlation(scaled: FloatArray, min_correlation: float) -> tuple[FloatArray, float]:
    """Return the correlations over common rows, (n, n), and the mean correlation from which groups may merge."""
    seen = (~np.isnan(scaled)).astype(np.float64)
    z = np.nan_to_num(scaled)
    overlap = seen.T @ seen
    sums, squares = z.T @ seen, (z * z).T @ seen
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.maximum(squares - sums**2 / overlap, 0.0)
        rho = (z.T @ z - sums * sums.T / overlap) / np.sqrt(spread * spread.T)
    rho[(overlap < _LEAST_OVERLAP) | ~np.isfinite(rho)] = 0.0
    pairs = np.triu_indices(len(rho), 1)
    usual = float(np.median(overlap[pairs]))
    rho[(overlap < usual) & (rho < _by_chance(overlap, len(pairs[0])))] = 0.0
    return rho, max(min_correlation, float(_by_chance(np.array(usual), len(pairs[0]))))


def _by_chance(n_rows: FloatArray, n_pairs: int) -> FloatArray:
    """Return the correlation over so many rows that one of so many independent pairs exceeds with 5 %."""
    z = NormalDist().inv_cdf(1.0 - _CHANCE / max(n_pairs, 1))
    return np.asarray(np.tanh(z / np.sqrt(np.maximum(n_rows - 3.0, 1.0))))


def _searched(distance: FloatArray, highest: float) -> IntArray:
    """Return the clusters of the best cut, each searched again until none falls apart."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    labels = _best_cut(distance, linkage(squareform(distance, checks=False), "average"), highest)
    found = np.zeros_like(labels)
    n_found = 0
    for label in range(int(labels.max()) + 1):
        members = np.flatnonzero(labels == label)
        inner = np.zeros(len(members), dtype=np.int64)
        if 2 < len(members) < len(labels):
            inner = _searched(distance[np.ix_(members, members)], highest)
        found[members] = n_found + inner
        n_found += int(inner.max()) + 1
    return found


def _best_cut(distance: FloatArray, tree: FloatArray, highest: float) -> IntArray:
    """Return the labels, 0 to k − 1, of the cut with the highest mean silhouette among merges up to a height.

    Merges are followed one by one; ``means[s, i]`` is the mean distance of trial i to the cluster in slot s, infinite
    to its own, and ``inside[i]`` the sum of those to its own.
    """
    n = len(distance)
    means, inside, sizes = distance.copy(), np.zeros(n), np.ones(n)
    np.fill_diagonal(means, np.inf)
    slots, slot_of = np.arange(n), np.arange(2 * n - 1)
    best, best_slots = 0.0, slots.copy()
    for step, (left, right, height, _) in enumerate(tree):
        if height > highest:
            break
        a, b = slot_of[int(left)], slot_of[int(right)]
        in_a, in_b = slots == a, slots == b
        inside[in_a] += means[b, in_a] * sizes[b]
        inside[in_b] += means[a, in_b] * sizes[a]
        means[a] = (means[a] * sizes[a] + means[b] * sizes[b]) / (sizes[a] + sizes[b])
        means[b] = np.inf
        sizes[a] += sizes[b]
        slots[in_b] = slot_of[n + step] = a
        quality = _silhouette(inside, sizes[slots], means.min(axis=0)).mean()
        if quality > best:
            best, best_slots = quality, slots.copy()
    return np.unique(best_slots, return_inverse=True)[1].astype(np.int64)


def _silhouette(inside: FloatArray, size: FloatArray, outside: FloatArray) -> FloatArray:
    a, b = inside / np.maximum(size - 1.0, 1.0), np.minimum(outside, _UNRELATED)
    larger = np.maximum(a, b)
    return np.where((size > 1) & (larger > 0), (b - a) / np.where(larger > 0, larger, 1.0), 0.0)


def _silhouettes(distance: FloatArray, labels: IntArray) -> FloatArray:
    member = labels[:, None] == np.arange(labels.max() + 1)
    sums, sizes = distance @ member, member.sum(axis=0).astype(np.float64)
    outside = np.where(member, np.inf, sums / sizes).min(axis=1)
    return _silhouette(sums[member], sizes[labels], outside)


def _assigned(others: FloatArray, sample: FloatArray, labels: IntArray, min_correlation: float) -> IntArray:
    """Return for each further trial the cluster it has the highest mean correlation with, −1 if that is too little."""
    member = (labels[:, None] == np.arange(labels.max() + 1)).astype(np.float64)
    counts = (~np.isnan(sample)).astype(np.float64) @ member
    centres = np.nan_to_num(sample) @ member / np.maximum(counts, 1.0)
    overlap = (~np.isnan(others)).T.astype(np.float64) @ (counts > 0)
    rho = np.nan_to_num(others).T @ centres / np.maximum(overlap, 1.0)
    rho[(overlap < _LEAST_OVERLAP) | (rho < _by_chance(overlap, rho.size))] = 0.0
    nearest = rho.argmax(axis=1)
    return np.where(rho.max(axis=1) >= min_correlation, nearest, -1).astype(np.int64)


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
