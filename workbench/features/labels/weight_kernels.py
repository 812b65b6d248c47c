"""The sequential bootstrap: draws from a tree of sums, of which only the part near a draw changes."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def draw_in_turn(
    starts: IntArray, ends: IntArray, low: IntArray, high: IntArray, longest: int, uniforms: FloatArray
) -> IntArray:
    """Return one label per uniform number; starts must not fall, and there must be a label.

    Labels low[i] … high[i] - 1 are those that can overlap label i, none being longer than ``longest`` bars. Leaf i of
    the tree holds the average uniqueness that label i would have among the drawn ones, an inner node the sum of its
    two children, so nothing drifts however many are drawn.
    """
    n, n_bars = starts.size, starts[-1] + longest
    size = 1
    while size < n:
        size *= 2
    tree = np.zeros(2 * size)
    for i in range(n):
        tree[size + i] = 1.0  # nothing is drawn yet: every label would be alone
    _add_up(tree, 1, size - 1)
    taken, totals = np.zeros(n_bars), np.zeros(n_bars + 1)
    drawn = np.empty(uniforms.size, dtype=np.int64)
    for d in range(uniforms.size):
        label = _find(tree, size, n, uniforms[d])
        drawn[d] = label
        for b in range(starts[label], ends[label] + 1):
            taken[b] += 1.0
        left = starts[low[label]]
        totals[left] = 0.0
        for b in range(left, min(ends[label] + longest, n_bars)):
            totals[b + 1] = totals[b] + 1.0 / (taken[b] + 1.0)
        for i in range(low[label], high[label]):
            tree[size + i] = (totals[ends[i] + 1] - totals[starts[i]]) / (ends[i] - starts[i] + 1.0)
        _add_up(tree, (size + low[label]) // 2, (size + high[label] - 1) // 2)
    return drawn


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _add_up(tree: FloatArray, first: int, last: int) -> None:
    """Set the inner nodes from ``first`` to ``last``, then their parents, up to the root."""
    while first > 0:
        for node in range(last, first - 1, -1):
            tree[node] = tree[2 * node] + tree[2 * node + 1]
        first, last = first // 2, last // 2


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _find(tree: FloatArray, size: int, n: int, uniform: float) -> int:
    """Return the leaf in which ``uniform`` of the total falls."""
    left_over, node = uniform * tree[1], 1
    while node < size:
        node *= 2
        if left_over >= tree[node] and tree[node + 1] > 0.0:
            left_over -= tree[node]
            node += 1
    return min(node - size, n - 1)


def warm() -> None:
    """Compile and cache the kernel."""
    zero, one = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    draw_in_turn(zero, zero, zero, one, 1, np.zeros(1))
