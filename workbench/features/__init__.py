"""Causal features of bars, labels that know their end time, and the design matrix.

Row t of a feature uses rows up to t only; `check_causality` holds every feature to it, by name, symbol and bar.
TA-Lib loads when the first feature that needs it is computed.
"""

from __future__ import annotations

from workbench.features import indicators, patterns, regimes, structure, texts  # noqa: F401 - features register here
from workbench.features.cache import CacheStats, FeatureCache
from workbench.features.compute import compute, feature_versions, list_features
from workbench.features.design import Design, design_matrix, feature_matrix
from workbench.features.labels import forward_return, label_classes
from workbench.features.market import Market
from workbench.features.normalize import Standardizer
from workbench.features.proof import (
    FeatureCheck,
    check_all,
    check_causality,
    check_stream,
    check_warmup,
    find_leaks,
    load_features,
)
from workbench.features.registry import REGISTRY, Feature, Registry, feature, indicator
from workbench.features.sets import SETS, FeatureSet, feature_set, load_set
from workbench.features.specs import BoundFeature, canonical, get, longest_warmup, resolve, resolve_all, warmup
from workbench.features.streaming import FeatureStream

__all__ = [
    "REGISTRY",
    "SETS",
    "BoundFeature",
    "CacheStats",
    "Design",
    "Feature",
    "FeatureCache",
    "FeatureCheck",
    "FeatureSet",
    "FeatureStream",
    "Market",
    "Registry",
    "Standardizer",
    "canonical",
    "check_all",
    "check_causality",
    "check_stream",
    "check_warmup",
    "compute",
    "design_matrix",
    "feature",
    "feature_matrix",
    "feature_set",
    "feature_versions",
    "find_leaks",
    "forward_return",
    "get",
    "indicator",
    "label_classes",
    "list_features",
    "load_features",
    "load_set",
    "longest_warmup",
    "resolve",
    "resolve_all",
    "warmup",
]
