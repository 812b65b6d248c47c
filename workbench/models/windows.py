"""Windows of past rows: what a sequence model sees at each bar, as a view wherever the rows allow one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from workbench.errors import DataError
from workbench.typing import FloatArray, IntArray


def windows(X: npt.ArrayLike, groups: npt.ArrayLike | None, lookback: int) -> tuple[FloatArray, IntArray]:
    """Return, for each row with enough past, the last ``lookback`` rows of its group.

    Parameters
    ----------
    X
        (n, n_features) rows in time order, groups (symbols) interleaved.
    groups
        (n,) the group of each row; None when there is only one.
    lookback
        Rows in a window, the row itself included and last.

    Returns
    -------
    windows : (n_valid, lookback, n_features)
        Window i ends at row ``row_index[i]`` and holds no later row. A read-only view without a copy when every group
        appears once per round in the same order (one symbol, or several that all trade at every bar), else a copy.
    row_index : (n_valid,)
        Row of ``X`` at which each window ends, increasing.

    Raises
    ------
    DataError
        When shapes do not match.

    Examples
    --------
    >>> view, rows = windows([[1.0], [2.0], [3.0]], None, lookback=2)
    >>> view[..., 0].tolist(), rows.tolist()
    ([[1.0, 2.0], [2.0, 3.0]], [1, 2])
    """
    rows = np.asarray(X, dtype=np.float64)
    if rows.ndim != 2:
        raise DataError(f"X must have the shape (n, n_features), got {rows.shape}")
    if lookback < 1:
        raise DataError(f"lookback must be at least 1, got {lookback}")
    codes = np.zeros(len(rows), dtype=np.int64) if groups is None else _codes(groups, len(rows))
    step = _round_length(codes)
    if step:
        return _view(rows, step, lookback)
    index = _past_rows(codes, lookback)
    return rows[index], index[:, -1].copy()


def _codes(groups: npt.ArrayLike, n: int) -> IntArray:
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise DataError(f"groups must have one entry per row of X ({n}), got the shape {labels.shape}")
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _round_length(codes: IntArray) -> int:
    """Return the number of groups where they repeat in a fixed order, else 0."""
    if len(codes) == 0:
        return 1
    step = int(codes.max()) + 1
    regular = len(np.unique(codes[:step])) == step and np.array_equal(codes[step:], codes[:-step])
    return step if regular else 0


def _view(rows: FloatArray, step: int, lookback: int) -> tuple[FloatArray, IntArray]:
    first = step * (lookback - 1)
    n_valid = max(len(rows) - first, 0)
    row, column = rows.strides
    view = as_strided(rows, (n_valid, lookback, rows.shape[1]), (row, step * row, column), writeable=False)
    return view, np.arange(n_valid, dtype=np.int64) + first


def _past_rows(codes: IntArray, lookback: int) -> IntArray:
    """Return (n_valid, lookback) the rows of each window, ordered by the row it ends at."""
    order = np.argsort(codes, kind="stable")
    if len(order) < lookback:
        return np.zeros((0, lookback), dtype=np.int64)
    candidates = np.lib.stride_tricks.sliding_window_view(order, lookback)
    same_group = codes[candidates[:, 0]] == codes[candidates[:, -1]]
    index = candidates[same_group]
    return np.ascontiguousarray(index[np.argsort(index[:, -1])])
