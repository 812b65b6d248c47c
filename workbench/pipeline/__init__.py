"""Bars to run: the pipeline that notebooks, reports and the command line share, and prediction with its champion."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.pipeline.factors import run_factors
    from workbench.pipeline.importance import Importance, purged_importance
    from workbench.pipeline.predict import Predictor, champion
    from workbench.pipeline.run import load_experiment_data, run_backtest, run_training
    from workbench.pipeline.sweep import run_sweep

_WHERE = {
    "Importance": "importance",
    "Predictor": "predict",
    "champion": "predict",
    "load_experiment_data": "run",
    "purged_importance": "importance",
    "run_backtest": "run",
    "run_factors": "factors",
    "run_sweep": "sweep",
    "run_training": "run",
}

__all__ = [
    "Importance",
    "Predictor",
    "champion",
    "load_experiment_data",
    "purged_importance",
    "run_backtest",
    "run_factors",
    "run_sweep",
    "run_training",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"workbench.pipeline.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'workbench.pipeline' has no attribute {name!r}")
