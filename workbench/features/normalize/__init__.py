"""Normalisers: fitted on the training rows only, applied apart from fitting, written as JSON."""

from __future__ import annotations

from workbench.features.normalize.chain import Chain, Normaliser, from_spec, normaliser
from workbench.features.normalize.fractional import (
    FractionalDifference,
    adf_critical,
    adf_statistic,
    difference_weights,
    frac_diff,
    smallest_order,
)
from workbench.features.normalize.ranks import RankGauss
from workbench.features.normalize.standardizer import RobustStandardizer, Standardizer

__all__ = [
    "Chain",
    "FractionalDifference",
    "Normaliser",
    "RankGauss",
    "RobustStandardizer",
    "Standardizer",
    "adf_critical",
    "adf_statistic",
    "difference_weights",
    "frac_diff",
    "from_spec",
    "normaliser",
    "smallest_order",
]
