"""Volume and money flow, by TA-Lib where it keeps no trace of volume that has left the window."""

from __future__ import annotations

from collections import deque

import numpy as np

from workbench.features.indicators.steps import NAN, TINY, multiply_add
from workbench.features.indicators.windows import FROM_1, FROM_2, MOST, changes_full, full, share, total, zscore
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray

_GRANVILLE = ("Granville (1963), New Key to Stock Market Profits",)
_CHAIKIN = ("Chaikin (1966), accumulation / distribution line, as in TA-Lib's AD and ADOSC",)


def _obv_step() -> Step:
    last, balance = NAN, 0.0

    def step(close: float, volume: float) -> float:
        nonlocal last, balance
        if not close <= last:  # also on the first bar
            balance += volume
        elif close < last:
            balance -= volume
        last = close
        return balance

    return step


@indicator(
    "obv",
    warmup=0,
    family="volume",
    recursive=True,
    stationary=False,
    references=_GRANVILLE,
    stream=_obv_step,
)
def obv(close: FloatArray, volume: FloatArray) -> FloatArray:
    """On-balance volume, starting at the first bar's volume: a running total whose level means nothing."""
    import talib

    return talib.OBV(close, volume)


@indicator("obv_ratio", warmup=changes_full, family="volume", bounds=FROM_1, references=_GRANVILLE)
def obv_ratio(close: FloatArray, volume: FloatArray, *, window: int = 20) -> FloatArray:
    """Change of on-balance volume over ``window`` bars as a share of their volume, -1 to 1; 0 without volume."""
    signed = np.sign(close[1:] - close[:-1]) * volume[1:]
    before = min(close.size, 1)
    return share(total(signed, window, before), total(volume[1:], window, before), 0.0)


def _mfi_step(window: int) -> Step:
    flows: deque[tuple[float, float]] = deque()
    inward = outward = 0.0
    last, still = NAN, 0

    def step(high: float, low: float, close: float, volume: float) -> float:
        nonlocal inward, outward, last, still
        typical = (high + low + close) / 3.0
        before, last = last, typical
        if before != before:
            return NAN
        if len(flows) == window:
            old_in, old_out = flows.popleft()
            inward -= old_in
            outward -= old_out
        change = typical - before
        flow = 0.0 if abs(change) <= TINY * (abs(typical) + abs(before)) else typical * volume
        up, down = (0.0, flow) if change < 0.0 else (flow, 0.0)
        flows.append((up, down))
        inward += up
        outward += down
        still = still + 1 if flow == 0.0 else 0
        if still >= window:
            inward = outward = 0.0
        if len(flows) < window:
            return NAN
        both = inward + outward
        return 0.0 if both <= 0.0 else 100.0 * (min(max(inward, 0.0), both) / both)

    return step


@indicator("mfi", warmup=changes_full, family="volume", recursive=True, bounds=FROM_2, stream=_mfi_step)
def mfi(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, *, window: int = 14) -> FloatArray:
    """Money flow index, 0 to 100; 0 where no money flowed (no volume, or the typical price did not move).

    TA-Lib keeps running sums, so the last digits bear the rounding of all earlier bars.
    """
    import talib

    return talib.MFI(high, low, close, volume, window)


class _Accumulation:
    """Running total of volume weighted by the close's place in its bar, -1 to 1."""

    def __init__(self) -> None:
        self._total = 0.0

    def __call__(self, high: float, low: float, close: float, volume: float) -> float:
        spread = high - low
        if spread > 0.0:
            self._total += ((close - low) - (high - close)) / spread * volume
        return self._total


@indicator("ad", warmup=0, family="volume", recursive=True, stationary=False, references=_CHAIKIN, stream=_Accumulation)
def ad(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray) -> FloatArray:
    """Chaikin's accumulation / distribution line, a running total in units of volume; a bar without range adds 0."""
    import talib

    return talib.AD(high, low, close, volume)


def _chaikin_step(fast: int, slow: int) -> Step:
    line, fma = _Accumulation(), multiply_add()
    quick_new, lazy_new = 2.0 / (fast + 1), 2.0 / (slow + 1)
    quick = lazy = 0.0
    seen = 0

    def step(high: float, low: float, close: float, volume: float) -> float:
        nonlocal quick, lazy, seen
        value = line(high, low, close, volume)
        seen += 1
        if seen == 1:
            quick = lazy = value
        else:
            quick = fma(1.0 - quick_new, quick, quick_new * value)
            lazy = fma(1.0 - lazy_new, lazy, lazy_new * value)
        return NAN if seen < slow else quick - lazy

    return step


@indicator(
    "chaikin_osc",
    warmup=lambda slow, **_: slow - 1,
    family="volume",
    recursive=True,
    stationary=False,
    bounds={"fast": (2, MOST), "slow": (2, MOST)},
    rules={"fast < slow": lambda fast, slow: fast < slow},
    references=_CHAIKIN,
    stream=_chaikin_step,
)
def chaikin_osc(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, *, fast: int = 3, slow: int = 10
) -> FloatArray:
    """Chaikin oscillator, EMA(fast) - EMA(slow) of the accumulation / distribution line, in units of volume.

    Both averages start at the line's first value, as in TA-Lib.
    """
    import talib

    return talib.ADOSC(high, low, close, volume, fast, slow)


@indicator("chaikin_money_flow", warmup=full, family="volume", bounds=FROM_1, references=_CHAIKIN)
def chaikin_money_flow(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, *, window: int = 20
) -> FloatArray:
    """Chaikin money flow, -1 to 1: volume weighted by the close's place in its bar over volume; 0 without volume.

    TA-Lib's CMF takes the same ratio of running sums, and shows what is left of them when volume dries up.
    """
    weight = share((close - low) - (high - close), high - low, 0.0)
    return share(total(weight * volume, window), total(volume, window), 0.0)


@indicator("volume_z", warmup=full, family="volume", bounds=FROM_2)
def volume_z(volume: FloatArray, *, window: int = 20) -> FloatArray:
    """Log volume, ln(1 + volume), in standard deviations (ddof=1) from its mean over ``window`` bars, with this one.

    0 where the window's volume is constant, such as zero throughout.
    """
    return zscore(np.log1p(volume), window)
