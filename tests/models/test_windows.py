"""Windows hold the past of their own group and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DataError
from workbench.models import windows


def by_loop(X: np.ndarray, groups: np.ndarray, lookback: int) -> tuple[list[np.ndarray], list[int]]:
    found, rows = [], []
    for i in range(len(X)):
        past = [j for j in range(i + 1) if groups[j] == groups[i]][-lookback:]
        if len(past) == lookback:
            found.append(X[past])
            rows.append(i)
    return found, rows


@settings(max_examples=80, deadline=None)
@given(
    groups=st.one_of(
        st.lists(st.sampled_from(["a", "b", "c"]), max_size=25),
        st.integers(0, 8).map(lambda n: ["x", "y", "z"] * n),
        st.integers(0, 20).map(lambda n: ["only"] * n),
    ),
    lookback=st.integers(1, 5),
)
def test_equal_to_a_slow_loop(groups: list[str], lookback: int) -> None:
    labels = np.array(groups, dtype=object)
    X = np.arange(len(groups) * 2, dtype=float).reshape(-1, 2)
    got, rows = windows(X, labels, lookback)
    expected, expected_rows = by_loop(X, labels, lookback)
    assert rows.tolist() == expected_rows
    assert got.shape == (len(expected_rows), lookback, 2)
    if expected:
        np.testing.assert_array_equal(got, np.stack(expected))


@pytest.mark.parametrize("n_symbols", [1, 3])
def test_a_regular_panel_is_a_view(n_symbols: int) -> None:
    X = np.random.default_rng(0).normal(size=(30 * n_symbols, 4))
    view, rows = windows(X, np.tile(np.arange(n_symbols), 30), 8)
    assert np.shares_memory(view, X)
    assert not view.flags.writeable
    assert rows[0] == 7 * n_symbols


def test_later_rows_do_not_move_earlier_windows() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    full, rows = windows(X, None, 5)
    cut, cut_rows = windows(X[:25], None, 5)
    np.testing.assert_array_equal(full[rows < 25], cut)
    assert cut_rows.tolist() == rows[rows < 25].tolist()


def test_too_short_is_empty() -> None:
    view, rows = windows(np.zeros((3, 2)), None, 5)
    assert view.shape == (0, 5, 2)
    assert len(rows) == 0


def test_bad_shapes_are_named() -> None:
    with pytest.raises(DataError, match=r"shape \(n, n_features\), got \(3,\)"):
        windows(np.zeros(3), None, 2)
    with pytest.raises(DataError, match="lookback must be at least 1, got 0"):
        windows(np.zeros((3, 1)), None, 0)
    with pytest.raises(DataError, match=r"one entry per row of X \(3\), got the shape \(2,\)"):
        windows(np.zeros((3, 1)), ["a", "b"], 2)
