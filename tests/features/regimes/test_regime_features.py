"""Regime features: contract, slow twins, hand-made and planted cases, and streams."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, t

import workbench.features.regimes  # noqa: F401 - registers the features
from workbench.data.sources.synthetic import synthetic_market
from workbench.errors import ConfigError
from workbench.features import check_causality, check_warmup, compute, get, resolve, warmup

SPECS = (
    "vol_rank", "vol_rank(5, 30)", "vol_regime", "vol_regime(2, 2, 0.2, 0.8)", "trend_tstat", "trend_tstat(3)",
    "trend_regime", "trend_regime(10, 2.0)", "efficiency_ratio", "efficiency_ratio(1)", "storm", "storm(2, 3)",
    "return_shock", "return_shock(4)", "range_shock", "volume_shock", "critical_event", "critical_event(10, 2.0)",
    "cusum_event", "cusum_event(2, 0.5)", "change_probability", "change_probability(3, 20.0, 12, 5)", "run_length",
    "run_length(20.0, 12, 5)",
)  # fmt: skip
RECURSIVE = tuple(s for s in SPECS if resolve(s).feature.recursive)


@pytest.fixture(scope="module")
def long(market) -> pd.DataFrame:
    return market(700, "AB", seed=21)


@pytest.mark.parametrize("spec", SPECS)
def test_causal(ragged: pd.DataFrame, spec: str) -> None:
    check_causality(spec, ragged, cuts=6)


@pytest.mark.parametrize("spec", SPECS)
def test_nan_on_exactly_the_warmup(long: pd.DataFrame, ragged: pd.DataFrame, spec: str) -> None:
    declared = warmup(spec)
    assert check_warmup(spec, long) == check_warmup(spec, ragged) == declared
    for n_bars in (0, 1, 2, 3, declared, declared + 1):
        values = compute(long.iloc[:n_bars], spec).to_numpy()
        assert values.shape == (n_bars, 2)
        assert np.isnan(values[:declared]).all()
        assert np.isfinite(values[declared:]).all()


@pytest.mark.parametrize("spec", SPECS)
def test_no_input_is_written_to_and_scale_does_not_matter(long: pd.DataFrame, spec: str) -> None:
    before = long.copy(deep=True)
    values = compute(long, spec)
    pd.testing.assert_frame_equal(long, before, check_exact=True)
    scaled = long.copy()
    for field in ("open", "high", "low", "close"):
        scaled[field] = long[field] * 2.0**-30
    np.testing.assert_allclose(compute(scaled, spec), values, rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("spec", [s for s in SPECS if s not in RECURSIVE])
def test_the_lookback_is_enough(long: pd.DataFrame, spec: str) -> None:
    for end in (400, 551, 700):
        tail = compute(long.iloc[end - warmup(spec) - 1 : end], spec).iloc[-1]
        np.testing.assert_allclose(tail, compute(long.iloc[:end], spec).iloc[-1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spec", RECURSIVE)
def test_streams_equal_the_batch(long: pd.DataFrame, ragged: pd.DataFrame, spec: str) -> None:
    bound = resolve(spec)
    for close in (long["close"]["A"].to_numpy(), ragged["close"]["D"].to_numpy()):
        step = bound.feature.stream(**bound.parameters)
        streamed = np.array([step(float(c)) for c in close])
        batch = bound.feature.function(close, **bound.parameters)
        np.testing.assert_allclose(streamed, batch, rtol=1e-12, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("spec", SPECS)
def test_extreme_bars_give_finite_values(market, spec: str) -> None:
    wild = market(320, "AB", seed=5)
    wild["volume"] = 0.0
    wild.loc[wild.index[100:], ("volume", "B")] = 1e18
    for field in ("open", "high", "low", "close"):
        wild.loc[:, (field, "A")] = 1e-9
        wild.loc[wild.index[150:], (field, "B")] *= 1e9
    check_warmup(spec, wild)


def own(bars: pd.DataFrame, spec: str) -> np.ndarray:
    return compute(bars, spec)[spec]["A"].to_numpy()


def test_volatility_rank_is_its_slow_twin(long: pd.DataFrame) -> None:
    vol = long["close"]["A"].pct_change().rolling(5).std()
    rank, regime = own(long, "vol_rank(5, 30)"), own(long, "vol_regime(5, 30, 0.3, 0.8)")
    for i in range(34, 700, 13):
        window = vol.to_numpy()[i - 29 : i]
        share = np.mean(window < vol.iloc[i])
        np.testing.assert_allclose(rank[i], share, atol=1e-12)
        assert regime[i] == int(share >= 0.3) + int(share > 0.8)


def test_trend_is_its_slow_twin(long: pd.DataFrame) -> None:
    y = np.log(long["close"]["A"].to_numpy())
    score, state = own(long, "trend_tstat(12)"), own(long, "trend_regime(12, 3.0)")
    for i in range(11, 700, 17):
        line = linregress(np.arange(12), y[i - 11 : i + 1])
        np.testing.assert_allclose(score[i], line.slope / line.stderr, rtol=1e-8)
        assert state[i] == (score[i] > 3) * 1.0 - (score[i] < -3) * 1.0


def test_straight_and_flat_lines(market) -> None:
    bars = market(60, "A", seed=1)
    bars[("close", "A")] = np.exp(0.01 * np.arange(60))
    np.testing.assert_allclose(own(bars, "trend_tstat(10)")[9:], 1000)
    np.testing.assert_allclose(own(bars, "efficiency_ratio(10)")[10:], 1.0, rtol=1e-12)
    bars[("close", "A")] = 5.0
    for spec in ("trend_tstat(10)", "efficiency_ratio(10)", "storm(3, 10)", "return_shock(10)", "cusum_event(10)"):
        assert (own(bars, spec)[warmup(spec) :] == 0).all()
    assert (own(bars, "vol_rank(3, 10)")[12:] == 0.5).all()


def test_efficiency_by_hand(market) -> None:
    """1 2 3 2 4: net 3 over a path of 5."""
    bars = market(5, "A")
    bars[("close", "A")] = [1.0, 2.0, 3.0, 2.0, 4.0]
    np.testing.assert_allclose(own(bars, "efficiency_ratio(4)"), [np.nan] * 4 + [3 / 5])


def test_shocks_are_their_slow_twin(long: pd.DataFrame) -> None:
    returns, volume = long["close"]["A"].pct_change().to_numpy(), long["volume"]["A"].to_numpy()
    spans = np.log(long["high"]["A"] / long["low"]["A"]).to_numpy()
    specs = ("return_shock(30)", "range_shock(30)", "volume_shock(30)", "critical_event(30, 2.0)")
    moved, ranged, traded, events = (own(long, s) for s in specs)
    for i in range(31, 700, 11):
        scores = []
        for series, got in ((returns, moved), (spans, ranged), (volume, traded)):
            before = series[i - 30 : i]
            low, high = np.quantile(before, [0.25, 0.75])
            score = (series[i] - np.median(before)) / ((high - low) / (2 * 0.6744897501960817))
            np.testing.assert_allclose(got[i], score, rtol=1e-9, atol=1e-9)
            scores.append(score)
        assert events[i] == sum(int(score >= 2) for score in (abs(scores[0]), *scores[1:]))


def test_a_planted_shock_is_marked_at_its_bar_and_not_before(market) -> None:
    bars = market(300, "A", seed=8)
    quiet = own(bars, "critical_event(100, 8.0)")
    for field in ("high", "close"):
        bars.loc[bars.index[200:], (field, "A")] *= 1.2
    bars.loc[bars.index[200], ("volume", "A")] *= 1000
    events = own(bars, "critical_event(100, 8.0)")
    np.testing.assert_array_equal(events[:200], quiet[:200])
    assert events[200] == 3
    assert own(bars, "return_shock")[200] > 8


def test_after_no_spread_at_all_a_move_counts_as_the_largest(market) -> None:
    bars = market(40, "A")
    bars[("volume", "A")] = 7.0
    bars.loc[bars.index[30], ("volume", "A")] = 8.0
    score = own(bars, "volume_shock(10)")
    assert score[30] == 100
    assert (np.delete(score[10:], 20) == 0).all()


def test_storm_has_two_levels(long: pd.DataFrame) -> None:
    returns = long["close"]["A"].pct_change()
    ratio = (returns.rolling(5).std() / returns.rolling(50).std()).to_numpy()
    got, state = own(long, "storm(5, 50, 1.4, 0.9)"), 0
    for i in range(50, 700):
        if state == 0 and ratio[i] > 1.4:
            state = 1
        elif state == 1 and ratio[i] < 0.9:
            state = 0
        assert got[i] == state
    assert 0.05 < np.nanmean(got) < 0.95


def test_cusum_events_are_their_slow_twin(long: pd.DataFrame) -> None:
    returns = long["close"]["A"].pct_change()
    moves = (returns / returns.rolling(20).std().shift(1)).to_numpy()
    got, up, down = own(long, "cusum_event(20, 4.0)"), 0.0, 0.0
    for i in range(21, 700):
        up, down, event = max(0, up + moves[i]), min(0, down + moves[i]), 0
        if down < -4:
            down, event = 0.0, -1
        elif up > 4:
            up, event = 0.0, 1
        assert got[i] == event
    assert set(got[21:]) == {-1.0, 0.0, 1.0}


def slow_run_lengths(x: np.ndarray, hazard: float) -> np.ndarray:
    """Adams and MacKay's algorithm 1 with scipy's Student t and no bound on the run: P(r_t) at the last row."""
    p, mean, kappa, alpha, beta = np.ones(1), np.zeros(1), np.ones(1), np.ones(1), np.ones(1)
    for value in x:
        scale = np.sqrt(beta * (kappa + 1) / (alpha * kappa))
        likely = p * t.pdf(value, 2 * alpha, loc=mean, scale=scale)
        p = np.concatenate([[likely.sum() * hazard], likely * (1 - hazard)])
        p /= p.sum()
        beta = np.concatenate([[1.0], beta + kappa * (value - mean) ** 2 / (2 * (kappa + 1))])
        mean = np.concatenate([[0.0], (kappa * mean + value) / (kappa + 1)])
        kappa, alpha = np.concatenate([[1.0], kappa + 1]), np.concatenate([[1.0], alpha + 0.5])
    return p


def test_run_lengths_are_their_slow_twin(long: pd.DataFrame) -> None:
    returns = long["close"]["A"].pct_change()
    x = (returns / returns.rolling(20).std().shift(1)).to_numpy()[21:]
    young, mean = own(long, "change_probability(5, 50.0, 400, 20)"), own(long, "run_length(50.0, 400, 20)")
    for n in (1, 2, 9, 60, 150):
        p = slow_run_lengths(x[:n], 1 / 50)
        np.testing.assert_allclose(young[20 + n], p[:6].sum(), rtol=1e-6)
        np.testing.assert_allclose(mean[20 + n], np.arange(p.size) @ p, rtol=1e-6)


def test_a_planted_change_of_variance_is_found_within_bars(market) -> None:
    """Five times the volatility from bar 400 on: unlikely before, near certain within fifteen bars, aged after."""
    rng = np.random.default_rng(12)
    bars = market(500, "A")
    sigma = np.where(np.arange(500) < 400, 0.01, 0.05)
    bars[("close", "A")] = 100 * np.exp(np.cumsum(sigma * rng.normal(size=500)))
    young = own(bars, "change_probability(15, 250.0, 250, 200)")
    assert np.median(young[320:400]) < 0.1
    assert young[400:415].max() > 0.95
    length = own(bars, "run_length(250.0, 250, 200)")
    assert length[399] > 60
    assert length[412] < 20
    assert length[440] > length[415]


def test_regimes_of_a_switching_market_are_told_apart() -> None:
    """Storms of the planted market: most bars marked wild or stormy are so, few of those marked calm."""
    bars, truth = synthetic_market("regimes(seed=3, n_bars=6000)", ["A"])
    stormy = truth["regime"]["A"].to_numpy() == 1
    state, latch = own(bars, "vol_regime"), own(bars, "storm")
    share = stormy[269:].mean()
    assert 0.15 < share < 0.35
    assert stormy[state == 0].mean() < 0.05
    assert stormy[state == 2].mean() > 2 * share
    assert stormy[latch == 1].mean() > 2 * share


@given(st.lists(st.floats(0.5, 2.0), min_size=0, max_size=60))
@settings(max_examples=40)
def test_bounded_whatever_the_prices(factors: list[float]) -> None:
    close = 100 * np.cumprod(np.array(factors, dtype=float))
    for spec, low, high in (
        ("vol_rank(3, 5)", 0, 1),
        ("vol_regime(3, 5)", 0, 2),
        ("efficiency_ratio(4)", 0, 1),
        ("trend_regime(5)", -1, 1),
        ("return_shock(5)", -100, 100),
        ("storm(2, 5)", 0, 1),
        ("cusum_event(3, 1.0)", -1, 1),
        ("change_probability(2, 10.0, 8, 4)", 0, 1),
        ("run_length(10.0, 8, 4)", 0, 8),
    ):
        bound = resolve(spec)
        values = bound.feature.function(close, **bound.parameters)
        assert values.shape == close.shape
        values = values[warmup(spec) :]
        assert ((values >= low) & (values <= high)).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("storm(10, 5)", "'storm' needs fast < slow"),
        ("storm(enter=1.0, leave=2.0)", "needs leave <= enter"),
        ("vol_regime(low=0.9, high=0.1)", "needs low <= high"),
        ("change_probability(recent=300)", "needs recent < most"),
        ("trend_tstat(2)", "window must be between 3 and 10000, got 2"),
    ],
)
def test_parameters_are_checked(spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(spec)
    assert message in str(caught.value)


def test_they_are_one_family() -> None:
    assert {get(resolve(s).feature.name).family for s in SPECS} == {"regime"}
