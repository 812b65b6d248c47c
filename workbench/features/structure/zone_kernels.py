"""Kernels of fair-value gaps and order blocks, one side at a time; each goes on from bar ``start`` to ``stop``.

``sign`` is 1 for bullish zones, that lie below price, and -1 for bearish ones. ``front`` is the edge of a bar that
comes back first (lows for bullish zones, highs for bearish ones), ``back`` the other one: with ``sign · price`` both
sides read alike.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.features.structure.records import Swings, Zones, empty
from workbench.typing import FloatArray, IntArray

COUNT, HEAP, TOUCH_HEAP = range(3)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance_gaps(
    sign: float,
    front: FloatArray,
    back: FloatArray,
    open_: FloatArray,
    close: FloatArray,
    join: bool,
    gaps: Zones,
    start: int,
    stop: int,
) -> None:
    """Find three-bar gaps that become known on bars ``start`` to ``stop - 1``, and end those that are touched.

    Open gaps form a stack: a new one lies beyond all that price has not touched.
    """
    origin, known, near, far, touched, ended = gaps.origin, gaps.known, gaps.near, gaps.far, gaps.touched, gaps.ended
    nearest, n_open, stack, state = gaps.nearest, gaps.n_open, gaps.heap, gaps.state
    count, size = state[COUNT], state[HEAP]
    for t in range(start, stop):
        while size > 0 and sign * front[t] <= sign * near[stack[size - 1]]:
            size -= 1
            touched[stack[size]] = ended[stack[size]] = t
        body = sign * (close[t - 1] - open_[t - 1]) if t >= 2 else 0.0
        if body > 0 and sign * back[t - 2] < sign * front[t]:
            origin[count], known[count], near[count], far[count] = t - 1, t, front[t], back[t - 2]
            touched[count] = ended[count] = -1
            if join and count > 0 and known[count - 1] == t - 1:
                near[count] = sign * max(sign * front[t], sign * near[count - 1])
                far[count] = sign * min(sign * back[t - 2], sign * far[count - 1])
                ended[count - 1] = t
                if size > 0 and stack[size - 1] == count - 1:
                    size -= 1
            stack[size] = count
            size += 1
            count += 1
        n_open[t] = size
        nearest[t] = stack[size - 1] if size > 0 else -1
    state[COUNT], state[HEAP] = count, size


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance_blocks(
    sign: float,
    front: FloatArray,
    back: FloatArray,
    open_: FloatArray,
    close: FloatArray,
    by_body: bool,
    swings: Swings,
    blocks: Zones,
    start: int,
    stop: int,
) -> None:
    """Find order blocks that become known on bars ``start`` to ``stop - 1``, and note touches and breaks.

    Two heaps hold the blocks that are not broken, by their far edge, and those not touched, by their near one. The bars
    looked through for a block lie between a swing and the close through it. Of two swings that are closed through, the
    later lies behind the other by more than its length, and either was known by then: those bars overlap by no more
    than that length a swing, and time is linear.
    """
    last = swings.top if sign > 0 else swings.bottom
    swing_origin, level, crossed = swings.origin, swings.level, blocks.crossed
    origin, known, near, far = blocks.origin, blocks.known, blocks.near, blocks.far
    touched, ended, nearest, n_open = blocks.touched, blocks.ended, blocks.nearest, blocks.n_open
    heap, touch_heap, state = blocks.heap, blocks.touch_heap, blocks.state
    count, size, n_untouched = state[COUNT], state[HEAP], state[TOUCH_HEAP]
    for t in range(start, stop):
        while n_untouched > 0 and sign * front[t] <= sign * near[touch_heap[0]]:
            touched[touch_heap[0]] = t
            n_untouched = _pop(touch_heap, n_untouched, near, sign)
        worst = min(sign * open_[t], sign * close[t]) if by_body else sign * front[t]
        while size > 0 and worst < sign * far[heap[0]]:
            ended[heap[0]] = t
            size = _pop(heap, size, far, sign)
        k = last[t]
        if k >= 0 and crossed[k] != 1 and sign * close[t] > sign * level[k]:
            crossed[k] = 1
            i = _lowest(sign, front, swing_origin[k] + 1, t)
            if count == 0 or origin[count - 1] != i:  # two swings closed through in one move have one block
                origin[count], known[count], near[count], far[count] = i, t, back[i], front[i]
                touched[count] = ended[count] = -1
                size = _push(heap, size, far, sign, count)
                n_untouched = _push(touch_heap, n_untouched, near, sign, count)
                count += 1
        n_open[t] = size
        nearest[t] = heap[0] if size > 0 else -1
    state[COUNT], state[HEAP], state[TOUCH_HEAP] = count, size, n_untouched


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _lowest(sign: float, front: FloatArray, first: int, stop: int) -> int:
    """Return the bar of the lowest ``sign · front``, the last one of equals."""
    best = first
    for i in range(first + 1, stop):
        if sign * front[i] <= sign * front[best]:
            best = i
    return best


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _push(heap: IntArray, size: int, key: FloatArray, sign: float, item: int) -> int:
    """Put an item into a heap with the highest ``sign · key`` at its root; return its new size."""
    at = size
    while at > 0:
        parent = (at - 1) // 2
        if sign * key[heap[parent]] >= sign * key[item]:
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = item
    return size + 1


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _pop(heap: IntArray, size: int, key: FloatArray, sign: float) -> int:
    """Drop the root of a heap; return its new size."""
    size -= 1
    item, at = heap[size], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and sign * key[heap[child + 1]] > sign * key[heap[child]]:
            child += 1
        if sign * key[item] >= sign * key[heap[child]]:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = item
    return size


def warm() -> None:
    """Compile each kernel for the arrays that it is given: those of bars may be read-only."""
    for writeable in (True, False):
        x = np.ones(4)
        x.flags.writeable = writeable
        swings = empty(Swings, 4)
        swings.top[:] = swings.bottom[:] = -1
        advance_gaps(1.0, x, x, x, x, False, empty(Zones, 4), 0, 4)
        advance_blocks(1.0, x, x, x, x, False, swings, empty(Zones, 4), 0, 4)
