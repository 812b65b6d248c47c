"""Sums, moments and extremes over trailing windows, in one pass.

A window is the end of one block of ``window`` rows and the beginning of the next (van Herk 1992; Gil and Werman
1993): its aggregate joins a suffix of the earlier block with a prefix of the later one. Nothing is ever subtracted, so
a value that has left the window leaves no trace, and a result depends on rows of its own window only. Moments are
taken about the first row of the later block, which lies in every window that uses it: equal values give exactly zero,
and a price level of 50,000 does not cancel the digits of a small deviation.

Every kernel takes the series (n,), the window and an output (n,), and writes NaN to the first ``window - 1`` rows. A
NaN within a window makes its result NaN, and no other.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray

_options = {"cache": True, "nogil": True, "error_model": "numpy"}


@nb.njit(**_options)
def rolling_sum(x: FloatArray, window: int, out: FloatArray) -> None:
    """Sum of each window."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    suffix = np.zeros(window + 1)
    for begin in range(0, n, window):
        end = min(begin + window, n)
        prefix = 0.0
        if begin == 0:
            for t in range(end):
                prefix += x[t]
            if end == window:
                out[window - 1] = prefix
        else:
            for t in range(begin, end):
                prefix += x[t]
                out[t] = suffix[t - begin + 1] + prefix
        if end < n:
            for p in range(window - 1, 0, -1):
                suffix[p] = suffix[p + 1] + x[begin + p]


@nb.njit(**_options)
def rolling_mean(x: FloatArray, window: int, out: FloatArray) -> None:
    """Mean of each window, measured from a row within it."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    suffix = np.zeros(window + 1)
    for begin in range(0, n, window):
        end = min(begin + window, n)
        anchor = x[begin]
        if begin > 0:
            for p in range(window - 1, 0, -1):
                suffix[p] = suffix[p + 1] + (x[begin - window + p] - anchor)
        prefix = 0.0
        for t in range(begin, end):
            prefix += x[t] - anchor
            if t >= window - 1:
                out[t] = anchor + (suffix[t - begin + 1] + prefix) / window


@nb.njit(**_options)
def rolling_var(x: FloatArray, window: int, ddof: int, out: FloatArray) -> None:
    """Variance of each window: squared deviations over ``window - ddof``."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    first, second = np.zeros(window + 1), np.zeros(window + 1)
    for begin in range(0, n, window):
        end = min(begin + window, n)
        anchor = x[begin]
        if begin > 0:
            for p in range(window - 1, 0, -1):
                d = x[begin - window + p] - anchor
                first[p] = first[p + 1] + d
                second[p] = second[p + 1] + d * d
        s1 = s2 = 0.0
        for t in range(begin, end):
            d = x[t] - anchor
            s1 += d
            s2 += d * d
            if t >= window - 1:
                q = t - begin + 1
                a = first[q] + s1
                squares = second[q] + s2 - a * a / window
                out[t] = (squares if not squares < 0 else 0.0) / (window - ddof)


@nb.njit(**_options)
def rolling_zscore(x: FloatArray, window: int, out: FloatArray) -> None:
    """Newest value in standard deviations (ddof=1) from the mean of its window; 0 where the window is flat."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    first, second = np.zeros(window + 1), np.zeros(window + 1)
    for begin in range(0, n, window):
        end = min(begin + window, n)
        anchor = x[begin]
        if begin > 0:
            for p in range(window - 1, 0, -1):
                d = x[begin - window + p] - anchor
                first[p] = first[p + 1] + d
                second[p] = second[p + 1] + d * d
        floor = (1e-13 * anchor) ** 2
        s1 = s2 = 0.0
        for t in range(begin, end):
            d = x[t] - anchor
            s1 += d
            s2 += d * d
            if t >= window - 1:
                q = t - begin + 1
                a = first[q] + s1
                variance = (second[q] + s2 - a * a / window) / (window - 1)
                out[t] = 0.0 if variance <= floor else (d - a / window) / np.sqrt(variance)


@nb.njit(**_options)
def rolling_shape(x: FloatArray, window: int, skew: FloatArray, kurtosis: FloatArray) -> None:
    """Sample skewness G1 and excess kurtosis G2 of each window (Joanes and Gill 1998); 0 where the window is flat.

    G1 needs a window of 3, G2 of 4; with less they are 0.
    """
    n = x.size
    w = float(window)
    g1 = np.sqrt(w * (w - 1)) / (w - 2) if window > 2 else 0.0
    g2 = (w - 1) / ((w - 2) * (w - 3)) if window > 3 else 0.0
    skew[: min(window - 1, n)] = np.nan
    kurtosis[: min(window - 1, n)] = np.nan
    tails = np.zeros((window + 1, 4))
    for begin in range(0, n, window):
        end = min(begin + window, n)
        anchor = x[begin]
        if begin > 0:
            for p in range(window - 1, 0, -1):
                d = x[begin - window + p] - anchor
                tails[p, 0] = tails[p + 1, 0] + d
                square = d * d
                tails[p, 1] = tails[p + 1, 1] + square
                tails[p, 2] = tails[p + 1, 2] + square * d
                tails[p, 3] = tails[p + 1, 3] + square * square
        floor = (1e-13 * anchor) ** 2
        s1 = s2 = s3 = s4 = 0.0
        for t in range(begin, end):
            d = x[t] - anchor
            square = d * d
            s1 += d
            s2 += square
            s3 += square * d
            s4 += square * square
            if t >= window - 1:
                q = t - begin + 1
                m = (tails[q, 0] + s1) / w
                e2, e3, e4 = (tails[q, 1] + s2) / w, (tails[q, 2] + s3) / w, (tails[q, 3] + s4) / w
                m2 = e2 - m * m
                if m2 <= floor:
                    skew[t] = kurtosis[t] = 0.0
                    continue
                m3 = e3 - 3 * m * e2 + 2 * m * m * m
                m4 = e4 - 4 * m * e3 + 6 * m * m * e2 - 3 * m * m * m * m
                skew[t] = g1 * m3 / (m2 * np.sqrt(m2))
                kurtosis[t] = g2 * ((w + 1) * (m4 / (m2 * m2) - 3) + 6)


@nb.njit(**_options)
def rolling_min(x: FloatArray, window: int, out: FloatArray) -> None:
    """Lowest value of each window."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    suffix = np.empty(window + 1)
    suffix[window] = np.inf
    for begin in range(0, n, window):
        end = min(begin + window, n)
        if begin > 0:
            for p in range(window - 1, 0, -1):
                value, m = x[begin - window + p], suffix[p + 1]
                suffix[p] = value if value < m or value != value else m
        m = np.inf
        for t in range(begin, end):
            value = x[t]
            if value < m or value != value:
                m = value
            if t >= window - 1:
                old = suffix[t - begin + 1]
                out[t] = old if old < m or old != old else m


@nb.njit(**_options)
def rolling_max(x: FloatArray, window: int, out: FloatArray) -> None:
    """Highest value of each window."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    suffix = np.empty(window + 1)
    suffix[window] = -np.inf
    for begin in range(0, n, window):
        end = min(begin + window, n)
        if begin > 0:
            for p in range(window - 1, 0, -1):
                value, m = x[begin - window + p], suffix[p + 1]
                suffix[p] = value if value > m or value != value else m
        m = -np.inf
        for t in range(begin, end):
            value = x[t]
            if value > m or value != value:
                m = value
            if t >= window - 1:
                old = suffix[t - begin + 1]
                out[t] = old if old > m or old != old else m


@nb.njit(**_options)
def rolling_argmax(x: FloatArray, window: int, sign: float, out: FloatArray) -> None:
    """Place of the highest ``sign * x`` in each window, 1 = oldest to ``window`` = newest; the oldest of equals."""
    n = x.size
    out[: min(window - 1, n)] = np.nan
    best, place = np.empty(window + 1), np.zeros(window + 1, np.int64)
    best[window] = -np.inf
    for begin in range(0, n, window):
        end = min(begin + window, n)
        if begin > 0:
            for p in range(window - 1, 0, -1):
                value = sign * x[begin - window + p]
                if value >= best[p + 1] or value != value:
                    best[p], place[p] = value, begin - window + p
                else:
                    best[p], place[p] = best[p + 1], place[p + 1]
        m, where = -np.inf, begin
        for t in range(begin, end):
            value = sign * x[t]
            if value > m or value != value:
                m, where = value, t
            if t >= window - 1:
                q = t - begin + 1
                old = best[q]
                if q < window and (old >= m or old != old):
                    out[t] = place[q] - (t - window) if old == old else np.nan
                else:
                    out[t] = where - (t - window) if m == m else np.nan


def warm() -> None:
    """Compile every kernel of this module, or load it from the cache."""
    x, out, more = np.arange(6.0), np.empty(6), np.empty(6)
    for kernel in (rolling_sum, rolling_mean, rolling_zscore, rolling_min, rolling_max):
        kernel(x, 2, out)
    rolling_var(x, 2, 1, out)
    rolling_shape(x, 4, out, more)
    rolling_argmax(x, 2, 1.0, out)
