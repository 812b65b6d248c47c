"""What every feature of the structure family holds: causality, warm-up, scale, streams, parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench.features.structure  # noqa: F401 - its features register
from workbench.errors import ConfigError
from workbench.features import REGISTRY, check_causality, check_warmup, compute, resolve, warmup

NAMES = (
    "bos", "choch", "deepest_retracement", "fvg_bear", "fvg_bear_count", "fvg_bull", "fvg_bull_count", "in_session",
    "liquidity_above", "liquidity_below", "order_block_bear", "order_block_bear_count", "order_block_bull",
    "order_block_bull_count", "premium_discount", "previous_high_gap", "previous_low_gap", "retracement",
    "session_range_position", "sweep", "swing_age", "swing_high_distance", "swing_low_distance", "trend_state",
)  # fmt: skip
OTHER_PARAMETERS = (
    "bos(1)", "choch(3)", "trend_state(2)", "swing_age(1)", "swing_high_distance(30)", "premium_discount(2)",
    "retracement(3)", "fvg_bull(True)", "fvg_bear_count(True)", "order_block_bull(3, True)", "order_block_bear(1)",
    "order_block_bull_count(2)", "liquidity_above(2, 0.01)", "liquidity_below(1, 0.05)", "sweep(2, 0.01)",
    "previous_high_gap('4h')", "previous_low_gap('1w')", "in_session('sydney')", "session_range_position('sydney')",
)  # fmt: skip
SPECS = (*NAMES, *OTHER_PARAMETERS)


def test_the_family_is_registered() -> None:
    assert [f.name for f in REGISTRY if f.family == "structure"] == list(NAMES)


@pytest.mark.parametrize("spec", SPECS)
def test_causal_with_exact_warmup(spec: str, bars: pd.DataFrame, ragged: pd.DataFrame) -> None:
    for market in (bars, ragged):
        check_causality(spec, market, cuts=6)
        assert check_warmup(spec, market) == warmup(spec)


@pytest.mark.parametrize("spec", SPECS)
def test_holes_are_skipped_and_short_bars_are_warmup(spec: str, bars: pd.DataFrame, ragged: pd.DataFrame) -> None:
    own = ragged.loc[:, (slice(None), "C")].dropna()
    expected = compute(own, spec).reindex(ragged.index)
    pd.testing.assert_frame_equal(compute(ragged, spec)[[(spec, "C")]], expected, check_exact=True)
    for n_bars in (0, 1, 2, warmup(spec)):
        values = compute(bars.iloc[:n_bars], spec).to_numpy()
        assert np.isnan(values[: warmup(spec)]).all()
        assert values.shape == (n_bars, 4)


@pytest.mark.parametrize("spec", SPECS)
def test_free_of_the_price_scale(spec: str, bars: pd.DataFrame) -> None:
    scaled = bars.copy()
    for field in ("open", "high", "low", "close"):
        scaled[field] = bars[field] * 2.0**-30
    pd.testing.assert_frame_equal(compute(scaled, spec), compute(bars, spec), check_exact=True)


@pytest.mark.parametrize("spec", SPECS)
def test_stream_equals_batch(spec: str, bars: pd.DataFrame, ragged: pd.DataFrame) -> None:
    bound = resolve(spec)
    if bound.feature.stream is None:
        assert not bound.feature.recursive
        return
    for market in (bars, ragged):
        own = market.loc[:, (slice(None), "D")].dropna()
        step = bound.feature.stream(**bound.parameters)
        inputs = [
            own.index.as_unit("ns").asi8 if name == "time" else own[name]["D"].to_numpy()
            for name in bound.feature.inputs
        ]
        streamed = [step(*values) for values in zip(*inputs, strict=True)]
        np.testing.assert_array_equal(streamed, compute(own, spec).to_numpy()[:, 0])


@pytest.mark.parametrize(
    "spec", ["choch(2)", "fvg_bull", "order_block_bear(2)", "liquidity_above(1, 0.01)", "sweep(2)"]
)
def test_a_stream_outgrows_its_room(spec: str, market: Callable[..., pd.DataFrame]) -> None:
    own = market(2500, "A", seed=9)
    bound = resolve(spec)
    assert bound.feature.stream is not None
    step = bound.feature.stream(**bound.parameters)
    inputs = [own[name]["A"].to_numpy() for name in bound.feature.inputs]
    streamed = [step(*values) for values in zip(*inputs, strict=True)]
    np.testing.assert_array_equal(streamed, compute(own, spec).to_numpy()[:, 0])


def test_two_streams_do_not_share_state(bars: pd.DataFrame) -> None:
    stream: Any = REGISTRY.get("swing_age").stream
    one, other = stream(swing_length=2), stream(swing_length=2)
    first = [one(h, low) for h, low in bars[[("high", "A"), ("low", "A")]].to_numpy()]
    assert np.array_equal(first, [other(h, low) for h, low in bars[[("high", "A"), ("low", "A")]].to_numpy()], True)


def test_extreme_bars_stay_finite(market: Callable[..., pd.DataFrame]) -> None:
    wild = market(300, "AB", seed=5)
    for field in ("open", "high", "low", "close"):
        wild.loc[:, (field, "A")] = 1e-9
        wild.loc[wild.index[150:], (field, "B")] *= 1e9
    for spec in SPECS:
        check_warmup(spec, wild)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("previous_high_gap('1dd')", "there is no period '1dd'. Did you mean '1d'?"),
        ("in_session('londn')", "there is no session 'londn'. Did you mean 'london'?"),
        ("sweep(10, 0.5)", "tolerance must be between 1e-06 and 0.1, got 0.5"),
        ("bos(0)", "swing_length must be between 1 and 100000, got 0"),
    ],
)
def test_wrong_parameters_are_named(spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(spec)
    assert message in str(caught.value)


def test_a_flat_market_has_no_structure(market: Callable[..., pd.DataFrame]) -> None:
    """What each feature says where there is nothing to say."""
    flat = market(200, "A")
    for field in ("open", "high", "low", "close"):
        flat[field] = 50.0
    neutral = {"premium_discount": 0.5, "session_range_position": 0.5}
    for name in NAMES:
        if name != "in_session":
            assert set(compute(flat, name).dropna().to_numpy().ravel()) == {neutral.get(name, 0.0)}, name


@pytest.mark.parametrize("spec", [s for s in SPECS if resolve(s).feature.recursive and "liquidity" not in s])
def test_recursive_ones_remember_their_start(spec: str, market: Callable[..., pd.DataFrame]) -> None:
    """Other bars at the start change some value later on: their last rows alone do not fix them."""
    long = market(900, "ABCD", seed=4)
    full = compute(long, spec)
    changed = [compute(long.iloc[cut:], spec).dropna() for cut in (7, 101, 250, 333, 500)]
    assert any((part != full.loc[part.index]).any(axis=None) for part in changed)


def test_set_up_compiles_all_that_is_called(bars: pd.DataFrame) -> None:
    """Bars may come read-only or not, as frames hand them out; neither compiles anew on first use."""
    from workbench.features.structure import pool_kernels, smart_money_events, span_kernels, swing_kernels, zone_kernels

    modules = (pool_kernels, span_kernels, swing_kernels, zone_kernels)
    kernels = [k for m in modules for n, k in vars(m).items() if n.startswith("advance")]
    for module in modules:
        module.warm()
    ready = [len(k.signatures) for k in kernels]
    smart_money_events(bars, "A")
    compute(bars, [*NAMES])
    compute(bars.loc[:, (slice(None), "A")].copy(), [*NAMES])
    assert [len(k.signatures) for k in kernels] == ready


def test_the_page_tells_every_feature_and_kind() -> None:
    from workbench.features.structure import EVENT_COLUMNS, SESSIONS

    page = (Path(__file__).resolve().parents[3] / "docs" / "features-smart-money.md").read_text(encoding="utf-8")
    for name in (*NAMES, *EVENT_COLUMNS, *SESSIONS, "bos", "choch", "fvg", "order_block", "liquidity", "previous_1w"):
        assert f"`{name}" in page, name
