"""Kernel of liquidity pools, one side at a time; it goes on from bar ``start`` to ``stop``, linear in time."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.features.structure.records import Pools, Swings, empty
from workbench.typing import FloatArray, IntArray

COUNT, LEADERS, POOLS, SEEN = range(4)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance_pools(
    sign: float,
    price: FloatArray,
    share: float,
    width: float,
    swings: Swings,
    pools: Pools,
    start: int,
    stop: int,
) -> None:
    """Group swings of one side at nearly the same level, and note when price runs through them.

    A band of ``width + share · level`` either way lies around the first swing, the leader. A later one within it joins
    the oldest that it fits; two make a pool. A price at or beyond the outer edge sweeps it. Leaders that are not swept
    form a stack: each newer one lies outside the bands of the older ones and nearer to price, so a swing fits at most
    the last few.
    """
    swing_known, side, level, n_swings = swings.known, swings.direction, swings.level, swings.state[0]
    pool, last, known, mean = pools.pool, pools.last, pools.known, pools.level
    swept, ended, nearest, sweeps = pools.swept, pools.ended, pools.nearest, pools.sweeps
    entry, members, total, leaders, stack = pools.entry, pools.members, pools.total, pools.leaders, pools.pools
    joined, state = pools.joined, pools.state
    count, n_leaders, n_pools, seen = state[COUNT], state[LEADERS], state[POOLS], state[SEEN]
    for t in range(start, stop):
        if seen < n_swings and swing_known[seen] == t:
            k = seen
            seen += 1
            if side[k] == sign:
                members[k], total[k], entry[k], joined[k] = 1, level[k], -1, -1
                if n_leaders > 0 and leaders[n_leaders - 1] == k - 1:
                    n_leaders -= 1  # it takes the place of a less extreme swing that nothing has joined
                leader = _fits(sign, share, width, level, leaders, n_leaders, k)
                if leader == k:
                    leaders[n_leaders] = k
                    n_leaders += 1
                else:
                    replaced = k > 0 and side[k - 1] == sign and joined[k - 1] == leader
                    members[leader] += 0 if replaced else 1
                    total[leader] += level[k] - (level[k - 1] if replaced else 0.0)
                    joined[k] = leader
                    if entry[leader] >= 0:
                        ended[entry[leader]] = t
                    else:
                        n_pools = _insert(stack, n_pools, leader)
                    entry[leader] = count
                    pool[count], last[count], known[count] = leader, k, t
                    swept[count] = ended[count] = -1
                    mean[count] = total[leader] / members[leader]
                    count += 1
        sweeps[t] = 0
        while n_leaders > 0:
            leader = leaders[n_leaders - 1]
            if sign * price[t] < sign * level[leader] + (width + share * level[leader]):
                break
            n_leaders -= 1
            if n_pools > 0 and stack[n_pools - 1] == leader:
                n_pools -= 1
                swept[entry[leader]] = ended[entry[leader]] = t
                sweeps[t] += 1
        nearest[t] = entry[stack[n_pools - 1]] if n_pools > 0 else -1
    state[COUNT], state[LEADERS], state[POOLS], state[SEEN] = count, n_leaders, n_pools, seen


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _fits(sign: float, share: float, width: float, level: FloatArray, leaders: IntArray, n_leaders: int, k: int) -> int:
    """Return the oldest leader whose band holds swing ``k``, or ``k`` itself."""
    found = k
    for place in range(n_leaders - 1, -1, -1):
        leader = leaders[place]
        if sign * level[leader] - (width + share * level[leader]) > sign * level[k]:
            break
        found = leader
    return found


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _insert(stack: IntArray, size: int, leader: int) -> int:
    """Put a leader into the stack of pools, the newest on top; return the new size."""
    place = size
    while place > 0 and stack[place - 1] > leader:
        stack[place] = stack[place - 1]
        place -= 1
    stack[place] = leader
    return size + 1


def warm() -> None:
    """Compile each kernel for the arrays that it is given: those of bars may be read-only."""
    for writeable in (True, False):
        x = np.ones(4)
        x.flags.writeable = writeable
        advance_pools(1.0, x, 0.001, 0.0, empty(Swings, 4), empty(Pools, 4), 0, 4)
