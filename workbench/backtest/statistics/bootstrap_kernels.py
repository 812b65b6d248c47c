"""Compiled replicates of the block bootstrap: every headline figure of a resample without building the resample.

A resample is a row of blocks. Sums over a block are differences of running sums, so what is made of sums costs a few
operations a block; only the drawdown walks bar by bar, and only the quantiles count them.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray

# Columns of the running sums: deviation from the mean, its square, downside square, gain, count up, count down, log.
N_SUMS = 7
# Columns of a replicate: the sums, then the worst log drawdown, the tail's quantile and mean, the Sharpe ratio's error.
DRAWDOWN, QUANTILE, TAIL, ERROR = range(N_SUMS, N_SUMS + 4)
N_FIGURES = N_SUMS + 4


@nb.njit(cache=True, nogil=True, error_model="numpy")
def next_block(n: int, length: int, scale: float, room: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw where a block starts and how many bars it has, at most ``room``; geometric with a ``scale`` below 0."""
    start = int(rng.random() * n)
    if scale < 0.0:
        length = 1 + int(rng.standard_exponential() * -scale)
    return start, min(length, room)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def geometric_scale(mean_length: float, geometric: bool) -> float:
    """Return minus what turns an exponential number into a geometric length with this mean; 0 for a fixed length."""
    return 1.0 / np.log(1.0 - 1.0 / mean_length) if geometric and mean_length > 1.0 else 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def resample_rows(n: int, n_replicates: int, mean_length: float, geometric: bool, rng: np.random.Generator) -> IntArray:
    """Return the rows of each resample, (n_replicates, n)."""
    rows = np.empty((n_replicates, n), dtype=np.int64)
    fixed, scale = int(mean_length), geometric_scale(mean_length, geometric)
    for k in range(n_replicates):
        done = 0
        while done < n:
            start, length = next_block(n, fixed, scale, n - done, rng)
            for i in range(length):
                rows[k, done + i] = (start + i) % n
            done += length
    return rows


@nb.njit(cache=True, nogil=True, error_model="numpy")
def worst_fall(logs: FloatArray, start: int, length: int, level: float, peak: float, worst: float) -> tuple[float, ...]:
    """Walk a block of log returns; return level, peak and the worst log drawdown so far (0 or less)."""
    for i in range(start, start + length):
        level += logs[i]
        peak = max(peak, level)
        worst = min(worst, level - peak)
    return level, peak, worst


@nb.njit(cache=True, nogil=True, error_model="numpy")
def lower_tail(counts: IntArray, ordered: FloatArray, share: float) -> tuple[float, float]:
    """Return quantile (linear between neighbours) and the mean at or below it of values given by their counts."""
    n = len(counts)
    position = (n - 1) * share
    low = int(position)
    seen, total, i = 0, 0.0, 0
    while seen <= low:
        seen += counts[i]
        total += counts[i] * ordered[i]
        i += 1
    lower = upper = ordered[i - 1]
    if seen <= low + 1 < n:
        j = i
        while counts[j] == 0:
            j += 1
        upper = ordered[j]
    quantile = lower + (upper - lower) * (position - low)
    while i < n and ordered[i] <= quantile:  # equal returns have places of their own
        seen += counts[i]
        total += counts[i] * ordered[i]
        i += 1
    return quantile, total / seen


@nb.njit(cache=True, nogil=True, error_model="numpy")
def replicate_figures(
    sums: FloatArray,
    more: FloatArray,
    logs: FloatArray,
    ranks: IntArray,
    ordered: FloatArray,
    mean: float,
    n_replicates: int,
    mean_length: float,
    geometric: bool,
    walked: bool,
    tail: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the figures of every replicate, (n_replicates, N_FIGURES).

    ``sums`` (2 n + 1, 2) and ``more`` (2 n + 1, N_SUMS − 2) run over the returns twice, so that a block may run past
    the end; so do ``logs`` and ``ranks`` (2 n). Without ``walked`` the drawdown is left out, with ``tail`` 0 the
    quantile is, and an empty ``more`` leaves out its sums.
    """
    n = len(ordered)
    figures = np.zeros((n_replicates, N_FIGURES))
    counts = np.zeros(n, dtype=np.int64)
    fixed, scale = int(mean_length), geometric_scale(mean_length, geometric)
    for k in range(n_replicates):
        out = figures[k]
        done = 0
        level, peak, worst = 0.0, 0.0, 0.0
        p, q = 0.0, 0.0
        aa, ab, bb, al, bl, ll = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        if tail > 0.0:
            counts[:] = 0
        while done < n:
            start, length = next_block(n, fixed, scale, n - done, rng)
            stop = start + length
            if len(more) > 0:
                for c in range(N_SUMS - 2):
                    out[2 + c] += more[stop, c] - more[start, c]
            a = sums[stop, 0] - sums[start, 0]
            b = sums[stop, 1] - sums[start, 1]
            p += a
            q += b
            aa += a * a
            ab += a * b
            bb += b * b
            al += a * length
            bl += b * length
            ll += length * length
            if walked:
                level, peak, worst = worst_fall(logs, start, length, level, peak, worst)
            if tail > 0.0:
                for i in range(start, stop):
                    counts[ranks[i]] += 1
            done += length
        out[DRAWDOWN] = worst
        if tail > 0.0:
            out[QUANTILE], out[TAIL] = lower_tail(counts, ordered, tail)
        out[0], out[1] = p, q
        p, q = p / n, q / n
        out[ERROR] = sharpe_error(
            mean, p, q, aa - 2 * p * al + p * p * ll, ab - q * al - p * bl + p * q * ll, bb - 2 * q * bl + q * q * ll, n
        )
    return figures


@nb.njit(cache=True, nogil=True, error_model="numpy")
def sharpe_error(mean: float, p: float, q: float, aa: float, ab: float, bb: float, n: int) -> float:
    """Return the standard error of a Sharpe ratio by the delta method.

    ``p`` and ``q`` are the means of d = r − ``mean`` and of d², ``aa``, ``ab``, ``bb`` sums over blocks of the products
    of their summed deviations: the long-run covariance times n.
    """
    variance = q - p * p
    if variance <= 0.0:
        return np.nan
    by_p = (q + mean * p) / variance**1.5
    by_q = -(mean + p) / (2.0 * variance**1.5)
    return np.sqrt(max(by_p * by_p * aa + 2.0 * by_p * by_q * ab + by_q * by_q * bb, 0.0)) / n


@nb.njit(cache=True, nogil=True, error_model="numpy")
def overlapping_error(sums: FloatArray, mean: float, n: int, length: int) -> float:
    """Return the Sharpe ratio's standard error in the sample itself, from all circular blocks of one length."""
    p, q = sums[n, 0] / n, sums[n, 1] / n
    aa, ab, bb = 0.0, 0.0, 0.0
    for start in range(n):
        a = sums[start + length, 0] - sums[start, 0] - length * p
        b = sums[start + length, 1] - sums[start, 1] - length * q
        aa += a * a / length
        ab += a * b / length
        bb += b * b / length
    return sharpe_error(mean, p, q, aa, ab, bb, n)


def warm() -> None:
    """Compile every kernel for the types it is called with."""
    rng = np.random.default_rng(0)
    sums, more = np.zeros((5, 2)), np.zeros((5, N_SUMS - 2))
    logs, ranks = np.zeros(4), np.zeros(4, dtype=np.int64)
    replicate_figures(sums, more, logs, ranks, np.zeros(2), 0.0, 1, 1.0, True, True, 0.05, rng)
    overlapping_error(sums, 0.0, 2, 1)
    resample_rows(2, 1, 1.0, True, rng)
