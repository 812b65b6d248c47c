"""The walk of a position to its first barrier. Bare arrays of one symbol's own bars, without NaN in the prices."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def first_touch(
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    scale: FloatArray,
    side: FloatArray,
    up: float,
    down: float,
    horizon: int,
) -> tuple[IntArray, FloatArray, IntArray, IntArray]:
    """Return exit bar (-1 unknown), exit price, barrier (+1, -1, 0) and bars held of the position decided at each bar.

    Distances are ``up * scale`` and ``down * scale`` of the entry price; a scale that is not above 0, or a side of
    0 or NaN, leaves the position out. At most n × horizon steps.
    """
    n = open_.size
    exits, prices = np.full(n, -1, dtype=np.int64), np.full(n, np.nan)
    barrier, held = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for t in range(n - 1):
        width, long = scale[t], side[t] > 0.0
        if not (width > 0.0 and (side[t] > 0.0 or side[t] < 0.0)):
            continue
        entry = t + 1
        price = open_[entry]
        above = price * (1.0 + (up if long else down) * width)
        below = price * (1.0 - (down if long else up) * width)
        for b in range(entry, min(entry + horizon, n - 1) + 1):
            met, fill, inside = 0, open_[b], 0
            if b > entry and (fill >= above or fill <= below):  # a gap: the open comes before high and low
                met = 1 if fill >= above else -1
            elif b == entry + horizon:
                exits[t], prices[t], held[t] = b, fill, horizon
                break
            elif low[b] <= below or high[b] >= above:
                inside = 1
                met = 1 if high[b] >= above else -1
                if low[b] <= below and high[b] >= above:
                    met = -1 if long else 1  # the stop wins
                fill = above if met > 0 else below
            if met != 0:
                exits[t], prices[t], held[t] = b, fill, b - entry + inside
                barrier[t] = met if long else -met
                break
    return exits, prices, barrier, held


def warm() -> None:
    """Compile and cache the kernel."""
    x = np.ones(3)
    first_touch(x, x, x, x, x, 1.0, 1.0, 1)
