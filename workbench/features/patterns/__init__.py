"""Patterns of the price, each known only from the bar that completes it.

A ZigZag that only confirms gives the turning points; harmonic patterns, Elliott waves, head and shoulders, double tops,
triangles and divergences are made of them. The candlesticks are TA-Lib's. `pattern_events` is the table for a chart.
"""

from __future__ import annotations

from workbench.features.patterns import chart, zigzag  # noqa: F401 - their features register here
from workbench.features.patterns.candles import CANDLES, Candle, register_candles
from workbench.features.patterns.divergence import find_divergences
from workbench.features.patterns.elliott import find_corrections, find_impulses
from workbench.features.patterns.events import CHART_KINDS, PATTERN_KINDS, pattern_events
from workbench.features.patterns.harmonic import HARMONICS, Harmonic, find_harmonics, reversal_zone
from workbench.features.patterns.pivots import Candidates, Matches, Pivots, broken, held, zigzag_pivots
from workbench.features.patterns.shapes import find_doubles, find_head_shoulders, find_triangles

__all__ = [
    "CANDLES",
    "CHART_KINDS",
    "HARMONICS",
    "PATTERN_KINDS",
    "Candidates",
    "Candle",
    "Harmonic",
    "Matches",
    "Pivots",
    "broken",
    "find_corrections",
    "find_divergences",
    "find_doubles",
    "find_harmonics",
    "find_head_shoulders",
    "find_impulses",
    "find_triangles",
    "held",
    "pattern_events",
    "register_candles",
    "reversal_zone",
    "zigzag_pivots",
]
