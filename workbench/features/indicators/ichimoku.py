"""Ichimoku lines at the bar at which they are known: nothing is shifted forward or back.

A chart draws the two senkou lines 26 bars ahead and the close 26 bars back. Here each value stands on the bar that
completes its window; ``ref(ichimoku_senkou_a, 26)`` is the cloud that a chart shows under today's bar.
"""

from __future__ import annotations

import numpy as np

from workbench.features.indicators.windows import FROM_2, MOST, full
from workbench.features.registry import indicator
from workbench.typing import FloatArray

_HOSODA = ("Hosoda (1969), Ichimoku kinko hyo",)
_CLOUD = {"tenkan": (2, MOST), "kijun": (2, MOST), "senkou": (2, MOST)}


def _middle(high: FloatArray, low: FloatArray, window: int) -> FloatArray:
    import talib

    ceiling = talib.MAX(high, window)
    ceiling += talib.MIN(low, window)
    ceiling /= 2.0
    return ceiling


@indicator("ichimoku_tenkan", warmup=full, family="trend", stationary=False, bounds=FROM_2, references=_HOSODA)
def ichimoku_tenkan(high: FloatArray, low: FloatArray, *, window: int = 9) -> FloatArray:
    """Tenkan-sen, the middle of the range of the last ``window`` bars, in price units."""
    return _middle(high, low, window)


@indicator("ichimoku_kijun", warmup=full, family="trend", stationary=False, bounds=FROM_2, references=_HOSODA)
def ichimoku_kijun(high: FloatArray, low: FloatArray, *, window: int = 26) -> FloatArray:
    """Kijun-sen, the middle of the range of the last ``window`` bars, in price units."""
    return _middle(high, low, window)


@indicator(
    "ichimoku_senkou_a",
    warmup=lambda tenkan, kijun: max(tenkan, kijun) - 1,
    family="trend",
    stationary=False,
    bounds={"tenkan": (2, MOST), "kijun": (2, MOST)},
    references=_HOSODA,
)
def ichimoku_senkou_a(high: FloatArray, low: FloatArray, *, tenkan: int = 9, kijun: int = 26) -> FloatArray:
    """Senkou span A, the mean of tenkan and kijun, in price units, on the bar at which it is known."""
    return (_middle(high, low, tenkan) + _middle(high, low, kijun)) / 2.0


@indicator("ichimoku_senkou_b", warmup=full, family="trend", stationary=False, bounds=FROM_2, references=_HOSODA)
def ichimoku_senkou_b(high: FloatArray, low: FloatArray, *, window: int = 52) -> FloatArray:
    """Senkou span B, the middle of the range of the last ``window`` bars, in price units, where it is known."""
    return _middle(high, low, window)


@indicator(
    "ichimoku_cross",
    warmup=lambda tenkan, kijun: max(tenkan, kijun) - 1,
    family="trend",
    bounds={"tenkan": (2, MOST), "kijun": (2, MOST)},
    references=_HOSODA,
)
def ichimoku_cross(high: FloatArray, low: FloatArray, *, tenkan: int = 9, kijun: int = 26) -> FloatArray:
    """Tenkan over kijun as a fraction, tenkan / kijun - 1: positive where the fast line is above."""
    return _middle(high, low, tenkan) / _middle(high, low, kijun) - 1.0


@indicator(
    "ichimoku_cloud_gap",
    warmup=lambda tenkan, kijun, senkou: max(tenkan, kijun, senkou) - 1,
    family="trend",
    bounds=_CLOUD,
    references=_HOSODA,
)
def ichimoku_cloud_gap(
    high: FloatArray, low: FloatArray, close: FloatArray, *, tenkan: int = 9, kijun: int = 26, senkou: int = 52
) -> FloatArray:
    """Distance of the close from the cloud known at this bar, as a fraction: above > 0, within 0, below < 0."""
    a = (_middle(high, low, tenkan) + _middle(high, low, kijun)) / 2.0
    b = _middle(high, low, senkou)
    edge = np.clip(close, np.minimum(a, b), np.maximum(a, b))
    return close / edge - 1.0
