"""Value at risk and expected shortfall of one bar."""

from __future__ import annotations

from statistics import NormalDist
from typing import Literal

import numpy as np

from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError
from workbench.risk.registry import measure
from workbench.risk.series import Returns, clean, spread
from workbench.typing import FloatArray

TailMethod = Literal["historical", "gaussian"]
METHODS: tuple[TailMethod, ...] = ("historical", "gaussian")

_REFERENCE = "McNeil, Frey & Embrechts (2015), Quantitative Risk Management, ch. 2; Jorion (2006)"


@measure("value_at_risk", unit="fraction", direction="lower", reference=_REFERENCE)
def value_at_risk(returns: Returns, *, confidence: float = 0.95, method: TailMethod = "historical") -> float:
    """Loss of one bar that is exceeded with probability 1 − confidence.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.
    confidence
        Usually 0.95 or 0.99.
    method
        ``historical``: the empirical quantile with numpy's linear interpolation. ``gaussian``: mean and standard
        deviation (ddof 1) of the returns put into a normal law; needs two returns.

    Returns
    -------
    float
        A positive fraction is a loss; negative when even that quantile is a gain.

    Notes
    -----
    Historical: ``−quantile(r, 1 − confidence)``. Gaussian: ``−m + s · z`` with z the standard normal quantile of the
    confidence.

    References
    ----------
    McNeil, A. J., Frey, R. and Embrechts, P. (2015). Quantitative Risk Management, section 2.3. Princeton.
    """
    _check(confidence, method, "value_at_risk")
    if method == "gaussian":
        mean, deviation = _mean_and_deviation(returns, "value_at_risk")
        return -mean + deviation * NormalDist().inv_cdf(confidence)
    return _historical(clean(returns, "value_at_risk"), confidence)


@measure("expected_shortfall", unit="fraction", direction="lower", reference=_REFERENCE)
def expected_shortfall(returns: Returns, *, confidence: float = 0.95, method: TailMethod = "historical") -> float:
    """Mean loss of the bars whose loss is at or beyond the value at risk.

    Parameters
    ----------
    returns
        Simple returns as fractions, ``(n_bars,)``; NaN are left out.
    confidence
        Usually 0.95 or 0.99.
    method
        ``historical``: mean of the losses at or beyond the historical value at risk. ``gaussian``: closed form.

    Returns
    -------
    float
        A positive fraction is a loss; never below `value_at_risk`.

    Notes
    -----
    Gaussian: ``−m + s · φ(z) / (1 − confidence)``.

    References
    ----------
    McNeil, A. J., Frey, R. and Embrechts, P. (2015). Quantitative Risk Management, section 2.3. Princeton.
    """
    _check(confidence, method, "expected_shortfall")
    if method == "gaussian":
        mean, deviation = _mean_and_deviation(returns, "expected_shortfall")
        normal = NormalDist()
        return -mean + deviation * normal.pdf(normal.inv_cdf(confidence)) / (1.0 - confidence)
    values = clean(returns, "expected_shortfall")
    var = _historical(values, confidence)
    beyond = -values[values <= -var]
    return max(float(beyond.mean()), var) if len(beyond) else var  # a mean of equal losses may round below them


@measure("value_at_risk_gaussian", unit="fraction", direction="lower", reference=_REFERENCE)
def value_at_risk_gaussian(returns: Returns, *, confidence: float = 0.95) -> float:
    """Value at risk of a normal law with the mean and deviation of the returns."""
    return value_at_risk(returns, confidence=confidence, method="gaussian")


@measure("expected_shortfall_gaussian", unit="fraction", direction="lower", reference=_REFERENCE)
def expected_shortfall_gaussian(returns: Returns, *, confidence: float = 0.95) -> float:
    """Expected shortfall of a normal law with the mean and deviation of the returns."""
    return expected_shortfall(returns, confidence=confidence, method="gaussian")


def _historical(values: FloatArray, confidence: float) -> float:
    return 0.0 - float(np.quantile(values, 1.0 - confidence))  # 0, never -0


def _mean_and_deviation(returns: Returns, name: str) -> tuple[float, float]:
    values = clean(returns, name, minimum=2)
    return float(values.mean()), spread(values)


def _check(confidence: float, method: str, name: str) -> None:
    if not 0.5 < confidence < 1:
        raise ConfigError(f"{name}: confidence must be between 0.5 and 1 such as 0.95, got {confidence}")
    if method not in METHODS:
        raise ConfigError(f"{name}: unknown method {method!r}.{did_you_mean(method, METHODS)}")
