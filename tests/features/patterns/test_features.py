"""The registered pattern features: causal, exact warm-up, streams equal batches, free of scale, neutral when quiet."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ConfigError
from workbench.features import REGISTRY, check_causality, check_warmup, compute, resolve, warmup
from workbench.features.patterns import Matches, held, zigzag_pivots

NAMES = [f.name for f in REGISTRY if f.family == "patterns" and f.origin.startswith("workbench.features.patterns")]
OTHERS = (
    'harmonic("shark", 0.3)', "elliott_impulse(3, 1.0, 5)", "elliott_correction(threshold=0.02, atr_window=0)",
    "head_shoulders(0.5, 1)", "double_top(threshold=0.015, atr_window=0)", 'triangle("symmetrical", threshold=1.5)',
    'divergence("macd")', 'divergence("obv", "hidden", threshold=1.0)', "zigzag_direction(0.05, 0)", "zigzag_age(1, 1)",
    "zigzag_leg(2, 7)", "zigzag_swing(0.01, 0)", "zigzag_retracement(1, 50)", "harmonic(threshold=0.01, atr_window=0)",
)  # fmt: skip
SPECS = (*NAMES, *OTHERS)
EVENTS = [n for n in NAMES if not n.startswith("zigzag")]


def test_all_are_registered() -> None:
    assert sorted(NAMES) == [
        "divergence", "double_top", "elliott_correction", "elliott_impulse", "harmonic", "head_shoulders", "triangle",
        "zigzag_age", "zigzag_direction", "zigzag_leg", "zigzag_retracement", "zigzag_swing",
    ]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_causal_with_an_exact_warmup(spec: str, bars: pd.DataFrame, ragged: pd.DataFrame) -> None:
    for market in (bars, ragged):
        check_causality(spec, market, cuts=4)
        assert check_warmup(spec, market) == warmup(spec)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("n_bars", [0, 1, 2, 14, 15])
def test_short_bars(spec: str, n_bars: int, bars: pd.DataFrame) -> None:
    values = compute(bars.iloc[:n_bars], spec).to_numpy()
    assert values.shape == (n_bars, 4)
    assert np.isnan(values[: warmup(spec)]).all()
    assert np.isfinite(values[warmup(spec) :]).all()


def streamed(spec: str, bars: pd.DataFrame, symbol: str) -> tuple[np.ndarray, np.ndarray]:
    bound = resolve(spec)
    own = bars.xs(symbol, axis=1, level="symbol").dropna()
    step = bound.feature.stream(**bound.parameters)
    values = [step(*row) for row in zip(*(own[f].to_numpy() for f in bound.feature.inputs), strict=True)]
    return np.array(values), compute(bars, spec)[(spec, symbol)].reindex(own.index).to_numpy()


@pytest.mark.parametrize("spec", [s for s in SPECS if resolve(s).feature.stream])
def test_streams_equal_batches(spec: str, bars: pd.DataFrame, ragged: pd.DataFrame) -> None:
    for market, symbol in ((bars, "A"), (ragged, "C"), (ragged, "D")):
        np.testing.assert_array_equal(*streamed(spec, market, symbol))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.5, 1.0, 2.0]))
def test_streams_equal_batches_where_patterns_are_many(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    close = 100 + rng.integers(-2, 3, 300).cumsum() / 2.0
    frame = {"high": close + rng.integers(0, 2, 300), "low": close - rng.integers(0, 2, 300), "close": close}
    index = pd.date_range("2024-01-01", periods=300, freq="h", tz="UTC", name="time")
    bars = pd.concat(
        {k: pd.DataFrame({"X": v}, index=index) for k, v in frame.items()}, axis=1, names=["field", "symbol"]
    )
    for name in ("harmonic", "head_shoulders", "double_top", "triangle", "elliott_impulse", "elliott_correction"):
        loose = {"tolerance": 0.6} if not name.startswith("elliott") else {}
        text = ", ".join(f"{k}={v}" for k, v in {**loose, "threshold": threshold, "atr_window": 3}.items())
        np.testing.assert_array_equal(*streamed(f"{name}({text})", bars, "X"))


@pytest.mark.parametrize("spec", SPECS)
def test_all_are_recursive_and_free_of_the_price_scale(spec: str, bars: pd.DataFrame) -> None:
    feature = resolve(spec).feature
    assert feature.recursive
    assert feature.stationary
    scaled = bars.copy()
    for field in ("open", "high", "low", "close"):
        scaled[field] = bars[field] * 2.0**-30
    np.testing.assert_allclose(compute(scaled, spec), compute(bars, spec), rtol=1e-12, atol=1e-12)


def test_the_start_of_the_history_matters(bars: pd.DataFrame) -> None:
    """Two bars in the middle of one leg: begun there, the ZigZag does not know which leg it is in."""
    full = compute(bars, "zigzag_direction").iloc[-1]
    tail = compute(bars.iloc[-16:], "zigzag_direction").iloc[-1]
    assert (full != tail).any()


@pytest.mark.parametrize("spec", EVENTS)
def test_events_are_signed_scores(spec: str, market) -> None:
    values = compute(market(3000, "AB", seed=9), f"{spec}(threshold=1.5)").to_numpy()
    known = values[~np.isnan(values)]
    assert np.abs(known).max() <= 1
    assert (known > 0).any()
    assert (known < 0).any()
    assert (known == 0).mean() > 0.2


def test_a_signal_stands_for_hold_bars(path, path_bars) -> None:
    bars = path_bars(path([95, 90, 110, 100, 110, 80, 70, 60]))
    spec = "double_top(0.15, {}, 0.04, 0)"
    one, five = (compute(bars, spec.format(h)).to_numpy()[:, 0] for h in (1, 5))
    start = int(np.flatnonzero(one)[0])
    assert np.flatnonzero(one).tolist() == [start]
    assert np.flatnonzero(five).tolist() == list(range(start, start + 5))
    assert one[start] == -1.0
    assert bars["close"].to_numpy()[start, 0] < 100 <= bars["close"].to_numpy()[start - 1, 0]


def test_held_keeps_the_best_of_one_bar_and_the_newest_of_many() -> None:
    i = np.array
    matches = Matches(i([7, 3, 3, 5]), i([0, 0, 0, 0]), i([1, -1, 1, 1]), i([0.2, 0.9, 0.4, 0.1]), i([0, 0, 1, 0]))
    assert held(matches, 10, hold=3, warmup=1).tolist()[1:] == [0, 0, -0.9, -0.9, 0.1, 0.1, 0.2, 0.2, 0.2]
    tie = Matches(i([1, 1]), i([0, 0]), i([1, -1]), i([0.5, 0.5]), i([1, 0]))
    assert held(tie, 2, hold=1, warmup=0).tolist() == [0, -0.5]  # the first of the table wins


def test_a_harmonic_pattern_on_bars(path, path_bars) -> None:
    """A bullish bat, its D confirmed by the advance that follows, and the same bars upside down."""
    prices = [130, 100, 150, 125, 137.5, 105.7, 140]
    close = path(prices, leg=10)
    spec = 'harmonic("bat", 0.05, 6, 0.04, 0)'
    for sign, series in ((1, close), (-1, 300 - close)):
        values = compute(path_bars(series), spec).to_numpy()[:, 0]
        shown = np.flatnonzero(values)
        pivots = zigzag_pivots(series, series, series, threshold=0.04, atr_window=0)
        assert shown.tolist() == list(range(pivots.known[-1], pivots.known[-1] + 6))
        assert pivots.origin[-1] == 50
        assert sign * values[shown[0]] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ('harmonic("bta")', "needs pattern to be one of any, gartley, bat, butterfly, crab, shark, cypher, got"),
        ('triangle("rising")', "needs kind to be one of any, ascending, descending, symmetrical, got"),
        ('divergence("stoch")', "needs oscillator to be one of rsi, macd, obv, got"),
        ("zigzag_leg(3, 0)", "needs threshold below 1 where atr_window=0 makes it a fraction of the price, got"),
        ("double_top(hold=0)", "hold must be between 1 and"),
        ("harmonic(threshold=0.0)", "threshold must be between"),
    ],
)
def test_bad_parameters_are_named(spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(spec)
    assert message in str(caught.value)


@pytest.mark.parametrize("spec", NAMES)
def test_extreme_but_legal_bars(spec: str, market) -> None:
    wild = market(300, "AB", seed=5)
    wild["volume"] = 0.0
    for field in ("open", "high", "low", "close"):
        wild.loc[:, (field, "A")] = 1e-9
        wild.loc[wild.index[150:], (field, "B")] *= 1e9
    assert check_warmup(spec, wild) == warmup(spec)
    quiet = compute(wild, spec)[(spec, "A")].dropna()
    assert (quiet == 0).all()
