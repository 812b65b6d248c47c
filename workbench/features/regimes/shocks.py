"""Critical events: bars whose return, range or volume stands far out of the bars before them."""

from __future__ import annotations

import numpy as np

from workbench.features.regimes.states import MOST_WINDOW, returns_of
from workbench.features.registry import indicator
from workbench.typing import FloatArray

MOST_SCORE = 100.0
"""Scores are kept within this; after a stretch without any variation every move is that large."""
_IQR_OF_NORMAL = 1.3489795003921634
_BOUNDS = {"window": (4, MOST_WINDOW)}


def robust_score(x: FloatArray, window: int) -> FloatArray:
    """Return how far each value lies from the median of the ``window`` values before it, in robust sigmas.

    ``(x[t] - median) / (IQR / 1.349)``: the value itself is not in the window, so it cannot hide in its own scale.
    NaN on the first ``window`` rows; within ± 100; where the values before it have no spread 0 if it equals them.
    """
    from workbench.features.kernels.orders import rolling_quantile

    out = np.full(x.size, np.nan)
    if x.size <= window:
        return out
    low, middle, high = (np.empty(x.size - 1) for _ in range(3))
    for share, quantile in ((0.25, low), (0.5, middle), (0.75, high)):
        rolling_quantile(x[:-1], window, share, quantile)
    rows = slice(window - 1, None)
    away, scale = x[window:] - middle[rows], (high[rows] - low[rows]) / _IQR_OF_NORMAL
    far = np.sign(away) * MOST_SCORE
    bounded = np.abs(away) < MOST_SCORE * scale
    out[window:] = np.where(bounded, away / np.where(bounded, scale, 1.0), far)
    return out


@indicator("return_shock", warmup=lambda window: window + 1, family="regime", bounds=_BOUNDS)
def return_shock(close: FloatArray, *, window: int = 100) -> FloatArray:
    """Return of the bar in robust sigmas of the ``window`` returns before it, signed, within ± 100."""
    out = np.full(close.size, np.nan)
    if close.size > 1:
        out[1:] = robust_score(returns_of(close), window)
    return out


@indicator("range_shock", warmup=lambda window: window, family="regime", bounds=_BOUNDS)
def range_shock(high: FloatArray, low: FloatArray, *, window: int = 100) -> FloatArray:
    """Range ln(high / low) of the bar in robust sigmas of the ``window`` ranges before it, within ± 100."""
    return robust_score(np.log(high / low), window)


@indicator("volume_shock", warmup=lambda window: window, family="regime", bounds=_BOUNDS)
def volume_shock(volume: FloatArray, *, window: int = 100) -> FloatArray:
    """Volume of the bar in robust sigmas of the ``window`` volumes before it, within ± 100."""
    return robust_score(volume, window)


@indicator(
    "critical_event",
    warmup=lambda window, threshold: window + 1,  # noqa: ARG005 - every parameter is handed over by name
    family="regime",
    bounds={**_BOUNDS, "threshold": (0.0, MOST_SCORE)},
)
def critical_event(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    *,
    window: int = 100,
    threshold: float = 5.0,
) -> FloatArray:
    """How many of return (either way), range and volume are shocks of ``threshold`` robust sigmas or more: 0 to 3.

    Known at the close of the bar that it marks; see `return_shock`, `range_shock`, `volume_shock`.
    """
    moves, count = np.full(close.size, np.nan), np.full(close.size, np.nan)
    if close.size > 1:
        moves[1:] = np.abs(robust_score(returns_of(close), window))
    scores = (moves, robust_score(np.log(high / low), window), robust_score(volume, window))
    count[window + 1 :] = sum((s[window + 1 :] >= threshold).astype(np.float64) for s in scores)
    return count
