"""The sequential bootstrap: draws from a tree of sums, of which only the part near a draw changes."""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray, IntArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def draw_in_turn(starts: IntArray, ends: IntArray, uniforms: FloatArray) -> IntArray:
    """Return one label per uniform number; starts must not fall.

    Leaf i of the tree holds the average uniqueness that label i would have among the drawn ones, an inner node the
    sum of its two children, so nothing drifts however many are drawn.
    """
    n, n_draws = starts.size, uniforms.size
    drawn = np.empty(n_draws, dtype=np.int64)
    if n == 0 or n_draws == 0:
        return drawn
    size = 1
    while size < n:
        size *= 2
    tree = np.zeros(2 * size)
    tree[size : size + n] = 1.0  # nothing is drawn yet: every label would be alone
    for node in range(size - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    n_bars, longest = 0, 0
    for i in range(n):
        n_bars, longest = max(n_bars, ends[i] + 1), max(longest, ends[i] - starts[i] + 1)
    taken = np.zeros(n_bars, dtype=np.int64)
    totals = np.zeros(n_bars + 1)
    for d in range(n_draws):
        label = _find(tree, size, n, uniforms[d])
        drawn[d] = label
        first_bar, last_bar = starts[label], ends[label]
        for b in range(first_bar, last_bar + 1):
            taken[b] += 1
        low = np.searchsorted(starts, first_bar - longest + 1)
        high = np.searchsorted(starts, last_bar, side="right")
        left = starts[low]
        right = min(last_bar + longest, n_bars)
        totals[left] = 0.0
        for b in range(left, right):
            totals[b + 1] = totals[b] + 1.0 / (taken[b] + 1.0)
        for i in range(low, high):
            tree[size + i] = (totals[ends[i] + 1] - totals[starts[i]]) / (ends[i] - starts[i] + 1.0)
        first_node, last_node = (size + low) // 2, (size + high - 1) // 2
        while first_node > 0:
            for node in range(first_node, last_node + 1):
                tree[node] = tree[2 * node] + tree[2 * node + 1]
            first_node, last_node = first_node // 2, last_node // 2
    return drawn


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
    spans = np.zeros(1, dtype=np.int64)
    draw_in_turn(spans, spans, np.zeros(1))
