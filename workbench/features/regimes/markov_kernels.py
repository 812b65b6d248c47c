"""The recursions of a hidden Markov model with Gaussian states (Rabiner 1989, scaled)."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray

_options = {"cache": True, "nogil": True, "error_model": "numpy"}
_LOG_2PI = 1.8378770664093453


@nb.njit(**_options)
def densities(x: FloatArray, means: FloatArray, variances: FloatArray, b: FloatArray, shifts: FloatArray) -> None:
    """Density of every row under every state, b (n, k), divided by exp(shift), that of the likeliest; NaN: all 1."""
    n, m = x.shape
    k = means.shape[0]
    for t in range(n):
        best = -np.inf
        for j in range(k):
            log_density = 0.0
            for i in range(m):
                deviation = x[t, i] - means[j, i]
                log_density -= 0.5 * (_LOG_2PI + np.log(variances[j, i]) + deviation * deviation / variances[j, i])
            b[t, j] = log_density
            best = max(best, log_density)
        missing = np.isnan(b[t, 0])
        shifts[t] = 0.0 if missing else best
        for j in range(k):
            b[t, j] = 1.0 if missing else np.exp(b[t, j] - best)


@nb.njit(**_options)
def filtered(b: FloatArray, start: FloatArray, transition: FloatArray, alpha: FloatArray) -> float:
    """P(state_t | x_1 … x_t) into alpha (n, k), row by row; return the log likelihood but for the shifts."""
    n, k = b.shape
    total = 0.0
    for t in range(n):
        scale = 0.0
        for j in range(k):
            before = start[j]
            if t > 0:
                before = 0.0
                for i in range(k):
                    before += alpha[t - 1, i] * transition[i, j]
            alpha[t, j] = before * b[t, j]
            scale += alpha[t, j]
        for j in range(k):
            alpha[t, j] = alpha[t, j] / scale if scale > 0.0 else 1.0 / k
        total += np.log(max(scale, 1e-300))
    return total


@nb.njit(**_options)
def expectations(
    b: FloatArray, start: FloatArray, transition: FloatArray, gamma: FloatArray, moves: FloatArray
) -> float:
    """The E-step: P(state_t | all x) into gamma (n, k), expected transitions added to moves (k, k).

    Only for fitting: gamma knows the future, and no prediction is made of it.
    """
    n, k = b.shape
    total = filtered(b, start, transition, gamma)
    beta, behind = np.ones(k), np.empty(k)
    for t in range(n - 1, 0, -1):
        scale = 0.0
        for i in range(k):
            behind[i] = 0.0
            for j in range(k):
                behind[i] += transition[i, j] * b[t, j] * beta[j]
        for i in range(k):
            for j in range(k):
                scale += gamma[t - 1, i] * transition[i, j] * b[t, j] * beta[j]
        for i in range(k):
            for j in range(k):
                moves[i, j] += gamma[t - 1, i] * transition[i, j] * b[t, j] * beta[j] / scale
        if t == n - 1:
            _normalise(gamma, t)
        for i in range(k):
            beta[i] = behind[i] / scale
            gamma[t - 1, i] *= beta[i]
        _normalise(gamma, t - 1)
    return total


@nb.njit(**_options)
def _normalise(gamma: FloatArray, t: int) -> None:
    total = 0.0
    for j in range(gamma.shape[1]):
        total += gamma[t, j]
    for j in range(gamma.shape[1]):
        gamma[t, j] /= total


def warm() -> None:
    """Compile and cache the kernels."""
    x, two = np.zeros((2, 1)), np.full((2, 2), 0.5)
    b, gamma = np.ones((2, 2)), np.empty((2, 2))
    densities(x, np.zeros((2, 1)), np.ones((2, 1)), b, np.empty(2))
    filtered(b, two[0], two, gamma)
    expectations(b, two[0], two, gamma, np.zeros((2, 2)))
