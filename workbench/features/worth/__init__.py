"""What a feature is worth: coverage, distribution and drift, information coefficients with honest errors, decay,
quantile returns, turnover and redundancy.

Arrays of shape (n_bars, n_assets) go in; `factor_report` takes panels and puts it all together. Importance under
purged cross-validation needs models and lives in `workbench.pipeline`.
"""

from __future__ import annotations

from workbench.features.worth.clusters import Clusters, average_linkage, cluster_features, rank_correlations
from workbench.features.worth.decay import half_life
from workbench.features.worth.distribution import (
    Distribution,
    coverage,
    describe,
    kolmogorov_smirnov,
    population_stability,
)
from workbench.features.worth.errors import (
    Estimate,
    adjusted_p_values,
    long_run_variance,
    newey_west_lags,
    newey_west_mean,
    two_sided,
)
from workbench.features.worth.information import Information, information, mode_of, row_correlations
from workbench.features.worth.quantiles import (
    QuantileReturns,
    quantile_numbers,
    quantile_returns,
    rank_autocorrelation,
    turnover,
)
from workbench.features.worth.ranks import average_ranks
from workbench.features.worth.report import FALSE_DISCOVERY_RATE, FactorReport, factor_report

__all__ = [
    "FALSE_DISCOVERY_RATE",
    "Clusters",
    "Distribution",
    "Estimate",
    "FactorReport",
    "Information",
    "QuantileReturns",
    "adjusted_p_values",
    "average_linkage",
    "average_ranks",
    "cluster_features",
    "coverage",
    "describe",
    "factor_report",
    "half_life",
    "information",
    "kolmogorov_smirnov",
    "long_run_variance",
    "mode_of",
    "newey_west_lags",
    "newey_west_mean",
    "population_stability",
    "quantile_numbers",
    "quantile_returns",
    "rank_autocorrelation",
    "rank_correlations",
    "row_correlations",
    "turnover",
    "two_sided",
]
