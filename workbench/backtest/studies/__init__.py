"""What the options of execution are worth, measured: limit orders first against market orders only, stops beside stops.

docs/execution-studies.md holds the figures on real bars.
"""

from workbench.backtest.studies.hybrid import HybridSaving, hybrid_saving
from workbench.backtest.studies.stops import compare_stops

__all__ = ["HybridSaving", "compare_stops", "hybrid_saving"]
