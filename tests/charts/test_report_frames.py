"""Every picture and table of a report bears empty frames, one row, missing values and long histories."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench import charts

Frames = dict[str, pd.DataFrame]


@pytest.fixture(autouse=True)
def no_hook_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """HoloViews and Bokeh only warn when a finishing step fails or a figure is empty; here it is an error."""
    with caplog.at_level(logging.WARNING):
        yield
    assert "could not be applied" not in caplog.text
    assert "MISSING_RENDERERS" not in caplog.text


def frames_of(n: int = 240) -> Frames:
    rng = np.random.default_rng(8)
    index = pd.date_range("2018-01-01", periods=n, freq="h", tz="UTC", name="time")

    def noise(*columns: str, spread: float = 0.01, at: pd.Index | None = None) -> pd.DataFrame:
        rows = index if at is None else at
        return pd.DataFrame(rng.normal(0.0001, spread, (len(rows), len(columns))), index=rows, columns=list(columns))

    k, few = 40, pd.RangeIndex(12)
    entry = index[:k]
    trades = noise("pnl", "return", "mae", "mfe", at=pd.RangeIndex(k)).assign(
        symbol="X", entry_time=entry, exit_time=entry + pd.Timedelta(hours=5), bars=5,
        side=["long", "short"] * (k // 2), exit_reason="signal",
    )  # fmt: skip
    cells = pd.DataFrame(
        [(a, b, c) for a in (1, 2, 3) for b in (10, 20) for c in "xy"], columns=["fast", "slow", "rule"]
    )
    tests = index[:: n // 13][:13]
    return {
        "returns": noise("strategy", "zero", "buy_and_hold", "equal_weight"),
        "positions": noise("A", "B", spread=0.5),
        "account": noise("equity", "traded", spread=1).abs() + 10,
        "costs": noise("fee", "slippage", "funding").abs(),
        "trades": trades,
        "fills": noise("value", "fee", "slippage", at=few).assign(liquidity="maker"),
        "crises": pd.DataFrame({"name": ["storm"], "first": index[5], "last": index[60], "strategy": 0.1,
                                "buy_and_hold": -0.1, "max_drawdown": 0.2}),
        "intervals": noise("value", "low", "high", at=few[:2]).assign(
            metric=["sharpe_ratio", "annual_return"], confidence=0.9),
        "null_draws": noise("value", at=pd.RangeIndex(30)).assign(null="random_entries"),
        "nulls": noise("observed", "mean", "p_value", at=few[:1]).assign(null="random_entries", n_draws=30),
        "trials": noise("sharpe_ratio", at=few).assign(number=range(1, 13), cluster=1, config="c", first_seen=index[0]),
        "regimes": noise("sharpe_ratio", "share", "total_return", at=few[:3]).assign(regime=["a", "b", "c"]),
        "cost_curve": noise("sharpe_ratio", "annual_return", at=few).assign(cost_bps=np.arange(12.0)),
        "capacity": noise("sharpe_ratio", "annual_return", at=few).assign(capital=10.0 ** np.arange(12)),
        "cells": cells.join(noise("sharpe_ratio", "low", "high", "deflated_sharpe_ratio", at=few)),
        "pbo": noise("logit", at=few, spread=1),
        "degradation": noise("in_sample", "out_of_sample", at=few, spread=1),
        "selection": noise("in_sample", "out_of_sample", at=few).assign(
            fold=range(12), test_start=tests[:12], test_end=tests[1:], fast=[1.0, 2.0] * 6, rule="x"),
        "paths": noise("1", "2", "3"),
        "pair": noise("a", "b"),
        "attribution": noise("pnl", "share", at=few[:3]).assign(source=["data", "code", "costs"]),
        "differences": pd.DataFrame({"section": ["data"], "field": ["end"], "a": ["1"], "b": ["2"]}),
        "markets": noise("deflated_sharpe_ratio", "sharpe_ratio", at=few).assign(
            kind=["noise", "planted"] * 6, way="backtest", passed=[False, True] * 6, seed=1,
            refused_by=["a, b", ""] * 6),
        "trade_differences": noise("pnl_a", "pnl_b", at=few).assign(symbol="X", entry_time=index[:12], kind="changed"),
    }  # fmt: skip


PICTURES: dict[str, Callable[[Frames], Any]] = {
    "annual": lambda f: charts.annual_chart(f["returns"]),
    "calendar": lambda f: charts.calendar_table(f["returns"]),
    "histogram of bars": lambda f: charts.returns_histogram_chart(f["returns"]),
    "histogram of months": lambda f: charts.returns_histogram_chart(f["returns"], every="month"),
    "rolling Sharpe": lambda f: charts.rolling_sharpe_chart(f["returns"]),
    "rolling beta": lambda f: charts.rolling_beta_chart(f["returns"]),
    "rolling volatility": lambda f: charts.rolling_volatility_chart(f["returns"]),
    "drawdowns": lambda f: charts.drawdown_periods_chart(f["returns"]),
    "drawdown table": lambda f: charts.drawdown_periods_table(f["returns"]),
    "crises": lambda f: charts.crises_chart(f["returns"], f["crises"]),
    "crises table": lambda f: charts.crises_table(f["crises"]),
    "sides": lambda f: charts.sides_chart(f["positions"]),
    "leverage": lambda f: charts.leverage_chart(f["positions"], limit=1.0),
    "turnover": lambda f: charts.turnover_chart(f["account"]),
    "allocation": lambda f: charts.allocation_chart(f["positions"]),
    "allocation table": lambda f: charts.allocation_table(f["positions"]),
    "cost kinds": lambda f: charts.cost_kinds_chart(f["costs"], equity=f["account"]),
    "cost table": lambda f: charts.cost_kinds_table(f["costs"], equity=f["account"]),
    "trade statistics": lambda f: charts.trade_statistics_table(f["trades"]),
    "exit reasons": lambda f: charts.exit_reasons_table(f["trades"]),
    "trade profit": lambda f: charts.trade_histogram_chart(f["trades"], what="pnl"),
    "holding time": lambda f: charts.trade_histogram_chart(f["trades"], what="bars"),
    "trade returns": lambda f: charts.trade_returns_chart(f["trades"]),
    "excursions": lambda f: charts.excursions_chart(f["trades"]),
    "side equity": lambda f: charts.side_equity_chart(f["trades"]),
    "liquidity": lambda f: charts.liquidity_table(f["fills"]),
    "intervals": lambda f: charts.intervals_chart(f["intervals"]),
    "intervals table": lambda f: charts.intervals_table(f["intervals"]),
    "null": lambda f: charts.null_chart(f["null_draws"], f["nulls"]),
    "nulls table": lambda f: charts.nulls_table(f["nulls"]),
    "trials": lambda f: charts.trials_chart(f["trials"], current=3),
    "regimes": lambda f: charts.regimes_chart(f["regimes"]),
    "regimes table": lambda f: charts.regimes_table(f["regimes"]),
    "cost curve": lambda f: charts.cost_curve_chart(f["cost_curve"], assumed_bps=5.0),
    "capacity": lambda f: charts.capacity_chart(f["capacity"]),
    "surface": lambda f: charts.surface_chart(f["cells"]),
    "parameter": lambda f: charts.parameter_chart(f["cells"]),
    "parameters": lambda f: charts.parameters_chart(f["cells"]),
    "cells": lambda f: charts.cells_table(f["cells"]),
    "overfitting": lambda f: charts.overfitting_chart(f["pbo"]),
    "degradation": lambda f: charts.degradation_chart(f["degradation"]),
    "luck": lambda f: charts.luck_chart(f["cells"], expected_maximum=0.5),
    "selection table": lambda f: charts.selection_table(f["selection"]),
    "selection": lambda f: charts.selection_chart(f["selection"]),
    "fold Sharpe": lambda f: charts.fold_sharpe_chart(f["selection"]),
    "paths": lambda f: charts.paths_chart(f["paths"]),
    "path Sharpe": lambda f: charts.path_sharpe_chart(f["paths"]),
    "compare": lambda f: charts.compare_equity_chart(f["pair"]),
    "attribution": lambda f: charts.attribution_chart(f["attribution"]),
    "differences": lambda f: charts.differences_table(f["differences"]),
    "truth": lambda f: charts.truth_chart(f["markets"]),
    "truth table": lambda f: charts.truth_table(f["markets"]),
    "trade differences": lambda f: charts.trade_differences_table(f["trade_differences"]),
}


def numbers(frame: pd.DataFrame) -> list[str]:
    return [c for c in frame.columns if frame[c].dtype.kind == "f"]


def holes(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    for i, c in enumerate(numbers(frame)):
        frame.iloc[i % 3 :: 3, frame.columns.get_loc(c)] = np.nan
    return frame


KINDS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "empty": lambda f: f.iloc[:0],
    "without columns": lambda f: pd.DataFrame(index=f.index[:0]),
    "one row": lambda f: f.iloc[:1],
    "nothing known": lambda f: f.assign(**{c: np.nan for c in numbers(f)}),
    "holes": holes,
    "all 0": lambda f: f.assign(**{c: 0.0 for c in numbers(f)}),
}


def shown(item: Any) -> str:
    return item._repr_html_() if isinstance(item, charts.Table) else charts.html_fragment(item)


@pytest.fixture(scope="module")
def changed() -> Iterator[dict[str, Frames]]:
    """Return all frames in each kind, and see to it that no picture alters one."""
    frames = frames_of()
    kinds = {kind: {k: change(f) for k, f in frames.items()} for kind, change in KINDS.items()}
    before = {kind: {k: f.copy() for k, f in kept.items()} for kind, kept in kinds.items()}
    yield kinds
    for kind, kept in kinds.items():
        for k, frame in kept.items():
            pd.testing.assert_frame_equal(frame, before[kind][k])


@pytest.mark.parametrize("name", PICTURES)
def test_no_frame_breaks_a_report(name: str, changed: dict[str, Frames]) -> None:
    for kind, frames in changed.items():
        page = shown(PICTURES[name](frames))
        assert ">nan<" not in page, kind
        if kind in ("empty", "without columns"):
            assert any(w in page for w in ("nothing to show", "nothing: both runs", "none: both runs")), kind


@pytest.mark.slow
def test_long_histories_stay_small_on_the_page() -> None:
    frames = frames_of(50_000)
    long = {k for k, f in frames.items() if len(f) == 50_000}
    drawn = {n: d for n, d in PICTURES.items() if long & set(d.__code__.co_consts)}
    assert len(drawn) >= 20
    for name, draw in drawn.items():
        assert len(shown(draw(frames))) < 450_000, name


def test_every_picture_and_table_of_the_new_files_is_drawn_here() -> None:
    new = {"annual", "rollings", "drawdowns", "crises", "book", "tradetables", "tradecharts", "costcurves", "inference"}
    new |= {
        "trialcharts",
        "regimeresults",
        "sweeps",
        "sweeplines",
        "overfitting",
        "walkforward",
        "comparison",
        "truthcharts",
    }
    named = {n for n, home in charts._HOMES.items() if home in new}
    source = {n for draw in PICTURES.values() for n in draw.__code__.co_names}
    assert named - source == {"honesty_table"}  # takes a mapping: see test_inference_charts
