"""Pages: viewers of finished results in Panel, and the server that shows the notebooks. No number is computed here.

Panel loads when a page is built or served, not when this room is imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.apps.backtests import BacktestPage, backtest_page
    from workbench.apps.comparisons import ComparePage, compare_page
    from workbench.apps.factors import FeaturesPage, features_page
    from workbench.apps.live import LiveChartPage, live_chart_page
    from workbench.apps.riskcenter import RiskCenterPage, risk_center_page
    from workbench.apps.server import serve
    from workbench.apps.store import DataPage, data_page
    from workbench.apps.sweeps import SweepPage, sweep_page
    from workbench.apps.training import TrainingPage, train_page
    from workbench.apps.truths import TruthPage, truth_page
    from workbench.apps.walkforwards import WalkForwardPage, walkforward_page

_HOMES = {
    "BacktestPage": "backtests",
    "ComparePage": "comparisons",
    "DataPage": "store",
    "FeaturesPage": "factors",
    "LiveChartPage": "live",
    "RiskCenterPage": "riskcenter",
    "SweepPage": "sweeps",
    "TrainingPage": "training",
    "TruthPage": "truths",
    "WalkForwardPage": "walkforwards",
    "backtest_page": "backtests",
    "compare_page": "comparisons",
    "data_page": "store",
    "features_page": "factors",
    "live_chart_page": "live",
    "risk_center_page": "riskcenter",
    "serve": "server",
    "sweep_page": "sweeps",
    "train_page": "training",
    "truth_page": "truths",
    "walkforward_page": "walkforwards",
}

__all__ = [
    "BacktestPage",
    "ComparePage",
    "DataPage",
    "FeaturesPage",
    "LiveChartPage",
    "RiskCenterPage",
    "SweepPage",
    "TrainingPage",
    "TruthPage",
    "WalkForwardPage",
    "backtest_page",
    "compare_page",
    "data_page",
    "features_page",
    "live_chart_page",
    "risk_center_page",
    "serve",
    "sweep_page",
    "train_page",
    "truth_page",
    "walkforward_page",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"workbench.apps.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'workbench.apps' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
