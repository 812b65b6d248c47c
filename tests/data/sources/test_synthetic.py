"""Markets with a known truth keep what their docstrings promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.data import check_bars, content_hash, load_dataset, synthetic_market
from workbench.errors import ConfigError

SPECS = [
    "gbm(seed=5, n_bars=3000)",
    "regimes(seed=5, n_bars=3000)",
    "planted(seed=5, n_bars=3000, strength=0.5)",
    "trending(seed=5, n_bars=3000)",
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d", "1w"])
def test_bars_pass_the_door_and_follow_without_a_gap(spec: str, timeframe: str) -> None:
    bars, truth = synthetic_market(spec, ["A", "BTC/USDT"], timeframe)
    check_bars(bars)
    assert len(bars) == len(truth) == 3000
    assert (np.diff(bars.index.asi8) == np.diff(bars.index.asi8)[0]).all()
    np.testing.assert_array_equal(bars["close"].to_numpy()[:-1], bars["open"].to_numpy()[1:])


@pytest.mark.parametrize("spec", SPECS)
def test_the_same_arguments_give_the_same_bars(spec: str) -> None:
    again = [content_hash(synthetic_market(spec, ["A"], "1h")[0]) for _ in range(2)]
    other = content_hash(synthetic_market(spec.replace("seed=5", "seed=6"), ["A"], "1h")[0])
    assert again[0] == again[1] != other


def test_a_symbol_keeps_its_stream_when_others_join() -> None:
    alone, _ = synthetic_market("gbm(seed=1, n_bars=100)", ["A"], "1h")
    joined, _ = synthetic_market("gbm(seed=1, n_bars=100)", ["B", "A"], "1h")
    pd.testing.assert_series_equal(alone[("close", "A")], joined[("close", "A")])
    assert not np.allclose(joined[("close", "A")], joined[("close", "B")])


def test_gbm_has_the_stated_drift_and_volatility() -> None:
    bars, _ = synthetic_market("gbm(seed=2, n_bars=200000, drift=0.4, volatility=0.5)", ["A"], "1h")
    returns = np.log(bars[("close", "A")] / bars[("open", "A")])
    years = len(bars) / 8760
    assert returns.std() * np.sqrt(8760) == pytest.approx(0.5, rel=0.01)
    mean = returns.mean() * 8760
    assert mean == pytest.approx(0.4 - 0.5**2 / 2, abs=4 * 0.5 / np.sqrt(years))


def test_high_and_low_follow_the_law_of_a_brownian_path() -> None:
    """The maximum of a Brownian path over one bar is distributed as |N(0, sigma²)| (reflection principle)."""
    bars, _ = synthetic_market("gbm(seed=2, n_bars=100000, volatility=0.5)", ["A"], "1h")
    variance = 0.5**2 / 8760
    up = np.log(bars[("high", "A")] / bars[("open", "A")])
    assert (up**2).mean() == pytest.approx(variance, rel=0.02)
    assert up.mean() == pytest.approx(np.sqrt(2 * variance / np.pi), rel=0.02)


@pytest.mark.parametrize("strength", [0.0, 0.1, 0.7, -0.5, 1.0])
def test_planted_truth_has_its_correlation_and_its_closed_form_accuracy(strength: float) -> None:
    n_bars = 40000
    bars, truth = synthetic_market(f"planted(strength={strength}, seed=11, n_bars={n_bars})", ["A"], "1h")
    signal = truth[("signal", "A")].to_numpy()[:-2]
    open_ = bars[("open", "A")].to_numpy()
    following = np.log(open_[2:] / open_[1:-1])  # decided on close t, filled at open t+1, sold at open t+2
    noise = 4 / np.sqrt(n_bars)
    assert np.corrcoef(signal, following)[0, 1] == pytest.approx(strength, abs=noise)
    right = (np.sign(signal) == np.sign(following)).mean()
    assert right == pytest.approx(0.5 + np.arcsin(strength) / np.pi, abs=noise)


def test_returns_of_a_trend_correlate_as_the_closed_form_says() -> None:
    strength, halflife = 0.5, 20.0
    bars, truth = synthetic_market(f"trending(strength={strength}, halflife={halflife}, seed=4, n_bars=40000)", ["A"])
    returns = np.log(bars["close"]["A"] / bars["open"]["A"]).to_numpy()
    for lag in (1, 10, 20):
        measured = np.corrcoef(returns[:-lag], returns[lag:])[0, 1]
        assert measured == pytest.approx(strength**2 * 0.5 ** (lag / halflife), abs=0.025)
    shown = np.corrcoef(truth["trend"]["A"].to_numpy()[:-1], returns[1:])[0, 1]
    assert shown == pytest.approx(strength, abs=0.02)
    with pytest.raises(ConfigError, match="0 <= strength <= 1"):
        synthetic_market("trending(strength=-0.1)")


def test_the_planted_signal_is_read_from_relative_volume() -> None:
    bars, truth = synthetic_market("planted(strength=0.7, seed=11, n_bars=5000)", ["A"], "1h")
    volume = bars[("volume", "A")]
    score = ((volume - volume.rolling(20).mean()) / volume.rolling(20).std()).dropna()
    signal = truth[("signal", "A")].loc[score.index]
    assert score.corr(signal) > 0.9
    assert (np.sign(score) == np.sign(signal)).mean() > 0.9
    open_ = bars[("open", "A")]
    following = (open_.shift(-2) / open_.shift(-1) - 1).loc[score.index[:-2]]
    assert (np.sign(score.iloc[:-2]) == np.sign(following)).mean() > 0.71


def test_regimes_differ_in_volatility_and_name_their_jumps() -> None:
    bars, truth = synthetic_market("regimes(seed=4, n_bars=50000, jump_rate=50)", ["A"], "1h")
    returns = np.log(bars[("close", "A")] / bars[("open", "A")])
    storm = truth[("regime", "A")] == 1
    assert 0.1 < storm.mean() < 0.4
    assert returns[storm].std() > 2 * returns[~storm].std()
    jumps = truth[("jump", "A")] != 0
    assert jumps.sum() == pytest.approx(50 * 50000 / 8760, rel=0.25)
    assert abs(returns[jumps]).mean() > 2 * abs(returns[~jumps]).mean()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("plantd(seed=1)", "Did you mean 'planted'"),
        ("planted(strenght=1)", "Did you mean 'strength'"),
        ("planted(strength=1.5)", "-1 <= strength <= 1"),
        ("gbm(volatility=0)", "volatility"),
        ("gbm(n_bars=1)", "n_bars must be a whole number from 2"),
        ("gbm(n_bars=1.5)", "whole number"),
        ("gbm(seed=-1)", "seed must be a whole number from 0"),
        ("gbm(seed=True)", "whole number"),
        ("gbm(drift='up')", "finite number"),
        ("gbm(1, seed=2)", "given twice"),
        ("gbm(1, 10, 0, 1, 2)", "at most 4 arguments"),
        ("regimes(persistence=1)", "persistence"),
    ],
)
def test_bad_arguments_are_one_line(spec: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as told:
        synthetic_market(spec, ["A"])
    assert "\n" not in str(told.value)


def test_a_dataset_of_a_market_is_named_by_its_canonical_spec() -> None:
    data = load_dataset("planted(seed=7, strength=0.2, n_bars=500)", ["B", "A"], "4h", end="2020-01-05")
    assert data.name == "planted(n_bars=500, seed=7, strength=0.2):4h:A+B"
    assert data.version == "synthetic-1"
    assert data.bars.index[-1] == pd.Timestamp("2020-01-04 20:00", tz="UTC")
