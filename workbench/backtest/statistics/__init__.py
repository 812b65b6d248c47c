"""The statistics of honesty: arrays in, small results out. Each names its paper and the trap that it avoids."""

from workbench.backtest.statistics.benchmarks import (
    Relative,
    against_benchmark,
    beside_benchmarks,
    equal_weight,
    rolling_beta,
)
from workbench.backtest.statistics.bootstrap import (
    HEADLINE,
    Interval,
    bootstrap_interval,
    headline_intervals,
    optimal_block_length,
    sharpe_interval,
)
from workbench.backtest.statistics.capacity import Capacity, break_even_bps, capacity_curve, cost_curve
from workbench.backtest.statistics.nulls import (
    NULLS,
    NullTest,
    earned_returns,
    null_test,
    p_value_of,
    sharpe_of_rows,
    synthetic_path_test,
)
from workbench.backtest.statistics.overfitting import (
    Overfitting,
    overfitting_from_moments,
    probability_of_backtest_overfitting,
)
from workbench.backtest.statistics.regimes import (
    CRISES,
    Crisis,
    crisis_table,
    split_by_regime,
    trend_regimes,
    volatility_regimes,
)
from workbench.backtest.statistics.stability import Stability, smoothed_surface, surface_stability
from workbench.backtest.statistics.superiority import Superiority, superior_ability

__all__ = [
    "CRISES",
    "HEADLINE",
    "NULLS",
    "Capacity",
    "Crisis",
    "Interval",
    "NullTest",
    "Overfitting",
    "Relative",
    "Stability",
    "Superiority",
    "against_benchmark",
    "beside_benchmarks",
    "bootstrap_interval",
    "break_even_bps",
    "capacity_curve",
    "cost_curve",
    "crisis_table",
    "earned_returns",
    "equal_weight",
    "headline_intervals",
    "null_test",
    "optimal_block_length",
    "overfitting_from_moments",
    "p_value_of",
    "probability_of_backtest_overfitting",
    "rolling_beta",
    "sharpe_interval",
    "sharpe_of_rows",
    "smoothed_surface",
    "split_by_regime",
    "superior_ability",
    "surface_stability",
    "synthetic_path_test",
    "trend_regimes",
    "volatility_regimes",
]
