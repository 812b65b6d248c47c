"""Every cell of a sweep is a counted trial."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workbench.backtest import grid, sma_crossover, sweep
from workbench.config import Settings
from workbench.data import load_bars
from workbench.errors import DataError
from workbench.pipeline import count_sweep
from workbench.tracking import TrialsLedger

NOW = datetime(2024, 3, 1, tzinfo=UTC)
MARKET = "regimes(seed=3, n_bars=600)"


def test_cells_are_counted_once_and_equal_the_bare_sweep(settings: Settings) -> None:
    cells = grid(fast=[5, 10], slow=[20, 40, 60])
    table = count_sweep(MARKET, ["A", "B"], sma_crossover, cells, settings=settings, now=NOW)
    assert len(table) == 12
    assert set(table["n_trials"]) == {6}
    bare = sweep(load_bars(MARKET, ["A"]), sma_crossover, cells).table
    assert table.loc[bare.index, "sharpe_ratio"].tolist() == bare["sharpe_ratio"].tolist()
    again = count_sweep(MARKET, ["A"], sma_crossover, cells[:2], settings=settings, now=NOW)
    assert set(again["n_trials"]) == {6}
    wider = count_sweep(MARKET, ["A"], sma_crossover, grid(fast=[7], slow=[20]), settings=settings, now=NOW)
    assert set(wider["n_trials"]) == {7}


def test_a_refused_sweep_counts_nothing(settings: Settings) -> None:
    with pytest.raises(DataError, match="of equity"):
        count_sweep(MARKET, ["A"], lambda close, size: close * 0 + size, [{"size": 2.0}], settings=settings, now=NOW)
    assert TrialsLedger(settings.ledger_path).datasets() == {}
