"""Random expressions keep every promise at once: one canonical text, no look-ahead, the same bar by bar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from workbench.features import FeatureStream, check_causality, compute, resolve
from workbench.features.expressions.tree import walk

Maker = Callable[[int, int], str]


@pytest.fixture(scope="session")
def shaken(ragged: pd.DataFrame) -> pd.DataFrame:
    """The awkward market with the last bit of some values changed."""
    draws = np.random.default_rng(7).integers(-1, 2, ragged.shape)
    return ragged * (1 + draws * 2.0**-52)


@given(seed=st.integers(0, 2**32), depth=st.integers(0, 5))
@examples(max_examples=200)
def test_the_canonical_text_means_itself(random_expression: Maker, seed: int, depth: int) -> None:
    bound = resolve(random_expression(seed, depth))
    again = resolve(bound.canonical)
    assert again.canonical == bound.canonical
    assert again.declared_warmup == bound.declared_warmup
    assert again.version(deep=True) == bound.version(deep=True)


@given(seed=st.integers(0, 2**32))
@examples(max_examples=40)
def test_the_canonical_text_gives_the_same_bits(random_expression: Maker, ragged: pd.DataFrame, seed: int) -> None:
    text = random_expression(seed, 3)
    one, other = (compute(ragged, t).to_numpy() for t in (text, resolve(text).canonical))
    np.testing.assert_array_equal(one, other)


@given(seed=st.integers(0, 2**32), cut=st.integers(1, 399))
@examples(max_examples=60)
def test_no_expression_looks_ahead(random_expression: Maker, ragged: pd.DataFrame, seed: int, cut: int) -> None:
    check_causality(random_expression(seed, 3), ragged, cuts=[cut, 399])


@pytest.mark.parametrize("seed", range(48))
def test_every_expression_is_the_same_bar_by_bar(
    random_expression: Maker, ragged: pd.DataFrame, shaken: pd.DataFrame, seed: int
) -> None:
    """Where the last bit of a price does not decide: a comparison of two equal averages is anybody's guess."""
    text = random_expression(seed, 3)
    start = (0, 1, 60, 150, 330, 389)[seed % 6]
    batch, moved = compute(ragged, text).to_numpy(), compute(shaken, text).to_numpy()
    firm = (np.abs(batch - moved) <= 1e-11 * np.maximum(np.abs(batch), 1)) | (np.isnan(batch) & np.isnan(moved))
    stream = FeatureStream(text, ragged.iloc[:start], timeframe="1h")
    assert firm[start : start + 60].mean() > 0.5
    for t in range(start, min(start + 60, len(ragged))):
        got, want = stream.append(ragged.iloc[[t]]).to_numpy(), batch[t]
        got, want = got[firm[t]], want[firm[t]]
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11, equal_nan=True, err_msg=f"{text} at {t}")


def test_random_expressions_reach_every_kind_of_node(random_expression: Maker) -> None:
    kinds, operators = set(), set()
    for seed in range(400):
        for node in walk(resolve(random_expression(seed, 3)).node):
            kinds.add(type(node).__name__)
            operators.add(getattr(getattr(node, "operator", None), "name", ""))
    assert kinds == {"Field", "Number", "Call", "Operation", "Higher"}
    assert len(operators) > 60


@pytest.mark.parametrize(
    "text", ["close - ema(close - open, 5)", "rank(ema(rank(close), 3))", "(rank(close) > 0.5) * ret"]
)
def test_some_by_hand(text: str, ragged: pd.DataFrame) -> None:
    check_causality(text, ragged, cuts=3)
    assert resolve(resolve(text).canonical).canonical == resolve(text).canonical
