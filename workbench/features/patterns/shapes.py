"""Chart shapes that a close completes: head and shoulders, double tops and bottoms, triangles."""

from __future__ import annotations

import numpy as np

from workbench.features.patterns.pivots import Candidates, Matches, Pivots, windows
from workbench.typing import BoolArray, FloatArray, IntArray

HEAD_SHOULDERS_NAMES = ("head_shoulders_top", "head_shoulders_bottom")
DOUBLE_NAMES = ("double_top", "double_bottom")
TRIANGLE_NAMES = ("ascending_triangle", "descending_triangle", "symmetrical_triangle")

_HEAD_ABOVE = 0.1  # the head stands out by this part of the shape's height
_NARROWED = (0.25, 0.8)  # a triangle's width at its last pivot, as parts of its first: more is a channel, less a lull


@np.errstate(divide="ignore", invalid="ignore")  # shapes without height or width are refused
def find_head_shoulders(pivots: Pivots, *, tolerance: float = 0.3) -> Candidates:
    """Find heads with two shoulders, waiting for a close beyond the neckline.

    Parameters
    ----------
    pivots
        Confirmed pivots.
    tolerance
        Largest difference between the shoulders, and between the two points of the neckline, as a fraction of the
        head's height above the neckline.

    Notes
    -----
    For a top: pivots low-0, left shoulder, low-1, head, low-2, right shoulder. The head is the highest, by a tenth of
    its height h above the neckline (the line through low-1 and low-2); low-0 lies below both of them (there was an
    advance). The score is 1 less the mean of shoulder difference / (tolerance h), neckline difference / (tolerance h)
    and the asymmetry in time 1 - shorter/longer of the two halves. Watched from the bar that confirms the right
    shoulder, for as many bars as lie between the shoulders; a close above the right shoulder ends it.
    """
    price, origin, last = windows(pivots, 6)
    side = pivots.side[last]
    start, left, low1, head, low2, right = price * side
    slope = (low2 - low1) / (origin[4] - origin[2])
    height = head - (low1 + slope * (origin[3] - origin[2]))
    shoulders = np.abs(left - right) / (tolerance * height)
    necks = np.abs(low1 - low2) / (tolerance * height)
    halves = (origin[3] - origin[1], origin[5] - origin[3])
    uneven = 1.0 - np.minimum(*halves) / np.maximum(*halves)
    valid = (height > 0) & (head - np.maximum(left, right) >= _HEAD_ABOVE * height)
    valid &= (shoulders <= 1) & (necks <= 1) & (start < np.minimum(low1, low2))
    score = 1.0 - (shoulders + necks + uneven) / 3.0
    line = low1 + slope * (pivots.known[last] - origin[2])
    until = pivots.known[last] + (origin[5] - origin[1]).astype(np.int64)
    return _reversals(pivots, last, valid, score, line, slope, right, until)


@np.errstate(divide="ignore", invalid="ignore")  # shapes without height or width are refused
def find_doubles(pivots: Pivots, *, tolerance: float = 0.15) -> Candidates:
    """Find double tops and bottoms, waiting for a close beyond the pivot between the two.

    Notes
    -----
    For a top: pivots low-0, top-1, low-1, top-2. The tops differ by at most ``tolerance`` times their height above
    low-1; low-0 lies below low-1. The score is 1 less difference / (tolerance height). Watched from the bar that
    confirms top-2, for as many bars as lie between the tops; a close above both tops ends it.
    """
    price, origin, last = windows(pivots, 4)
    start, first, low, second = price * pivots.side[last]
    height = (first + second) / 2 - low
    apart = np.abs(first - second) / (tolerance * height)
    valid = (height > 0) & (apart <= 1) & (start < low)
    until = pivots.known[last] + (origin[3] - origin[1]).astype(np.int64)
    flat = np.zeros(last.size)
    return _reversals(pivots, last, valid, 1.0 - apart, low, flat, np.maximum(first, second), until)


@np.errstate(divide="ignore", invalid="ignore")  # shapes without height or width are refused
def find_triangles(pivots: Pivots, *, kind: str = "any", tolerance: float = 0.2) -> Candidates:
    """Find triangles, waiting for a close beyond either of their lines.

    Parameters
    ----------
    pivots
        Confirmed pivots.
    kind
        ``"ascending"``, ``"descending"``, ``"symmetrical"`` or ``"any"``.
    tolerance
        See the notes.

    Notes
    -----
    Five pivots in a row: one line through the first and the fifth, the third within ``tolerance`` of it; the other
    through the second and the fourth. Distances are parts of the width w at the first pivot. The width at the fifth
    is 0.25 to 0.8 w: less is a lull after one great leg. A line is flat when it moves by at most ``tolerance`` between
    first and fifth pivot: flat top and rising bottom is ascending, falling top and flat bottom descending, falling top
    and rising bottom symmetrical. The score is the mean of the third pivot's fit, 1 - distance / tolerance, and of
    shorter/longer of the two halves in time.
    Watched from the bar that confirms the fifth pivot to the bar where the lines meet.
    """
    price, origin, last = windows(pivots, 5)
    side = pivots.side[last]
    outer_slope = (price[4] - price[0]) / (origin[4] - origin[0])
    inner_slope = (price[3] - price[1]) / (origin[3] - origin[1])
    inner_first = price[1] + inner_slope * (origin[0] - origin[1])
    inner_last = price[1] + inner_slope * (origin[4] - origin[1])
    wide, narrow = (price[0] - inner_first) * side, (price[4] - inner_last) * side
    miss = np.abs(price[2] - (price[0] + outer_slope * (origin[2] - origin[0]))) / (tolerance * wide)
    moved_outer, moved_inner = price[4] - price[0], inner_last - inner_first
    top, bottom = np.where(side > 0, moved_outer, moved_inner), np.where(side > 0, moved_inner, moved_outer)
    flat = tolerance * wide
    kinds = (
        (np.abs(top) <= flat) & (bottom > flat),
        (top < -flat) & (np.abs(bottom) <= flat),
        (top < -flat) & (bottom > flat),
    )
    code = np.select(kinds, (0, 1, 2), -1)
    wanted = code >= 0 if kind == "any" else code == TRIANGLE_NAMES.index(f"{kind}_triangle")
    valid = wanted & (wide > 0) & (narrow >= _NARROWED[0] * wide) & (narrow <= _NARROWED[1] * wide) & (miss <= 1)
    halves = (origin[2] - origin[0], origin[4] - origin[2])
    score = (1.0 - miss + np.minimum(*halves) / np.maximum(*halves)) / 2.0
    at = last[valid]
    apex = origin[4] + narrow * (origin[4] - origin[0]) / (wide - narrow)
    ahead = pivots.known[last] - origin[4]
    outer, inner = price[4] + outer_slope * ahead, inner_last + inner_slope * ahead
    is_top = side[valid] > 0

    def upper_lower(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.where(is_top, x[valid], y[valid]), np.where(is_top, y[valid], x[valid])

    upper, lower = upper_lower(outer, inner)
    upper_slope, lower_slope = upper_lower(outer_slope, inner_slope)
    yes = np.ones(at.size, dtype=np.int64)
    matches = Matches(pivots.known[at], at, 0 * yes, score[valid], code[valid].astype(np.int64))
    until = np.floor(apex[valid]).astype(np.int64)
    return Candidates(matches, 0 * yes, upper, upper_slope, lower, lower_slope, yes, yes, until)


def _reversals(
    pivots: Pivots,
    last: IntArray,
    valid: BoolArray,
    score: FloatArray,
    line: FloatArray,
    slope: FloatArray,
    stop: FloatArray,
    until: IntArray,
) -> Candidates:
    """Turn tops and bottoms, both described as tops, into candidates: a close beyond the line completes them."""
    at, side = last[valid], pivots.side[last][valid]
    top = side > 0
    line, slope, stop = line[valid] * side, slope[valid] * side, stop[valid] * side
    none = np.zeros(at.size)
    code = np.where(top, 0, 1)
    matches = Matches(pivots.known[at], at, -side, score[valid], code)
    return Candidates(
        matches=matches,
        chain=code,
        upper=np.where(top, stop, line),
        upper_slope=np.where(top, none, slope),
        lower=np.where(top, line, stop),
        lower_slope=np.where(top, slope, none),
        upward=np.where(top, 0, 1),
        downward=np.where(top, 1, 0),
        until=until[valid],
    )
