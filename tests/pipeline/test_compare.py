"""Two runs beside each other: a planted change is the only difference, and the parts of the profit add up."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from workbench.backtest import simulate
from workbench.config import BacktestParameters, Settings
from workbench.data import load_bars, load_dataset
from workbench.errors import ArtifactError, ConfigError
from workbench.pipeline import ladder
from workbench.pipeline.attribution import decompose, match_trades, profits_of, table_of
from workbench.pipeline.compare import Comparison, compare_runs
from workbench.pipeline.lockbox import UsableBars
from workbench.pipeline.run import run_backtest
from workbench.tracking import RunRecord, TrialsLedger, write_record

NOW = datetime(2024, 3, 1, tzinfo=UTC)
MARKET = "planted(strength=0.7, seed=7, n_bars=1500)"
SMALL: dict[str, Any] = {
    "source": MARKET,
    "symbols": ["PLANTED"],
    "features": ["ret(1)", "volume_z(20)"],
    "horizon": 1,
    "train_size": 500,
    "test_size": 250,
    "replicates": 100,
    "null_draws": 0,
}


def simulated(
    run_id: str, targets: np.ndarray, finished: str = "2024-03-01T02:00:00+00:00", **changes: Any
) -> RunRecord:
    """A record with the frames of a real simulation over two symbols."""
    bars = load_bars("gbm(seed=3, n_bars=60)", ["X", "Y"])
    close = pd.DataFrame(bars["close"])
    panel = pd.DataFrame(targets, index=close.index, columns=close.columns)
    result = simulate(panel, bars, fee_bps=changes.pop("fee_bps", 5.0), slippage_bps=2.0, rebalance="on_change")
    record = RunRecord(
        run_id=run_id,
        notebook="backtest",
        name="two symbols",
        started="2024-03-01T01:00:00+00:00",
        finished=finished,
        parameters={"capital": 1.0, "model": "logistic"},
        dataset={"name": "gbm", "version": "1", "content_hash": "c0ffee", "symbols": ["X", "Y"]},
        metrics={"sharpe_ratio": 1.0, "calmar_ratio": math.nan},
        environment={"git": "abc", "versions": {"numpy": "2"}},
        frames={
            "returns": result.returns.rename("strategy").to_frame(),
            "positions": result.positions,
            "fills": result.fills,
            "trades": result.trades,
            "costs": result.costs,
        },
    )
    return dataclasses.replace(record, **changes)


def blocks(seed: int) -> np.ndarray:
    """Targets that stand for five bars each, so that trades are few."""
    draws = np.random.default_rng(seed).choice([-0.5, 0.0, 0.5], size=(12, 2))
    return np.repeat(draws, 5, axis=0)


@pytest.fixture
def compared(settings: Settings) -> Callable[[RunRecord, RunRecord], Comparison]:
    def compare(a: RunRecord, b: RunRecord) -> Comparison:
        write_record(a, settings)
        write_record(b, settings)
        return compare_runs(a.run_id, b.run_id, settings)

    return compare


def test_a_planted_one_trade_change_is_the_only_difference(
    compared: Callable[[RunRecord, RunRecord], Comparison],
) -> None:
    """One more trade at the end: nothing before it differs, and it explains the whole difference."""
    targets = blocks(1)
    targets[40:] = 0.0
    planted = targets.copy()
    planted[50:55, 0] = 0.5
    found = compared(simulated("a", targets), simulated("b", planted))
    differing = found.frames["trade_differences"]
    assert differing[["symbol", "side", "kind"]].to_numpy().tolist() == [["X", "long", "only_b"]]
    assert set(found.frames["differences"]["section"]) == {"trades", "returns"}
    explained = found.frames["attribution"].set_index("source")["pnl"]
    assert explained["trades only in B"] == pytest.approx(found.metrics["pnl_difference"], abs=1e-12)
    assert explained.drop("trades only in B").abs().max() < 1e-12
    assert found.frames["decomposition"].query("view == 'symbol' and source == 'Y'")["pnl"].abs().max() < 1e-12
    assert found.metrics["n_same"] == len(simulated("a", targets).frames["trades"])
    assert not found.equal


def test_the_same_run_twice_differs_in_nothing(compared: Callable[[RunRecord, RunRecord], Comparison]) -> None:
    found = compared(simulated("a", blocks(1)), simulated("b", blocks(1)))
    assert found.equal
    assert found.frames["differences"].empty
    assert found.metrics["pnl_difference"] == 0
    assert found.metrics["returns_correlation"] == pytest.approx(1.0)
    assert found.summary().endswith("nothing differs")


@given(seeds=st.tuples(st.integers(0, 999), st.integers(0, 999)), fee=st.floats(0, 50), cut=st.integers(0, 30))
@examples(max_examples=15, deadline=None)
def test_the_parts_of_every_view_add_up_to_the_difference(seeds: tuple[int, int], fee: float, cut: int) -> None:
    a = profits_of(simulated("a", blocks(seeds[0])))
    other = simulated("b", blocks(seeds[1]), fee_bps=fee)
    frames = other.frames | {"returns": other.frames["returns"].iloc[cut:]} if cut else other.frames
    b = profits_of(dataclasses.replace(other, frames=frames))
    assert a.trades is not None
    assert b.trades is not None
    table = decompose(a, b, match_trades(a.trades, b.trades, pd.Timedelta("1D")))
    whole = (1 + frames["returns"]["strategy"]).prod() - (
        1 + simulated("a", blocks(seeds[0])).frames["returns"]["strategy"]
    ).prod()
    assert set(table["view"]) == {"bars", "symbol", "trades", "costs"}
    for view, part in table.groupby("view"):
        assert part["pnl"].sum() == pytest.approx(whole, abs=1e-11), view
    if not cut:
        symbols = table[table["view"] == "symbol"].set_index("source")["pnl"]
        assert "rest" not in symbols  # cash earns nothing: the symbols explain all of it
    costs = table[table["view"] == "costs"].set_index("source")["pnl"]
    assert costs["fee paid"] == pytest.approx(
        simulated("a", blocks(seeds[0])).frames["costs"]["fee"].sum() - other.frames["costs"]["fee"].sum(), abs=1e-12
    )


@pytest.mark.parametrize(("notebook", "accounts"), [("backtest", 1), ("train", 1), ("sweep", 2), ("walkforward", 2)])
def test_trades_of_a_rule_are_shares_of_all_its_accounts(notebook: str, accounts: int) -> None:
    record = simulated("a", blocks(1), notebook=notebook)
    found = profits_of(record)
    assert found.trades is not None
    assert found.costs is not None
    assert found.trades["pnl"].sum() == pytest.approx(record.frames["trades"]["pnl"].sum() / accounts)
    assert found.costs["fee"] == pytest.approx(record.frames["costs"]["fee"].sum())


def trips(*rows: tuple[str, int, float]) -> pd.DataFrame:
    start = pd.Timestamp("2024-01-01", tz="UTC")
    return pd.DataFrame(
        [
            {
                "symbol": symbol, "side": "long", "entry_time": start + pd.Timedelta(day, "D"),
                "exit_time": start + pd.Timedelta(day + 1, "D"), "entry_price": 1.0, "exit_price": 1.0 + gain,
                "pnl": gain, "return": gain,
            }
            for symbol, day, gain in rows
        ]
    )  # fmt: skip


def test_trades_are_paired_at_the_same_time_first_then_within_a_bar() -> None:
    a = trips(("X", 0, 0.1), ("X", 1, 0.2), ("X", 9, 0.3), ("Y", 5, 0.1))
    b = trips(("X", 1, 0.2), ("X", 10, 0.3), ("Y", 7, 0.1))
    table = match_trades(a, b, pd.Timedelta("1D"))
    assert table[["symbol", "kind"]].to_numpy().tolist() == [
        ["X", "only_a"], ["X", "same"], ["Y", "only_a"], ["Y", "only_b"], ["X", "changed"],
    ]  # fmt: skip
    assert match_trades(a.iloc[:0], b.iloc[:0], pd.Timedelta("1D")).empty


def test_what_a_run_was_made_with_is_told(compared: Callable[[RunRecord, RunRecord], Comparison]) -> None:
    a = simulated("a", blocks(1))
    b = simulated(
        "b",
        blocks(1),
        parameters={"capital": 1.0, "model": "lstm", "horizon": 3},
        dataset=a.dataset | {"version": "2", "content_hash": "beef"},
        environment={"git": "def", "versions": {"numpy": "3"}, "features": {"ret(1)": "ret(1) v2 x"}},
        metrics={"sharpe_ratio": 1.0 + 1e-8, "calmar_ratio": math.nan},
    )
    rows = compared(a, b).frames["differences"].set_index(["section", "field"])
    assert rows.loc[("data", "version")].tolist() == ["1", "2"]
    assert rows.loc[("code", "revision")].tolist() == ["abc", "def"]
    assert rows.loc[("libraries", "numpy")].tolist() == ["2", "3"]
    assert rows.loc[("features", "ret(1)")].tolist() == ["–", "ret(1) v2 x"]
    assert rows.loc[("parameters", "model")].tolist() == ["logistic", "lstm"]
    assert rows.loc[("parameters", "horizon")].tolist() == ["–", "3"]
    assert rows.loc[("metrics", "sharpe_ratio")].tolist() == ["1", "1.00000001"]
    assert len(rows) == 8


def test_latest_and_previous_and_wrong_names(settings: Settings) -> None:
    with pytest.raises(ArtifactError, match="no finished run to compare"):
        compare_runs("previous", "latest", settings)
    write_record(simulated("first", blocks(1)), settings)
    with pytest.raises(ArtifactError, match="no run before first to compare"):
        compare_runs("previous", "latest", settings)
    write_record(simulated("second", blocks(2), finished="2024-03-02T02:00:00+00:00"), settings)
    found = compare_runs("previous", "latest", settings)
    assert (found.a.run_id, found.b.run_id) == ("first", "second")
    with pytest.raises(ConfigError, match="are the same run"):
        compare_runs("first", "first", settings)
    with pytest.raises(ConfigError, match="needs the time now"):
        compare_runs("first", "second", settings, rerun=True)
    other = dataclasses.replace(simulated("third", blocks(2)), frames={"markets": pd.DataFrame({"x": [1]})})
    write_record(other, settings)
    with pytest.raises(ArtifactError, match="left no returns of a strategy"):
        compare_runs("first", "third", settings)


@pytest.mark.slow
def test_the_steps_from_a_to_b_add_up_and_count_nothing(home_in: Callable[[Path], Settings], tmp_path: Path) -> None:
    """Costs doubled, other features, a shorter range: each step is run, and costs alone explain what costs alone do."""
    home = home_in(tmp_path / "home")
    a = run_backtest(BacktestParameters(**SMALL), home, now=NOW)
    dear = run_backtest(BacktestParameters(**SMALL | {"fee_bps": 10.0}), home, now=NOW)
    changed = SMALL | {"fee_bps": 10.0, "features": ["ret(1)", "ret(5)"], "end": "2023-06-01", "train_size": 400}
    b = run_backtest(BacktestParameters(**changed), home, now=NOW)
    ledger = home.ledger_path.read_bytes()
    only_costs = compare_runs(a.run_id, dear.run_id, home, rerun=True, now=NOW)
    assert only_costs.frames["attribution"]["source"].tolist() == ["costs"]
    assert only_costs.frames["attribution"]["share"].tolist() == pytest.approx([1.0])
    found = compare_runs(a.run_id, b.run_id, home, rerun=True, now=NOW)
    steps = found.frames["attribution"]
    assert steps["source"].tolist() == ["data", "features and label", "folds", "costs"]
    assert steps["pnl"].sum() == pytest.approx(found.metrics["pnl_difference"], abs=1e-12)
    assert home.ledger_path.read_bytes() == ledger
    assert TrialsLedger(home.ledger_path).count(a.dataset["name"]) == 3


def test_a_view_without_a_difference_has_no_shares() -> None:
    table = table_of("symbol", {"X": 0.1, "Y": -0.1}, 0.0)
    assert table["share"].isna().all()
    assert table_of("symbol", {"X": 0.1}, 0.3)["source"].tolist() == ["X", "rest"]


def test_steps_do_not_look_into_an_opened_lockbox(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    record = simulated("a", blocks(1))
    opened = UsableBars(load_dataset("gbm(seed=3, n_bars=60)", ["X", "Y"]), "family", pd.Timestamp("2020-01-01"), True)
    monkeypatch.setattr(ladder, "recorded_bars", lambda *_: opened)
    with pytest.raises(ConfigError, match="opened the lock-box.*leave rerun off"):
        ladder.ladder(record, record, settings, now=NOW)
