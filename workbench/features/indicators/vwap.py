"""Volume-weighted average prices, rolling and by session. The typical price is (high + low + close) / 3."""

from __future__ import annotations

import numpy as np

from workbench.features.indicators.windows import FROM_1, full, gap, mean, total
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray, IntArray

_DAY = 86_400_000_000_000  # nanoseconds


def _rolling(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, window: int) -> FloatArray:
    typical = (high + low + close) / 3
    traded = total(volume, window)
    empty = traded <= 0
    if not empty.any():
        return total(typical * volume, window) / traded
    weighted = total(typical * volume, window) / np.where(empty, 1.0, traded)
    return np.where(empty, mean(typical, window), weighted)


@indicator("vwap", warmup=full, family="volume", stationary=False, bounds=FROM_1)
def vwap(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, *, window: int = 48) -> FloatArray:
    """Volume-weighted average of the typical price over the last ``window`` bars, in price units.

    Where the window has no volume, the plain mean of its typical prices.
    """
    return _rolling(high, low, close, volume, window)


@indicator("vwap_gap", warmup=full, family="volume", bounds=FROM_1)
def vwap_gap(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, *, window: int = 48
) -> FloatArray:
    """Distance of the close from the rolling VWAP as a fraction, close / vwap - 1."""
    return gap(close, _rolling(high, low, close, volume, window))


def _session_step() -> Step:
    day = -1
    sums, lost = [0.0] * 3, [0.0] * 3  # value, volume, typical price; compensated as Kahan (1965)

    def step(high: float, low: float, close: float, volume: float, time: float) -> float:
        nonlocal day
        today = int(time) // _DAY
        if today != day:
            day = today
            sums[:], lost[:] = [0.0] * 3, [0.0] * 3
            counted[0] = 0.0
        counted[0] += 1.0
        typical = (high + low + close) / 3
        for i, x in enumerate((typical * volume, volume, typical)):
            y = x - lost[i]
            t = sums[i] + y
            lost[i], sums[i] = (t - sums[i]) - y, t
        return sums[0] / sums[1] if sums[1] > 0 else sums[2] / counted[0]

    counted = [0.0]
    return step


def _session(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, time: IntArray) -> FloatArray:
    from workbench.features.indicators.volume_kernels import session_vwap as kernel

    out = np.empty(close.size)
    kernel(high, low, close, volume, time, out)
    return out


@indicator("session_vwap", warmup=0, family="volume", recursive=True, stationary=False, stream=_session_step)
def session_vwap(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, time: IntArray
) -> FloatArray:
    """Volume-weighted average of the typical price since 00:00 UTC of the bar's day, in price units.

    Until the day has volume, the plain mean of its typical prices. A first day that begins late starts with its
    first bar.
    """
    return _session(high, low, close, volume, time)


def _session_gap_step() -> Step:
    level = _session_step()
    return lambda high, low, close, volume, time: close / level(high, low, close, volume, time) - 1.0


@indicator("session_vwap_gap", warmup=0, family="volume", recursive=True, stream=_session_gap_step)
def session_vwap_gap(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, time: IntArray
) -> FloatArray:
    """Distance of the close from the VWAP of its day (from 00:00 UTC) as a fraction, close / session_vwap - 1."""
    return gap(close, _session(high, low, close, volume, time))
