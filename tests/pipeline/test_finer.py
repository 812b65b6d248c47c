"""Finer bars of the store decide what a bar touched first, and only where there are some."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import Execution
from workbench.config import BacktestParameters, Settings
from workbench.data import bars_of, load_bars, load_dataset, open_store
from workbench.pipeline.finer import finer_bars
from workbench.pipeline.run import evaluate_backtest

NOW = datetime(2024, 3, 1, tzinfo=UTC)
BRACKET = Execution(stop_loss=0.004, take_profit=0.004)


@pytest.fixture
def stored(settings: Settings) -> Settings:
    """Bars of 15 minutes, and the hours that they make up, under one source."""
    frame = load_bars("gbm(seed=5, n_bars=8000)", ["X"], "15m").xs("X", axis=1, level="symbol")
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    hours = frame.resample("1h").agg(rules)
    store = open_store(settings)
    for timeframe, bars in (("15m", frame), ("1h", hours)):
        store.write("import", "X", timeframe, bars_of({"X": bars}))
    return settings


def parameters(**changes: object) -> BacktestParameters:
    values: dict[str, object] = {
        "source": "import",
        "symbols": ["X"],
        "timeframe": "1h",
        "features": ["ret(1)", "rsi(14)"],
        "train_size": 600,
        "test_size": 300,
        "execution": ["stop_loss(0.004)", "take_profit(0.004)"],
        "slippage_bps": 0.0,
    }
    return BacktestParameters(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_finest_stored_bars_are_taken_and_change_what_was_first(stored: Settings) -> None:
    dataset = load_dataset("import", ["X"], "1h", settings=stored)
    found = finer_bars(BRACKET, parameters(), dataset, stored)
    assert found.bars is not None
    assert found.told.startswith("15m bars, version ")
    assert found.bars.index[-1] < dataset.bars.index[-1] + pd.Timedelta(hours=1)
    evaluation = evaluate_backtest(parameters(), stored, NOW, lambda _s, _w: None)
    reasons = evaluation.portfolio.strategy.fills["reason"].value_counts()
    assert reasons["stop"] > 0
    assert reasons["take_profit"] > 0
    blind = evaluate_backtest(parameters(timeframe="15m", source="gbm(seed=5, n_bars=2000)"), stored, NOW, _silent)
    assert blind.plan.finer.bars is None
    assert np.isfinite(evaluation.portfolio.strategy.returns).all()


def _silent(share: float, words: str) -> None:
    """Report to nobody."""


def test_without_exits_or_a_store_none_are_read(stored: Settings) -> None:
    dataset = load_dataset("import", ["X"], "1h", settings=stored)
    assert finer_bars(None, parameters(), dataset, stored).bars is None
    assert finer_bars(Execution(half_spread_bps=1.0), parameters(), dataset, stored).bars is None
    fine = load_dataset("import", ["X"], "15m", settings=stored)
    assert finer_bars(BRACKET, parameters(timeframe="15m"), fine, stored).bars is None
