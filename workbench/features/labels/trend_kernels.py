"""Straight lines fitted to every horizon ahead, in one pass each."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray

MOST_T = 1e6  # |t| of a perfect line
_EXACT = 1e-24  # a residual share of the variation below this is rounding


@nb.njit(cache=True, nogil=True, error_model="numpy")
def strongest_trend(y: FloatArray, shortest: int, longest: int) -> tuple[FloatArray, IntArray]:
    """Return the t-value of largest size over all lines from bar t + 1, and its horizon; NaN, 0 where unknown.

    Sums grow by one point per horizon, measured from the first point of the line: n × longest steps.
    """
    n = y.size
    t_values, horizons = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    for t in range(n - longest - 1):
        start = t + 1
        sum_y, sum_xy, sum_yy = 0.0, 0.0, 0.0
        best, best_size, best_horizon = 0.0, -1.0, 0
        for i in range(1, longest + 1):
            value = y[start + i] - y[start]
            sum_y += value
            sum_xy += i * value
            sum_yy += value * value
            if i < shortest:
                continue
            points = i + 1.0
            s_xx = points * (points * points - 1.0) / 12.0
            s_xy = sum_xy - 0.5 * i * sum_y
            s_yy = sum_yy - sum_y * sum_y / points
            slope = s_xy / s_xx
            residual = s_yy - slope * s_xy
            if s_yy <= _EXACT or s_xy == 0.0:
                value_t = 0.0
            elif residual <= s_yy * (points - 2.0) / (MOST_T * MOST_T):
                value_t = np.sign(slope) * MOST_T
            else:
                value_t = slope / np.sqrt(residual / (points - 2.0) / s_xx)
                value_t = min(max(value_t, -MOST_T), MOST_T)
            if abs(value_t) > best_size:
                best, best_size, best_horizon = value_t, abs(value_t), i
        t_values[t], horizons[t] = best, best_horizon
    return t_values, horizons


def warm() -> None:
    """Compile and cache the kernel."""
    strongest_trend(np.arange(5.0), 2, 2)
