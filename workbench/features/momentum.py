"""Momentum and oscillators, by TA-Lib."""

from __future__ import annotations

from workbench.features.columns import by_symbol
from workbench.features.registry import feature
from workbench.typing import Bars, FloatArray, Panel

_MOST = 100_000  # TA-Lib's longest period
_SMA = 0  # TA-Lib's code of the simple moving average
_MACD_BOUNDS = {"fast": (2, _MOST), "slow": (2, _MOST), "signal": (1, _MOST)}
_WILDER = ("Wilder (1978), New Concepts in Technical Trading Systems",)
_FASTER = {"fast < slow": lambda fast, slow, **_: fast < slow}


def _macd_warmup(fast: int, slow: int, signal: int) -> int:
    return max(fast, slow) - 1 + signal - 1


@feature("roc", inputs=("close",), warmup=lambda window: window, family="momentum", bounds={"window": (1, _MOST)})
def roc(bars: Bars, *, window: int = 10) -> Panel:
    """Rate of change over ``window`` bars in percent (TA-Lib's ROC: 100 times `ret`)."""
    import talib

    return by_symbol(lambda close: talib.ROC(close, window), bars, "close")


@feature(
    "rsi",
    inputs=("close",),
    warmup=lambda window: window,
    family="momentum",
    recursive=True,
    bounds={"window": (2, _MOST)},
    references=_WILDER,
)
def rsi(bars: Bars, *, window: int = 14) -> Panel:
    """Relative strength index, 0 to 100, Wilder smoothing seeded with the mean of the first ``window`` changes.

    A price that has not moved since the first bar gives 0; one that stops moving keeps its last value.
    """
    import talib

    return by_symbol(lambda close: talib.RSI(close, window), bars, "close")


@feature(
    "macd",
    inputs=("close",),
    warmup=_macd_warmup,
    family="momentum",
    recursive=True,
    stationary=False,
    bounds=_MACD_BOUNDS,
    rules=_FASTER,
)
def macd(bars: Bars, *, fast: int = 12, slow: int = 26, signal: int = 9) -> Panel:
    """MACD line, EMA(fast) - EMA(slow), in price units: not comparable across symbols or price levels."""
    return by_symbol(lambda close: _macd(close, fast, slow, signal)[0], bars, "close")


@feature(
    "macd_hist",
    inputs=("close",),
    warmup=_macd_warmup,
    family="momentum",
    recursive=True,
    stationary=False,
    bounds=_MACD_BOUNDS,
    rules=_FASTER,
)
def macd_hist(bars: Bars, *, fast: int = 12, slow: int = 26, signal: int = 9) -> Panel:
    """MACD histogram, MACD - its EMA(signal), in price units: not comparable across symbols; see `macd_hist_norm`."""
    return by_symbol(lambda close: _macd(close, fast, slow, signal)[2], bars, "close")


@feature(
    "macd_hist_norm",
    inputs=("close",),
    warmup=_macd_warmup,
    family="momentum",
    recursive=True,
    bounds=_MACD_BOUNDS,
    rules=_FASTER,
)
def macd_hist_norm(bars: Bars, *, fast: int = 12, slow: int = 26, signal: int = 9) -> Panel:
    """MACD histogram as a fraction of the close: free of scale, fit for models and many symbols."""
    return by_symbol(lambda close: _macd(close, fast, slow, signal)[2] / close, bars, "close")


@feature(
    "stoch_k",
    inputs=("high", "low", "close"),
    warmup=lambda window, smooth: window + smooth - 2,
    family="momentum",
    bounds={"window": (1, _MOST), "smooth": (1, _MOST)},
)
def stoch_k(bars: Bars, *, window: int = 14, smooth: int = 3) -> Panel:
    """Stochastic %K, 0 to 100, averaged over ``smooth`` bars (1 = the fast one); a flat range counts as 0."""
    import talib

    def one(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
        return talib.STOCH(high, low, close, window, smooth, _SMA, 1, _SMA)[0]

    return by_symbol(one, bars, "high", "low", "close")


@feature(
    "cci",
    inputs=("high", "low", "close"),
    warmup=lambda window: window - 1,
    family="momentum",
    bounds={"window": (2, _MOST)},
    references=("Lambert (1980), Commodity channel index, Commodities 10",),
)
def cci(bars: Bars, *, window: int = 20) -> Panel:
    """Commodity channel index of the typical price, in 0.015 mean deviations; 0 in a flat window."""
    import talib

    return by_symbol(lambda h, low, c: talib.CCI(h, low, c, window), bars, "high", "low", "close")


@feature(
    "williams_r",
    inputs=("high", "low", "close"),
    warmup=lambda window: window - 1,
    family="momentum",
    bounds={"window": (2, _MOST)},
)
def williams_r(bars: Bars, *, window: int = 14) -> Panel:
    """Williams %R, -100 (at the low of the window) to 0 (at its high); 0 in a flat window."""
    import talib

    return by_symbol(lambda h, low, c: talib.WILLR(h, low, c, window), bars, "high", "low", "close")


def _macd(close: FloatArray, fast: int, slow: int, signal: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    import talib

    return talib.MACD(close, fast, slow, signal)
