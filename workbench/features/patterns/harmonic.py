"""Harmonic patterns: five pivots X, A, B, C, D whose legs stand in given ratios."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from workbench.features.patterns.pivots import Matches, Pivots, windows
from workbench.typing import BoolArray, FloatArray, IntArray


class Harmonic(NamedTuple):
    """Ratios of one pattern, each from lowest to highest; None where the pattern asks nothing.

    Attributes
    ----------
    ab
        Retracement of XA by AB.
    bc
        Retracement of AB by BC; above 1 where C goes beyond A.
    cd
        CD as a multiple of BC.
    ad
        Retracement of XA by AD; above 1 where D goes beyond X.
    xc
        XC as a multiple of XA (cypher).
    dc
        Retracement of XC by CD (cypher).
    """

    ab: tuple[float, float] | None = None
    bc: tuple[float, float] | None = None
    cd: tuple[float, float] | None = None
    ad: tuple[float, float] | None = None
    xc: tuple[float, float] | None = None
    dc: tuple[float, float] | None = None


HARMONICS = MappingProxyType(
    {
        "gartley": Harmonic(ab=(0.618, 0.618), bc=(0.382, 0.886), cd=(1.13, 1.618), ad=(0.786, 0.786)),
        "bat": Harmonic(ab=(0.382, 0.5), bc=(0.382, 0.886), cd=(1.618, 2.618), ad=(0.886, 0.886)),
        "butterfly": Harmonic(ab=(0.786, 0.786), bc=(0.382, 0.886), cd=(1.618, 2.24), ad=(1.27, 1.27)),
        "crab": Harmonic(ab=(0.382, 0.618), bc=(0.382, 0.886), cd=(2.24, 3.618), ad=(1.618, 1.618)),
        "shark": Harmonic(bc=(1.13, 1.618), cd=(1.618, 2.24), ad=(0.886, 1.13)),
        "cypher": Harmonic(ab=(0.382, 0.618), xc=(1.272, 1.414), dc=(0.786, 0.786)),
    }
)
"""The six patterns by name, in the order in which they win a draw."""

HARMONIC_NAMES = tuple(HARMONICS)
TOLERANCE = 0.1  # a part of the bound


@np.errstate(divide="ignore", invalid="ignore")  # X and C may meet; the comparisons refuse what is no number
def harmonic_ratios(price: FloatArray) -> dict[str, FloatArray]:
    """Return the ratios of `Harmonic` for prices of X, A, B, C, D, shape (5, n_windows)."""
    x, a, b, c, d = price
    return {
        "ab": (b - a) / (x - a),
        "bc": (c - b) / (a - b),
        "cd": (d - c) / (b - c),
        "ad": (d - a) / (x - a),
        "xc": (c - x) / (a - x),
        "dc": (d - c) / (x - c),
    }


def harmonic_scores(ratios: dict[str, FloatArray], pattern: str, tolerance: float) -> FloatArray:
    """Return the fit of each window, 0 to 1, and -1 where the pattern is refused.

    Notes
    -----
    A ratio r asked to lie in [l, h] misses by ``max(l - r, r - h, 0) / (tolerance * bound)``, the bound being the one
    it missed. Above 1 the window is refused; the score is 1 less the mean miss.
    """
    asked = {k: v for k, v in HARMONICS[pattern]._asdict().items() if v is not None}
    total = 0.0
    refused: BoolArray = np.zeros(ratios["ab"].shape, dtype=np.bool_)
    for name, (lowest, highest) in asked.items():
        r = ratios[name]
        miss = np.maximum(np.maximum((lowest - r) / (tolerance * lowest), (r - highest) / (tolerance * highest)), 0.0)
        refused |= ~(miss <= 1.0)
        total = total + miss
    return np.where(refused, -1.0, 1.0 - total / len(asked))


def find_harmonics(pivots: Pivots, *, pattern: str = "any", tolerance: float = TOLERANCE) -> Matches:
    """Find harmonic patterns that end in a confirmed pivot D.

    Parameters
    ----------
    pivots
        Confirmed pivots.
    pattern
        A name of `HARMONICS`, or ``"any"``.
    tolerance
        How far a ratio may lie outside its bounds, as a fraction of the bound.

    Returns
    -------
    Matches
        Known at the bar that confirms D; direction 1 where D is a low (bullish). One window may match several names.
    """
    price, _, last = windows(pivots, 5)
    parts = []
    if last.size:
        ratios = harmonic_ratios(price)
        for code, name in enumerate(HARMONIC_NAMES):
            if pattern in (name, "any"):
                scores = harmonic_scores(ratios, name, tolerance)
                hit = np.flatnonzero(scores >= 0)
                parts.append((last[hit], scores[hit], np.full(hit.size, code, dtype=np.int64)))
    if not parts:
        empty: IntArray = np.zeros(0, dtype=np.int64)
        return Matches(empty, empty, empty, np.zeros(0), empty)
    at, score, code_ = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Matches(pivots.known[at], at, -pivots.side[at], score, code_)


def reversal_zone(x: float, a: float, b: float, c: float, pattern: str, tolerance: float) -> tuple[float, float]:
    """Return the prices, lowest and highest, where D may lie by every ratio that fixes it; NaN where they part.

    Known as soon as C is confirmed. Each of AD, CD and the cypher's retracement of XC gives an interval, widened by
    the tolerance; the zone is what they share.
    """
    asked = HARMONICS[pattern]
    lowest, highest = -np.inf, np.inf
    for bounds, start, leg in ((asked.ad, a, x - a), (asked.cd, c, b - c), (asked.dc, c, x - c)):
        if bounds is not None:
            ends = (start + bounds[0] * (1 - tolerance) * leg, start + bounds[1] * (1 + tolerance) * leg)
            lowest, highest = max(lowest, min(ends)), min(highest, max(ends))
    return (lowest, highest) if lowest <= highest else (np.nan, np.nan)
