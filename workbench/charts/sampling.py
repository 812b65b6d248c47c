"""Thin long series for the screen without losing a single extreme."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

LIMIT = 5000


def min_max_sample(frame: pd.DataFrame, limit: int = LIMIT) -> pd.DataFrame:
    """Keep the rows that hold the lowest and highest value of each column in equal stretches of rows.

    Every spike survives, so a line drawn through the rest looks the same at any width below ``limit`` pixels.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Numeric columns; NaN is ignored.
    limit : int
        Most rows to return; shorter frames come back unchanged.

    Returns
    -------
    DataFrame
        At most ``limit`` rows of ``frame`` in their order, the first and the last among them.
    """
    n_rows, n_columns = frame.shape
    if n_rows <= limit or n_columns == 0:
        return frame
    n_buckets = max(1, (limit - 2) // (2 * n_columns))
    edges = np.linspace(0, n_rows, n_buckets + 1).astype(np.int64)
    values = frame.to_numpy(dtype=np.float64)
    keep = [np.array([0, n_rows - 1])]
    for start, stop in pairwise(edges):
        block = values[start:stop]
        low = np.where(np.isnan(block), np.inf, block).argmin(axis=0)
        high = np.where(np.isnan(block), -np.inf, block).argmax(axis=0)
        keep.append(start + np.concatenate([low, high]))
    return frame.iloc[np.unique(np.concatenate(keep))]


def naive_utc(index: pd.Index) -> pd.Index:
    """Drop the time zone after turning to UTC: Bokeh draws clock times as they are given."""
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        return index.tz_convert("UTC").tz_localize(None)
    return index


def screen(frame: pd.DataFrame, limit: int = LIMIT) -> pd.DataFrame:
    """Thin a time-indexed frame, name its index ``time`` and make it naive UTC, ready to draw."""
    thin = min_max_sample(frame, limit).copy()
    thin.index = naive_utc(thin.index).rename("time")
    return thin
