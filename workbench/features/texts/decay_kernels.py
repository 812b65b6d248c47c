"""The decayed sums of a stream of scores, read off at the close of each bar."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def decayed(
    closes: IntArray, times: IntArray, scores: FloatArray, rate: float, total: FloatArray, weight: FloatArray
) -> None:
    """Sums of ``score * exp(-rate * age)`` and of the weights alone over the texts before each close.

    Times are nanoseconds and do not fall; rate is per nanosecond. A text at the very time of a close is not seen.
    """
    held, mass, last, i = 0.0, 0.0, 0, 0
    for t in range(closes.size):
        while i < times.size and times[i] < closes[t]:
            if mass > 0.0:
                fade = math.exp(-rate * (times[i] - last))
                held, mass = held * fade, mass * fade
            held, mass, last = held + scores[i], mass + 1.0, times[i]
            i += 1
        if mass > 0.0:
            fade = math.exp(-rate * (closes[t] - last))
            total[t], weight[t] = held * fade, mass * fade
        else:
            total[t] = weight[t] = 0.0


def warm() -> None:
    """Compile and cache the kernel."""
    times, x = np.zeros(1, dtype=np.int64), np.zeros(1)
    decayed(times + 1, times, x, 1.0, x, x)
