"""Ranks with ties and missing values, row by row, on bare arrays."""

from __future__ import annotations

import numpy as np

from workbench.typing import BoolArray, FloatArray

_FEW = 16


def average_ranks(values: FloatArray) -> FloatArray:
    """Rank each row's known values from 1 on; equal values share the mean of their ranks.

    Parameters
    ----------
    values
        (n_rows, n) or (n,); NaN is not ranked.

    Returns
    -------
    array
        The shape of ``values``; NaN where it is.

    Examples
    --------
    >>> import numpy as np
    >>> average_ranks(np.array([3.0, 1.0, np.nan, 3.0]))
    array([2.5, 1. , nan, 2.5])
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if not table.size:
        return np.asarray(values, dtype=np.float64).copy()
    order = np.argsort(table, axis=1)  # NaN last
    ordered = np.take_along_axis(table, order, axis=1)
    first = np.ones(table.shape, dtype=bool)  # of a run of equal values; NaN never equals its neighbour
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    group = np.cumsum(first) - 1
    start = np.flatnonzero(first) % table.shape[1]
    length = np.bincount(group)
    ranks = (start + (length - 1) / 2 + 1)[group].reshape(table.shape)
    out = np.empty_like(table)
    np.put_along_axis(out, order, ranks, axis=1)
    out[np.isnan(table)] = np.nan
    return out.reshape(np.shape(values))


def ranks_across(columns: FloatArray) -> FloatArray:
    """Rank across the columns of each bar, given column by column: (n_assets, n_bars) in and out.

    The ranks of `average_ranks`, counted by comparing every two columns where these are few: nothing is sorted then.
    """
    n = len(columns)
    if n > _FEW:
        return np.ascontiguousarray(average_ranks(np.ascontiguousarray(columns.T)).T)
    twice = np.ones(columns.shape)  # of n known values the rank is (n + 1 + number below - number above) / 2
    for i in range(n):
        for j in range(i):
            below, above = columns[j] < columns[i], columns[j] > columns[i]
            twice[i] += below
            twice[i] -= above
            twice[j] += above
            twice[j] -= below
    known = np.isfinite(columns)
    return np.where(known, (twice + known.sum(axis=0)) / 2, np.nan)


def column_ranks(values: FloatArray) -> FloatArray:
    """Rank each column over all its rows: (n_bars, n_assets) in and out."""
    return np.ascontiguousarray(average_ranks(np.ascontiguousarray(values.T)).T)


def both_known(x: FloatArray, y: FloatArray) -> BoolArray:
    """Return where a feature and what it is compared with are both finite."""
    return np.isfinite(x) & np.isfinite(y)
