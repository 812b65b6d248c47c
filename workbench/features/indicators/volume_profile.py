"""Volume profile of a rolling window: at which prices was traded, and how far the close is from there.

The range of the window, lowest low to highest high, is cut into ``bins`` of equal height. Each bar's volume is taken
to lie evenly over the bar's own range, from its low to its high: bars do not tell more. The point of control is the
middle of the fullest bin (the lowest of equals). The value area grows from there by the fuller neighbour until it
holds its share of the volume. Where the window has no volume every bar counts the same; where it has no range all
levels are its price. A row costs ``window + bins`` steps, for the bins move with the window's range.
"""

from __future__ import annotations

import numpy as np

from workbench.features.indicators.windows import full, gap, total
from workbench.features.registry import indicator
from workbench.typing import FloatArray

_POC = {"window": (2, 10_000), "bins": (2, 1_000)}
_AREA = {**_POC, "area": (0.01, 1.0)}
_STEIDLMAYER = ("Steidlmayer & Hawkins (2003), Steidlmayer on Markets",)


def _levels(
    high: FloatArray, low: FloatArray, volume: FloatArray, window: int, bins: int, area: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    import talib

    from workbench.features.indicators.volume_kernels import volume_profile

    ceiling, floor, traded = talib.MAX(high, window), talib.MIN(low, window), total(volume, window)
    poc, area_high, area_low = np.empty((3, high.size))
    volume_profile(high, low, volume, ceiling, floor, traded, window, bins, area, poc, area_high, area_low)
    return poc, area_high, area_low


@indicator("profile_poc_gap", warmup=full, family="volume", bounds=_POC, references=_STEIDLMAYER)
def profile_poc_gap(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, *, window: int = 96, bins: int = 24
) -> FloatArray:
    """Distance of the close from the point of control of the window's volume profile, as a fraction."""
    return gap(close, _levels(high, low, volume, window, bins, 0.7)[0])


@indicator("profile_high_gap", warmup=full, family="volume", bounds=_AREA, references=_STEIDLMAYER)
def profile_high_gap(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    *,
    window: int = 96,
    bins: int = 24,
    area: float = 0.7,
) -> FloatArray:
    """Distance of the close from the upper edge of the value area, as a fraction: positive above it."""
    return gap(close, _levels(high, low, volume, window, bins, area)[1])


@indicator("profile_low_gap", warmup=full, family="volume", bounds=_AREA, references=_STEIDLMAYER)
def profile_low_gap(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    *,
    window: int = 96,
    bins: int = 24,
    area: float = 0.7,
) -> FloatArray:
    """Distance of the close from the lower edge of the value area, as a fraction: negative below it."""
    return gap(close, _levels(high, low, volume, window, bins, area)[2])
