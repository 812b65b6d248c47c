"""Elliott wave candidates: the rules must hold, the guidelines make the confidence."""

from __future__ import annotations

import numpy as np

from workbench.features.patterns.pivots import Matches, Pivots, windows
from workbench.typing import BoolArray, FloatArray

ELLIOTT_NAMES = ("impulse_up", "impulse_down", "correction_down", "correction_up")
"""Names say which way the waves went; the direction of a match is what should follow, the opposite."""


def closeness(ratio: FloatArray, lowest: float, highest: float, width: float) -> FloatArray:
    """Return 1 within the bounds, falling to 0 at the distance ``width`` outside them."""
    return np.maximum(1.0 - np.maximum(np.maximum(lowest - ratio, ratio - highest), 0.0) / width, 0.0)


def impulse_confidence(p: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Judge six pivots as an upward impulse 0-1-2-3-4-5, prices of shape (6, n_windows).

    Returns
    -------
    valid, confidence
        Whether the rules hold, and a number from 1/6 to 1 from the guidelines (without meaning where they do not).

    Notes
    -----
    Rules: wave 2 ends above the start of wave 1; wave 3 ends beyond wave 1 and is not the shortest of 1, 3 and 5;
    wave 4 ends above the end of wave 1. The confidence is the mean of 1 (the rules) and five guidelines: wave 2
    retraces 0.5 to 0.618 of wave 1; wave 3 is 1.618 to 2.618 of wave 1; wave 4 retraces 0.236 to 0.382 of wave 3;
    wave 5 is 0.618 to 1 of wave 1; the retracements of 2 and 4 differ by 0.25 or more (alternation).
    """
    one, two, three, four, five = p[1] - p[0], p[1] - p[2], p[3] - p[2], p[3] - p[4], p[5] - p[4]
    valid = (p[2] > p[0]) & (p[3] > p[1]) & (p[4] > p[1]) & (one > 0) & (five > 0)
    valid &= ~((three < one) & (three < five))
    retraced_2, retraced_4 = two / one, four / three
    guidelines = (
        closeness(retraced_2, 0.5, 0.618, 0.4)
        + closeness(three / one, 1.618, 2.618, 1.0)
        + closeness(retraced_4, 0.236, 0.382, 0.3)
        + closeness(five / one, 0.618, 1.0, 0.618)
        + np.minimum(np.abs(retraced_2 - retraced_4) / 0.25, 1.0)
    )
    return valid, (1.0 + guidelines) / 6.0


def correction_confidence(base: FloatArray, p: FloatArray, after: BoolArray) -> tuple[BoolArray, FloatArray]:
    """Judge four pivots as a downward zigzag correction A-B-C of an advance that began at ``base``.

    Notes
    -----
    Rules: B ends below the start of A; C ends below the end of A; C ends above the start of the advance. The
    confidence is the mean of 1 (the rules) and four guidelines: B retraces 0.382 to 0.786 of A; C is 0.618 to 1.618
    of A; the whole retraces 0.382 to 0.618 of the advance; the advance was an impulse.
    """
    a, b, c = p[0] - p[1], p[2] - p[1], p[2] - p[3]
    valid = (p[2] < p[0]) & (p[3] < p[1]) & (p[3] > base) & (a > 0) & (p[0] > base)
    guidelines = (
        closeness(b / a, 0.382, 0.786, 0.3)
        + closeness(c / a, 0.618, 1.618, 0.618)
        + closeness((p[0] - p[3]) / (p[0] - base), 0.382, 0.618, 0.3)
        + after
    )
    return valid, (1.0 + guidelines) / 5.0


def find_impulses(pivots: Pivots) -> Matches:
    """Find five-wave impulses, known at the bar that confirms the end of wave 5.

    Returns
    -------
    Matches
        Direction -1 after five waves up, 1 after five waves down: the move against them that should follow.
    """
    price, _, last = windows(pivots, 6)
    side = pivots.side[last]
    valid, score = impulse_confidence(price * side)
    at = last[valid]
    return Matches(pivots.known[at], at, -pivots.side[at], score[valid], np.where(pivots.side[at] > 0, 0, 1))


def find_corrections(pivots: Pivots) -> Matches:
    """Find three-wave zigzag corrections, known at the bar that confirms the end of C.

    The advance corrected is the leg before A; where an impulse ended with that leg, the whole impulse.

    Returns
    -------
    Matches
        Direction 1 after a correction down, -1 after one up: the old trend that should go on.
    """
    price, _, last = windows(pivots, 5)
    impulses = np.zeros(pivots.price.size, dtype=np.bool_)
    impulses[find_impulses(pivots).last] = True
    top = last - 3
    after = impulses[top]
    side = pivots.side[top]
    base: FloatArray = np.where(after, pivots.price[np.maximum(top - 5, 0)], price[0]) * side.astype(np.float64)
    valid, score = correction_confidence(base, price[1:] * side, after)
    at = last[valid]
    return Matches(pivots.known[at], at, -pivots.side[at], score[valid], np.where(pivots.side[at] < 0, 2, 3))
