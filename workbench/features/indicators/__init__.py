"""Indicators: features of one symbol's own bars, by TA-Lib where it has them and by kernels of ours where it has not.

Importing this room registers them, a module at a time.
"""

from __future__ import annotations

from workbench.features.indicators import (
    averages,
    bands,
    clock,
    derivatives,
    ichimoku,
    liquidity,
    macd,
    momentum,
    returns,
    stops,
    trend,
    volatility,
    volume,
    volume_profile,
    vwap,
)

__all__ = [
    "averages",
    "bands",
    "clock",
    "derivatives",
    "ichimoku",
    "liquidity",
    "macd",
    "momentum",
    "returns",
    "stops",
    "trend",
    "volatility",
    "volume",
    "volume_profile",
    "vwap",
]
