"""Change points: a two-sided CUSUM filter and Bayesian online detection, one bar at a time."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.features.regimes.state_kernels import spread
from workbench.typing import FloatArray

_options = {"cache": True, "nogil": True, "error_model": "numpy"}
MOST_SIGMAS = 10.0


@nb.njit(**_options)
def in_sigmas(returns: FloatArray, t: int, window: int) -> float:
    """Return t in standard deviations of the ``window`` returns before it, within ± 10; 0 of 0 is 0."""
    scale, value = spread(returns, t - window, t), returns[t]
    if abs(value) < MOST_SIGMAS * scale:
        return value / scale
    return np.sign(value) * MOST_SIGMAS


@nb.njit(**_options)
def cusum_step(x: float, threshold: float, sums: FloatArray) -> float:
    """Add a move to the sums (up, down); +1 or -1 and that sum back to 0 where it passes the threshold, else 0."""
    sums[0] = max(0.0, sums[0] + x)
    sums[1] = min(0.0, sums[1] + x)
    if sums[1] < -threshold:
        sums[1] = 0.0
        return -1.0
    if sums[0] > threshold:
        sums[0] = 0.0
        return 1.0
    return 0.0


@nb.njit(**_options)
def cusum_events(returns: FloatArray, window: int, threshold: float, out: FloatArray) -> None:
    """Events of the filter over moves in trailing sigmas; NaN on the first ``window`` rows."""
    sums = np.zeros(2)
    for t in range(returns.size):
        out[t] = cusum_step(in_sigmas(returns, t, window), threshold, sums) if t >= window else np.nan


@nb.njit(**_options)
def run_step(x: float, hazard: float, constants: FloatArray, state: FloatArray) -> None:
    """Take one value into the run-length posterior (Adams and MacKay 2007), in place.

    Column r of ``state``, (3, n_runs), holds the posterior of a run of r bars, and mean and scale beta of its
    normal-gamma posterior with kappa = 1 + r, alpha = 1 + r / 2. The last column stands for its run length or more and
    is judged by the newest values only.
    """
    last = state.shape[1] - 1
    changed, total, longest = 0.0, 0.0, 0.0
    for r in range(last, -1, -1):
        p, mean, beta = state[0, r], state[1, r], state[2, r]
        kappa, alpha = 1.0 + r, 1.0 + 0.5 * r
        deviation = x - mean
        grown = 0.0
        if p > 0.0:
            width = 2.0 * beta * (kappa + 1.0) / kappa  # nu times the squared scale of the Student t
            grown = p * constants[r] / np.sqrt(width) * (1.0 + deviation * deviation / width) ** (-alpha - 0.5)
        changed += grown
        grown *= 1.0 - hazard
        total += grown
        if r == last:
            longest = grown
        else:
            state[0, r + 1] = grown + (longest if r + 1 == last else 0.0)
            state[1, r + 1] = mean + deviation / (kappa + 1.0)
            state[2, r + 1] = beta + 0.5 * kappa / (kappa + 1.0) * deviation * deviation
    state[0, 0], state[1, 0], state[2, 0] = changed * hazard, 0.0, 1.0
    total += changed * hazard
    for r in range(last + 1):
        state[0, r] /= total
        if state[0, r] < 1e-12:  # so unlikely a run costs no more time
            state[0, r] = 0.0


@nb.njit(**_options)
def young_share(state: FloatArray, recent: int) -> float:
    """Chance that the current run is at most ``recent`` bars old."""
    total = 0.0
    for r in range(min(recent + 1, state.shape[1])):
        total += state[0, r]
    return min(total, 1.0)


@nb.njit(**_options)
def mean_run(state: FloatArray) -> float:
    """Posterior mean of the run length."""
    total = 0.0
    for r in range(state.shape[1]):
        total += r * state[0, r]
    return total


@nb.njit(**_options)
def run_lengths(
    returns: FloatArray,
    window: int,
    hazard: float,
    constants: FloatArray,
    state: FloatArray,
    recent: int,
    young: FloatArray,
    mean: FloatArray,
) -> None:
    """`young_share` and `mean_run` at every bar; NaN on the first ``window`` rows."""
    for t in range(returns.size):
        if t < window:
            young[t] = mean[t] = np.nan
            continue
        run_step(in_sigmas(returns, t, window), hazard, constants, state)
        young[t], mean[t] = young_share(state, recent), mean_run(state)


def warm() -> None:
    """Compile and cache the kernels."""
    x, out, state = np.array([0.1, -0.1, 0.2]), np.empty(3), np.ones((3, 2))
    in_sigmas(x, 2, 2)
    cusum_step(0.1, 1.0, np.zeros(2))
    cusum_events(x, 2, 1.0, out)
    run_step(0.1, 0.01, np.ones(2), state)
    young_share(state, 1)
    mean_run(state)
    run_lengths(x, 2, 0.01, np.ones(2), state, 1, out, out)
