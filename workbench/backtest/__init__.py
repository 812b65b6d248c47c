"""Walk-forward splits, position rules, the accounting engine and sweep, and the statistics of overfitting.

Numba compiles on the first simulation and vectorbt loads with the second opinion: importing the room loads neither.
"""

from workbench.backtest.cpcv import PathForecasts, cpcv_forecasts
from workbench.backtest.engine import simulate
from workbench.backtest.execution import Execution, liquidation_price
from workbench.backtest.result import BacktestResult
from workbench.backtest.rules import RULES, drifted_leverage, position_rule, within_leverage
from workbench.backtest.sweeping.choosing import WalkForwardSweep, walk_forward_sweep
from workbench.backtest.sweeping.result import Sweep
from workbench.backtest.sweeping.rules import SWEEP_RULES, breakout, mean_reversion, momentum, sma_crossover, sweep_rule
from workbench.backtest.sweeps import grid, sweep
from workbench.backtest.trials import EffectiveTrials, effective_trials
from workbench.backtest.validation import (
    CombinatorialPurged,
    Fold,
    PurgedKFold,
    WalkForward,
    nested_selection,
    purge,
    rows_of,
    split_lockbox,
)
from workbench.backtest.vectorbt_door import simulate_vectorbt, to_vectorbt
from workbench.backtest.walkforward import Forecasts, set_tail_purge, walk_forward_forecasts
from workbench.risk import (
    deflated_sharpe_ratio,
    expected_max_sharpe_ratio,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)

__all__ = [
    "RULES",
    "SWEEP_RULES",
    "BacktestResult",
    "CombinatorialPurged",
    "EffectiveTrials",
    "Execution",
    "Fold",
    "Forecasts",
    "PathForecasts",
    "PurgedKFold",
    "Sweep",
    "WalkForward",
    "WalkForwardSweep",
    "breakout",
    "cpcv_forecasts",
    "deflated_sharpe_ratio",
    "drifted_leverage",
    "effective_trials",
    "expected_max_sharpe_ratio",
    "grid",
    "liquidation_price",
    "mean_reversion",
    "minimum_backtest_length",
    "minimum_track_record_length",
    "momentum",
    "nested_selection",
    "position_rule",
    "probabilistic_sharpe_ratio",
    "purge",
    "rows_of",
    "set_tail_purge",
    "simulate",
    "simulate_vectorbt",
    "sma_crossover",
    "split_lockbox",
    "sweep",
    "sweep_rule",
    "to_vectorbt",
    "walk_forward_forecasts",
    "walk_forward_sweep",
    "within_leverage",
]
