"""The judge measures a run's returns and fills itself: what its record says of itself can only make it worse."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.errors import ArtifactError
from workbench.risk import max_drawdown, sharpe_ratio
from workbench.tracking import RunRecord, judge

Make = Callable[..., RunRecord]
GOOD = {"deflated_sharpe_ratio": 0.99, "max_drawdown": 0.1, "sharpe_ratio": 3.0, "n_bars": 500.0, "n_fills": 200.0}
BASELINES = {
    "zero": {"sharpe_ratio": math.nan},
    "persistence": {"sharpe_ratio": 0.1},
    "buy_and_hold": {"sharpe_ratio": 0.5},
}


def make_good(make_record: Make, **changes: Any) -> RunRecord:
    """A run whose stated figures pass every gate, with returns that are worthless."""
    time = pd.date_range("2020-01-01", periods=500, freq="D", tz="UTC", name="time")
    moves = np.where(np.arange(500) % 2, 0.01, -0.01)
    returns = pd.DataFrame({"strategy": moves, "zero": 0.0, "persistence": moves + 0.001, "buy_and_hold": moves}, time)
    frames = {"returns": returns, "fills": pd.DataFrame({"time": time[:29]})}
    changes = {"trial": {"n_trials": 1}} | changes
    return make_record(metrics=GOOD, baselines=BASELINES, frames=frames | changes.pop("frames", {}), **changes)


def test_the_gates_measure_the_returns_themselves(settings: Settings, make_record: Make) -> None:
    record = make_good(make_record)
    gates = {g.name: g for g in judge(settings, record).gates}
    net = record.frames["returns"]["strategy"]
    assert gates["beats_zero"].value == pytest.approx(sharpe_ratio(net))
    assert gates["beats_persistence"].threshold == pytest.approx(sharpe_ratio(net + 0.001))
    assert gates["beats_zero"].threshold == 0.0
    assert gates["n_fills"].value == 29
    assert gates["deflated_sharpe_ratio"].value == pytest.approx(0.5, abs=0.05)
    assert [name for name, gate in gates.items() if gate.passed] == ["max_drawdown", "n_bars"]
    deep = net.where(np.arange(500) != 7, -0.6)
    fallen = make_good(make_record, frames={"returns": record.frames["returns"].assign(strategy=deep).iloc[:200]})
    gates = {g.name: g for g in judge(settings, fallen).gates}
    assert gates["max_drawdown"].value == pytest.approx(max_drawdown(deep.iloc[:200]))
    assert gates["n_bars"].value == 200


def test_a_record_without_its_returns_is_not_judged(settings: Settings, make_record: Make) -> None:
    record = make_good(make_record)
    returns, fills = record.frames["returns"], record.frames["fills"]
    for frames, says in (
        ({"fills": fills}, "left no frame 'returns'"),
        ({"returns": returns}, "left no frame 'fills'"),
        ({"returns": returns.drop(columns="zero"), "fills": fills}, "lack zero, so it cannot be judged"),
        ({"returns": returns.drop(columns="strategy"), "fills": fills}, "lack strategy"),
        ({"returns": returns.iloc[:0], "fills": fills}, "lack every bar"),
    ):
        with pytest.raises(ArtifactError, match=says):
            judge(settings, dataclasses.replace(record, frames=frames))


def test_other_trials_deflate_even_where_the_ledger_is_gone(settings: Settings, make_record: Make) -> None:
    record = make_good(make_record)
    alone = judge(settings, record).gates[0].value
    crowded = dataclasses.replace(record, trial={"n_trials": 50, "sharpe_variance": 0.0})
    assert judge(settings, crowded).gates[0].value < alone - 0.3
