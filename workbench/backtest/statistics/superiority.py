"""Whether anything tried beats a benchmark, once the search is counted: reality check, SPA and StepM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from workbench.backtest.statistics.bootstrap import optimal_block_length
from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.typing import BoolArray, FloatArray, IntArray

Resampling = Literal["stationary", "circular"]
_SCHEMES = ("stationary", "circular")
_CELLS = 2_000_000


@dataclass(frozen=True, eq=False)
class Superiority:
    """Outcome of the tests for superior predictive ability.

    Parameters
    ----------
    p_value
        Hansen's consistent p-value that no trial beats the benchmark; the one to read.
    p_lower, p_upper
        Bounds: the liberal one, and White's reality check, which a crowd of poor trials makes blind.
    superior
        Columns of the trials that beat the benchmark by StepM, with the chance of a single false one among them held at
        ``size``.
    best
        Column with the highest mean excess return.
    excess
        Mean return of each trial above the benchmark's, a bar, (n_trials,).
    block_length
        Mean length of the blocks, in bars.
    size
        Error rate of ``superior``.
    """

    p_value: float
    p_lower: float
    p_upper: float
    superior: IntArray
    best: int
    excess: FloatArray
    block_length: int
    size: float


def superior_ability(
    returns: npt.ArrayLike,
    benchmark: npt.ArrayLike | float = 0.0,
    *,
    replicates: int = 1_000,
    block_length: int | None = None,
    scheme: Resampling = "stationary",
    studentised: bool = False,
    size: float = 0.05,
    seed: int = 0,
) -> Superiority:
    """Return the p-value that none of the trials beats the benchmark, and which of them do.

    Use it on all trials of a search beside buy-and-hold: it needs no count of independent trials, as it resamples their
    returns together.

    Parameters
    ----------
    returns
        Simple returns of every trial on the same bars, (n_obs, n_trials); higher is better.
    benchmark
        Returns to beat on the same bars, (n_obs,); 0 is staying in cash.
    replicates
        Number of resamples, usually 1,000.
    block_length
        Mean bars of a block; None takes `optimal_block_length` of the trial with the highest Sharpe ratio.
    scheme
        ``stationary`` or ``circular`` blocks.
    studentised
        Divide each trial's mean by its standard error, as Hansen does, so that a wild trial does not decide for all;
        without it means are compared as they are.
    size
        Error rate of the set of superior trials.
    seed
        Of the resamples.

    Returns
    -------
    Superiority

    Raises
    ------
    DataError
        When a return is missing or shapes do not fit.

    Notes
    -----
    `arch` and the papers compare *losses*, where lower is better: returns passed there unchanged test whether the
    benchmark beats the trials. Here they are returns, and the sign is changed once, inside. The resamples are those
    of `arch` for the same seed, and so are the p-values without ``studentised``: arch 8.0 takes ``studentize`` for the
    choice of trials to recentre only, and its statistic is the plain mean.

    References
    ----------
    White, H. (2000). A Reality Check for Data Snooping. Econometrica 68(5), 1097-1126. Hansen, P. R. (2005). A Test for
    Superior Predictive Ability. J. Business & Economic Statistics 23(4), 365-380. Romano, J. P. and Wolf, M. (2005).
    Stepwise Multiple Testing as Formalized Data Snooping. Econometrica 73(4), 1237-1282.
    """
    excess = _excess(returns, benchmark)
    _check(replicates, scheme, size)
    n, _ = excess.shape
    mean = excess.mean(axis=0)
    best = int(np.argmax(mean))
    length = _block_length(excess, scheme) if block_length is None else block_length
    if not 1 <= length <= n:
        raise ConfigError(f"block_length must be from 1 to the {n} rows, got {length}; None finds one")
    error = np.sqrt(_long_run_variance(excess, length) / n)
    scale = np.where(error > 0, error, np.inf) if studentised else np.ones_like(error)
    draws = _means(excess, replicates, length, scheme, seed)
    # a trial far below the benchmark must not weigh on the others: it is centred at zero, where it cannot win
    relevant = mean >= -error * math.sqrt(2.0 * math.log(math.log(n)))
    centres = (np.maximum(mean, 0.0), np.where(relevant, mean, 0.0), mean)
    lower, consistent, upper = ((draws - centre) / scale for centre in centres)
    observed = mean / scale
    everyone = np.ones(len(mean), dtype=bool)
    return Superiority(
        p_value=_p_value(consistent, observed, everyone),
        p_lower=_p_value(lower, observed, everyone),
        p_upper=_p_value(upper, observed, everyone),
        superior=_step_down(consistent, observed, size),
        best=best,
        excess=mean,
        block_length=length,
        size=size,
    )


def _block_length(excess: FloatArray, scheme: Resampling) -> int:
    deviation = excess.std(axis=0)
    best = int(
        np.argmax(np.where(deviation > 0, excess.mean(axis=0) / np.where(deviation > 0, deviation, 1.0), -np.inf))
    )
    return max(1, round(optimal_block_length(excess[:, best])[_SCHEMES.index(scheme)]))


def _p_value(draws: FloatArray, observed: FloatArray, kept: BoolArray) -> float:
    return float((draws[:, kept].max(axis=1) >= observed[kept].max()).mean())


def _step_down(draws: FloatArray, observed: FloatArray, size: float) -> IntArray:
    """Take out what beats the quantile of the best of the rest, until nothing does."""
    kept = np.ones(len(observed), dtype=bool)
    while kept.any():
        critical = np.quantile(draws[:, kept].max(axis=1), 1.0 - size)
        found = kept & (observed > critical)
        if not found.any():
            break
        kept &= ~found
    return np.flatnonzero(~kept)


def _means(excess: FloatArray, replicates: int, length: int, scheme: Resampling, seed: int) -> FloatArray:
    """Return the mean of every column in every resample, (replicates, n_trials).

    Rows are not gathered: how often each was drawn times its values is a matrix product.
    """
    from arch.bootstrap import CircularBlockBootstrap, StationaryBootstrap

    n, k = excess.shape
    chosen = StationaryBootstrap if scheme == "stationary" else CircularBlockBootstrap
    bootstrap = chosen(length, np.arange(n), seed=seed)
    means = np.empty((replicates, k))
    step = max(1, _CELLS // n)
    counts = np.empty((step, n))
    filled = start = 0
    for (rows,), _ in bootstrap.bootstrap(replicates):
        counts[filled] = np.bincount(rows, minlength=n)
        filled += 1
        if filled == step or start + filled == replicates:
            means[start : start + filled] = counts[:filled] @ excess / n
            start, filled = start + filled, 0
    return means


def _long_run_variance(excess: FloatArray, length: int) -> FloatArray:
    """Return the variance of √n times each mean under the stationary bootstrap (Politis and Romano 1994)."""
    n = len(excess)
    lag = np.arange(n)
    stay = 1.0 - 1.0 / length  # chance that the next row follows the last one
    weights = (1.0 - lag / n) * stay**lag + lag / n * stay ** (n - lag)
    weights[0] = 0.5
    padded = 1 << (2 * n - 1).bit_length()
    variance = np.empty(excess.shape[1])
    for j, column in enumerate(excess.T):
        power = np.abs(np.fft.rfft(column - column.mean(), padded)) ** 2
        variance[j] = 2.0 * weights @ np.fft.irfft(power, padded)[:n] / n
    return np.maximum(variance, 0.0)


def _excess(returns: Any, benchmark: Any) -> FloatArray:
    values, other = np.asarray(returns, dtype=np.float64), np.asarray(benchmark, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape or len(values) < 16:
        raise DataError(f"returns must be (n_obs, n_trials) of at least 16 rows, got {values.shape}; a column each")
    if other.shape not in {(), values.shape[:1]}:
        raise DataError(f"benchmark must be one number or {len(values)} returns, got {other.shape}")
    excess = values - (other[:, None] if other.ndim else other)
    if not np.isfinite(excess).all():
        raise DataError("a return of a trial or of the benchmark is missing or infinite; a flat bar is a return of 0")
    return excess


def _check(replicates: int, scheme: str, size: float) -> None:
    if replicates < 2:
        raise ConfigError(f"replicates must be at least 2, got {replicates}; 1000 is usual")
    if scheme not in _SCHEMES:
        raise ConfigError(
            f"unknown scheme {scheme!r}; choose from {', '.join(_SCHEMES)}.{did_you_mean(scheme, _SCHEMES)}"
        )
    if not 0 < size < 1:
        raise ConfigError(f"size must lie in (0, 1), got {size}; 0.05 is usual")
