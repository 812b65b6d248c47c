"""How far a Sharpe ratio can be believed, given its length, its tails and the number of things tried.

Sharpe ratios here are *per bar*, never annualised, and the kurtosis is raw (3 for a Gaussian).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from workbench.errors import DataError
from workbench.risk.performance import kurtosis, skewness
from workbench.risk.registry import measure
from workbench.risk.series import Returns, clean, ratio, spread

_EULER = 0.5772156649015329
_NORMAL = NormalDist()


def sharpe_standard_error(sharpe: float, n_obs: int, skew: float = 0.0, raw_kurtosis: float = 3.0) -> float:
    """Return the standard error of a per-bar Sharpe ratio of ``n_obs`` returns.

    Notes
    -----
    ``sqrt((1 − γ₃ SR + (γ₄ − 1)/4 SR²) / (n − 1))`` with skewness γ₃ and raw kurtosis γ₄ (Mertens 2002). With Gaussian
    moments it is Lo's ``sqrt((1 + SR²/2) / n)`` but for n − 1.

    References
    ----------
    Lo, A. W. (2002). The Statistics of Sharpe Ratios. Financial Analysts Journal 58(4), 36-52.
    """
    if n_obs < 2:
        raise DataError(f"the standard error of a Sharpe ratio needs at least 2 returns, got {n_obs}")
    variance = 1.0 - skew * sharpe + (raw_kurtosis - 1.0) / 4.0 * sharpe**2
    return math.sqrt(variance / (n_obs - 1)) if variance > 0 else float("nan")


def probability_above(
    benchmark: float, sharpe: float, n_obs: int, skew: float = 0.0, raw_kurtosis: float = 3.0
) -> float:
    """Return the probability that the true per-bar Sharpe ratio is above ``benchmark``, from the four statistics."""
    z = ratio(sharpe - benchmark, sharpe_standard_error(sharpe, n_obs, skew, raw_kurtosis))
    return _NORMAL.cdf(z)


@measure(
    "probabilistic_sharpe_ratio",
    unit="probability",
    direction="higher",
    reference="Bailey & López de Prado (2012), J. of Risk",
)
def probabilistic_sharpe_ratio(returns: Returns, *, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds a benchmark.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``, at least two; NaN are left out.
    benchmark
        Sharpe ratio *per bar* to beat; an annual one is divided by sqrt(periods per year) first.

    Returns
    -------
    float
        Between 0 and 1; NaN for constant returns.

    Notes
    -----
    ``Φ((SR − SR*) · sqrt(n − 1) / sqrt(1 − γ₃ SR + (γ₄ − 1)/4 SR²))`` with raw kurtosis γ₄. Libraries that put the
    excess kurtosis there overstate the confidence of fat-tailed returns.

    References
    ----------
    Bailey, D. H. and López de Prado, M. (2012). The Sharpe Ratio Efficient Frontier. Journal of Risk 15(2), 3-44.
    """
    values = clean(returns, "probabilistic_sharpe_ratio", minimum=2)
    deviation = spread(values)
    if deviation == 0:
        return float("nan")
    sharpe = float(values.mean()) / deviation
    return probability_above(benchmark, sharpe, len(values), skewness(values), kurtosis(values))


def expected_max_sharpe_ratio(n_trials: int, sharpe_variance: float) -> float:
    """Return the expected best per-bar Sharpe ratio among ``n_trials`` worthless strategies.

    Parameters
    ----------
    n_trials
        Number of independent configurations tried, at least 1.
    sharpe_variance
        Variance of their per-bar Sharpe ratios; an annual variance is divided by the periods per year first.

    Returns
    -------
    float
        ``sqrt(V) · ((1 − γ) Φ⁻¹(1 − 1/N) + γ Φ⁻¹(1 − 1/(N e)))`` with Euler's γ; 0 for one trial.

    References
    ----------
    Bailey, D. H. and López de Prado, M. (2014). The Deflated Sharpe Ratio. J. Portfolio Management 40(5), 94-107.
    """
    if n_trials < 1:
        raise DataError(f"expected_max_sharpe_ratio: n_trials must be at least 1, got {n_trials}")
    if n_trials == 1:
        return 0.0
    if not 0 <= sharpe_variance < math.inf:
        raise DataError(f"expected_max_sharpe_ratio: sharpe_variance must be 0 or more, got {sharpe_variance}")
    best = (1.0 - _EULER) * _NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    return math.sqrt(sharpe_variance) * (best + _EULER * _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e)))


@measure(
    "deflated_sharpe_ratio",
    unit="probability",
    direction="higher",
    reference="Bailey & López de Prado (2014), J. Portfolio Management 40(5)",
    summarised=False,
)
def deflated_sharpe_ratio(returns: Returns, *, n_trials: int, sharpe_variance: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is positive after correcting for the number of trials.

    Parameters
    ----------
    returns
        Simple returns as fractions of the chosen strategy, ``(n_bars,)``, at least two; NaN are left out.
    n_trials
        Number of configurations tried on this data, this one included.
    sharpe_variance
        Variance of the trials' per-bar Sharpe ratios; of no effect for one trial.

    Returns
    -------
    float
        `probabilistic_sharpe_ratio` against `expected_max_sharpe_ratio`; NaN for constant returns.

    Raises
    ------
    DataError
        When there are no trials or the variance is negative or missing.

    References
    ----------
    Bailey, D. H. and López de Prado, M. (2014). The Deflated Sharpe Ratio. J. Portfolio Management 40(5), 94-107.
    """
    benchmark = expected_max_sharpe_ratio(n_trials, sharpe_variance)
    return probabilistic_sharpe_ratio(returns, benchmark=benchmark)


def minimum_track_record_length(returns: Returns, *, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Return how many bars are needed to trust that the true Sharpe ratio exceeds a benchmark.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``, at least two; NaN are left out.
    benchmark
        Sharpe ratio *per bar* to beat.
    confidence
        Probability wanted, usually 0.95.

    Returns
    -------
    float
        Bars; infinite when the observed Sharpe ratio does not exceed the benchmark, NaN for constant returns.

    References
    ----------
    Bailey, D. H. and López de Prado, M. (2012). The Sharpe Ratio Efficient Frontier. Journal of Risk 15(2), 3-44.
    """
    values = clean(returns, "minimum_track_record_length", minimum=2)
    deviation = spread(values)
    if deviation == 0:
        return float("nan")
    sharpe = float(values.mean()) / deviation
    return track_record_needed(benchmark, sharpe, skewness(values), kurtosis(values), confidence)


def track_record_needed(
    benchmark: float, sharpe: float, skew: float = 0.0, raw_kurtosis: float = 3.0, confidence: float = 0.95
) -> float:
    """Return the minimum track record length in bars from the statistics of a track record."""
    if sharpe <= benchmark:
        return float("inf")
    variance = 1.0 - skew * sharpe + (raw_kurtosis - 1.0) / 4.0 * sharpe**2
    return 1.0 + variance * (_NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2


def minimum_backtest_length(n_trials: int, *, sharpe: float = 1.0) -> float:
    """Return how many years of data keep luck from showing a given Sharpe ratio after so many trials.

    Ask it before a search: with less data the best of that many worthless configurations is expected to look as good.

    Parameters
    ----------
    n_trials
        Number of independent configurations tried, at least 1.
    sharpe
        *Annualised* Sharpe ratio that the search should not reach by luck, usually 1.

    Returns
    -------
    float
        Years; 0 for one trial.

    Notes
    -----
    ``(E[max_N] / SR)²`` with the expected maximum of N standard normal numbers of `expected_max_sharpe_ratio`: over y
    years the annualised Sharpe ratio of a worthless strategy scatters by ``1 / √y``. Below ``2 ln N / SR²``. Years
    and not bars: finer bars add rows, but no years.

    References
    ----------
    Bailey, D. H., Borwein, J. M., López de Prado, M. and Zhu, Q. J. (2014). Pseudo-Mathematics and Financial
    Charlatanism. Notices of the AMS 61(5), 458-471, theorem 1.

    Examples
    --------
    >>> round(minimum_backtest_length(45), 1)
    5.0
    """
    if not 0 < sharpe < math.inf:
        raise DataError(f"minimum_backtest_length: sharpe must be above 0, got {sharpe}; it is annualised, 1 is usual")
    return (expected_max_sharpe_ratio(n_trials, 1.0) / sharpe) ** 2
