"""Loops behind the regime features. Every window is summed anew, so a value depends on its own window to the last bit.

Bare arrays (n,); outputs are NaN where a window is not full.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray

_options = {"cache": True, "nogil": True, "error_model": "numpy"}


@nb.njit(**_options)
def spread(x: FloatArray, first: int, last: int) -> float:
    """Standard deviation (ddof=1) of x[first … last - 1], about its mean; equal values give exactly 0."""
    n, anchor = last - first, x[first]
    shift = 0.0
    for i in range(first, last):
        shift += x[i] - anchor
    shift /= n
    total = 0.0
    for i in range(first, last):
        deviation = (x[i] - anchor) - shift
        total += deviation * deviation
    return np.sqrt(total / (n - 1))


@nb.njit(**_options)
def spreads(x: FloatArray, window: int, out: FloatArray) -> None:
    """Standard deviation of the last ``window`` values."""
    n = x.size
    for t in range(n):
        out[t] = spread(x, t - window + 1, t + 1) if t >= window - 1 else np.nan


@nb.njit(**_options)
def share_below(x: FloatArray, window: int, out: FloatArray) -> None:
    """Share of the other values of the window that are smaller than the newest, equal ones counting half: 0 to 1."""
    n = x.size
    for t in range(n):
        out[t] = np.nan
        if t < window - 1 or np.isnan(x[t - window + 1]):
            continue
        count = 0.0
        for i in range(t - window + 1, t):
            count += 1.0 if x[i] < x[t] else (0.5 if x[i] == x[t] else 0.0)
        out[t] = count / (window - 1)


@nb.njit(**_options)
def slope_t_values(steps: FloatArray, window: int, most: float, out: FloatArray) -> None:
    """t-value of the slope of a line through ``window`` values, within ± most; 0 where they are flat.

    Of the values only their differences are given, (n - 1,) to an output (n,), so that no level takes digits away.
    """
    n, w = out.size, float(window)
    s_xx = w * (w * w - 1.0) / 12.0
    middle = 0.5 * (w - 1.0)
    for t in range(n):
        if t < window - 1:
            out[t] = np.nan
            continue
        value, sum_y, sum_xy, sum_yy = 0.0, 0.0, 0.0, 0.0
        for i in range(1, window):
            value += steps[t - window + i]
            sum_y += value
            sum_xy += (i - middle) * value
            sum_yy += value * value
        s_yy = sum_yy - sum_y * sum_y / w
        residual = s_yy - sum_xy * sum_xy / s_xx
        if s_yy <= 1e-24 or sum_xy == 0.0:
            out[t] = 0.0
        elif residual <= s_yy * (w - 2.0) / (most * most):
            out[t] = most if sum_xy > 0.0 else -most
        else:
            out[t] = min(max(sum_xy / np.sqrt(residual / (w - 2.0) * s_xx), -most), most)


@nb.njit(**_options)
def latched(ratio: FloatArray, enter: float, leave: float, out: FloatArray) -> None:
    """1 from the bar at which the ratio rises above ``enter`` until it falls below ``leave``, else 0; NaN passes."""
    state = 0.0
    for t in range(ratio.size):
        if np.isnan(ratio[t]):
            out[t] = np.nan
            continue
        if state == 0.0 and ratio[t] > enter:
            state = 1.0
        elif state == 1.0 and ratio[t] < leave:
            state = 0.0
        out[t] = state


def warm() -> None:
    """Compile and cache the kernels."""
    x, out = np.arange(4.0), np.empty(4)
    spread(x, 0, 4)
    spreads(x, 2, out)
    share_below(x, 2, out)
    slope_t_values(x[1:], 3, 1e3, out)
    latched(x, 1.0, 1.0, out)
