"""The statistics of honesty: arrays in, small results out. Each names its paper and the trap that it avoids."""

from workbench.backtest.statistics.bootstrap import (
    HEADLINE,
    Interval,
    bootstrap_interval,
    headline_intervals,
    optimal_block_length,
    sharpe_interval,
)
from workbench.backtest.statistics.capacity import Capacity, break_even_bps, capacity_curve, cost_curve
from workbench.backtest.statistics.overfitting import (
    Overfitting,
    overfitting_from_moments,
    probability_of_backtest_overfitting,
)

__all__ = [
    "HEADLINE",
    "Capacity",
    "Interval",
    "Overfitting",
    "bootstrap_interval",
    "break_even_bps",
    "capacity_curve",
    "cost_curve",
    "headline_intervals",
    "optimal_block_length",
    "overfitting_from_moments",
    "probability_of_backtest_overfitting",
    "sharpe_interval",
]
