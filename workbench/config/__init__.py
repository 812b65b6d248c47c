"""Settings, typed notebook parameters, experiment files and spec strings."""

from workbench.config.experiment import Experiment, Job, load_experiment
from workbench.config.grids import parse_grid
from workbench.config.parameters import (
    NOTEBOOKS,
    OVERLAYS,
    TIMEFRAMES,
    BacktestParameters,
    CompareParameters,
    DataParameters,
    FeaturesParameters,
    LiveChartParameters,
    MarketParameters,
    Parameters,
    RiskCenterParameters,
    SweepParameters,
    TrainParameters,
    TruthParameters,
    WalkForwardParameters,
    parameters_of,
    validate_parameters,
)
from workbench.config.settings import Settings, load_settings
from workbench.config.spec import Spec, parse_spec
from workbench.config.suggest import did_you_mean

__all__ = [
    "NOTEBOOKS",
    "OVERLAYS",
    "TIMEFRAMES",
    "BacktestParameters",
    "CompareParameters",
    "DataParameters",
    "Experiment",
    "FeaturesParameters",
    "Job",
    "LiveChartParameters",
    "MarketParameters",
    "Parameters",
    "RiskCenterParameters",
    "Settings",
    "Spec",
    "SweepParameters",
    "TrainParameters",
    "TruthParameters",
    "WalkForwardParameters",
    "did_you_mean",
    "load_experiment",
    "load_settings",
    "parameters_of",
    "parse_grid",
    "parse_spec",
    "validate_parameters",
]
