"""Lines and pairs over trailing windows: least-squares slope, covariance, correlation, beta, weighted means.

Built like `workbench.features.kernels.windows`: suffix of one block, prefix of the next, deviations from a row within
the window, nothing subtracted.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.features.kernels.windows import _options
from workbench.typing import FloatArray

SLOPE, RSQUARE, RESIDUAL, WEIGHTED = range(4)
COVARIANCE, CORRELATION, BETA = range(3)


@nb.njit(**_options)
def rolling_line(x: FloatArray, window: int, what: int, out: FloatArray) -> None:
    """Fit ``x[i] = a + b i`` over each window, i = 0 at its oldest row, and write one thing of it.

    ``what`` is SLOPE (b), RSQUARE (share of the variance explained; 0 where flat), RESIDUAL (newest value less its
    fit) or WEIGHTED (mean with weights 1 for the oldest to ``window`` for the newest).
    """
    n = x.size
    w = float(window)
    out[: min(window - 1, n)] = np.nan
    middle, spread = (w - 1) / 2, w * (w * w - 1) / 12
    tails = np.zeros((window + 1, 3))
    for begin in range(0, n, window):
        end = min(begin + window, n)
        anchor = x[begin]
        if begin > 0:
            for p in range(window - 1, 0, -1):
                d = x[begin - window + p] - anchor
                tails[p, 0] = tails[p + 1, 0] + d
                tails[p, 1] = tails[p + 1, 1] + p * d
                tails[p, 2] = tails[p + 1, 2] + d * d
        floor = (1e-13 * anchor) ** 2 * w
        s = moment = squares = 0.0
        for t in range(begin, end):
            j = t - begin
            d = x[t] - anchor
            s += d
            moment += j * d
            squares += d * d
            if t < window - 1:
                continue
            q = j + 1
            total = tails[q, 0] + s
            weighted = tails[q, 1] - q * tails[q, 0] + (w - q) * s + moment  # sum of i times deviation
            if what == WEIGHTED:
                out[t] = anchor + (weighted + total) / (w * (w + 1) / 2)
                continue
            slope = (weighted - middle * total) / spread if window > 1 else 0.0
            if what == SLOPE:
                out[t] = slope
            elif what == RESIDUAL:
                out[t] = d - total / w - slope * middle
            else:
                variation = tails[q, 2] + squares - total * total / w
                share = slope * slope * spread / variation
                out[t] = 0.0 if variation <= floor else (1.0 if share > 1 else share)


@nb.njit(**_options)
def rolling_pair(x: FloatArray, y: FloatArray, window: int, what: int, out: FloatArray) -> None:
    """Covariance (ddof=1), correlation, or beta of x on y over each window; the last two are 0 where flat."""
    n = x.size
    w = float(window)
    out[: min(window - 1, n)] = np.nan
    tails = np.zeros((window + 1, 5))
    for begin in range(0, n, window):
        end = min(begin + window, n)
        ax, ay = x[begin], y[begin]
        if begin > 0:
            for p in range(window - 1, 0, -1):
                dx, dy = x[begin - window + p] - ax, y[begin - window + p] - ay
                tails[p, 0] = tails[p + 1, 0] + dx
                tails[p, 1] = tails[p + 1, 1] + dy
                tails[p, 2] = tails[p + 1, 2] + dx * dx
                tails[p, 3] = tails[p + 1, 3] + dy * dy
                tails[p, 4] = tails[p + 1, 4] + dx * dy
        flat_x, flat_y = (1e-13 * ax) ** 2 * w, (1e-13 * ay) ** 2 * w
        sx = sy = sxx = syy = sxy = 0.0
        for t in range(begin, end):
            dx, dy = x[t] - ax, y[t] - ay
            sx += dx
            sy += dy
            sxx += dx * dx
            syy += dy * dy
            sxy += dx * dy
            if t < window - 1:
                continue
            q = t - begin + 1
            mx, my = tails[q, 0] + sx, tails[q, 1] + sy
            xy = tails[q, 4] + sxy - mx * my / w
            if what == COVARIANCE:
                out[t] = xy / (w - 1)
                continue
            xx, yy = tails[q, 2] + sxx - mx * mx / w, tails[q, 3] + syy - my * my / w
            if what == BETA:
                out[t] = 0.0 if yy <= flat_y else xy / yy
            elif xx <= flat_x or yy <= flat_y:
                out[t] = 0.0
            else:
                r = xy / np.sqrt(xx * yy)
                out[t] = 1.0 if r > 1 else (-1.0 if r < -1 else r)


def warm() -> None:
    """Compile every kernel of this module, or load it from the cache."""
    x, out = np.arange(6.0), np.empty(6)
    rolling_line(x, 2, SLOPE, out)
    rolling_pair(x, x, 2, CORRELATION, out)
