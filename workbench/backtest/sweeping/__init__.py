"""Sweeps: rules by name, statistics of every configuration, the best one chosen fold by fold."""

from workbench.backtest.sweeping.result import Sweep
from workbench.backtest.sweeping.rules import SWEEP_RULES, SweepRule, sma_crossover, sweep_rule

__all__ = ["SWEEP_RULES", "Sweep", "SweepRule", "sma_crossover", "sweep_rule"]
