"""Sample weights and the sequential bootstrap: the book's example, slow twins, and what they are for."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError, DataError
from workbench.features import labels

FIRST, LAST = [0, 2, 4], [2, 3, 5]
"""López de Prado (2018), 4.5.3: three labels over six bars, on bars 1-3, 3-4 and 5-6 when counted from 1."""


def test_the_worked_example_of_the_book() -> None:
    np.testing.assert_array_equal(labels.concurrency(FIRST, LAST), [1, 1, 2, 1, 1, 1])
    np.testing.assert_allclose(labels.average_uniqueness(FIRST, LAST), [5 / 6, 3 / 4, 1], rtol=1e-14)
    np.testing.assert_allclose(labels.sequential_probabilities(FIRST, LAST), [1 / 3] * 3, rtol=1e-14)
    after_the_second = labels.sequential_probabilities(FIRST, LAST, drawn=[1])
    np.testing.assert_allclose(after_the_second, [5 / 14, 3 / 14, 6 / 14], rtol=1e-14)


def spans(rng: np.random.Generator, n_labels: int, n_bars: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    first = rng.integers(0, n_bars, n_labels)
    return first, np.minimum(first + rng.integers(0, longest, n_labels), n_bars - 1)


@given(st.integers(1, 25), st.integers(1, 30), st.integers(1, 12), st.integers(0, 2**31))
def test_concurrency_and_weights_are_their_slow_twins(n_labels: int, n_bars: int, longest: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, last = spans(rng, n_labels, n_bars, longest)
    matrix = np.array([[a <= t <= b for a, b in zip(first, last, strict=True)] for t in range(n_bars)], dtype=float)
    count = matrix.sum(axis=1)
    np.testing.assert_array_equal(labels.concurrency(first, last, n_bars), count)
    share = np.divide(matrix, count[:, None], where=count[:, None] > 0, out=np.zeros_like(matrix))
    unique = [share[matrix[:, i] > 0, i].mean() for i in range(n_labels)]
    np.testing.assert_allclose(labels.average_uniqueness(first, last), unique, rtol=1e-9)
    returns = rng.normal(0, 0.01, n_bars)
    raw = np.abs(share.T @ returns)
    np.testing.assert_allclose(labels.return_attribution(first, last, returns), raw / raw.mean(), rtol=1e-6, atol=1e-9)


def slow_bootstrap(first: np.ndarray, last: np.ndarray, uniforms: np.ndarray) -> list[int]:
    """Every draw from all labels anew, in the order of their starts."""
    order = np.argsort(first, kind="stable")
    drawn: list[int] = []
    for uniform in uniforms:
        chance = labels.sequential_probabilities(first, last, drawn)[order]
        drawn.append(int(order[min(np.searchsorted(np.cumsum(chance), uniform, side="right"), len(order) - 1)]))
    return drawn


@pytest.mark.parametrize(("n_labels", "longest"), [(1, 3), (7, 4), (40, 9), (129, 60)])
def test_the_bootstrap_draws_what_its_slow_twin_draws(n_labels: int, longest: int) -> None:
    first, last = spans(np.random.default_rng(n_labels), n_labels, 100, longest)
    drawn = labels.sequential_bootstrap(first, last, 80, seed=11)
    assert drawn.tolist() == slow_bootstrap(first, last, np.random.default_rng(11).random(80))


def test_the_first_draws_have_the_books_chances() -> None:
    """Of runs that drew the second label first, the next one is 1, 2, 3 with 5, 3, 6 in 14."""
    runs = np.array([labels.sequential_bootstrap(FIRST, LAST, 2, seed=s) for s in range(12_000)])
    begun = np.bincount(runs[:, 0], minlength=3) / len(runs)
    np.testing.assert_allclose(begun, [1 / 3] * 3, atol=0.015)
    after = runs[runs[:, 0] == 1, 1]
    np.testing.assert_allclose(np.bincount(after, minlength=3) / len(after), [5 / 14, 3 / 14, 6 / 14], atol=0.03)


def test_its_samples_are_more_unique_than_plain_ones() -> None:
    """What the bootstrap is for (the book's Monte Carlo, 4.5.4)."""
    rng = np.random.default_rng(7)
    plain, sequential = [], []
    for seed in range(200):
        first, last = spans(rng, 10, 100, 5)
        for kept, drawn in (
            (plain, rng.integers(0, 10, 10)),
            (sequential, labels.sequential_bootstrap(first, last, seed=seed)),
        ):
            kept.append(labels.average_uniqueness(first[drawn], last[drawn]).mean())
    assert np.mean(sequential) > np.mean(plain) + 0.05


def test_fifty_thousand_labels_take_a_moment() -> None:
    first = np.arange(50_000)
    labels.sequential_bootstrap(first[:5], first[:5] + 3, seed=1)  # compile
    begin = time.perf_counter()
    drawn = labels.sequential_bootstrap(first, first + 19, seed=1)
    assert time.perf_counter() - begin < 3
    assert drawn.shape == (50_000,)
    assert np.bincount(drawn, minlength=50_000).max() <= 12


def test_time_decay() -> None:
    even = np.full(4, 0.5)
    np.testing.assert_allclose(labels.time_decay(even), 1.0)
    np.testing.assert_allclose(labels.time_decay(even, 0.0), [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(labels.time_decay(even, 0.5), [0.625, 0.75, 0.875, 1.0])
    np.testing.assert_allclose(labels.time_decay(even, -0.5), [0.0, 0.0, 0.5, 1.0])
    with pytest.raises(ConfigError, match="oldest must be above -1 and at most 1, got 2"):
        labels.time_decay(even, 2)


def test_labels_that_share_no_return_are_unique(bars: pd.DataFrame) -> None:
    """A horizon of 1 holds one bar each: nothing overlaps. A horizon of 4 shares each bar among four."""
    one = labels.sample_weights(labels.compute(bars, "fixed(1)"), bars)
    assert (one.iloc[:-2] == 1).all(axis=None)
    assert one.iloc[-2:].isna().all(axis=None)
    four = labels.sample_weights(labels.compute(bars, "fixed(4)"), bars)
    np.testing.assert_allclose(four.iloc[10:-20], 0.25)


def test_weights_follow_each_symbols_own_bars(ragged: pd.DataFrame) -> None:
    label = labels.compute(ragged, "triple_barrier")
    for kind in ("uniqueness", "return"):
        weights = labels.sample_weights(label, ragged, kind, oldest=0.5)
        assert weights.notna().equals(label.known)
        alone = ragged.loc[:, (slice(None), "C")].dropna()
        expected = labels.sample_weights(labels.compute(alone, "triple_barrier"), alone, kind, oldest=0.5)
        pd.testing.assert_frame_equal(weights[["C"]], expected.reindex(ragged.index))
    rows, first, last = labels.label_spans(label, ragged, "C")
    own = ragged["close"]["C"].dropna().index
    assert (own[last] <= label.t1["C"].iloc[rows]).all()
    assert (own[first] > ragged.index[rows]).all()


def test_wrong_spans_are_one_line(bars: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="label 1 lives from bar 3 to bar 2"):
        labels.concurrency([0, 3], [1, 2])
    with pytest.raises(DataError, match="label 0 lives from bar 0 to bar 9; .* within the 5 bars"):
        labels.concurrency([0], [9], 5)
    with pytest.raises(DataError, match="whole numbers of one shape"):
        labels.average_uniqueness([0.5], [1.0])
    with pytest.raises(ConfigError, match="n_draws must be 0 or more"):
        labels.sequential_bootstrap([], [], 3, seed=1)
    with pytest.raises(ConfigError, match="kind is 'returns'. Did you mean 'return'"):
        labels.sample_weights(labels.compute(bars, "fixed(1)"), bars, "returns")
    assert labels.sequential_bootstrap([], [], seed=1).size == 0
    assert labels.average_uniqueness([], []).size == 0
