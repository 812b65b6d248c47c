"""Walk-forward splits, position rules, the accounting engine and sweep, and the statistics of overfitting.

Numba compiles on the first simulation and vectorbt loads with the second opinion: importing the room loads neither.
"""

from workbench.backtest.engine import simulate
from workbench.backtest.result import BacktestResult
from workbench.backtest.rules import RULES, drifted_leverage, position_rule, within_leverage
from workbench.backtest.sweeps import grid, sma_crossover, sweep
from workbench.backtest.validation import Fold, WalkForward, purge, rows_of
from workbench.backtest.vectorbt_door import simulate_vectorbt, to_vectorbt
from workbench.backtest.walkforward import Forecasts, set_tail_purge, walk_forward_forecasts
from workbench.risk import (
    deflated_sharpe_ratio,
    expected_max_sharpe_ratio,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)

__all__ = [
    "RULES",
    "BacktestResult",
    "Fold",
    "Forecasts",
    "WalkForward",
    "deflated_sharpe_ratio",
    "drifted_leverage",
    "expected_max_sharpe_ratio",
    "grid",
    "minimum_track_record_length",
    "position_rule",
    "probabilistic_sharpe_ratio",
    "purge",
    "rows_of",
    "set_tail_purge",
    "simulate",
    "simulate_vectorbt",
    "sma_crossover",
    "sweep",
    "to_vectorbt",
    "walk_forward_forecasts",
    "within_leverage",
]
