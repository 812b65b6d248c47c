"""Which features say the same: rank correlation, and clusters by average linkage."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workbench.errors import ConfigError
from workbench.features.worth.ranks import average_ranks
from workbench.typing import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Clusters:
    """Groups of like features.

    Attributes
    ----------
    labels
        (n,) number of each feature's cluster, 0 on, in the order of ``order``.
    order
        (n,) features so arranged that like ones are neighbours.
    """

    labels: IntArray
    order: IntArray


def rank_correlations(values: FloatArray) -> FloatArray:
    """Return the rank correlation of every two features.

    Parameters
    ----------
    values
        (n_cells, n_features); NaN where unknown. Each feature is ranked over its own known cells, two are compared
        where both are known; with the same cells known this is Spearman's.

    Returns
    -------
    array, (n_features, n_features)
        1 on the diagonal; NaN where one of two does not vary or they have no cell in common.
    """
    ranks = average_ranks(np.ascontiguousarray(values.T))
    known = np.isfinite(ranks)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    filled = np.where(known, ranks, 0.0)
    centred = np.where(known, filled - filled.sum(axis=1, keepdims=True) / count, 0.0)
    weight = known.astype(np.float64)
    products, sizes = centred @ centred.T, (centred * centred) @ weight.T  # sizes[i, j]: of i where j is known
    scale = np.sqrt(sizes * sizes.T)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(scale > 0, np.clip(products / scale, -1.0, 1.0), np.nan)
    np.fill_diagonal(r, 1.0)
    return r


def cluster_features(correlation: FloatArray, threshold: float = 0.7) -> Clusters:
    """Group features whose mean absolute correlation is at least ``threshold``.

    Parameters
    ----------
    correlation
        (n, n) from `rank_correlations`; NaN counts as 0.
    threshold
        0 to 1; 0.7 is half the variance of ranks in common.

    Notes
    -----
    Average linkage (UPGMA) on the distance ``1 - |r|``: the two groups with the least mean distance are joined until
    it exceeds ``1 - threshold``. A feature and its negative say the same, so the sign does not count.

    References
    ----------
    Sokal, R. R. and Michener, C. D. (1958). A statistical method for evaluating systematic relationships. University
    of Kansas Science Bulletin 38, 1409-1438.
    """
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold must be between 0 and 1, a correlation, got {threshold}")
    n = len(correlation)
    distance = 1 - np.abs(np.nan_to_num(correlation, nan=0.0))
    members: list[list[int]] = [[i] for i in range(n)]
    groups = list(range(n))
    for joined in average_linkage(distance):
        i, j, height = int(joined[0]), int(joined[1]), joined[2]
        members.append(members[i] + members[j])
        if height <= 1 - threshold + 1e-12:
            for feature in members[-1]:
                groups[feature] = n + len(members)
    order = np.array(members[-1] if n else [], dtype=np.int64)
    starts = [True, *(groups[a] != groups[b] for a, b in pairwise(order))] if n else []
    labels = np.empty(n, dtype=np.int64)
    labels[order] = np.cumsum(starts) - 1 if n else []
    return Clusters(labels, order)


def average_linkage(distance: FloatArray) -> FloatArray:
    """Return the joins of average linkage, nearest first.

    Parameters
    ----------
    distance
        (n, n), symmetric.

    Returns
    -------
    array, (n - 1, 3)
        The two groups that are joined and the mean distance between their members; a join of step k is group n + k.
    """
    n = len(distance)
    work = distance.astype(np.float64)
    np.fill_diagonal(work, np.inf)
    size, name = np.ones(n), list(range(n))
    joins = np.empty((max(n - 1, 0), 3))
    for step in range(n - 1):
        i, j = sorted(divmod(int(np.argmin(work)), n))
        joins[step] = [*sorted((name[i], name[j])), work[i, j]]
        merged = (size[i] * work[i] + size[j] * work[j]) / (size[i] + size[j])
        size[i] += size[j]
        name[i] = n + step
        work[i], work[:, i] = merged, merged
        work[i, i] = np.inf
        work[j], work[:, j] = np.inf, np.inf
    return joins
