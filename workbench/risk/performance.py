"""Return, volatility and what follows from their distribution."""

from __future__ import annotations

import numpy as np

from workbench.risk.registry import measure
from workbench.risk.series import Returns, clean, ratio, resolve_periods, spread


@measure("total_return", unit="fraction", direction="higher", reference="Bacon (2008), ch. 2")
def total_return(returns: Returns) -> float:
    """Compounded return over the whole series.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.

    Returns
    -------
    float
        ``prod(1 + r) − 1``; −1 when everything was lost.
    """
    return float(np.prod(1.0 + clean(returns, "total_return")) - 1.0)


@measure("annual_return", unit="fraction", direction="higher", reference="Bacon (2008), ch. 2")
def annual_return(returns: Returns, *, periods_per_year: float | None = None) -> float:
    """Compound annual growth rate (geometric).

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.
    periods_per_year
        Bars in a year; inferred from the index of a Series.

    Returns
    -------
    float
        ``prod(1 + r) ** (periods_per_year / n) − 1``.

    Notes
    -----
    Short series are annualised too, without a warning: ten good days grow to a large figure.
    """
    values = clean(returns, "annual_return")
    periods = resolve_periods(returns, periods_per_year, "annual_return")
    if values.min() <= -1.0:
        return -1.0
    with np.errstate(over="ignore"):  # ten good minutes grow to infinity
        return float(np.expm1(np.log1p(values).mean() * periods))


@measure("annual_volatility", unit="fraction", direction="lower", reference="Bacon (2008), ch. 4")
def annual_volatility(returns: Returns, *, periods_per_year: float | None = None) -> float:
    """Annualised standard deviation of returns (ddof 1).

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``, at least two; NaN are left out.
    periods_per_year
        Bars in a year; inferred from the index of a Series.

    Returns
    -------
    float
        ``std(r) · sqrt(periods_per_year)``, 0 for constant returns. Serial correlation is not corrected for.
    """
    values = clean(returns, "annual_volatility", minimum=2)
    return spread(values) * float(np.sqrt(resolve_periods(returns, periods_per_year, "annual_volatility")))


@measure("sharpe_ratio", unit="ratio", direction="higher", reference="Sharpe (1994), J. Portfolio Management 21(1)")
def sharpe_ratio(returns: Returns, *, periods_per_year: float | None = None, risk_free: float = 0.0) -> float:
    """Annualised Sharpe ratio: mean excess return over its standard deviation.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``, at least two; NaN are left out.
    periods_per_year
        Bars in a year; inferred from the index of a Series.
    risk_free
        Risk-free rate *per bar*, subtracted before annualising.

    Returns
    -------
    float
        ``mean(r − f) / std(r − f) · sqrt(periods_per_year)`` with ddof 1; NaN for constant returns, such as those of
        a strategy that never trades.

    Notes
    -----
    The square root of time assumes uncorrelated returns (Lo 2002, Financial Analysts Journal 58(4)).

    References
    ----------
    Sharpe, W. F. (1994). The Sharpe Ratio. Journal of Portfolio Management 21(1), 49-58.
    """
    values = clean(returns, "sharpe_ratio", minimum=2) - risk_free
    periods = resolve_periods(returns, periods_per_year, "sharpe_ratio")
    return ratio(float(values.mean()), spread(values)) * float(np.sqrt(periods))


@measure("sortino_ratio", unit="ratio", direction="higher", reference="Sortino & Price (1994), J. of Investing 3(3)")
def sortino_ratio(returns: Returns, *, periods_per_year: float | None = None, target: float = 0.0) -> float:
    """Annualised Sortino ratio: mean return above a target over the target downside deviation.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.
    periods_per_year
        Bars in a year; inferred from the index of a Series.
    target
        Least acceptable return *per bar*.

    Returns
    -------
    float
        ``mean(r − T) / sqrt(sum(min(r − T, 0)²) / n) · sqrt(periods_per_year)``; NaN when none is below the target.

    Notes
    -----
    The downside deviation divides by all n returns and not by the number of bad ones, as its authors do.

    References
    ----------
    Sortino, F. A. and Price, L. N. (1994). Performance Measurement in a Downside Risk Framework. Journal of Investing.
    """
    excess = clean(returns, "sortino_ratio") - target
    periods = resolve_periods(returns, periods_per_year, "sortino_ratio")
    downside = float(np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2)))
    return ratio(float(excess.mean()), downside) * float(np.sqrt(periods))


@measure(
    "omega_ratio", unit="ratio", direction="higher", reference="Keating & Shadwick (2002), J. Performance Measurement"
)
def omega_ratio(returns: Returns, *, threshold: float = 0.0) -> float:
    """Sum of gains above a threshold over the sum of losses below it.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.
    threshold
        Return *per bar* that separates gains from losses.

    Returns
    -------
    float
        ``sum(max(r − L, 0)) / sum(max(L − r, 0))``, 1 when both balance; NaN when nothing lies below the threshold.
    """
    excess = clean(returns, "omega_ratio") - threshold
    return ratio(float(np.maximum(excess, 0.0).sum()), float(np.maximum(-excess, 0.0).sum()))


@measure("hit_rate", unit="fraction", direction="higher", reference="Bacon (2008), ch. 3")
def hit_rate(returns: Returns) -> float:
    """Share of positive returns among those that are not zero.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.

    Returns
    -------
    float
        Between 0 and 1; NaN when every return is zero. Bars without a position return zero and so do not count.
    """
    values = clean(returns, "hit_rate")
    return ratio(float((values > 0).sum()), float((values != 0).sum()))


@measure("skewness", unit="number", direction="higher", reference="Bacon (2008), ch. 4")
def skewness(returns: Returns) -> float:
    """Skewness of returns (population form).

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``, at least two; NaN are left out.

    Returns
    -------
    float
        ``mean((r − m)³) / mean((r − m)²)^1.5``; negative when the long tail is on the side of losses, NaN for constant
        returns.
    """
    return _standard_moment(returns, 3, "skewness")


@measure("kurtosis", unit="number", direction="lower", reference="Bacon (2008), ch. 4")
def kurtosis(returns: Returns) -> float:
    """Raw (Pearson) kurtosis of returns (population form): 3 for a Gaussian.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``, at least two; NaN are left out.

    Returns
    -------
    float
        ``mean((r − m)⁴) / mean((r − m)²)²``, NaN for constant returns. pandas and scipy give the *excess* over 3.
    """
    return _standard_moment(returns, 4, "kurtosis")


def _standard_moment(returns: Returns, order: int, name: str) -> float:
    values = clean(returns, name, minimum=2)
    if spread(values) == 0:
        return float("nan")
    centred = values - values.mean()
    scaled = centred / np.abs(centred).max()  # tiny returns would underflow at the fourth power
    return float(np.mean(scaled**order) / np.mean(scaled**2) ** (order / 2))
