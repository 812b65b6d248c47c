"""What needs the order of the values in a trailing window: quantiles, ranks, mean absolute deviation.

Every kernel takes the series (n,), the window and an output (n,), and writes NaN to the first ``window - 1`` rows and
wherever the window holds a NaN.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.features.kernels.windows import _options
from workbench.typing import FloatArray


@nb.njit(**_options)
def rolling_quantile(x: FloatArray, window: int, q: float, out: FloatArray) -> None:
    """Quantile ``q`` (0 to 1) of each window by linear interpolation, as numpy's default.

    The window is kept sorted: the value that leaves makes room for the one that enters, so a row costs the distance
    between the two.
    """
    n = x.size
    out[: min(window - 1, n)] = np.nan
    ordered = np.full(window, np.inf)
    missing = 0
    place = q * (window - 1)
    low = int(np.floor(place))
    high = min(low + 1, window - 1)
    share = place - low
    for t in range(n):
        new = x[t]
        if new != new:
            missing += 1
            new = np.inf
        old = np.inf
        if t >= window:
            old = x[t - window]
            if old != old:
                missing -= 1
                old = np.inf
        i = _place(ordered, old)
        while i + 1 < window and ordered[i + 1] < new:
            ordered[i] = ordered[i + 1]
            i += 1
        while i > 0 and ordered[i - 1] > new:
            ordered[i] = ordered[i - 1]
            i -= 1
        ordered[i] = new
        if t >= window - 1:
            a, b = ordered[low], ordered[high]
            out[t] = np.nan if missing else (a if a == b else a + (b - a) * share)


@nb.njit(**_options)
def _place(ordered: FloatArray, value: float) -> int:
    """First place of a value that is there."""
    low, high = 0, ordered.size - 1
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@nb.njit(**_options)
def rolling_rank(x: FloatArray, window: int, out: FloatArray) -> None:
    """Rank of the newest value in its window over ``window``, ties by their mean: 1/window lowest to 1 highest."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    missing = -1
    for t in range(min(window - 1, n)):
        if x[t] != x[t]:
            missing = t
    for t in range(window - 1, n):
        new = x[t]
        if new != new:
            missing = t
        if missing > t - window:
            out[t] = np.nan
            continue
        below = equal = 0
        for s in range(t - window + 1, t + 1):
            below += x[s] < new
            equal += x[s] == new
        out[t] = (below + (equal + 1) / 2) / window


@nb.njit(**_options)
def rolling_mad(x: FloatArray, window: int, out: FloatArray) -> None:
    """Mean absolute deviation from the mean of each window."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    for t in range(window - 1, n):
        first = t - window + 1
        shift = 0.0
        for s in range(first, t + 1):
            shift += x[s] - x[t]
        shift /= window  # kept apart from x[t]: beside a high price level it would lose its digits
        total = 0.0
        for s in range(first, t + 1):
            total += abs(x[s] - x[t] - shift)
        out[t] = total / window


@nb.njit(**_options)
def bars_since(condition: FloatArray, most: int, out: FloatArray) -> None:
    """Bars since the condition was last not 0: 0 on such a bar, ``most`` where it was longer ago or never."""
    age = most
    for t in range(condition.size):
        age = 0 if condition[t] != 0 else min(age + 1, most)
        out[t] = age


def warm() -> None:
    """Compile every kernel of this module, or load it from the cache."""
    x, out = np.arange(6.0), np.empty(6)
    rolling_quantile(x, 2, 0.5, out)
    rolling_rank(x, 2, out)
    rolling_mad(x, 2, out)
    bars_since(x, 3, out)
