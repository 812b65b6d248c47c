"""Pages of sweeps, walk-forward choices, comparisons and planted truth, and the tabs of a deepened backtest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.apps import BacktestPage, ComparePage, SweepPage, TruthPage, WalkForwardPage
from workbench.apps.shell import find_pages
from workbench.config import Settings, load_settings
from workbench.tracking import RunRecord, write_record

ROOT = Path(__file__).resolve().parents[2]
SWEPT, CHOSEN, COMPARED, TOLD = ("5ee" + c * 29 for c in "abcd")
OTHER = "ffb2c3d4e5f60718293a4b5c6d7e8f90"


def text_of(view: Any) -> str:
    """Return all HTML of a Panel object."""
    import panel as pn

    return " ".join(str(p.object) for p in view.select(pn.pane.HTML))


def tab(page: Any, title: str) -> Any:
    """Open a tab and return it."""
    titles = list(page._tabs.view._names)
    page._tabs.view.active = titles.index(title)
    return page._tabs.view[titles.index(title)]


def select_of(view: Any, label: str) -> Any:
    """Return the selector of a label."""
    import panel as pn

    return next(s for s in view.select(pn.widgets.Select) if s.label == label)


def evidence(record: RunRecord) -> dict[str, pd.DataFrame]:
    """The frames of a deepened run beside those of a plain one."""
    rng = np.random.default_rng(11)
    times = record.frame("returns").index
    names = ["random entries", "permuted bars"]
    positions = record.frame("positions")
    trials = pd.DataFrame({"number": range(1, 41), "first_seen": times[0], "sharpe_ratio": rng.normal(0, 0.5, 40),
                           "cluster": np.arange(40) % 4, "config": "c"})  # fmt: skip
    regimes = pd.DataFrame({"regime": ["calm", "middle", "wild"], "n_bars": [400, 500, 350], "share": [0.3, 0.4, 0.3]})
    statistics = ["total_return", "annual_return", "annual_volatility", "sharpe_ratio", "max_drawdown"]
    return {
        "account": pd.DataFrame({"equity": (1 + record.frame("returns")["strategy"]).cumprod(),
                                 "traded": rng.uniform(0, 0.2, len(times)), "gross": positions.abs().sum(axis=1),
                                 "net": positions.sum(axis=1)}),
        "intervals": pd.DataFrame({"metric": ["sharpe_ratio", "annual_return", "max_drawdown"],
                                   "value": [0.61, 0.042, 0.12], "low": [-0.18, -0.01, 0.08], "high": [1.37, 0.1, 0.21],
                                   "confidence": 0.95}),
        "nulls": pd.DataFrame({"null": names, "observed": 0.61, "mean": [0.02, -0.1], "p_value": [0.08, 0.21],
                               "n_draws": 60}),
        "null_draws": pd.DataFrame({"null": np.repeat(names, 60), "value": rng.normal(0, 0.4, 120)}),
        "trials": trials,
        "paths": pd.DataFrame(rng.normal(2e-4, 0.01, (len(times), 5)), index=times, columns=list("12345")),
        "regimes": regimes.assign(**dict.fromkeys(statistics, 0.1)),
        "crises": pd.DataFrame({"name": ["August 2015"], "first": times[400], "last": times[430], "strategy": -0.02,
                                "buy_and_hold": -0.09, "max_drawdown": 0.04}),
        "cost_curve": pd.DataFrame({"cost_bps": np.arange(0.0, 30.0, 2.0), "sharpe_ratio": np.linspace(0.9, -0.4, 15),
                                    "annual_return": np.linspace(0.08, -0.03, 15)}),
        "capacity": pd.DataFrame({"capital": 10.0 ** np.arange(4, 11), "sharpe_ratio": np.linspace(0.6, -0.5, 7),
                                  "annual_return": np.linspace(0.05, -0.04, 7),
                                  "participation": np.linspace(0, 0.5, 7)}),
    }  # fmt: skip


def deepened(record: RunRecord, **changes: Any) -> RunRecord:
    """A run as the pipeline leaves it now."""
    rng = np.random.default_rng(3)
    trades = record.frame("trades")
    trades = trades.assign(mae=-rng.uniform(0, 0.03, len(trades)), mfe=rng.uniform(0, 0.03, len(trades)),
                           exit_reason=np.resize(["signal", "stop"], len(trades)))  # fmt: skip
    found = {
        "probability_of_backtest_overfitting": 0.312,
        "break_even_bps": 14.25,
        "cost_bps": 7.0,
        "expected_max_sharpe_ratio": 0.83,
        "probabilistic_sharpe_ratio": 0.93,
        "n_trials": 12.0,
        "n_effective_trials": 3.0,
    }
    made = replace(
        record,
        metrics=record.metrics | found,
        trial=record.trial | {"n_effective": 3},
        frames=record.frames | {"trades": trades} | evidence(record),
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def deep(record: RunRecord) -> RunRecord:
    """A finished backtest with every frame of the deepened pipeline."""
    return deepened(record)


@pytest.fixture(scope="module")
def swept(record: RunRecord) -> RunRecord:
    """A finished sweep over two arguments, its best cell a spike at fast 10, slow 80."""
    rng = np.random.default_rng(4)
    cells = pd.DataFrame([(f, s) for f in range(5, 30, 5) for s in range(60, 141, 20)], columns=["fast", "slow"])
    best = (cells["fast"] == 10) & (cells["slow"] == 80)
    sharpe = rng.normal(0, 0.3, len(cells)) + 2.0 * best
    n = len(cells)
    cells = cells.assign(sharpe_ratio=sharpe, total_return=sharpe / 10, max_drawdown=0.2, n_trades=40, turnover=9.0,
                         low=np.where(best, -0.1, np.nan), high=np.where(best, 1.9, np.nan),
                         deflated_sharpe_ratio=np.where(best, 0.42, np.nan))  # fmt: skip
    blocks = rng.normal(0, 1, (70, 2))
    frames = {
        "cells": cells,
        "pbo": pd.DataFrame({"logit": rng.normal(0.4, 1, 70)}),
        "degradation": pd.DataFrame(blocks, columns=["in_sample", "out_of_sample"]),
    }
    made = deepened(record, run_id=SWEPT, notebook="sweep", name="sma_crossover on SPX")
    return replace(
        made,
        metrics=made.metrics | {"plateau_score": 0.21, "is_plateau": 0.0},
        environment=made.environment | {"best": "fast 10, slow 80"},
        trial=made.trial | {"n_cells": n},
        frames=made.frames | frames,
    )


@pytest.fixture(scope="module")
def chosen(record: RunRecord) -> RunRecord:
    """A finished walk-forward of six folds, four of them above zero after the choice."""
    times = record.frame("returns").index
    selection = pd.DataFrame({
        "fold": range(6), "train_start": times[:600:100], "train_end": times[100:700:100],
        "test_start": times[100:700:100], "test_end": times[200:800:100], "fast": [5, 10, 10, 20, 5, 10],
        "slow": [60, 80, 80, 60, 100, 80], "in_sample": [1.2, 1.4, 0.9, 1.1, 1.3, 1.0],
        "out_of_sample": [0.3, -0.4, 0.8, 0.2, -0.1, 0.5],
    })  # fmt: skip
    made = deepened(record, run_id=CHOSEN, notebook="walkforward", name="sma_crossover on NASDAQ")
    found = {"mean_in_sample": 1.15, "mean_out_of_sample": 0.22, "share_of_folds_above_zero": 4 / 6, "n_folds": 6.0}
    return replace(made, metrics=made.metrics | found, frames=made.frames | {"selection": selection})


@pytest.fixture(scope="module")
def compared(record: RunRecord) -> RunRecord:
    """A finished comparison of the runs of two seeds."""
    returns = record.frame("returns")
    trades = pd.DataFrame({
        "symbol": "SPX", "side": "long", "entry_time": returns.index[:30], "kind": ["only_a", "only_b", "changed"] * 10,
        "pnl_a": np.linspace(-0.01, 0.01, 30), "pnl_b": np.linspace(0.01, -0.02, 30),
    })  # fmt: skip
    ways = pd.DataFrame({"view": ["trades", "trades", "bars"], "source": ["only in A", "only in B", "2014"],
                         "pnl": [-0.02, 0.05, 0.03], "share": [-2 / 3, 5 / 3, 1.0]})  # fmt: skip
    return replace(
        record, run_id=COMPARED, notebook="compare", name="compare", parameters={"a": "previous", "b": "latest"},
        metrics={"pnl_a": 0.02, "pnl_b": 0.05, "pnl_difference": 0.03, "n_only_a": 10.0, "n_only_b": 10.0,
                 "n_changed": 10.0, "n_same": 4.0, "returns_correlation": 0.87, "n_bars_differing": 611.0},
        baselines={}, verdict={}, trial={}, dataset={},
        environment={"a": record.run_id, "b": OTHER, "a_name": "sample_momentum", "b_name": "sample_momentum"},
        frames={
            "differences": pd.DataFrame({"section": ["parameters", "metrics"], "field": ["seed", "sharpe_ratio"],
                                         "a": ["5", "0.6"], "b": ["9", "0.8"]}),
            "attribution": ways.iloc[:2].drop(columns="view"), "decomposition": ways, "trade_differences": trades,
            "returns": pd.DataFrame({"a": returns["strategy"], "b": 0.4 * returns["strategy"]}),
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(record: RunRecord) -> RunRecord:
    """A finished measurement on planted truth: no noise passed, five of six signals did, in both ways."""
    n = 24
    kinds = np.where(np.arange(n) < n // 2, "noise", "planted")
    passed = (kinds == "planted") & (np.arange(n) % 6 != 0)
    markets = pd.DataFrame({
        "kind": kinds, "way": ["backtest", "sweep"] * (n // 2), "seed": np.arange(n) // 2, "passed": passed,
        "sharpe_ratio": np.where(passed, 2.0, 0.1), "deflated_sharpe_ratio": np.where(passed, 0.99, 0.2),
        "probability_of_backtest_overfitting": np.where(np.arange(n) % 2, 0.4, np.nan), "n_trials": [1, 100] * (n // 2),
        "refused_by": np.where(passed, "", "deflated_sharpe_ratio, beats_buy_and_hold"),
    })  # fmt: skip
    rates = {"false_discovery_rate": 0.0, "false_discovery_rate_low": 0.0, "false_discovery_rate_high": 0.265,
             "power": 10 / 12, "power_low": 0.516, "power_high": 0.979, "false_discovery_proportion": 0.0,
             "n_noise": 12.0, "n_planted": 12.0}  # fmt: skip
    return replace(record, run_id=TOLD, notebook="truth", name="planted truth", metrics=rates, baselines={}, verdict={},
                   trial={}, frames={"markets": markets})  # fmt: skip


PAGES = {
    "deep": BacktestPage, "swept": SweepPage, "chosen": WalkForwardPage, "compared": ComparePage, "told": TruthPage
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PAGES))
def test_every_tab_builds_with_frames_and_without(
    name: str, request: pytest.FixtureRequest, settings: Settings
) -> None:
    record = request.getfixturevalue(name)
    for shown in (record, replace(record, frames={}, metrics={}, trial={}, environment={})):
        page = PAGES[name](shown, settings)
        page.view()
        for position in range(len(page._tabs.view)):
            page._tabs.view.active = position
            assert page._tabs.view[position].objects
            assert "failed" not in text_of(page._tabs.view[position])


@pytest.mark.parametrize(("kind", "command"), [
    (BacktestPage, "workbench run backtest"), (SweepPage, "workbench run sweep"),
    (WalkForwardPage, "workbench run walkforward"), (ComparePage, "workbench run compare"),
    (TruthPage, "workbench run truth"),
])  # fmt: skip
def test_without_a_run_the_page_names_the_command(kind: Any, command: str, settings: Settings) -> None:
    assert command in text_of(kind(None, settings).view())


def test_the_first_screen_holds_interval_luck_bets_and_break_even(deep: RunRecord, settings: Settings) -> None:
    text = text_of(BacktestPage(deep, settings).view())
    for words in ("95%: −0.18 to 1.37", "0.312", "chance the choice fails", "3 independent bets", "break-even 14.2 bp"):
        assert words in text
    assert "needs ten trials" not in text


def test_tabs_show_what_the_frames_hold(deep: RunRecord, settings: Settings) -> None:
    page = BacktestPage(deep, settings)
    page.view()
    luck = tab(page, "Luck")
    assert "random entries" in text_of(luck)
    assert list(select_of(luck, "Null").options) == ["random entries", "permuted bars"]
    assert "August 2015" in text_of(tab(page, "Periods"))
    assert "all" in select_of(tab(page, "Trades"), "Exit reason").options
    assert "workbench reproduce a1b2c3d4e5f6" in text_of(tab(page, "Lineage"))


def test_the_list_of_trades_is_narrowed_in_place(deep: RunRecord, settings: Settings) -> None:
    page = BacktestPage(deep, settings)
    page.view()
    trades = tab(page, "Trades")
    before = text_of(trades)
    select_of(trades, "Exit reason").value = "stop"
    after = text_of(trades)
    n_stopped = int((deep.frame("trades")["exit_reason"] == "stop").sum())
    rows = [re.findall(r"<table.*?</table>", t, re.DOTALL)[-1].count("<tr") for t in (before, after)]
    assert rows[0] - rows[1] == len(deep.frame("trades")) - n_stopped


def test_a_sweep_says_spike_and_draws_the_metric_that_is_chosen(swept: RunRecord, settings: Settings) -> None:
    page = SweepPage(swept, settings)
    view = page.view()
    assert "spike, score 0.21" in text_of(view)
    assert "fast 10, slow 80" in text_of(view)
    surface = tab(page, "Surface")
    x, y = (select_of(surface, n) for n in "XY")
    assert (x.value, y.value) == ("fast", "slow")
    y.value = "fast"
    assert "choose two" in text_of(surface)
    x.value = "slow"
    assert "choose two" not in text_of(surface)
    cells = tab(page, "Cells")
    select_of(cells, "Rows").value = 30
    assert text_of(cells).count("<tr") > 25  # all 25 cells and the head


def test_a_sweep_of_one_argument_has_lines_and_no_surface(swept: RunRecord, settings: Settings) -> None:
    cells = swept.frame("cells")
    one = replace(swept, frames=swept.frames | {"cells": cells[cells["slow"] == 80]})
    page = SweepPage(one, settings)
    page.view()
    assert len(tab(page, "Surface").objects) == 1


def test_a_walk_forward_sets_promise_beside_outcome(chosen: RunRecord, settings: Settings) -> None:
    page = WalkForwardPage(chosen, settings)
    text = text_of(page.view())
    assert "1.15 → 0.22" in text
    assert "4 of 6 folds above 0" in text
    assert "different choices in 6 folds" in text_of(tab(page, "Choices"))


def test_a_comparison_opens_its_pair_and_names_the_command_for_another(
    compared: RunRecord, record: RunRecord, make_record: Callable[..., RunRecord], settings: Settings
) -> None:
    third = make_record("33b2c3d4e5f60718293a4b5c6d7e8f90", seed=8)
    for one in (record, make_record(OTHER, seed=9), third, compared):
        write_record(one, settings)
    page = ComparePage(compared, settings)
    view = page.view()
    assert (page.a, page.b) == (record.run_id, OTHER)
    assert "B earned 3.00% more than A" in text_of(view).replace("\u202f", "").replace(" %", "%")
    page.b = third.run_id
    assert f"workbench run compare -p a={record.run_id[:12]} -p b={third.run_id[:12]}" in text_of(view)
    assert "more than A" not in text_of(view)
    page.b = record.run_id
    assert "the same run" in text_of(view)
    page.b = OTHER
    assert "more than A" in text_of(view)
    differences = tab(page, "Differences")
    select_of(differences, "Section").value = "metrics"
    assert "seed" not in text_of(differences)
    trades = tab(page, "Trades")
    select_of(trades, "Kind").value = "only_b"
    assert "only in B" in text_of(trades)


def test_two_runs_without_a_comparison_name_the_command(
    record: RunRecord, make_record: Callable[..., RunRecord], settings: Settings
) -> None:
    for one in (record, make_record(OTHER, seed=9)):
        write_record(one, settings)
    text = text_of(ComparePage(None, settings).view())
    assert re.search(r"workbench run compare -p a=\w{12} -p b=\w{12}", text)


def test_truth_says_its_rates_with_intervals(told: RunRecord, settings: Settings) -> None:
    page = TruthPage(told, settings)
    text = text_of(page.view())
    assert "tell noise from signal" in text
    assert "of 12 · 52% to 98%" in text.replace(" %", "%").replace("\u202f", "")
    markets = tab(page, "Markets")
    assert "24 of 24 judged" in text_of(markets)
    select_of(markets, "Verdict").value = "passed"
    n_passed = int(told.frame("markets")["passed"].sum())
    assert f"{n_passed} of 24 judged" in text_of(markets)
    select_of(markets, "Truth").value = "noise"
    assert "No market is like this" in text_of(markets)
    bad = replace(told, metrics=told.metrics | {"false_discovery_rate_low": 0.2})
    assert "noise passes too often" in text_of(TruthPage(bad, settings).view())


def test_five_research_pages_are_one_group_of_the_rail() -> None:
    pages = find_pages(ROOT / "notebooks")
    groups = [p.group for p in pages]
    assert [p.stem for p in pages if p.group == "Backtests"] == ["backtest", "sweep", "walkforward", "compare", "truth"]
    assert groups == sorted(groups, key=["Watch", "Backtests", "Models and data", "More"].index)


WALK = {
    "backtest": (("Overfitting, PBO", "0.312"), {"Luck": "Null"}),
    "sweep": (("spike, score", "Metric"), {"Cells": "Best by"}),
    "walkforward": (("In → out of sample",), {"Periods": "August 2015"}),
    "compare": (("more than A",), {"Trades": "only in B"}),
    "truth": (("tell noise from signal",), {"Markets": "24 of 24 judged"}),
}


@pytest.mark.slow
@pytest.mark.browser
def test_a_person_reads_every_research_page(
    deep: RunRecord,
    swept: RunRecord,
    chosen: RunRecord,
    compared: RunRecord,
    told: RunRecord,
    make_record: Callable[..., RunRecord],
    visit: Callable[[str], Any],
    served: Any,
    tmp_path: Path,
) -> None:
    settings = load_settings({"WORKBENCH_HOME": str(tmp_path)})
    for one in (deep, swept, chosen, compared, told, make_record(OTHER, seed=9)):
        write_record(one, settings)
    with served(tmp_path, ROOT / "notebooks") as url:
        for stem, (words, tabs) in WALK.items():
            seen = visit(f"{url}/{stem}{f'?run={deep.run_id}' if stem == 'backtest' else ''}")
            text = seen.wait_for(*words)
            assert "failed in cell" not in text
            seen.drawn()
            for title, shows in tabs.items():
                seen.page.get_by_text(title, exact=True).first.click()
                seen.wait_for(shows)
            seen.page.wait_for_timeout(1000)  # the server must not be writing when the page is left
