"""Registered features of the ZigZag and of the patterns made of its pivots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.features.patterns.divergence import (
    DIVERGENCE_KINDS,
    OSCILLATORS,
    find_divergences,
    oscillator_values,
    oscillator_warmup,
)
from workbench.features.patterns.elliott import find_corrections, find_impulses
from workbench.features.patterns.follow import DivergenceFollower, Finder, PatternFollower
from workbench.features.patterns.harmonic import HARMONIC_NAMES, TOLERANCE, find_harmonics
from workbench.features.patterns.pivots import (
    ATR_WINDOW,
    EVENT_BOUNDS,
    HOLD,
    PIVOT_RULES,
    THRESHOLD,
    Candidates,
    broken,
    held,
    pivot_warmup,
    zigzag_pivots,
)
from workbench.features.patterns.shapes import TRIANGLE_NAMES, find_doubles, find_head_shoulders, find_triangles
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray

_TRIANGLES = ("any", *(name.removesuffix("_triangle") for name in TRIANGLE_NAMES))
_HARMONICS = ("any", *HARMONIC_NAMES)
_SHARES = (1e-6, 10.0)
_EDWARDS_MAGEE = "Edwards and Magee (1948), Technical Analysis of Stock Trends"
_LO = "Lo, Mamaysky and Wang (2000), Foundations of technical analysis, Journal of Finance 55"
_ELLIOTT = (
    "Elliott (1938), The Wave Principle",
    "Frost and Prechter (1978), Elliott Wave Principle",
)


def _one_of(parameter: str, allowed: tuple[str, ...]) -> dict[str, Callable[..., bool]]:
    return {f"{parameter} to be one of {', '.join(allowed)}": lambda **values: values[parameter] in allowed}


def _signal(
    find: Finder, high: FloatArray, low: FloatArray, close: FloatArray, hold: int, threshold: float, atr_window: int
) -> FloatArray:
    result = find(zigzag_pivots(high, low, close, threshold=threshold, atr_window=atr_window))
    matches = broken(result, close) if isinstance(result, Candidates) else result
    return held(matches, close.size, hold=hold, warmup=atr_window)


def _step(finder: Callable[..., Any], *names: str) -> Callable[..., Step]:
    """Return the maker of a step for a finder that takes the named parameters."""

    def make(*, hold: int, threshold: float, atr_window: int, **parameters: Any) -> Step:
        chosen = {name: parameters[name] for name in names}
        return PatternFollower(
            lambda pivots: finder(pivots, **chosen), threshold=threshold, atr_window=atr_window, hold=hold
        )

    return make


@indicator(
    "harmonic",
    warmup=pivot_warmup,
    family="patterns",
    bounds={**EVENT_BOUNDS, "tolerance": _SHARES},
    rules={**PIVOT_RULES, **_one_of("pattern", _HARMONICS)},
    recursive=True,
    stream=_step(find_harmonics, "pattern", "tolerance"),
    references=(
        "Gartley (1935), Profits in the Stock Market",
        "Pesavento (1997), Fibonacci Ratios with Pattern Recognition",
        "Carney (2010), Harmonic Trading, volumes one and two",
    ),
)
def harmonic(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    pattern: str = "any",
    tolerance: float = TOLERANCE,
    hold: int = HOLD,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Fit of the newest harmonic pattern X-A-B-C-D, 1 (bullish, D a low) to -1, for ``hold`` bars after D is confirmed.

    Parameters
    ----------
    high, low, close
        Prices of one symbol's bars, shape (n,).
    pattern
        gartley, bat, butterfly, crab, shark, cypher or any.
    tolerance
        How far a ratio may lie outside its bounds, as a fraction of the bound.
    hold
        Bars for which the signal stands.
    threshold, atr_window
        The ZigZag's reversal, see `zigzag_pivots`.

    Returns
    -------
    ndarray
        Shape (n,), direction times score; 0 where no pattern stands, NaN on the first ``atr_window`` rows.
    """

    return _signal(
        lambda pivots: find_harmonics(pivots, pattern=pattern, tolerance=tolerance),
        high, low, close, hold, threshold, atr_window,
    )  # fmt: skip


@indicator(
    "elliott_impulse",
    warmup=pivot_warmup,
    family="patterns",
    bounds=EVENT_BOUNDS,
    rules=PIVOT_RULES,
    recursive=True,
    stream=_step(find_impulses),
    references=_ELLIOTT,
)
def elliott_impulse(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    hold: int = HOLD,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Confidence in a finished five-wave impulse, below 0 after five waves up: what should follow is the way back.

    Known when the end of wave 5 is confirmed, held for ``hold`` bars; the wave rules hold, the Fibonacci guidelines
    and alternation make the confidence.
    """
    return _signal(find_impulses, high, low, close, hold, threshold, atr_window)


@indicator(
    "elliott_correction",
    warmup=pivot_warmup,
    family="patterns",
    bounds=EVENT_BOUNDS,
    rules=PIVOT_RULES,
    recursive=True,
    stream=_step(find_corrections),
    references=_ELLIOTT,
)
def elliott_correction(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    hold: int = HOLD,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Confidence in a finished three-wave correction A-B-C, above 0 after one down: the advance should go on.

    Known when the end of C is confirmed, held for ``hold`` bars.
    """
    return _signal(find_corrections, high, low, close, hold, threshold, atr_window)


@indicator(
    "head_shoulders",
    warmup=pivot_warmup,
    family="patterns",
    bounds={**EVENT_BOUNDS, "tolerance": _SHARES},
    rules=PIVOT_RULES,
    recursive=True,
    stream=_step(find_head_shoulders, "tolerance"),
    references=(_EDWARDS_MAGEE, _LO),
)
def head_shoulders(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    tolerance: float = 0.3,
    hold: int = HOLD,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Fit of a head and shoulders whose neckline a close has broken: below 0 for a top, above 0 for an inverse one.

    Known at the close beyond the neckline, held for ``hold`` bars; see `find_head_shoulders`.
    """
    return _signal(
        lambda pivots: find_head_shoulders(pivots, tolerance=tolerance), high, low, close, hold, threshold, atr_window
    )


@indicator(
    "double_top",
    warmup=pivot_warmup,
    family="patterns",
    bounds={**EVENT_BOUNDS, "tolerance": _SHARES},
    rules=PIVOT_RULES,
    recursive=True,
    stream=_step(find_doubles, "tolerance"),
    references=(_EDWARDS_MAGEE, _LO),
)
def double_top(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    tolerance: float = 0.15,
    hold: int = HOLD,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Fit of a double top (below 0) or double bottom (above 0) that a close beyond its middle has completed.

    Known at that close, held for ``hold`` bars; see `find_doubles`.
    """
    return _signal(
        lambda pivots: find_doubles(pivots, tolerance=tolerance), high, low, close, hold, threshold, atr_window
    )


@indicator(
    "triangle",
    warmup=pivot_warmup,
    family="patterns",
    bounds={**EVENT_BOUNDS, "tolerance": _SHARES},
    rules={**PIVOT_RULES, **_one_of("kind", _TRIANGLES)},
    recursive=True,
    stream=_step(find_triangles, "kind", "tolerance"),
    references=(_EDWARDS_MAGEE, _LO),
)
def triangle(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    kind: str = "any",
    tolerance: float = 0.2,
    hold: int = HOLD,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Fit of a triangle that a close has left, upward above 0, downward below 0.

    Kind is any, ascending, descending or symmetrical. Known at the close beyond the line, held for ``hold`` bars; see
    `find_triangles`.
    """
    return _signal(
        lambda pivots: find_triangles(pivots, kind=kind, tolerance=tolerance),
        high, low, close, hold, threshold, atr_window,
    )  # fmt: skip


@indicator(
    "divergence",
    warmup=lambda oscillator, atr_window, **_: max(atr_window, oscillator_warmup(oscillator)),
    family="patterns",
    bounds=EVENT_BOUNDS,
    rules={**PIVOT_RULES, **_one_of("oscillator", OSCILLATORS), **_one_of("kind", DIVERGENCE_KINDS)},
    recursive=True,
    stream=DivergenceFollower,
    references=("Murphy (1999), Technical Analysis of the Financial Markets",),
)
def divergence(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    *,
    oscillator: str = "rsi",
    kind: str = "any",
    hold: int = HOLD,
    threshold: float = THRESHOLD,
    atr_window: int = ATR_WINDOW,
) -> FloatArray:
    """Size of the divergence between price pivots and rsi, macd or obv, bullish above 0; kind any, regular or hidden.

    Known when the second pivot is confirmed, held for ``hold`` bars; see `find_divergences`.
    """
    warmup = max(atr_window, oscillator_warmup(oscillator))
    if close.size <= warmup:
        return np.full(close.size, np.nan)
    values = oscillator_values(oscillator, close, volume)
    pivots = zigzag_pivots(high, low, close, threshold=threshold, atr_window=atr_window)
    return held(find_divergences(pivots, values, kind=kind), close.size, hold=hold, warmup=warmup)
