"""Pivots of the ZigZag that only confirms, and what pattern finders share: matches, and lines that wait for a break."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.typing import FloatArray, IntArray

THRESHOLD, ATR_WINDOW, HOLD = 3.0, 14, 12
"""Defaults of all pattern features: a reversal of three average true ranges of 14 bars; a signal held for 12 bars."""
PIVOT_BOUNDS = {"threshold": (1e-6, 1e6), "atr_window": (0, 100_000)}
EVENT_BOUNDS = {**PIVOT_BOUNDS, "hold": (1, 1_000_000)}
PIVOT_RULES = {
    "threshold below 1 where atr_window=0 makes it a fraction of the price": lambda threshold, atr_window, **_: (
        atr_window > 0 or threshold < 1
    )
}


def pivot_warmup(atr_window: int, **_: object) -> int:
    """Return the bars that the average true range needs before the first one can be judged."""
    return atr_window


class Pivots(NamedTuple):
    """Confirmed turning points, oldest first; sides alternate.

    Attributes
    ----------
    origin
        Bar of the extreme itself, shape (n_pivots,).
    known
        Bar that confirmed it: it exists from the close of this bar on. ``origin[i] < known[i] <= origin[i + 1]``.
    price
        High of a high pivot, low of a low one.
    side
        1 for a high, -1 for a low.
    """

    origin: IntArray
    known: IntArray
    price: FloatArray
    side: IntArray


class Matches(NamedTuple):
    """Patterns found, one row each, not sorted.

    Attributes
    ----------
    known
        Bar at whose close the pattern is known.
    last
        Number of the pattern's last pivot.
    direction
        1 or -1: where the textbook expects the price to go.
    score
        How well it fits, 0 to 1.
    code
        Place of its name in the finder's list of names.
    """

    known: IntArray
    last: IntArray
    direction: IntArray
    score: FloatArray
    code: IntArray


class Candidates(NamedTuple):
    """Patterns that wait, from the bar of their last pivot on, for a close beyond one of two lines.

    Attributes
    ----------
    matches
        ``known`` is the bar from which the lines are watched; ``direction`` is without meaning yet.
    chain
        A new candidate ends the wait of the older one of the same chain.
    upper, upper_slope, lower, lower_slope
        Lines: value at ``known`` and change per bar.
    upward, downward
        1 where a close beyond that line completes the pattern, 0 where it ends it.
    until
        Last bar that is watched.
    """

    matches: Matches
    chain: IntArray
    upper: FloatArray
    upper_slope: FloatArray
    lower: FloatArray
    lower_slope: FloatArray
    upward: IntArray
    downward: IntArray
    until: IntArray


def zigzag_pivots(
    high: FloatArray, low: FloatArray, close: FloatArray, *, threshold: float = THRESHOLD, atr_window: int = ATR_WINDOW
) -> Pivots:
    """Find the turning points that are confirmed, and the bar of each confirmation.

    Parameters
    ----------
    high, low, close
        Prices of one symbol's bars, shape (n,), without NaN.
    threshold
        Reversal that confirms a pivot: in average true ranges, or as a fraction of the price where ``atr_window=0``.
    atr_window
        Bars of Wilder's average true range, 0 for a fraction.

    Returns
    -------
    Pivots
        Never revised: the pivots of the first k bars are the first pivots of all bars.

    Notes
    -----
    In an upward leg the extreme is the highest high H so far, at bar o. The first later bar t that sets no new high
    and has ``low[t] <= H - threshold * ATR[o]`` (or ``<= H * (1 - threshold)``) confirms it; the downward leg begins
    with the low of t. A bar that extends its leg cannot reverse it, for the order of prices within a bar is unknown.
    The distance is fixed at the extreme, so that no lower low lies between o and t. Bars of the ATR's warm-up are
    left out.
    """
    from workbench.features.patterns.zigzag_kernels import STATE_SIZE, zigzag

    n_bars = high.size
    origin, known, side = (np.empty(n_bars, dtype=np.int64) for _ in range(3))
    price = np.empty(n_bars)
    count = zigzag(
        np.zeros(STATE_SIZE), high, low, close, float(threshold), int(atr_window), origin, known, price, side
    )
    return Pivots(origin[:count].copy(), known[:count].copy(), price[:count].copy(), side[:count].copy())


def windows(pivots: Pivots, size: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return prices and origins of every ``size`` pivots in a row, shape (size, n_windows), and each one's last number.

    Origins are float64, so that lines through them are exact.
    """
    n_windows = max(pivots.price.size - size + 1, 0)
    price = np.array([pivots.price[k : k + n_windows] for k in range(size)])
    origin = np.array([pivots.origin[k : k + n_windows] for k in range(size)], dtype=np.float64)
    return price, origin, np.arange(n_windows, dtype=np.int64) + size - 1


def broken(candidates: Candidates, close: FloatArray) -> Matches:
    """Return the candidates that a close completes; ``known`` is then the bar of that close."""
    from workbench.features.patterns.zigzag_kernels import line_breaks

    matches = candidates.matches
    until = candidates.until.copy()
    for chain in np.unique(candidates.chain):
        own = np.flatnonzero(candidates.chain == chain)
        own = own[np.argsort(matches.known[own], kind="stable")]
        until[own[:-1]] = np.minimum(until[own[:-1]], matches.known[own[1:]] - 1)
    bar, side = np.empty(until.size, dtype=np.int64), np.empty(until.size, dtype=np.int64)
    lines = (candidates.upper, candidates.upper_slope, candidates.lower, candidates.lower_slope)
    line_breaks(close, matches.known, until, *lines, bar, side)
    done = ((side > 0) & (candidates.upward > 0)) | ((side < 0) & (candidates.downward > 0))
    return Matches(bar[done], matches.last[done], side[done], matches.score[done], matches.code[done])


def held(matches: Matches, n_bars: int, *, hold: int, warmup: int) -> FloatArray:
    """Return direction times score from the bar at which a pattern is known for ``hold`` bars, else 0; shape (n_bars,).

    A newer pattern replaces an older one; of several at one bar the best counts. NaN on the warm-up.
    """
    order = np.lexsort((-matches.code, matches.score, matches.known))
    known = matches.known[order]
    best = order[np.append(known[1:] != known[:-1], True)] if known.size else order
    values = (matches.direction * matches.score)[best]
    out = np.zeros(n_bars)
    known = matches.known[best]
    newest = latest(known, n_bars)
    has = np.flatnonzero(newest >= 0)
    fresh = has[has - known[newest[has]] < hold]
    out[fresh] = values[newest[fresh]]
    out[:warmup] = np.nan
    return out


def latest(known: IntArray, n_bars: int) -> IntArray:
    """Return for each bar the number of the newest entry known by then, -1 before the first; ``known`` increases."""
    counts = np.zeros(n_bars, dtype=np.int64)
    counts[known] = 1
    return np.cumsum(counts) - 1
