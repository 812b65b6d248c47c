"""Sums and moments over trailing windows of a bare array.

Each window is summed anew, oldest value first, for a block of windows at a time: a result depends on its own window
only, so it has no drift (running sums do) and does not change by a bit when later rows are removed. Cost is
n × window additions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from workbench.typing import FloatArray

_BLOCK = 8192


def rolling_sum(x: FloatArray, window: int) -> FloatArray:
    """Return the sum of the last ``window`` values, shape (n,); NaN on the first ``window - 1`` rows."""
    out = np.full(x.size, np.nan)
    for first, last in _blocks(x.size - window + 1):
        total = x[first:last].copy()
        for lag in range(1, window):
            total += x[first + lag : last + lag]
        out[first + window - 1 : last + window - 1] = total
    return out


def rolling_moments(x: FloatArray, window: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean, sum of squared and sum of cubed deviations over the last ``window`` values, each shape (n,).

    Two passes, measured from the newest value of each window: equal values give sums of exactly zero.
    """
    mean, squares, cubes = (np.full(x.size, np.nan) for _ in range(3))
    for first, last in _blocks(x.size - window + 1):
        rows = slice(first + window - 1, last + window - 1)
        anchor = x[rows]
        shift, second, third = (np.zeros(last - first) for _ in range(3))
        for lag in range(window):
            shift += x[first + lag : last + lag] - anchor
        shift /= window
        for lag in range(window):
            deviation = x[first + lag : last + lag] - anchor
            deviation -= shift
            square = deviation * deviation
            second += square
            third += square * deviation
        mean[rows], squares[rows], cubes[rows] = anchor + shift, second, third
    return mean, squares, cubes


def rolling_std(x: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation (ddof=1) of the last ``window`` values, shape (n,)."""
    return np.sqrt(rolling_moments(x, window)[1] / (window - 1))


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    for first in range(0, n, _BLOCK):
        yield first, min(first + _BLOCK, n)
