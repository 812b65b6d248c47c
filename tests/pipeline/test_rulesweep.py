"""A sweep as a run: noise refused and a planted trend accepted over seeds, every cell counted, seals kept."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import SWEEP_RULES
from workbench.backtest.execution import Execution
from workbench.config import Settings, SweepParameters, TrainParameters
from workbench.data import load_bars
from workbench.errors import ConfigError
from workbench.pipeline import run_sweep
from workbench.pipeline.keeping import ended
from workbench.pipeline.lockbox import open_data
from workbench.pipeline.ruled import Terms, trade_baselines, trade_targets
from workbench.pipeline.rulesweep import best_cell, evaluate_sweep, rule_and_grid, sweep_findings
from workbench.tracking import TrialsLedger, read_record

NOW = datetime(2024, 3, 1, tzinfo=UTC)
THOUSAND = ["fast 1..40..2", "slow 45..290..5"]
FEW = ["fast 5, 10", "slow 20, 40, 80"]
SHARED = {"source", "symbols", "timeframe", "start", "end", "experiment"}


def small(strength: float, seed: int, **changes: object) -> SweepParameters:
    values: dict[str, object] = {
        "source": f"trending(strength={strength}, seed={seed}, n_bars=2500, volatility=0.3)",
        "symbols": ["TREND"],
        "grid": FEW,
        "replicates": 100,
        "keep_cells": 1,
    }
    return SweepParameters(**(values | changes))  # type: ignore[arg-type]


def silent(share: float, words: str) -> None:
    """Report to nobody."""


def findings(parameters: SweepParameters, settings: Settings):
    return sweep_findings(evaluate_sweep(parameters, settings, NOW, silent), settings, NOW, "run", silent)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_best_of_a_thousand_cells_of_noise_is_refused(settings: Settings, seed: int) -> None:
    found = findings(small(0.0, seed, grid=THOUSAND), settings)
    refused = {g["name"] for g in found.verdict["gates"] if not g["passed"]}
    assert found.metrics["n_trials"] == 1000
    assert 1 < found.metrics["n_effective_trials"] < 100
    assert "deflated_sharpe_ratio" in refused
    assert 0 <= found.metrics["probability_of_backtest_overfitting"] <= 1
    assert found.metrics["deflated_sharpe_ratio"] > found.metrics["deflated_sharpe_ratio_all_trials"]
    assert len(found.frames["pbo"]) == 12_870


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_best_of_a_thousand_cells_of_a_planted_trend_is_accepted(settings: Settings, seed: int) -> None:
    found = findings(small(0.3, seed, grid=THOUSAND), settings)
    assert found.verdict["passed"], found.verdict
    assert found.metrics["probability_of_backtest_overfitting"] < 0.5
    assert found.metrics["sharpe_ratio"] > found.metrics["expected_max_sharpe_ratio"]


@pytest.mark.slow
def test_every_cell_is_counted_once_and_the_record_holds_what_reports_draw(settings: Settings) -> None:
    first = run_sweep(small(0.2, 5), settings, now=NOW)
    assert (first.trial["n_trials"], first.trial["n_cells"], first.trial["n_new"]) == (6, 6, 6)
    again = run_sweep(small(0.2, 5, grid=["fast 5", "slow 20, 40, 80, 160"]), settings, now=NOW)
    assert (again.trial["n_trials"], again.trial["n_new"]) == (7, 1)
    kept = read_record(first.run_id, settings)
    for name in (
        "returns",
        "positions",
        "fills",
        "trades",
        "costs",
        "cells",
        "pbo",
        "degradation",
        "trials",
        "account",
    ):
        assert kept.has(name), name
    cells = kept.frame("cells")
    assert list(cells.columns[:2]) == ["fast", "slow"]
    best = cells["sharpe_ratio"].idxmax()
    assert cells.loc[best, "sharpe_ratio"] == pytest.approx(kept.metrics["sharpe_ratio"], rel=1e-9)
    assert cells.loc[best, "low"] < cells.loc[best, "sharpe_ratio"] < cells.loc[best, "high"]
    assert kept.environment["best"] == f"fast {cells.loc[best, 'fast']}, slow {cells.loc[best, 'slow']}"


@pytest.mark.slow
def test_symbols_are_accounts_of_their_own_and_agree_with_the_sweep(settings: Settings) -> None:
    parameters = small(0.2, 6, symbols=["A", "B", "C"], grid=["fast 5", "slow 40"])
    swept = evaluate_sweep(parameters, settings, NOW, silent)
    portfolio, accounts = swept.result.portfolio.iloc[0], swept.accounts
    summary = accounts.summary(0.95)
    for name in ("total_return", "sharpe_ratio", "max_drawdown", "turnover"):
        assert portfolio[name] == pytest.approx(summary[name], rel=1e-8), name
    assert portfolio["n_trades"] == len(accounts.rows("trades"))
    assert set(accounts.rows("fills")["symbol"]) == {"A", "B", "C"}
    held = accounts.positions.abs().sum(axis=1)
    assert held.max() <= 1 + 1e-9


@pytest.mark.slow
def test_sealed_bars_are_not_loaded_and_a_second_look_is_refused(settings: Settings) -> None:
    closed = small(0.3, 8, lockbox_share=0.25, experiment="trend")
    first = run_sweep(closed, settings, now=NOW)
    whole = load_bars(closed.source, closed.symbols, closed.timeframe).index
    assert pd.Timestamp(first.dataset["last"]) < whole[int(len(whole) * 0.75)]
    assert "lockbox_openings" not in first.metrics
    opened = closed.model_copy(update={"open_lockbox": True})
    looks = [run_sweep(opened, settings, now=NOW) for _ in range(2)]
    assert [r.trial["lockbox_openings"] for r in looks] == [1, 2]
    assert looks[0].run_id[:12] in looks[1].trial["lockbox_opened_by"][0]
    refused = {g["name"] for g in looks[1].verdict["gates"] if not g["passed"]}
    assert "lockbox_openings" in refused
    assert looks[0].metrics["lockbox_n_bars"] == len(whole) - int(len(whole) * 0.75)
    smaller = run_sweep(closed.model_copy(update={"lockbox_share": 0.1}), settings, now=NOW)
    assert smaller.dataset["last"] == first.dataset["last"]
    for own in (closed.model_copy(update={"lockbox_share": 0.0}), TrainParameters(**closed.model_dump(include=SHARED))):
        found = open_data(own, settings, NOW)
        assert found.dataset.bars.index[-1] == pd.Timestamp(first.dataset["last"])
        assert found.end == whole[int(len(whole) * 0.75)].isoformat()
    other = open_data(closed.model_copy(update={"lockbox_share": 0.0, "experiment": "others"}), settings, NOW)
    assert other.dataset.bars.index[-1] == whole[-1]
    assert other.end == ""
    more = open_data(closed.model_copy(update={"lockbox_share": 0.0, "symbols": ["TREND", "U"]}), settings, NOW)
    assert more.end == found.end
    third = dataclasses.replace(more, is_open=True).opening("third", settings, NOW)
    assert third["lockbox_openings"] == 3
    strange = open_data(closed.model_copy(update={"lockbox_share": 0.0, "symbols": ["U2"]}), settings, NOW)
    assert strange.end == ""


def test_a_lockbox_must_be_sealed_before_it_is_opened(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="set lockbox_share"):
        run_sweep(small(0.0, 1, open_lockbox=True), settings, now=NOW)
    assert TrialsLedger(settings.ledger_path).datasets() == {}


@pytest.mark.parametrize(
    ("rule", "grid", "words"),
    [
        ("sma_crosover", FEW, "Did you mean 'sma_crossover'"),
        ("sma_crossover", ["fst 5"], "Did you mean 'fast'"),
        ("sma_crossover", ["fast 50", "slow 20"], "accepts none of the grid's 1 combinations"),
        ("momentum", ["window 1..100000", "threshold 0..1..0.01"], "more than 1,000,000"),
    ],
)
def test_what_cannot_be_swept_is_named(rule: str, grid: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        rule_and_grid(rule, grid)


def test_combinations_that_the_rule_refuses_are_left_out() -> None:
    function, cells = rule_and_grid("sma_crossover", ["fast 5, 30", "slow 20, 40"])
    assert function is SWEEP_RULES["sma_crossover"].function
    assert cells == [{"fast": 5, "slow": 20}, {"fast": 5, "slow": 40}, {"fast": 30, "slow": 40}]


def test_a_cell_without_a_sharpe_ratio_is_not_the_best() -> None:
    table = pd.DataFrame(
        {
            "sharpe_ratio": [np.nan, -0.5, 0.2],
            "total_return": [0.0, 0.5, 0.1],
            "max_drawdown": [0.0, 0.1, 0.2],
        }
    )
    assert best_cell(table, "sharpe_ratio") == 2
    assert best_cell(table, "calmar_ratio") == 1
    assert best_cell(table, "total_return") == 1


def test_the_calmar_ratio_is_of_the_annual_return() -> None:
    """+200 % with a fall of 40 % is more per fall than +30 % with 7 % in all, and less a year over five years."""
    table = pd.DataFrame({"total_return": [2.0, 0.3], "max_drawdown": [0.40, 0.07]})
    assert best_cell(table, "calmar_ratio", years=1.0) == 0
    assert best_cell(table, "calmar_ratio", years=5.0) == 1
    assert (3.0**0.2 - 1) / 0.40 < (1.3**0.2 - 1) / 0.07


def test_accounts_pay_shares_of_their_own_cash_and_remember_the_bars_before_them() -> None:
    bars = load_bars("trending(strength=0.2, seed=5, n_bars=400)", ["A", "B"])
    execution = Execution(slippage_bps=0.0, volatility_slippage=1.0)
    terms = Terms(5.0, 0.0, "on_change", 100.0, 1.0, execution)
    tested = bars.iloc[300:]
    ones = tested["close"] * 0.0 + 1.0
    held, forgetful = trade_targets(bars, ones, terms), trade_targets(tested, ones, terms)
    assert forgetful.costs["slippage"].sum() == 0.0  # no volatility is known at the first bars
    sigma = bars["close"].pct_change().rolling(20).std().iloc[300]  # of the bar at whose close it is decided
    fills = held.rows("fills").set_index("symbol")
    assert (fills["slippage"] / (fills["value"] - fills["slippage"])).to_dict() == pytest.approx(sigma.to_dict())
    paid = fills[["fee", "slippage"]].sum() / 200.0
    assert held.costs[["fee", "slippage"]].sum().to_dict() == pytest.approx((paid * 100.0).to_dict())
    assert held.summary(0.95)["total_fee"] == pytest.approx(paid["fee"])


def test_a_symbol_that_stops_trading_while_held_is_named() -> None:
    bars = load_bars("trending(strength=0.2, seed=5, n_bars=200)", ["A", "B"])
    bars.loc[bars.index[120] :, pd.IndexSlice[:, "B"]] = np.nan
    held = trade_targets(bars, bars["close"] * 0.0 + 1.0, Terms(5.0, 2.0, "on_change", 1.0, 1.0, None))
    assert held.stale == {"B": bars.index[119]}
    assert ended(held.stale) == {"marked to their last price": f"B since {bars.index[119]:%Y-%m-%d %H:%M}"}
    assert ended({}) == {}


def test_holding_is_left_to_drift_and_equal_weight_is_not() -> None:
    bars = load_bars("trending(strength=0.2, seed=9, n_bars=600)", ["A", "B"])
    found = trade_baselines(bars, Terms(5.0, 2.0, "on_change", 1.0, 1.0, None))
    closes, opens = bars["close"].iloc[-1], bars["open"].iloc[1]
    by_hand = ((1 - 5e-4) / (1 + 2e-4) * closes / opens).mean() - 1
    held, equal = found["buy_and_hold"], found["equal_weight"]
    assert (1 + held.returns).prod() - 1 == pytest.approx(by_hand, rel=1e-3)
    assert held.summary(0.95)["n_fills"] == 2
    assert equal.summary(0.95)["turnover"] > 10 * held.summary(0.95)["turnover"]
