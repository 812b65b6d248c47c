"""Regimes: causal features of trailing windows, and models that are fitted in-sample and applied by filtering."""

from __future__ import annotations

from workbench.features.regimes.changes import change_probability, cusum_event, run_length
from workbench.features.regimes.markov import HiddenMarkov
from workbench.features.regimes.quantiles import QuantileRegimes
from workbench.features.regimes.shocks import critical_event, range_shock, return_shock, volume_shock
from workbench.features.regimes.states import efficiency_ratio, storm, trend_regime, trend_tstat, vol_rank, vol_regime

__all__ = [
    "HiddenMarkov",
    "QuantileRegimes",
    "change_probability",
    "critical_event",
    "cusum_event",
    "efficiency_ratio",
    "range_shock",
    "return_shock",
    "run_length",
    "storm",
    "trend_regime",
    "trend_tstat",
    "vol_rank",
    "vol_regime",
    "volume_shock",
]
