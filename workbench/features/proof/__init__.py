"""Proof that features are what they claim: causal, exact in their warm-up, the same bar by bar."""

from __future__ import annotations

from workbench.features.proof.causality import check_causality, find_leaks
from workbench.features.proof.modules import load_features
from workbench.features.proof.streams import check_stream
from workbench.features.proof.verdicts import FeatureCheck, check_all
from workbench.features.proof.warmups import check_warmup

__all__ = [
    "FeatureCheck",
    "check_all",
    "check_causality",
    "check_stream",
    "check_warmup",
    "find_leaks",
    "load_features",
]
