"""Kernels of swings and of the breaks of their levels; each goes on from bar ``start`` to ``stop``, linear in time.

Arrays are taken out of their record before a loop: inside it, each look into the record would count a reference.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.features.structure.records import Breaks, Swings, empty
from workbench.typing import FloatArray, IntArray

# Places in the states.
COUNT, HIGH_HEAD, HIGH_TAIL, LOW_HEAD, LOW_TAIL = range(5)
UP, UP_END, DOWN, DOWN_END, SEEN = range(1, 6)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance_swings(high: FloatArray, low: FloatArray, n: int, swings: Swings, start: int, stop: int) -> None:
    """Find swings of length ``n`` that become known on bars ``start`` to ``stop - 1``.

    Two monotone queues hold the highest high and lowest low of the last ``2 n`` bars.
    """
    origin, known, direction, level = swings.origin, swings.known, swings.direction, swings.level
    ended, reach, top, bottom = swings.ended, swings.reach, swings.top, swings.bottom
    state, highs, lows = swings.state, swings.high_queue, swings.low_queue
    head, tail, low_head, low_tail = state[HIGH_HEAD], state[HIGH_TAIL], state[LOW_HEAD], state[LOW_TAIL]
    count = state[COUNT]
    for t in range(start, stop):
        head, tail = _slide(high, 1.0, t, 2 * n, highs, head, tail)
        low_head, low_tail = _slide(low, -1.0, t, 2 * n, lows, low_head, low_tail)
        top[t], bottom[t] = (top[t - 1], bottom[t - 1]) if t > 0 else (-1, -1)
        i = t - n
        if i < n - 1:
            continue
        highest, lowest = high[highs[head]], low[lows[low_head]]
        side = 1 if high[i] == highest else (-1 if low[i] == lowest else 0)
        if side == 0 or highest == lowest:  # a market that does not move has no swings
            continue
        price = highest if side > 0 else lowest
        if count > 0 and direction[count - 1] == side:
            if side * price <= side * level[count - 1]:
                continue
            ended[count - 1] = t
        origin[count], known[count], direction[count], level[count], ended[count] = i, t, side, price, -1
        if side > 0:
            top[t], reach[count] = count, _after(lows, low_head, low_tail, i)
        else:
            bottom[t], reach[count] = count, _after(highs, head, tail, i)
        count += 1
    state[HIGH_HEAD], state[HIGH_TAIL], state[LOW_HEAD], state[LOW_TAIL] = head, tail, low_head, low_tail
    state[COUNT] = count


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _slide(x: FloatArray, sign: float, t: int, window: int, queue: IntArray, head: int, tail: int) -> tuple[int, int]:
    """Take bar ``t`` into a queue of bars whose ``sign · x`` falls strictly; its head is the window's extreme."""
    while tail > head and sign * x[queue[tail - 1]] <= sign * x[t]:
        tail -= 1
    queue[tail] = t
    if queue[head] <= t - window:
        head += 1
    return head, tail + 1


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _after(queue: IntArray, head: int, tail: int, i: int) -> int:
    """Return the first bar of a queue behind bar ``i``: the extreme of the bars since."""
    while head < tail:
        middle = (head + tail) // 2
        if queue[middle] > i:
            tail = middle
        else:
            head = middle + 1
    return queue[head]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance_breaks(close: FloatArray, swings: Swings, breaks: Breaks, by_pivots: bool, start: int, stop: int) -> None:
    """Find closes through levels of known swings on bars ``start`` to ``stop - 1``.

    Each side keeps a queue of unbroken levels, oldest first, that rises away from price: an older level beyond a newer
    one could only break together with it, so it waits outside the queue in case the newer swing loses its place.
    """
    swing_known, side, level = swings.known, swings.direction, swings.level
    swing, known, direction, character = breaks.swing, breaks.known, breaks.direction, breaks.character
    trend, at, before, after = breaks.trend, breaks.at, breaks.before, breaks.after
    kept, kept_end = breaks.kept, breaks.kept_end
    top, bottom, n_swings = swings.top, swings.bottom, swings.state[COUNT]
    state, ups, downs = breaks.state, breaks.up_queue, breaks.down_queue
    up, up_end, down, down_end = state[UP], state[UP_END], state[DOWN], state[DOWN_END]
    seen, count = state[SEEN], state[COUNT]
    for t in range(start, stop):
        trend[t] = trend[t - 1] if t > 0 else 0
        at[t] = -1
        if seen < n_swings and swing_known[seen] == t:
            other = bottom[t] if side[seen] > 0 else top[t]
            before[seen], after[seen] = other, -1
            if other >= 0:
                after[other] = seen
            if side[seen] > 0:
                up_end = _arm(seen, 1.0, level, ups, up, up_end, kept, kept_end)
            else:
                down_end = _arm(seen, -1.0, level, downs, down, down_end, kept, kept_end)
            seen += 1
        broken = -1
        while up < up_end and level[ups[up]] < close[t]:
            broken = ups[up]
            up += 1
        while down < down_end and level[downs[down]] > close[t]:
            broken = downs[down]
            down += 1
        if broken < 0:
            continue
        against = trend[t] == -side[broken]
        if by_pivots:
            i, j = before[broken], after[broken]
            against = i >= 0 and j >= 0 and side[broken] * level[j] < side[broken] * level[i]
        swing[count], known[count], direction[count] = broken, t, side[broken]
        character[count] = 1 if against else 0
        trend[t], at[t] = side[broken], count
        count += 1
    state[UP], state[UP_END], state[DOWN], state[DOWN_END] = up, up_end, down, down_end
    state[SEEN], state[COUNT] = seen, count


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _arm(
    k: int, sign: float, level: FloatArray, queue: IntArray, head: int, tail: int, kept: IntArray, kept_end: IntArray
) -> int:
    """Put swing ``k`` into its side's queue before the levels that it makes idle; return the queue's new end.

    Those stay behind the end, but for the first, whose place it takes: ``kept`` and ``kept_end`` bring them back.
    """
    if tail > head and queue[tail - 1] == k - 1:  # swings alternate: one of this side just before lost its place to it
        queue[tail - 1] = kept[k - 1]
        tail = kept_end[k - 1]
    end = tail
    while tail > head and sign * level[queue[tail - 1]] >= sign * level[k]:
        tail -= 1
    kept[k], kept_end[k] = queue[tail], end
    queue[tail] = k
    return tail + 1


def warm() -> None:
    """Compile each kernel for the arrays that it is given: those of bars may be read-only."""
    for writeable in (True, False):
        x = np.ones(4)
        x.flags.writeable = writeable
        swings = empty(Swings, 4)
        advance_swings(x, x, 1, swings, 0, 4)
        advance_breaks(x, swings, empty(Breaks, 4), False, 0, 4)
