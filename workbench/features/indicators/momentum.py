"""Momentum and oscillators of the close and the range, by TA-Lib."""

from __future__ import annotations

from collections import deque

from workbench.features.indicators.steps import NAN, TINY, Gains, RunningMean, TrueRange
from workbench.features.indicators.windows import FROM_1, FROM_2, MOST, SMA, changes_full, full
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray

_WILDER = ("Wilder (1978), New Concepts in Technical Trading Systems",)
_LANE = ("Lane (1984), Lane's stochastics, Stocks & Commodities 2",)
_CHANDE_KROLL = ("Chande & Kroll (1994), The New Technical Trader",)


@indicator("roc", warmup=changes_full, family="momentum", bounds=FROM_1)
def roc(close: FloatArray, *, window: int = 10) -> FloatArray:
    """Rate of change over ``window`` bars in percent (TA-Lib's ROC: 100 times `ret`)."""
    import talib

    return talib.ROC(close, window)


@indicator("mom", warmup=changes_full, family="momentum", stationary=False, bounds=FROM_1)
def mom(close: FloatArray, *, window: int = 10) -> FloatArray:
    """Momentum: the change of the close over ``window`` bars, in price units; see `roc` for one free of scale."""
    import talib

    return talib.MOM(close, window)


def _rsi_step(window: int) -> Step:
    gains = Gains(window, by_factor=True)

    def step(close: float) -> float:
        seen = gains(close)
        if seen is None:
            return NAN
        up, down = seen
        return 100.0 * (up / (up + down)) if up + down > 0.0 else 0.0

    return step


@indicator(
    "rsi",
    warmup=changes_full,
    family="momentum",
    recursive=True,
    bounds=FROM_2,
    references=_WILDER,
    stream=_rsi_step,
)
def rsi(close: FloatArray, *, window: int = 14) -> FloatArray:
    """Relative strength index, 0 to 100, Wilder smoothing seeded with the mean of the first ``window`` changes.

    A price that has not moved since the first bar gives 0; one that stops moving keeps its last value.
    """
    import talib

    return talib.RSI(close, window)


def _cmo_step(window: int) -> Step:
    gains = Gains(window, by_factor=False)

    def step(close: float) -> float:
        seen = gains(close)
        if seen is None:
            return NAN
        up, down = seen
        return 100.0 * ((up - down) / (up + down)) if up + down > 0.0 else 0.0

    return step


@indicator(
    "cmo",
    warmup=changes_full,
    family="momentum",
    recursive=True,
    bounds=FROM_2,
    references=_CHANDE_KROLL,
    stream=_cmo_step,
)
def cmo(close: FloatArray, *, window: int = 14) -> FloatArray:
    """Chande momentum oscillator, -100 (only falls) to 100 (only rises); 0 where the price has never moved.

    TA-Lib smooths rises and falls as Wilder does; Chande's own takes plain sums of the window.
    """
    import talib

    return talib.CMO(close, window)


@indicator(
    "stoch_k",
    warmup=lambda window, smooth: window + smooth - 2,
    family="momentum",
    bounds={"window": (1, MOST), "smooth": (1, MOST)},
    references=_LANE,
)
def stoch_k(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 14, smooth: int = 3) -> FloatArray:
    """Stochastic %K, 0 to 100, averaged over ``smooth`` bars (1 = the fast one); a flat range counts as 0."""
    import talib

    return talib.STOCH(high, low, close, window, smooth, SMA, 1, SMA)[0]


@indicator(
    "stoch_d",
    warmup=lambda window, smooth, signal: window + smooth + signal - 3,
    family="momentum",
    bounds={"window": (1, MOST), "smooth": (1, MOST), "signal": (1, MOST)},
    references=_LANE,
)
def stoch_d(
    high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 14, smooth: int = 3, signal: int = 3
) -> FloatArray:
    """Stochastic %D, 0 to 100: the mean of the last ``signal`` values of %K."""
    import talib

    return talib.STOCH(high, low, close, window, smooth, SMA, signal, SMA)[1]


def _stoch_rsi_step(window: int, stoch_window: int, smooth: int = 1) -> Step:
    strength, average = _rsi_step(window), RunningMean(smooth)
    recent: deque[float] = deque(maxlen=stoch_window)

    def step(close: float) -> float:
        value = strength(close)
        if value != value:
            return NAN
        recent.append(value)
        if len(recent) < stoch_window:
            return NAN
        low, high = min(recent), max(recent)
        flat = high - low <= TINY * (high + low)
        return average(0.0 if flat else (value - low) / ((high - low) / 100.0))

    return step


@indicator(
    "stoch_rsi",
    warmup=lambda window, stoch_window: window + stoch_window - 1,
    family="momentum",
    recursive=True,
    bounds={"window": (2, MOST), "stoch_window": (1, MOST)},
    references=_CHANDE_KROLL,
    stream=_stoch_rsi_step,
)
def stoch_rsi(close: FloatArray, *, window: int = 14, stoch_window: int = 14) -> FloatArray:
    """Place of the RSI in its own range of the last ``stoch_window`` bars, 0 to 100; a flat range counts as 0."""
    import talib

    return talib.STOCHRSI(close, window, stoch_window, 1, SMA)[0]


@indicator(
    "stoch_rsi_d",
    warmup=lambda window, stoch_window, smooth: window + stoch_window + smooth - 2,
    family="momentum",
    recursive=True,
    bounds={"window": (2, MOST), "stoch_window": (1, MOST), "smooth": (1, MOST)},
    references=_CHANDE_KROLL,
    stream=_stoch_rsi_step,
)
def stoch_rsi_d(close: FloatArray, *, window: int = 14, stoch_window: int = 14, smooth: int = 3) -> FloatArray:
    """Stochastic RSI averaged over ``smooth`` bars, 0 to 100 (TA-Lib's fast %D of the RSI)."""
    import talib

    return talib.STOCHRSI(close, window, stoch_window, smooth, SMA)[1]


def _cci_step(window: int) -> Step:
    ring = [0.0] * window
    seen = 0

    def step(high: float, low: float, close: float) -> float:
        nonlocal seen
        typical = (high + low + close) / 3
        ring[seen % window] = typical  # sums run in the order of the ring, as TA-Lib's do
        seen += 1
        if seen < window:
            return NAN
        total = 0.0
        for value in ring:
            total += value
        mean = total / window
        spread = 0.0
        for value in ring:
            spread += abs(value - mean)
        apart = typical - mean
        zero = TINY * abs(mean)
        return 0.0 if abs(apart) <= zero or spread <= zero else apart / (0.015 * (spread / window))

    return step


@indicator(
    "cci",
    warmup=full,
    family="momentum",
    recursive=True,
    bounds=FROM_2,
    references=("Lambert (1980), Commodity channel index, Commodities 10",),
    stream=_cci_step,
)
def cci(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 20) -> FloatArray:
    """Commodity channel index of the typical price, in 0.015 mean deviations; 0 in a flat window.

    TA-Lib sums the window in the order of a ring that began at the first bar, so the last digits depend on that bar.
    """
    import talib

    return talib.CCI(high, low, close, window)


@indicator("williams_r", warmup=full, family="momentum", bounds=FROM_2)
def williams_r(high: FloatArray, low: FloatArray, close: FloatArray, *, window: int = 14) -> FloatArray:
    """Williams %R, -100 (at the low of the window) to 0 (at its high); 0 in a flat window."""
    import talib

    return talib.WILLR(high, low, close, window)


def _ultimate_step(fast: int, medium: int, slow: int) -> Step:
    windows = sorted((fast, medium, slow))
    weights = (4.0, 2.0, 1.0)
    bought, ranges = [0.0] * 3, [0.0] * 3
    recent: deque[tuple[float, float]] = deque()
    true_range, last = TrueRange(), NAN
    still = 0

    def step(high: float, low: float, close: float) -> float:
        nonlocal last, still
        before, last = last, close
        reach = true_range(high, low, close)
        if reach != reach:
            return NAN
        gain = close - min(low, before)
        recent.append((gain, reach))
        still = still + 1 if reach == 0.0 else 0
        value = 0.0
        for i, window in enumerate(windows):
            bought[i] += gain
            ranges[i] += reach
            if still >= window:  # what is left of running sums is rounding
                bought[i] = ranges[i] = 0.0
            else:
                value += weights[i] * (bought[i] / ranges[i])
            if len(recent) >= window:
                old_gain, old_reach = recent[-window]
                bought[i] -= old_gain
                ranges[i] -= old_reach
        if len(recent) < windows[2]:
            return NAN
        recent.popleft()
        return 100.0 * (value / 7.0)

    return step


def _longest(fast: int, medium: int, slow: int) -> int:
    return max(fast, medium, slow)


@indicator(
    "ultimate_osc",
    warmup=_longest,
    family="momentum",
    bounds={"fast": (1, MOST), "medium": (1, MOST), "slow": (1, MOST)},
    references=("Williams (1985), The ultimate oscillator, Stocks & Commodities 3",),
    stream=_ultimate_step,
)
def ultimate_osc(
    high: FloatArray, low: FloatArray, close: FloatArray, *, fast: int = 7, medium: int = 14, slow: int = 28
) -> FloatArray:
    """Ultimate oscillator, 0 to 100: buying pressure over true range in three windows, weighted 4, 2 and 1.

    A flat window adds 0.
    """
    import talib

    return talib.ULTOSC(high, low, close, fast, medium, slow)
