"""Value at risk and expected shortfall against closed forms and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import risk
from workbench.errors import ConfigError

returns_of = st.lists(st.floats(-0.99, 5.0), min_size=2, max_size=80)
confidences = st.floats(0.51, 0.999)

# McNeil, Frey & Embrechts (2015), example 2.16: a 10,000 position with 20 % annual volatility and 250 days.
MFE = {0.90: (162.1, 222.0), 0.95: (208.1, 260.9), 0.975: (247.9, 295.7), 0.99: (294.2, 337.1), 0.995: (325.8, 365.8)}


@pytest.mark.parametrize("confidence", MFE)
def test_gaussian_tail_of_the_published_example(confidence):
    daily = 0.2 / np.sqrt(250)
    returns = np.array([-1.0, 1.0]) * daily / np.sqrt(2)  # mean 0, sample deviation exactly daily
    var, es = MFE[confidence]
    assert 10_000 * risk.value_at_risk(returns, confidence=confidence, method="gaussian") == pytest.approx(var, abs=0.1)
    shortfall = risk.expected_shortfall(returns, confidence=confidence, method="gaussian")
    assert 10_000 * shortfall == pytest.approx(es, abs=0.1)


def test_historical_tail_of_bacon(bacon):
    assert risk.value_at_risk(bacon) == pytest.approx(0.0592)  # between the losses of 6.1 % and 4.9 %
    assert risk.expected_shortfall(bacon) == pytest.approx((0.061 + 0.065) / 2)


@given(returns_of, confidences, st.sampled_from(["historical", "gaussian"]))
def test_shortfall_is_never_below_value_at_risk(values, confidence, method):
    var = risk.value_at_risk(values, confidence=confidence, method=method)
    assert risk.expected_shortfall(values, confidence=confidence, method=method) >= var


@given(returns_of, confidences, confidences)
def test_risk_grows_with_confidence(values, one, other):
    low, high = sorted((one, other))
    assert risk.value_at_risk(values, confidence=low) <= risk.value_at_risk(values, confidence=high) + 1e-12
    assert risk.expected_shortfall(values, confidence=low) <= risk.expected_shortfall(values, confidence=high) + 1e-12


@given(returns_of, st.floats(0.1, 1.0))
def test_risk_scales_with_the_position(values, scale):
    scaled = np.array(values) * scale
    assert risk.value_at_risk(scaled) == pytest.approx(scale * risk.value_at_risk(values), abs=1e-12)
    assert risk.expected_shortfall(scaled) == pytest.approx(scale * risk.expected_shortfall(values), abs=1e-12)


def test_historical_approaches_gaussian_on_gaussian_returns(rng):
    returns = rng.normal(0.0005, 0.01, 400_000)
    for function in (risk.value_at_risk, risk.expected_shortfall):
        assert function(returns) == pytest.approx(function(returns, method="gaussian"), rel=0.01)


def test_bad_arguments():
    with pytest.raises(ConfigError, match=r"confidence must be between 0.5 and 1 such as 0.95, got 95"):
        risk.value_at_risk([0.1, -0.1], confidence=95)
    with pytest.raises(ConfigError, match="Did you mean 'gaussian'"):
        risk.expected_shortfall([0.1, -0.1], method="gausian")
