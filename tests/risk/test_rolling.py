"""Rolling measures equal the measure of each window; sizing looks back only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench import risk
from workbench.errors import ConfigError, DataError

WINDOW = 40
PAIRS = [
    (risk.rolling_volatility, risk.annual_volatility),
    (risk.rolling_sharpe_ratio, risk.sharpe_ratio),
    (risk.rolling_value_at_risk, risk.value_at_risk),
    (risk.rolling_expected_shortfall, risk.expected_shortfall),
]


@pytest.mark.parametrize(("rolling", "whole"), PAIRS, ids=lambda f: f.__name__)
def test_each_window_is_the_measure_of_that_window(rolling, whole, daily):
    result = rolling(daily, WINDOW)
    assert result.iloc[: WINDOW - 1].isna().all()
    for end in (WINDOW, 100, len(daily)):
        window = daily.iloc[end - WINDOW : end]
        assert result.iloc[end - 1] == pytest.approx(whole(window), rel=1e-9)


@pytest.mark.parametrize(("rolling", "whole"), PAIRS, ids=lambda f: f.__name__)
def test_cutting_the_future_leaves_the_past(rolling, whole, daily):
    pd.testing.assert_series_equal(rolling(daily, WINDOW).iloc[:200], rolling(daily.iloc[:200], WINDOW))


def test_flat_windows_have_no_sharpe_ratio(daily):
    idle = daily.copy()
    idle.iloc[100:200] = 0.0
    rolled = risk.rolling_sharpe_ratio(idle, WINDOW)
    assert rolled.iloc[139:200].isna().all()
    assert (risk.rolling_volatility(idle, WINDOW).iloc[139:200] == 0).all()


def test_bad_windows(daily):
    with pytest.raises(DataError, match="needs at least 600 returns for its window, got 504"):
        risk.rolling_volatility(daily, 600)
    with pytest.raises(ConfigError, match="window must be at least 2"):
        risk.rolling_value_at_risk(daily, 1)
    with pytest.raises(DataError, match="needs a Series"):
        risk.rolling_volatility(daily.to_numpy(), 10)


@pytest.fixture
def market(rng):
    index = pd.bdate_range("2020-01-01", periods=400, tz="UTC", name="time")
    steps = rng.normal(0, [0.005, 0.02], (400, 2))
    return pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0)), index=index, columns=["CALM", "WILD"])


def test_volatility_target_scales_each_asset_to_its_own_volatility(market):
    positions = pd.DataFrame(0.5, index=market.index, columns=market.columns)
    scaled = risk.volatility_target(positions, market, 0.10, window=60, max_leverage=100)
    volatility = market.pct_change().rolling(60).std() * np.sqrt(252)
    expected = (0.5 * 0.10 / volatility).iloc[60:]
    pd.testing.assert_frame_equal(scaled.iloc[60:], expected)
    assert scaled.iloc[:60].isna().all().all()


def test_volatility_target_caps_the_row_and_keeps_signs(market):
    positions = pd.DataFrame({"CALM": 0.5, "WILD": -0.5}, index=market.index)
    scaled = risk.volatility_target(positions, market, 0.50, max_leverage=1.0).dropna()
    assert scaled.abs().sum(axis=1).max() <= 1 + 1e-12
    assert (scaled["CALM"] > 0).all()
    assert (scaled["WILD"] < 0).all()


def test_volatility_target_is_causal(market):
    positions = pd.DataFrame(0.5, index=market.index, columns=market.columns)
    whole = risk.volatility_target(positions, market, 0.10)
    cut = risk.volatility_target(positions.iloc[:200], market.iloc[:200], 0.10)
    pd.testing.assert_frame_equal(whole.iloc[:200], cut)


@pytest.fixture
def two_calendars(rng):
    """Closes of a coin that trades every day and of a stock that rests at weekends."""
    index = pd.date_range("2020-01-01", periods=300, tz="UTC", name="time")
    steps = rng.normal(0, [0.03, 0.01], (300, 2))
    close = pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0)), index=index, columns=["COIN", "STOCK"])
    close.loc[index.day_of_week >= 5, "STOCK"] = np.nan
    return close


def test_volatility_target_counts_the_bars_of_each_assets_own_calendar(two_calendars):
    close = two_calendars
    positions = pd.DataFrame(0.5, index=close.index, columns=close.columns)
    scaled = risk.volatility_target(positions, close, 0.10, window=30, max_leverage=100)
    stock = close["STOCK"].dropna()
    for name, own, periods in (("COIN", close["COIN"], 365), ("STOCK", stock, 252)):
        expected = 0.05 / (own.pct_change().rolling(30).std() * np.sqrt(periods))
        pd.testing.assert_series_equal(scaled.loc[own.index, name], expected, check_names=False, check_freq=False)
    fridays = stock.index[(stock.index.day_of_week == 4) & (stock.index < close.index[-2])][8:]
    for days in (1, 2):
        rest = scaled.loc[fridays + pd.Timedelta(days=days), "STOCK"]
        np.testing.assert_array_equal(rest, scaled.loc[fridays, "STOCK"])
        assert (rest > 0).all()
    given = risk.volatility_target(positions, close, 0.10, window=30, max_leverage=100, periods_per_year=100)
    np.testing.assert_allclose(given["STOCK"].dropna() / scaled["STOCK"].dropna(), np.sqrt(252 / 100))


@pytest.mark.parametrize("later", [np.nan, 7.0])
def test_volatility_target_of_two_calendars_is_causal(two_calendars, later):
    positions = pd.DataFrame(0.5, index=two_calendars.index, columns=two_calendars.columns)
    spoiled = two_calendars.copy()
    spoiled.iloc[200:] = spoiled.iloc[200:].where(spoiled.iloc[200:].isna(), later)
    scaled = risk.volatility_target(positions, two_calendars, 0.10)
    pd.testing.assert_frame_equal(scaled.iloc[:200], risk.volatility_target(positions, spoiled, 0.10).iloc[:200])
    assert scaled.iloc[40:200].notna().all().all()


def test_an_asset_with_fewer_bars_than_the_window_has_no_volatility_and_hinders_no_other(two_calendars):
    positions = pd.DataFrame(0.5, index=two_calendars.index, columns=two_calendars.columns)
    young = two_calendars.assign(STOCK=two_calendars["STOCK"].where(np.arange(300) == 290))
    scaled = risk.volatility_target(positions, young, 0.10)
    assert scaled["STOCK"].isna().all()
    assert scaled["COIN"].iloc[20:].notna().all()


def test_volatility_target_of_zero_is_off_and_bad_input_is_refused(market):
    positions = pd.DataFrame(0.5, index=market.index, columns=market.columns)
    pd.testing.assert_frame_equal(risk.volatility_target(positions, market, 0.0), positions)
    with pytest.raises(ConfigError, match="target >= 0"):
        risk.volatility_target(positions, market, -0.1)
    with pytest.raises(DataError, match="WILD"):
        risk.volatility_target(positions, market[["CALM"]], 0.1)
