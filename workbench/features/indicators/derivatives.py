"""Funding and basis of perpetual futures; their bars carry the fields ``funding_rate`` and ``basis``.

A positive rate is paid by who is long. The rate of a bar is the sum of what was paid within it, 0 where nothing fell
due, and is known at its close. The basis is close / mark - 1. Both fields can be named in a spec as they are.
"""

from __future__ import annotations

from workbench.features.indicators.windows import FROM_1, FROM_2, full, mean, total, zscore
from workbench.features.registry import indicator
from workbench.typing import FloatArray


@indicator("funding_sum", warmup=full, family="derivatives", bounds=FROM_1)
def funding_sum(funding_rate: FloatArray, *, window: int = 24) -> FloatArray:
    """Funding paid over the last ``window`` bars by longs to shorts, as a fraction of the position."""
    return total(funding_rate, window)


@indicator("funding_z", warmup=full, family="derivatives", bounds=FROM_2)
def funding_z(funding_rate: FloatArray, *, window: int = 168) -> FloatArray:
    """Funding of the bar in standard deviations (ddof=1) from its mean over ``window`` bars; 0 where constant."""
    return zscore(funding_rate, window)


@indicator("basis_mean", warmup=full, family="derivatives", bounds=FROM_1)
def basis_mean(basis: FloatArray, *, window: int = 24) -> FloatArray:
    """Mean basis of the last ``window`` bars, as a fraction."""
    return mean(basis, window)


@indicator("basis_z", warmup=full, family="derivatives", bounds=FROM_2)
def basis_z(basis: FloatArray, *, window: int = 168) -> FloatArray:
    """Basis in standard deviations (ddof=1) from its mean over ``window`` bars; 0 where constant."""
    return zscore(basis, window)
