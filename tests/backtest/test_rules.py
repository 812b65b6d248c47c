"""Position rules: shares, bounds, unknown names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import RULES, drifted_leverage, position_rule, within_leverage
from workbench.errors import ConfigError


@pytest.fixture
def forecast():
    times = pd.date_range("2024-01-01", periods=4, tz="UTC", name="time")
    return pd.DataFrame({"A": [0.6, -0.2, 0.0, np.nan], "B": [-1.0, 0.05, 0.4, 0.1]}, index=times)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("sign", [[1, -1], [-1, 1], [0, 1], [np.nan, 1]]),
        ("sign(0.1)", [[1, -1], [-1, 0], [0, 1], [np.nan, 0]]),
        ("proportional", [[0.6, -1], [-0.2, 0.05], [0, 0.4], [np.nan, 0.1]]),
        ("proportional(2, threshold=0.1)", [[1, -1], [-0.4, 0], [0, 0.8], [np.nan, 0]]),
        ("long_only(threshold=0.05)", [[1, 0], [0, 0], [0, 1], [np.nan, 1]]),
    ],
)
def test_rules_on_known_forecasts(rule, expected, forecast):
    np.testing.assert_allclose(position_rule(rule, forecast), np.array(expected) / 2)
    np.testing.assert_allclose(position_rule(rule, forecast, max_leverage=0.4), np.array(expected) * 0.2)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_keeps_the_cap_the_shape_and_its_input(rule, rng):
    forecast = pd.DataFrame(rng.uniform(-1, 1, (200, 5)), columns=list("ABCDE"))
    before = forecast.copy()
    positions = position_rule(rule, forecast, max_leverage=0.8)
    assert positions.abs().sum(axis=1).max() <= 0.8 + 1e-12
    assert positions.columns.equals(forecast.columns)
    pd.testing.assert_frame_equal(forecast, before)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("propotional", "unknown position rule 'propotional'. Did you mean 'proportional'"),
        ("sign(treshold=0.1)", "no argument 'treshold'. Did you mean 'threshold'"),
        ("sign(0.1, 0.2)", "takes at most 1 arguments: threshold"),
        ("sign(0.1, threshold=0.2)", "gives 'threshold' twice"),
        ("sign(2)", "threshold must be a number from 0 to 1, got 2"),
        ("sign('a')", "threshold must be a number"),
        ("proportional(-1)", "scale must be a number from 0"),
    ],
)
def test_bad_rules_are_one_clear_line(rule, words, forecast):
    with pytest.raises(ConfigError, match=words.replace("(", r"\(").replace(")", r"\)")):
        position_rule(rule, forecast)


def test_bad_leverage(forecast):
    with pytest.raises(ConfigError, match="max_leverage must be above 0"):
        position_rule("sign", forecast, max_leverage=0)


def test_a_short_that_loses_drifts_above_its_cap() -> None:
    """Short 1 from the fill, the price rises by 10 %: 1.1 are owed on an equity of 0.9."""
    np.testing.assert_allclose(drifted_leverage(np.array([-0.1, 0.0]), 1.0), [1.1 / 0.9, 1.0])


def test_exposure_is_held_to_what_drift_explains() -> None:
    times = pd.date_range("2024-01-01", periods=2, tz="UTC", name="time")
    net = pd.Series([0.0, -0.1], index=times)
    assert within_leverage(pd.DataFrame({"A": [1.0, -1.2]}, index=times), net, 1.0)
    assert not within_leverage(pd.DataFrame({"A": [1.2, -1.0]}, index=times), net, 1.0)
