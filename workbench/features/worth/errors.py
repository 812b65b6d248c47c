"""Standard errors of means whose terms depend on their neighbours, and what many tests at once do to p-values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.errors import ConfigError
from workbench.typing import FloatArray

_FEW_LAGS = 64
_MOST_SHARE = 4  # at most a quarter of the terms as lags: beyond it the estimate says nothing


@dataclass(frozen=True)
class Estimate:
    """A mean with its Newey-West standard error.

    Attributes
    ----------
    value, standard_error
        NaN where there are fewer than three terms.
    n, lags
        Terms of the mean, and lags of its error.
    t
        ``value / standard_error``; 0 for a value of exactly 0.
    p_value
        Two-sided, by `two_sided`.
    """

    value: float
    standard_error: float
    n: int
    lags: int = 0

    @property
    def t(self) -> float:
        """The value in standard errors."""
        if self.value == 0:
            return 0.0
        return self.value / self.standard_error if self.standard_error > 0 else float("nan")

    @property
    def p_value(self) -> float:
        """Chance of a value this far from 0 if the true one is 0."""
        return two_sided(self.t, self.lags / self.n if self.n else 0.0)


def two_sided(t: float, bandwidth: float = 0.0) -> float:
    r"""Return the two-sided p-value of a t-statistic; NaN stays NaN.

    Parameters
    ----------
    t
        Value in Newey-West standard errors.
    bandwidth
        b, the lags of the error as a share of the terms; 0 gives the normal distribution.

    Notes
    -----
    An error of many lags is itself uncertain, and 1.96 too low a hurdle. The t is divided by what the hurdle of 5 %
    grows by, :math:`1 + (2.9694 b + 0.4160 b^2 - 0.5324 b^3) / 1.96`, before the normal distribution is asked.

    References
    ----------
    Kiefer, N. M. and Vogelsang, T. J. (2005). A new asymptotic theory for heteroskedasticity-autocorrelation robust
    tests. Econometric Theory 21, 1130-1164 (table 1, Bartlett kernel, 97.5 %).
    """
    if math.isnan(t):
        return float("nan")
    b = bandwidth
    hurdle = 1 + (2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3) / 1.96
    return math.erfc(abs(t) / hurdle / math.sqrt(2))


def newey_west_lags(n: int, horizon: int = 1) -> int:
    r"""Return the number of lags for the errors of ``n`` terms whose labels span ``horizon`` bars.

    Notes
    -----
    .. math:: L = \max\left(3 (h - 1),\; \lfloor 4 (n / 100)^{2/9} \rfloor\right), \quad L \le n / 4

    Labels of h bars overlap by h − 1 bars, so L must be at least h − 1. At exactly h − 1 the falling weights of the
    kernel count only two thirds of the variance that the overlap makes, and t-statistics come out a fifth too large;
    at 3 (h − 1) it is about nine tenths. The second part is the usual rule for what other dependence there is.

    References
    ----------
    Newey, W. K. and West, K. D. (1994). Automatic lag selection in covariance matrix estimation. Review of Economic
    Studies 61, 631-653.
    """
    if n < 0 or horizon < 1:
        raise ConfigError(f"newey_west_lags needs n from 0 and a horizon from 1 on, got {n} and {horizon}")
    rule = math.floor(4 * (n / 100) ** (2 / 9))
    return max(0, min(max(3 * (horizon - 1), rule), n // _MOST_SHARE))


def long_run_variance(x: FloatArray, lags: int) -> float:
    r"""Return the long-run variance of a series: what the variance of its mean is, times n.

    Parameters
    ----------
    x
        (n,) finite values, in order of time.
    lags
        Autocovariances that count, from 0 on; 0 gives the plain variance (divided by n).

    Notes
    -----
    .. math:: \hat\gamma_0 + 2 \sum_{j=1}^{L} \left(1 - \frac{j}{L + 1}\right) \hat\gamma_j, \quad
       \hat\gamma_j = \frac{1}{n} \sum_{t > j} (x_t - \bar x)(x_{t-j} - \bar x)

    never negative.

    References
    ----------
    Newey, W. K. and West, K. D. (1987). A simple, positive semi-definite, heteroskedasticity and autocorrelation
    consistent covariance matrix. Econometrica 55, 703-708.
    """
    n = x.size
    if n == 0:
        return float("nan")
    centred = x - x.mean()
    last = min(lags, n - 1)
    covariances = _autocovariances(centred, last)
    weights = 2 * (1 - np.arange(last + 1) / (lags + 1))
    weights[0] = 1
    return max(float(weights @ covariances), 0.0)


def _autocovariances(centred: FloatArray, last: int) -> FloatArray:
    """Return the autocovariances at lags 0 to ``last``; of many lags by the Fourier transform."""
    n = centred.size
    if last <= _FEW_LAGS:
        return np.array([centred[j:] @ centred[: n - j] for j in range(last + 1)]) / n
    length = 1 << (n + last).bit_length()  # long enough that the ends do not meet
    power = np.abs(np.fft.rfft(centred, length)) ** 2
    return np.fft.irfft(power, length)[: last + 1] / n


def newey_west_mean(x: FloatArray, lags: int, deviations: FloatArray | None = None) -> Estimate:
    """Return the mean of a series with its Newey-West standard error.

    Parameters
    ----------
    x
        (n,) values in order of time; NaN are left out, their neighbours then count as neighbours.
    lags
        See `newey_west_lags`.
    deviations
        (n,) what each term does to the estimate, where that is not ``x - mean(x)``: a correlation's influence, which
        knows that the variances were estimated too.
    """
    known = np.isfinite(x)
    values = x[known]
    if values.size < 3:
        return Estimate(float(values.mean()) if values.size else float("nan"), float("nan"), int(values.size), lags)
    spread = values if deviations is None else deviations[known]
    error = math.sqrt(long_run_variance(spread, lags) / values.size)
    return Estimate(float(values.mean()), error, int(values.size), lags)


def adjusted_p_values(p: FloatArray, dependence: str = "positive") -> FloatArray:
    """Return Benjamini-Hochberg adjusted p-values (q-values): flag those at most the false discovery rate you bear.

    Parameters
    ----------
    p
        (n,) p-values of all that was looked at; NaN is not a test and stays NaN.
    dependence
        ``positive`` (Benjamini and Hochberg: independent tests, or such that rise and fall together) or ``any``
        (Benjamini and Yekutieli: no condition, stricter by the factor 1 + 1/2 + … + 1/n).

    Notes
    -----
    With the p-values sorted, ``q_(i) = min over j >= i of min(1, p_(j) n / j)``.

    References
    ----------
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. JRSS B 57, 289-300.
    Benjamini, Y. and Yekutieli, D. (2001). The control of the false discovery rate in multiple testing under
    dependency. Annals of Statistics 29, 1165-1188.

    Examples
    --------
    >>> import numpy as np
    >>> adjusted_p_values(np.array([0.01, 0.04, 0.5]))
    array([0.03, 0.06, 0.5 ])
    """
    if dependence not in ("positive", "any"):
        raise ConfigError(f"dependence must be positive or any, got {dependence!r}")
    p = np.asarray(p, dtype=np.float64)
    out = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    n = known.size
    if not n:
        return out
    order = known[np.argsort(p[known])]
    places = np.arange(1, n + 1)
    factor = n * (float((1 / places).sum()) if dependence == "any" else 1.0)
    scaled = p[order] * factor / places
    out[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return out
