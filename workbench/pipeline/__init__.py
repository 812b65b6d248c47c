"""Bars to run: the pipeline that notebooks, reports and the command line share, and prediction with its champion."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.pipeline.choosing import run_walkforward
    from workbench.pipeline.compare import Comparison, compare_runs
    from workbench.pipeline.comparing import run_comparison
    from workbench.pipeline.factors import run_factors
    from workbench.pipeline.importance import Importance, purged_importance
    from workbench.pipeline.predict import Predictor, champion
    from workbench.pipeline.reproduce import Reproduction
    from workbench.pipeline.rulesweep import run_sweep
    from workbench.pipeline.run import load_experiment_data, run_backtest, run_training
    from workbench.pipeline.search import Search
    from workbench.pipeline.sweep import count_sweep
    from workbench.pipeline.truth import run_truth

_WHERE = {
    "Comparison": "compare",
    "Importance": "importance",
    "Predictor": "predict",
    "Reproduction": "reproduce",
    "Search": "search",
    "champion": "predict",
    "compare_runs": "compare",
    "count_sweep": "sweep",
    "load_experiment_data": "run",
    "purged_importance": "importance",
    "run_backtest": "run",
    "run_comparison": "comparing",
    "run_factors": "factors",
    "run_sweep": "rulesweep",
    "run_training": "run",
    "run_truth": "truth",
    "run_walkforward": "choosing",
}

__all__ = [
    "Comparison",
    "Importance",
    "Predictor",
    "Reproduction",
    "Search",
    "champion",
    "compare_runs",
    "count_sweep",
    "load_experiment_data",
    "purged_importance",
    "run_backtest",
    "run_comparison",
    "run_factors",
    "run_sweep",
    "run_training",
    "run_truth",
    "run_walkforward",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"workbench.pipeline.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'workbench.pipeline' has no attribute {name!r}")
