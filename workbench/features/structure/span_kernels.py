"""Kernels of dealing ranges, and of highs and lows of days, weeks and sessions."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.features.structure.records import Dealing, Spans, Swings, empty
from workbench.typing import FloatArray

COUNT = 0
TOP, BOTTOM, REACHED = range(3)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance_dealing(high: FloatArray, low: FloatArray, swings: Swings, dealing: Dealing, start: int, stop: int) -> None:
    """Follow the range between the last swings, widened by price, and the way back from the newest swing.

    The range is NaN until both sides are known.
    """
    known, level, reach, tops, bottoms = swings.known, swings.level, swings.reach, swings.top, swings.bottom
    range_top, range_bottom, direction = dealing.top, dealing.bottom, dealing.direction
    current, deepest, values = dealing.current, dealing.deepest, dealing.values
    for t in range(start, stop):
        top, bottom = tops[t], bottoms[t]
        values[TOP], values[BOTTOM] = max(values[TOP], high[t]), min(values[BOTTOM], low[t])
        if top >= 0 and known[top] == t:
            values[TOP], values[REACHED] = level[top], low[reach[top]]
        if bottom >= 0 and known[bottom] == t:
            values[BOTTOM], values[REACHED] = level[bottom], high[reach[bottom]]
        both = top >= 0 and bottom >= 0
        range_top[t] = values[TOP] if both else np.nan
        range_bottom[t] = values[BOTTOM] if both else np.nan
        side = 1 if top > bottom else -1
        newest, back = (level[top], low[t]) if side > 0 else (level[bottom], high[t])
        values[REACHED] = side * min(side * values[REACHED], side * back)
        span = level[top] - level[bottom] if both else 0.0
        direction[t] = side if max(top, bottom) >= 0 else 0
        current[t] = side * (newest - back) / span if span > 0 else 0.0
        deepest[t] = side * (newest - values[REACHED]) / span if span > 0 else 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance_spans(high: FloatArray, low: FloatArray, spans: Spans, start: int, stop: int) -> None:
    """Follow highs and lows of spans: runs of active bars with one number, both filled in before.

    A span is over on the first bar that is not active or has another number; from then on its levels are known, and the
    first bar beyond each is noted until the next span is over.
    """
    number, active, first, known = spans.number, spans.active, spans.first, spans.known
    high_bar, low_bar, high_broken, low_broken = spans.high_bar, spans.low_bar, spans.high_broken, spans.low_broken
    span, done, top, bottom = spans.span, spans.done, spans.high, spans.low
    newest = spans.state[COUNT] - 1
    for t in range(start, stop):
        was_active = t > 0 and active[t - 1] == 1
        over = was_active and (active[t] == 0 or number[t] != number[t - 1])
        if over:
            known[newest] = t
        complete = newest - 1 if newest >= 0 and known[newest] < 0 else newest
        if t > 0:
            top[t], bottom[t] = top[t - 1], bottom[t - 1]
        if active[t] == 1 and (over or not was_active):
            newest += 1
            first[newest] = high_bar[newest] = low_bar[newest] = t
            known[newest] = high_broken[newest] = low_broken[newest] = -1
            top[t], bottom[t] = high[t], low[t]
        elif active[t] == 1:
            if high[t] > top[t]:
                top[t], high_bar[newest] = high[t], t
            if low[t] < bottom[t]:
                bottom[t], low_bar[newest] = low[t], t
        span[t], done[t] = newest, complete
        if complete >= 0 and high_broken[complete] < 0 and high[t] > high[high_bar[complete]]:
            high_broken[complete] = t
        if complete >= 0 and low_broken[complete] < 0 and low[t] < low[low_bar[complete]]:
            low_broken[complete] = t
    spans.state[COUNT] = newest + 1


def warm() -> None:
    """Compile each kernel for the arrays that it is given: those of bars may be read-only."""
    for writeable in (True, False):
        x = np.ones(4)
        x.flags.writeable = writeable
        swings = empty(Swings, 4)
        swings.top[:] = swings.bottom[:] = -1
        advance_dealing(x, x, swings, empty(Dealing, 4), 0, 4)
        advance_spans(x, x, empty(Spans, 4), 0, 4)
