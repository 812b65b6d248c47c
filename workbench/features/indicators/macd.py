"""Differences of exponential averages, by TA-Lib: MACD, PPO, TRIX."""

from __future__ import annotations

from workbench.features.indicators.steps import NAN, Ema
from workbench.features.indicators.windows import EMA, MOST
from workbench.features.registry import Step, indicator
from workbench.typing import FloatArray

_BOUNDS = {"fast": (2, MOST), "slow": (2, MOST), "signal": (1, MOST)}
_FASTER = {"fast < slow": lambda fast, slow, **_: fast < slow}
_APPEL = ("Appel (2005), Technical Analysis: Power Tools for Active Investors",)


def _warmup(fast: int, slow: int, signal: int) -> int:
    return max(fast, slow) - 1 + signal - 1


def _lines(close: FloatArray, fast: int, slow: int, signal: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    import talib

    return talib.MACD(close, fast, slow, signal)


class _Macd:
    """Line and signal; both are NaN until the signal is known, as in TA-Lib."""

    def __init__(self, fast: int, slow: int, signal: int) -> None:
        self._fast, self._slow, self._signal = Ema(fast, skip=slow - fast), Ema(slow), Ema(signal)

    def __call__(self, close: float) -> tuple[float, float]:
        line = self._fast(close) - self._slow(close)
        signal = self._signal(line)
        return (line if signal == signal else NAN), signal


def _line_step(fast: int, slow: int, signal: int) -> Step:
    both = _Macd(fast, slow, signal)
    return lambda close: both(close)[0]


def _signal_step(fast: int, slow: int, signal: int) -> Step:
    both = _Macd(fast, slow, signal)
    return lambda close: both(close)[1]


def _hist_step(fast: int, slow: int, signal: int) -> Step:
    both = _Macd(fast, slow, signal)

    def step(close: float) -> float:
        line, smooth = both(close)
        return line - smooth

    return step


def _hist_norm_step(fast: int, slow: int, signal: int) -> Step:
    hist = _hist_step(fast, slow, signal)
    return lambda close: hist(close) / close


@indicator(
    "macd",
    warmup=_warmup,
    family="momentum",
    recursive=True,
    stationary=False,
    bounds=_BOUNDS,
    rules=_FASTER,
    references=_APPEL,
    stream=_line_step,
)
def macd(close: FloatArray, *, fast: int = 12, slow: int = 26, signal: int = 9) -> FloatArray:
    """MACD line, EMA(fast) - EMA(slow), in price units: not comparable across symbols or price levels."""
    return _lines(close, fast, slow, signal)[0]


@indicator(
    "macd_signal",
    warmup=_warmup,
    family="momentum",
    recursive=True,
    stationary=False,
    bounds=_BOUNDS,
    rules=_FASTER,
    references=_APPEL,
    stream=_signal_step,
)
def macd_signal(close: FloatArray, *, fast: int = 12, slow: int = 26, signal: int = 9) -> FloatArray:
    """MACD signal line, the EMA(signal) of the MACD line, in price units: not comparable across symbols."""
    return _lines(close, fast, slow, signal)[1]


@indicator(
    "macd_hist",
    warmup=_warmup,
    family="momentum",
    recursive=True,
    stationary=False,
    bounds=_BOUNDS,
    rules=_FASTER,
    references=_APPEL,
    stream=_hist_step,
)
def macd_hist(close: FloatArray, *, fast: int = 12, slow: int = 26, signal: int = 9) -> FloatArray:
    """MACD histogram, MACD - its EMA(signal), in price units: not comparable across symbols; see `macd_hist_norm`."""
    return _lines(close, fast, slow, signal)[2]


@indicator(
    "macd_hist_norm",
    warmup=_warmup,
    family="momentum",
    recursive=True,
    bounds=_BOUNDS,
    rules=_FASTER,
    references=_APPEL,
    stream=_hist_norm_step,
)
def macd_hist_norm(close: FloatArray, *, fast: int = 12, slow: int = 26, signal: int = 9) -> FloatArray:
    """MACD histogram as a fraction of the close: free of scale, fit for models and many symbols."""
    hist = _lines(close, fast, slow, signal)[2]
    hist /= close
    return hist


def _ppo_step(fast: int, slow: int) -> Step:
    quick, lazy = Ema(fast), Ema(slow)

    def step(close: float) -> float:
        near, far = quick(close), lazy(close)
        return (near - far) / far * 100.0

    return step


@indicator(
    "ppo",
    warmup=lambda slow, **_: slow - 1,
    family="momentum",
    recursive=True,
    bounds={"fast": (2, MOST), "slow": (2, MOST)},
    rules=_FASTER,
    references=_APPEL,
    stream=_ppo_step,
)
def ppo(close: FloatArray, *, fast: int = 12, slow: int = 26) -> FloatArray:
    """Percentage price oscillator, 100 (EMA(fast) / EMA(slow) - 1): a MACD line that is comparable across symbols.

    Each average is seeded on its own first window, while MACD seeds both on the same bar.
    """
    import talib

    return talib.PPO(close, fast, slow, EMA)


def _trix_step(window: int) -> Step:
    first, second, third = Ema(window), Ema(window), Ema(window)
    last = NAN

    def step(close: float) -> float:
        nonlocal last
        before, last = last, third(second(first(close)))
        return (last / before - 1.0) * 100.0

    return step


@indicator(
    "trix",
    warmup=lambda window: 3 * (window - 1) + 1,
    family="momentum",
    recursive=True,
    bounds={"window": (1, MOST // 3)},
    references=("Hutson (1983), Good TRIX, Stocks & Commodities 1",),
    stream=_trix_step,
)
def trix(close: FloatArray, *, window: int = 15) -> FloatArray:
    """One-bar change of the close smoothed by an EMA three times over, in percent."""
    import talib

    return talib.TRIX(close, window)
