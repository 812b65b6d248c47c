"""Models behind one contract: fit and predict on bare arrays, three classes, saved without pickle.

Neither torch nor scikit-learn is loaded before a model is built or read from a file.
"""

from workbench.models.metrics import (
    CLASSES,
    METRICS,
    Metric,
    accuracy,
    brier,
    classification_metrics,
    directional_accuracy,
    ece,
    log_loss,
    loss_ratio,
    mae,
    mse,
    r2,
    reliability_table,
    top_class,
)
from workbench.models.registry import MODELS, ModelEntry, build, check_model_spec, list_models
from workbench.models.split import tail_start
from workbench.models.storage import load_model, save_model
from workbench.models.windows import windows

__all__ = [
    "CLASSES",
    "METRICS",
    "MODELS",
    "Metric",
    "ModelEntry",
    "accuracy",
    "brier",
    "build",
    "check_model_spec",
    "classification_metrics",
    "directional_accuracy",
    "ece",
    "list_models",
    "load_model",
    "log_loss",
    "loss_ratio",
    "mae",
    "mse",
    "r2",
    "reliability_table",
    "save_model",
    "tail_start",
    "top_class",
    "windows",
]
