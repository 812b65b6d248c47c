"""Regimes: sums reconcile, labels never look ahead, crises where the bars cover them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import risk
from workbench.backtest.statistics.regimes import (
    CRISES,
    crisis_table,
    split_by_regime,
    trend_regimes,
    volatility_regimes,
)
from workbench.errors import ConfigError, DataError


@given(st.lists(st.tuples(st.floats(-0.9, 2), st.sampled_from(["a", "b", "c", None])), min_size=2, max_size=40))
@settings(max_examples=30)
def test_regimes_add_up_to_the_total(rows):
    returns, labels = np.array([r for r, _ in rows]), [label for _, label in rows]
    table = split_by_regime(returns, labels, pnl=returns * 7, periods_per_year=252)
    parts, total = table.drop(index="total"), table.loc["total"]
    for name in ("n_bars", "share", "log_return", "pnl"):
        assert parts[name].sum() == pytest.approx(total[name], abs=1e-9)
    assert np.prod(1 + parts["total_return"]) == pytest.approx(1 + total["total_return"])
    assert np.expm1(total["log_return"]) == pytest.approx(risk.total_return(returns))


def test_figures_are_those_of_the_bars_of_a_regime():
    table = split_by_regime([0.1, -0.05, 0.02, 0.0], ["up", "down", "up", "down"], periods_per_year=12)
    assert table.index.tolist() == ["up", "down", "total"]
    up = np.array([0.1, 0.02])
    assert table.loc["up", "sharpe_ratio"] == pytest.approx(risk.sharpe_ratio(up, periods_per_year=12))
    assert table.loc["up", "annual_return"] == pytest.approx(risk.annual_return(up, periods_per_year=12))
    assert table.loc["down", "hit_rate"] == 0.0
    single = split_by_regime([0.1, 0.2, -1.0], ["a", "b", "b"], periods_per_year=12)
    assert np.isnan(single.loc["a", "sharpe_ratio"])
    assert single.loc["b", "log_return"] == -np.inf


@pytest.mark.parametrize("label", [volatility_regimes, trend_regimes])
def test_labels_know_nothing_of_their_own_bar_or_later_ones(label, rng):
    close = pd.Series(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 300))))
    whole = label(close, window=20)
    for cut in (25, 60, 151, 299):
        other = close.copy()
        other.iloc[cut:] *= rng.uniform(0.1, 10, 300 - cut)
        changed = label(other, window=20)
        assert changed.iloc[: cut + 1].tolist() == whole.iloc[: cut + 1].tolist()
    assert label(close.to_numpy(), window=20).tolist() == whole.tolist()
    assert whole.index.equals(close.index)


def test_volatility_labels_by_a_plain_loop(rng):
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 80) * np.repeat([1, 3, 1, 5], 20)))
    steps = np.diff(np.log(close))
    known, expected = [], []
    for t in range(80):
        if t >= 6:  # five steps lie between the six closes before the bar
            known.append(steps[t - 6 : t - 1].std(ddof=1))
        if len(known) < 12:
            expected.append("unknown")
        else:
            low, high = np.quantile(known, [1 / 3, 2 / 3])
            expected.append("calm" if known[-1] <= low else "normal" if known[-1] <= high else "wild")
    assert volatility_regimes(close, window=5, least_history=12).tolist() == expected
    assert set(expected) == {"unknown", "calm", "normal", "wild"}
    by_default = volatility_regimes(close, window=5)
    assert (by_default == "unknown").sum() == 6 + 19  # twenty volatilities before the first label
    assert (volatility_regimes(np.r_[close, close], window=25) == "unknown").sum() == 26 + 24


def test_labels_with_times_are_put_to_their_bars():
    times = pd.date_range("2024-01-01", periods=4, freq="D", tz="UTC")
    returns = pd.Series([0.1, 0.2, -0.1, 0.0], times)
    labels = pd.Series(["b", "a", "a"], times[[2, 0, 1]])
    table = split_by_regime(returns, labels)
    assert table["share"].to_dict() == {"a": 0.5, "b": 0.25, "unknown": 0.25, "total": 1.0}
    assert table.loc["a", "log_return"] == pytest.approx(np.log(1.1 * 1.2))
    by_place = split_by_regime(returns.to_numpy(), pd.Series(["a", "a", "b", "b"], times[::-1]), periods_per_year=365)
    assert by_place.loc["b", "log_return"] == pytest.approx(np.log(0.9))
    assert split_by_regime([0.1], ["a"], periods_per_year=1)["n_bars"].tolist() == [1, 1]


def test_trend_labels_by_hand():
    assert trend_regimes([1.0, 2.0, 4.0, 3.0, 3.0, 3.0], window=2).tolist() == [
        "unknown", "unknown", "up", "up", "down", "down",
    ]  # fmt: skip


def test_planted_spells_get_their_names(rng):
    size = np.repeat([0.005, 0.01, 0.05, 0.002], 300)
    close = 100 * np.exp(np.cumsum(rng.normal(size=1200) * size))
    labels = volatility_regimes(close, window=30)
    assert (labels[:60] == "unknown").all()
    assert pd.Series(labels[650:900]).value_counts().index[0] == "wild"
    assert (labels[640:900] == "wild").mean() > 0.9
    assert (labels[940:] == "calm").mean() > 0.9
    rise = trend_regimes(np.concatenate([np.linspace(1, 2, 100), np.linspace(2, 1, 100)]), window=10)
    assert (rise[:10] == "unknown").all()
    assert (rise[11:100] == "up").all()
    assert (rise[120:] == "down").all()


def test_crises_are_in_order_and_only_those_that_bars_cover():
    assert all(pd.Timestamp(c.start) <= pd.Timestamp(c.end) for c in CRISES)
    assert len({c.name for c in CRISES}) == len(CRISES)
    times = pd.date_range("2022-05-10", "2022-11-30 23:00", freq="h", tz="UTC")
    returns = pd.Series(0.0, times)
    returns["2022-05-12 05:00"] = -0.5
    returns["2022-05-12 06:00"] = 0.2
    table = crisis_table(returns, pd.DataFrame({"hold": -returns})).set_index("crisis")
    assert table.index.tolist() == ["Luna 2022", "Lenders 2022", "FTX 2022"]
    luna = table.loc["Luna 2022"]
    assert luna["total_return"] == pytest.approx(-0.4)
    assert luna["max_drawdown"] == pytest.approx(0.5)
    assert luna["hold"] == pytest.approx(1.5 * 0.8 - 1)
    assert luna["covered"] == pytest.approx(4 / 7)
    assert luna["n_bars"] == 96
    assert table.loc["FTX 2022", "covered"] == 1.0
    assert table.loc["FTX 2022", "n_bars"] == 16 * 24
    assert table.loc["FTX 2022", "end"] == pd.Timestamp("2022-11-21 23:00", tz="UTC")
    gap = returns.copy()
    gap.iloc[5] = np.nan
    assert crisis_table(gap, pd.DataFrame({"hold": gap})).set_index("crisis").loc["Luna 2022", "n_bars"] == 96
    assert crisis_table(gap).loc[0, "total_return"] == pytest.approx(-0.4)
    with pytest.raises(DataError, match="DatetimeIndex, got Series"):
        crisis_table(pd.Series([0.1]))
    assert crisis_table(returns["2022-07-01":"2022-07-31"]).empty


def test_real_crypto_fell_when_it_is_said_to_have_fallen(shared_data):
    path = shared_data / "ohlcv" / "binance" / "BTCUSDT-1h.parquet"
    if not path.exists():
        pytest.skip(f"no market data: {path.name} is missing")
    close = pd.read_parquet(path)["close"]
    table = crisis_table(close.pct_change()).set_index("crisis")
    crypto = table[table.index.str.contains("Crypto|Luna|Lenders|FTX")]
    assert (crypto["total_return"] < 0).all()
    assert table.loc["Crypto crash 2020", "max_drawdown"] > 0.45
    labels = volatility_regimes(close)
    split = split_by_regime(close.pct_change().fillna(0.0), labels)
    assert split.loc["wild", "annual_volatility"] > split.loc["calm", "annual_volatility"]


def test_bad_input_is_named():
    with pytest.raises(DataError, match="one label for each return, got \\(2,\\) labels and \\(3,\\)"):
        split_by_regime([0.1, 0.1, 0.1], ["a", "b"], periods_per_year=1)
    with pytest.raises(DataError, match="a return is missing"):
        split_by_regime([0.1, np.nan], ["a", "b"], periods_per_year=1)
    with pytest.raises(DataError, match="'total' is the name of the sum"):
        split_by_regime([0.1, 0.1], ["a", "total"], periods_per_year=1)
    with pytest.raises(DataError, match="pnl must be of the shape"):
        split_by_regime([0.1, 0.1], ["a", "b"], pnl=[1], periods_per_year=1)
    with pytest.raises(ConfigError, match="window must be at least 2"):
        trend_regimes([1.0, 2.0], window=1)
    with pytest.raises(ConfigError, match="least_history must be at least 3"):
        volatility_regimes([1.0, 2.0], window=2, least_history=1)
    with pytest.raises(DataError, match="prices above 0"):
        volatility_regimes([1.0, 0.0], window=2)
    with pytest.raises(DataError, match="Series with a DatetimeIndex, got list"):
        crisis_table([0.1])
