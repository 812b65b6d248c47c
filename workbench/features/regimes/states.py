"""Regimes told from trailing windows alone: volatility, trend, calm and storm. Causal by construction."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np

from workbench.features.registry import indicator
from workbench.typing import FloatArray

MOST_WINDOW = 10_000
MOST_T = 1000.0
"""|t| of a perfect line."""


def returns_of(close: FloatArray) -> FloatArray:
    """Return the n - 1 simple returns of n closes."""
    return close[1:] / close[:-1] - 1


def volatilities(close: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation (ddof=1) of the last ``window`` returns; NaN on the first ``window`` rows."""
    from workbench.features.regimes.state_kernels import spreads

    out = np.full(close.size, np.nan)
    if close.size > 1:
        spreads(returns_of(close), window, out[1:])
    return out


@indicator(
    "vol_rank",
    warmup=lambda window, lookback: window + lookback - 1,
    family="regime",
    bounds={"window": (2, MOST_WINDOW), "lookback": (2, MOST_WINDOW)},
)
def vol_rank(close: FloatArray, *, window: int = 20, lookback: int = 250) -> FloatArray:
    """Share of the last ``lookback`` volatilities that lie below the current one: 0 the calmest, 1 the wildest.

    The volatility is that of the last ``window`` returns; equal ones count half, so a market that stands still has 0.5.
    """
    from workbench.features.regimes.state_kernels import share_below

    out = np.empty(close.size)
    share_below(volatilities(close, window), lookback, out)
    return out


@indicator(
    "vol_regime",
    warmup=lambda window, lookback, **_: window + lookback - 1,
    family="regime",
    bounds={"window": (2, MOST_WINDOW), "lookback": (2, MOST_WINDOW), "low": (0.0, 1.0), "high": (0.0, 1.0)},
    rules={"low <= high": lambda low, high, **_: low <= high},
)
def vol_regime(
    close: FloatArray, *, window: int = 20, lookback: int = 250, low: float = 0.33, high: float = 0.67
) -> FloatArray:
    """Volatility regime: 0 calm, 1 usual, 2 wild, by the rank of the volatility in its own trailing window."""
    from workbench.features.regimes.state_kernels import share_below

    rank = np.empty(close.size)
    share_below(volatilities(close, window), lookback, rank)
    state = (rank >= low).astype(np.float64) + (rank > high)
    state[np.isnan(rank)] = np.nan
    return state


@indicator("trend_tstat", warmup=lambda window: window - 1, family="regime", bounds={"window": (3, MOST_WINDOW)})
def trend_tstat(close: FloatArray, *, window: int = 50) -> FloatArray:
    """t-value of the slope of a line through the last ``window`` log closes: sign and significance of the trend.

    ``b / se(b)`` of ordinary least squares, within ± 1000; 0 where the price stands still. Closes are no independent
    draws around a line, so it is a score and not a test: random walks give large values too.
    """
    from workbench.features.regimes.state_kernels import slope_t_values

    out = np.empty(close.size)
    slope_t_values(np.log(close[1:] / close[:-1]), window, MOST_T, out)
    return out


@indicator(
    "efficiency_ratio",
    warmup=lambda window: window,
    family="regime",
    bounds={"window": (1, MOST_WINDOW)},
    references=("Kaufman (1995), Smarter Trading",),
)
def efficiency_ratio(close: FloatArray, *, window: int = 20) -> FloatArray:
    """Net move over the path of the last ``window`` closes: 1 a straight line, near 0 noise; 0 where nothing moves."""
    from workbench.features.kernels.windows import rolling_sum

    out = np.full(close.size, np.nan)
    if close.size > window:
        path = np.empty(close.size - 1)
        rolling_sum(np.abs(np.diff(close)), window, path)
        moved, path = np.abs(close[window:] - close[:-window]), path[window - 1 :]
        out[window:] = np.minimum(moved / np.where(path > 0, path, 1.0), 1.0)
    return out


@indicator(
    "trend_regime",
    warmup=lambda window, threshold: window - 1,  # noqa: ARG005 - every parameter is handed over by name
    family="regime",
    bounds={"window": (3, MOST_WINDOW), "threshold": (0.0, MOST_T)},
)
def trend_regime(close: FloatArray, *, window: int = 50, threshold: float = 10.0) -> FloatArray:
    """Trend regime: -1 down, 0 none, +1 up, where the slope's t-value over ``window`` bars is beyond ± threshold.

    See `trend_tstat`: as closes are no independent draws, usual thresholds lie far above 2.
    """
    from workbench.features.regimes.state_kernels import slope_t_values

    score = np.empty(close.size)
    slope_t_values(np.log(close[1:] / close[:-1]), window, MOST_T, score)
    state = np.where(score > threshold, 1.0, np.where(score < -threshold, -1.0, 0.0))
    state[np.isnan(score)] = np.nan
    return state


def _storm_step(*, fast: int, slow: int, enter: float, leave: float) -> Callable[[float], float]:
    from workbench.features.regimes.state_kernels import spread

    closes: deque[float] = deque(maxlen=slow + 1)
    state = 0.0

    def step(close: float) -> float:
        nonlocal state
        closes.append(close)
        if len(closes) <= slow:
            return math.nan
        returns = returns_of(np.array(closes))
        wide = spread(returns, 0, slow)
        ratio = spread(returns, slow - fast, slow) / wide if wide > 0 else 0.0
        if state == 0.0 and ratio > enter:
            state = 1.0
        elif state == 1.0 and ratio < leave:
            state = 0.0
        return state

    return step


@indicator(
    "storm",
    warmup=lambda slow, **_: slow,
    family="regime",
    recursive=True,
    bounds={"fast": (2, MOST_WINDOW), "slow": (3, MOST_WINDOW), "enter": (0.0, 1e3), "leave": (0.0, 1e3)},
    rules={
        "fast < slow": lambda fast, slow, **_: fast < slow,
        "leave <= enter": lambda enter, leave, **_: leave <= enter,
    },
    stream=_storm_step,
)
def storm(close: FloatArray, *, fast: int = 10, slow: int = 100, enter: float = 1.5, leave: float = 1.0) -> FloatArray:
    """Storm (1) or calm (0): from the bar at which fast over slow volatility exceeds ``enter`` to below ``leave``.

    Two levels instead of one keep the state from flickering. A slow volatility of 0 counts as calm.
    """
    from workbench.features.regimes.state_kernels import latched

    wide, narrow = volatilities(close, slow), volatilities(close, fast)
    still = wide == 0
    ratio = np.where(still, 0.0, narrow / np.where(still, 1.0, wide))
    out = np.empty(close.size)
    latched(ratio, enter, leave, out)
    return out
