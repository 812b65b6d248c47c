"""Divergences between the pivots of the price and an oscillator at the same bars."""

from __future__ import annotations

import numpy as np

from workbench.errors import ConfigError
from workbench.features.patterns.pivots import Matches, Pivots, windows
from workbench.typing import FloatArray

DIVERGENCE_NAMES = ("regular_bullish", "regular_bearish", "hidden_bullish", "hidden_bearish")
OSCILLATORS = ("rsi", "macd", "obv")
DIVERGENCE_KINDS = ("any", "regular", "hidden")


def oscillator_values(name: str, close: FloatArray, volume: FloatArray) -> FloatArray:
    """Return an oscillator by TA-Lib at its usual setting: RSI of 14 bars, MACD histogram 12-26-9, on-balance volume.

    NaN on its warm-up, see `oscillator_warmup`.
    """
    import talib

    if name == "rsi":
        return talib.RSI(close, 14)
    if name == "macd":
        return talib.MACD(close, 12, 26, 9)[2]
    if name == "obv":
        return talib.OBV(close, volume)
    raise ConfigError(f"there is no oscillator {name!r}; choose one of {', '.join(OSCILLATORS)}")


def oscillator_warmup(name: str) -> int:
    """Return the bars before the oscillator's first value."""
    return {"rsi": 14, "macd": 33}.get(name, 0)


def find_divergences(pivots: Pivots, oscillator: FloatArray, *, kind: str = "any") -> Matches:
    """Find pairs of neighbouring pivots of one side between which price and oscillator part.

    Parameters
    ----------
    pivots
        Confirmed pivots.
    oscillator
        Its value at each bar, shape (n,); read at the pivots' own bars. Pairs that touch its NaN are left out.
    kind
        ``"regular"``, ``"hidden"`` or ``"any"``.

    Returns
    -------
    Matches
        Known at the bar that confirms the second pivot. Highs: higher price and lower oscillator is regular bearish,
        lower price and higher oscillator hidden bearish. Lows: lower price and higher oscillator is regular bullish,
        higher price and lower oscillator hidden bullish.

    Notes
    -----
    The score is the mean of two parts of 1: the oscillator's change over its range between the two pivots, and the
    price's change over the longer of the two legs between them.
    """
    from workbench.features.patterns.zigzag_kernels import segment_ranges

    price, _, last = windows(pivots, 3)
    side = pivots.side[last]
    first_bar, last_bar = pivots.origin[last - 2], pivots.origin[last]
    change = price[2] - price[0]
    drift = oscillator[last_bar] - oscillator[first_bar]
    extended = change * side > 0  # a higher high, or a lower low
    parted = change * drift < 0  # signs, so that neither is nought or NaN
    wanted = extended if kind == "regular" else ~extended if kind == "hidden" else True
    valid = np.flatnonzero(parted & wanted)
    span = np.empty(valid.size)
    segment_ranges(oscillator, first_bar[valid], last_bar[valid], span)
    leg = np.maximum(np.abs(price[1] - price[0]), np.abs(price[2] - price[1]))[valid]
    score = (np.abs(drift[valid]) / span + np.abs(change[valid]) / leg) / 2.0
    at, bearish = last[valid], (side[valid] > 0).astype(np.int64)
    code = bearish + np.where(extended[valid], 0, 2)
    return Matches(pivots.known[at], at, 1 - 2 * bearish, score, code)
