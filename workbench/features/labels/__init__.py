"""Labels look forward on purpose, and carry the time at which they are known.

``labels.compute(bars, "triple_barrier(up=2.0, down=1.0, horizon=20)")`` returns a `Label`: y, t1, returns.
"""

from __future__ import annotations

from workbench.features.labels.barriers import triple_barrier
from workbench.features.labels.horizons import LABEL_WINDOW, fixed, forward_return, label_classes, vol_scaled
from workbench.features.labels.meta import meta_labels
from workbench.features.labels.outcomes import Label
from workbench.features.labels.registry import LABELS, BoundLabel, LabelKind, compute, label, list_labels, resolve
from workbench.features.labels.trends import trend_scan
from workbench.features.labels.weights import (
    average_uniqueness,
    concurrency,
    label_spans,
    return_attribution,
    sample_weights,
    sequential_bootstrap,
    sequential_probabilities,
    time_decay,
)

__all__ = [
    "LABELS",
    "LABEL_WINDOW",
    "BoundLabel",
    "Label",
    "LabelKind",
    "average_uniqueness",
    "compute",
    "concurrency",
    "fixed",
    "forward_return",
    "label",
    "label_classes",
    "label_spans",
    "list_labels",
    "meta_labels",
    "resolve",
    "return_attribution",
    "sample_weights",
    "sequential_bootstrap",
    "sequential_probabilities",
    "time_decay",
    "trend_scan",
    "triple_barrier",
    "vol_scaled",
]
