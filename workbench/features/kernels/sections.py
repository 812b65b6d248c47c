"""Cross-sections: one row holds the values of all symbols at one time, NaN for those without one."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.features.kernels.windows import _options
from workbench.typing import FloatArray


@nb.njit(**_options)
def ranks(x: FloatArray, out: FloatArray) -> None:
    """Rank in the row over the count of its values, ties by their mean."""
    for t in range(x.shape[0]):
        row = x[t]
        order = np.argsort(row)  # NaN last
        n = 0
        for value in row:
            n += value == value
        i = 0
        while i < n:
            j = i
            while j + 1 < n and row[order[j + 1]] == row[order[i]]:
                j += 1
            for k in range(i, j + 1):
                out[t, order[k]] = ((i + j) / 2 + 1) / n
            i = j + 1
        for k in range(n, row.size):
            out[t, order[k]] = np.nan


@nb.njit(**_options)
def standardise(x: FloatArray, out: FloatArray) -> None:
    """Value less the row's mean over the row's standard deviation (ddof=1); 0 where that is 0."""
    for t in range(x.shape[0]):
        n, anchor, shift = 0, 0.0, 0.0
        for value in x[t]:
            if value == value:
                anchor = value if n == 0 else anchor
                n += 1
                shift += value - anchor
        mean = anchor + shift / max(n, 1)
        squares = 0.0
        for value in x[t]:
            if value == value:
                squares += (value - mean) ** 2
        std = np.sqrt(squares / (n - 1)) if n > 1 else 0.0
        flat = std <= 1e-13 * abs(anchor)
        for s in range(x.shape[1]):
            value = x[t, s]
            out[t, s] = np.nan if value != value else (0.0 if flat else (value - mean) / std)


@nb.njit(**_options)
def residuals(x: FloatArray, y: FloatArray, out: FloatArray) -> None:
    """Residual of the row's least-squares line of x on y; the deviation from the mean where y does not vary."""
    for t in range(x.shape[0]):
        n, mx, my = 0, 0.0, 0.0
        for s in range(x.shape[1]):
            if x[t, s] == x[t, s] and y[t, s] == y[t, s]:
                n += 1
                mx += x[t, s]
                my += y[t, s]
        mx, my = mx / max(n, 1), my / max(n, 1)
        xy = yy = 0.0
        for s in range(x.shape[1]):
            if x[t, s] == x[t, s] and y[t, s] == y[t, s]:
                xy += (x[t, s] - mx) * (y[t, s] - my)
                yy += (y[t, s] - my) ** 2
        slope = xy / yy if yy > (1e-13 * my) ** 2 * n else 0.0
        for s in range(x.shape[1]):
            out[t, s] = x[t, s] - mx - slope * (y[t, s] - my)


@nb.njit(**_options)
def quantile_bounds(x: FloatArray, share: float) -> FloatArray:
    """Quantiles ``share`` and 1 - ``share`` of each row's values, (n_bars, 2); NaN where there are none."""
    out = np.full((x.shape[0], 2), np.nan)
    for t in range(x.shape[0]):
        values = np.sort(x[t][x[t] == x[t]])
        if values.size:
            for side in range(2):
                place = (share if side == 0 else 1 - share) * (values.size - 1)
                low = int(np.floor(place))
                high = min(low + 1, values.size - 1)
                out[t, side] = values[low] + (values[high] - values[low]) * (place - low)
    return out


def warm() -> None:
    """Compile every kernel of this module, or load it from the cache."""
    x = np.arange(6.0).reshape(2, 3)
    out = np.empty((2, 3))
    ranks(x, out)
    standardise(x, out)
    residuals(x, x, out)
    quantile_bounds(x, 0.1)
