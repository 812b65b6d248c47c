"""What stands beside a run's measures: it reconciles with the run, and says nothing where there is nothing to say."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import simulate
from workbench.config import BacktestParameters, Settings
from workbench.data import load_bars
from workbench.pipeline import run_backtest
from workbench.pipeline.evidence import Result, account_of, paid_share
from workbench.pipeline.room import capacity_of, traded_by_symbol
from workbench.pipeline.states import crises_of, regimes_of
from workbench.tracking import RunRecord

NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return load_bars("regimes(seed=4, n_bars=900)", ["A", "B"], "1d")


@pytest.fixture(scope="module")
def result(bars: pd.DataFrame):
    rng = np.random.default_rng(3)
    targets = pd.DataFrame(rng.uniform(-0.5, 0.5, (900, 2)), index=bars.index, columns=["A", "B"])
    return simulate(targets, bars)


def test_what_each_symbol_traded_adds_up_to_what_was_traded(result) -> None:
    np.testing.assert_allclose(traded_by_symbol(result).sum(axis=1), result.traded, rtol=1e-10, atol=1e-14)
    cost = paid_share(result).sum() / result.traded.sum()
    assert cost == pytest.approx(7e-4, rel=1e-3)  # 5 bps fee and 2 bps slippage
    account = account_of(Result(result))
    np.testing.assert_allclose(account["equity"] * result.initial_cash, result.equity, rtol=1e-9)
    np.testing.assert_allclose(account["net"], result.positions.sum(axis=1))


def test_capacity_falls_with_capital_and_needs_volume(result, bars: pd.DataFrame) -> None:
    curve, found = capacity_of(result.returns, traded_by_symbol(result), bars)
    assert curve["annual_return"].is_monotonic_decreasing
    assert curve["participation"].is_monotonic_increasing
    assert set(found) == {"capacity_break_even", "capacity_best"}
    without, nothing = capacity_of(result.returns, traded_by_symbol(result), bars[["open", "close"]])
    assert without.empty
    assert nothing == {}


def test_market_states_reconcile_and_know_nothing_later(result, bars: pd.DataFrame) -> None:
    table = regimes_of(result.returns, bars)
    total = table[table["regime"] == "total"]["log_return"].iloc[0]
    assert total == pytest.approx(np.log1p(result.returns).sum())
    known = table[table["regime"].isin(["calm", "normal", "wild"])]
    assert known["n_bars"].sum() < len(bars)
    assert regimes_of(result.returns.iloc[:30], bars.iloc[:30]).empty
    later = bars.copy()
    later.iloc[700:] *= 5.0
    before = result.returns.iloc[:700]
    pd.testing.assert_frame_equal(regimes_of(before, bars), regimes_of(before, later))


def test_a_crisis_is_shown_where_the_bars_cover_it(result) -> None:
    table = crises_of(result.returns, result.returns * 0.5)
    assert "Covid 2020" in set(table["name"])
    assert (table["first"] <= table["last"]).all()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    from workbench.config import load_settings

    folder = tmp_path_factory.mktemp("evidence")
    settings: Settings = load_settings({"WORKBENCH_HOME": str(folder)})
    parameters = BacktestParameters(
        source="planted(strength=0.7, seed=8, n_bars=900)",
        symbols=["P"],
        features=["ret(1)", "volume_z(20)"],
        horizon=1,
        train_size=300,
        test_size=150,
        rule="sign",
        replicates=200,
        null_draws=40,
        cpcv_groups=4,
        capital=10_000.0,
        execution=["half_spread(1)", "stop_loss(0.08)", "widen_stops()", "max_loss(0.15)"],
    )
    return run_backtest(parameters, settings, now=NOW)


@pytest.mark.slow
def test_a_planted_signal_beats_luck_and_says_by_how_much(record: RunRecord) -> None:
    intervals = record.frame("intervals").set_index("metric")
    sharpe = intervals.loc["sharpe_ratio"]
    assert sharpe["low"] > 0
    assert sharpe["value"] == pytest.approx(record.metrics["sharpe_ratio"], rel=1e-9)
    nulls = record.frame("nulls")
    assert (nulls["p_value"] <= 2 / 41).all()
    assert set(record.frame("null_draws")["null"]) == set(nulls["null"])
    assert record.metrics["break_even_bps"] > record.metrics["cost_bps"] > 0
    assert record.frame("paths").shape[1] == 3
    assert set(record.frame("fills")["reason"]) <= {"order", "stop"}


@pytest.mark.slow
def test_stops_are_the_strategys_and_costs_are_everyones(record: RunRecord) -> None:
    assert record.baselines["buy_and_hold"]["total_slippage"] > 0
    assert "stop_loss(0.08)" in record.parameters["execution"]
    assert record.metrics["final_equity"] == pytest.approx(10_000 * (1 + record.metrics["total_return"]), rel=1e-9)
