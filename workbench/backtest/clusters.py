"""Clusters of series that move together: average linkage, cut where silhouettes are best and never above chance."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from workbench.typing import FloatArray, IntArray

_LEAST_OVERLAP = 5
_CHANCE = 0.05
_UNRELATED = math.sqrt(0.5)


def clusters_of(
    scaled: FloatArray, min_correlation: float, max_compared: int, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Cluster all trials, or a sample of them and assign the others.

    Parameters
    ----------
    scaled
        Returns of mean 0 and variance 1, (n_obs, n_trials); NaN where a trial has none.
    min_correlation, max_compared
        Those of `workbench.backtest.trials.effective_trials`, whose notes say how.
    rng
        Draws the sample.

    Returns
    -------
    labels, silhouettes
        (n_trials,) each: clusters from 0, and NaN silhouettes for trials that were assigned.
    """
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

    labels = best_cut(distance, linkage(squareform(distance, checks=False), "average"), highest)
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


def best_cut(distance: FloatArray, tree: FloatArray, highest: float) -> IntArray:
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
