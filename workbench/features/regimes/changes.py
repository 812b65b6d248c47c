"""Change points that are known when they are known: CUSUM events and the Bayesian run length."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np

from workbench.features.regimes.states import MOST_WINDOW, returns_of
from workbench.features.registry import indicator
from workbench.typing import FloatArray

_BOCPD = ("Adams & MacKay (2007), Bayesian online changepoint detection, arXiv:0710.3742",)


def _cusum_step(*, window: int, threshold: float) -> Callable[[float], float]:
    from workbench.features.regimes.change_kernels import cusum_step

    sums = np.zeros(2)
    return _over_sigmas(window, lambda x: cusum_step(x, threshold, sums))


@indicator(
    "cusum_event",
    warmup=lambda window, threshold: window + 1,  # noqa: ARG005 - every parameter is handed over by name
    family="regime",
    recursive=True,
    bounds={"window": (2, MOST_WINDOW), "threshold": (0.01, 1e6)},
    references=("López de Prado (2018), Advances in Financial Machine Learning, ch. 2.5.2.1",),
    stream=_cusum_step,
)
def cusum_event(close: FloatArray, *, window: int = 100, threshold: float = 5.0) -> FloatArray:
    """Symmetric CUSUM filter: +1 or -1 at the bar where moves one way have added up to ``threshold`` sigmas, else 0.

    Notes
    -----
    ``S+ = max(0, S+ + x_t)``, ``S- = min(0, S- + x_t)`` with x the return in standard deviations of the ``window``
    returns before it, within ± 10; the sum that passes the threshold starts anew from 0.
    """
    from workbench.features.regimes.change_kernels import cusum_events

    out = np.full(close.size, np.nan)
    if close.size > 1:
        cusum_events(returns_of(close), window, threshold, out[1:])
    return out


def _run_step(expected: float, most: int, window: int, read: Callable[[FloatArray], float]) -> Callable[[float], float]:
    from workbench.features.regimes.change_kernels import run_step

    state, constants = _start(most), _constants(most)

    def take(x: float) -> float:
        run_step(x, 1 / expected, constants, state)
        return read(state)

    return _over_sigmas(window, take)


def _change_step(*, recent: int, expected: float, most: int, window: int) -> Callable[[float], float]:
    from workbench.features.regimes.change_kernels import young_share

    return _run_step(expected, most, window, lambda state: young_share(state, recent))


def _length_step(*, expected: float, most: int, window: int) -> Callable[[float], float]:
    from workbench.features.regimes.change_kernels import mean_run

    return _run_step(expected, most, window, mean_run)


@indicator(
    "change_probability",
    warmup=lambda window, **_: window + 1,
    family="regime",
    recursive=True,
    bounds={"recent": (0, 2000), "expected": (2.0, 1e6), "most": (2, 2000), "window": (2, MOST_WINDOW)},
    rules={"recent < most": lambda recent, most, **_: recent < most},
    references=_BOCPD,
    stream=_change_step,
)
def change_probability(
    close: FloatArray, *, recent: int = 10, expected: float = 250.0, most: int = 250, window: int = 100
) -> FloatArray:
    """Chance that mean or variance of the returns changed within the last ``recent`` bars, given the bars so far.

    Parameters
    ----------
    recent
        Bars that count as just now.
    expected
        Bars between changes expected beforehand: the hazard is its inverse.
    most
        Longest run kept; a longer one is judged by its last ``most`` bars. The work per bar is of this order.
    window
        Returns before the bar whose standard deviation is its unit.

    Notes
    -----
    Run-length posterior ``P(r_t | x_1 … x_t)`` under a normal model with unknown mean and variance (normal-gamma
    prior: mean 0, kappa 1, alpha 1, beta 1), x the return in trailing sigmas within ± 10. Runs below 1e-12 are let go.
    """
    return _run_lengths(close, recent, expected, most, window)[0]


@indicator(
    "run_length",
    warmup=lambda window, **_: window + 1,
    family="regime",
    recursive=True,
    bounds={"expected": (2.0, 1e6), "most": (2, 2000), "window": (2, MOST_WINDOW)},
    references=_BOCPD,
    stream=_length_step,
)
def run_length(close: FloatArray, *, expected: float = 250.0, most: int = 250, window: int = 100) -> FloatArray:
    """Expected bars since mean or variance of the returns last changed, at most ``most``; see `change_probability`."""
    return _run_lengths(close, 0, expected, most, window)[1]


def _run_lengths(
    close: FloatArray, recent: int, expected: float, most: int, window: int
) -> tuple[FloatArray, FloatArray]:
    from workbench.features.regimes.change_kernels import run_lengths

    young, mean = np.full(close.size, np.nan), np.full(close.size, np.nan)
    if close.size > 1:
        run_lengths(
            returns_of(close), window, 1 / expected, _constants(most), _start(most), recent, young[1:], mean[1:]
        )
    return young, mean


def _start(most: int) -> FloatArray:
    """Before any value: a run of no bars, for certain, with the prior's mean 0 and beta 1."""
    state = np.zeros((3, most + 1))
    state[0, 0], state[2] = 1.0, 1.0
    return state


def _constants(most: int) -> FloatArray:
    """Gamma(alpha + 1/2) / (Gamma(alpha) sqrt(pi)) of the Student t of each run length."""
    return np.array(
        [
            math.exp(math.lgamma(1.5 + 0.5 * r) - math.lgamma(1.0 + 0.5 * r)) / math.sqrt(math.pi)
            for r in range(most + 1)
        ]
    )


def _over_sigmas(window: int, take: Callable[[float], float]) -> Callable[[float], float]:
    """Make a step of closes from one of returns in trailing sigmas."""
    from workbench.features.regimes.change_kernels import in_sigmas

    closes: deque[float] = deque(maxlen=window + 2)

    def step(close: float) -> float:
        closes.append(close)
        if len(closes) < window + 2:
            return math.nan
        return float(take(in_sigmas(returns_of(np.array(closes)), window, window)))

    return step
