"""Estimators against closed forms and markets whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.features import resolve
from workbench.features.indicators.returns import autocorr, hurst, kurt, skew, variance_ratio
from workbench.features.indicators.volatility import (
    garman_klass_vol,
    parkinson_vol,
    rogers_satchell_vol,
    yang_zhang_vol,
)


def of(feature, *columns, **parameters) -> np.ndarray:
    """The bare function of a feature."""
    return feature.function(*(np.asarray(c, dtype=np.float64) for c in columns), **parameters)


def test_range_estimators_on_one_bar() -> None:
    """Open 100, high 110, low 95, close 105."""
    up, down, move = math.log(110 / 100), math.log(95 / 100), math.log(105 / 100)
    bar = ([100.0], [110.0], [95.0], [105.0])
    garman_klass = 0.5 * math.log(110 / 95) ** 2 - (2 * math.log(2) - 1) * move**2
    rogers_satchell = up * (up - move) + down * (down - move)
    assert of(garman_klass_vol, *bar, window=1)[0] ** 2 == pytest.approx(garman_klass, rel=1e-13)
    assert of(rogers_satchell_vol, *bar, window=1)[0] ** 2 == pytest.approx(rogers_satchell, rel=1e-13)
    assert of(parkinson_vol, [110.0], [95.0], window=1)[0] ** 2 == pytest.approx(
        math.log(110 / 95) ** 2 / (4 * math.log(2)), rel=1e-13
    )


def test_range_estimators_find_the_volatility_that_made_the_bars() -> None:
    """Bars of 500 small steps, 1 % a bar, without drift or gaps; points of a path span a little less than the path."""
    rng = np.random.default_rng(3)
    n, inside, sigma = 4000, 500, 0.01
    path = np.cumsum(rng.normal(0, sigma / math.sqrt(inside), n * inside)).reshape(n, inside)
    path = np.hstack([np.concatenate([[0.0], path[:-1, -1]])[:, np.newaxis], path])
    open_, high, low, close = 100 * np.exp([path[:, 0], path.max(axis=1), path.min(axis=1), path[:, -1]])
    assert of(parkinson_vol, high, low, window=n)[-1] == pytest.approx(
        sigma, rel=0.05
    )  # a path of points has less range
    for feature in (garman_klass_vol, rogers_satchell_vol):
        assert of(feature, open_, high, low, close, window=n)[-1] == pytest.approx(sigma, rel=0.06)
    assert of(yang_zhang_vol, open_, high, low, close, window=n - 1)[-1] == pytest.approx(sigma, rel=0.06)


def test_yang_zhang_is_its_three_parts() -> None:
    rng = np.random.default_rng(4)
    n = 12
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, n)))
    open_ = close * np.exp(rng.normal(0, 0.01, n))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.98
    w = n - 1
    gaps, days = np.log(open_[1:] / close[:-1]), np.log(close[1:] / open_[1:])
    k = 0.34 / (1.34 + (w + 1) / (w - 1))
    inside = of(rogers_satchell_vol, open_, high, low, close, window=w)[-1] ** 2
    expected = gaps.var(ddof=1) + k * days.var(ddof=1) + (1 - k) * inside
    assert of(yang_zhang_vol, open_, high, low, close, window=w)[-1] ** 2 == pytest.approx(expected, rel=1e-12)


def test_yang_zhang_takes_gaps_and_the_others_do_not() -> None:
    """Bars that only gap: they open and close at one price."""
    price = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, 400)))
    assert of(garman_klass_vol, price, price, price, price, window=300)[-1] == 0
    assert of(rogers_satchell_vol, price, price, price, price, window=300)[-1] == 0
    gaps = np.diff(np.log(price))[-300:]
    assert of(yang_zhang_vol, price, price, price, price, window=300)[-1] == pytest.approx(gaps.std(ddof=1), rel=1e-12)


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.6])
def test_autocorrelation_of_an_autoregressive_series(phi: float) -> None:
    rng = np.random.default_rng(6)
    r = np.zeros(20_001)
    for t in range(1, r.size):
        r[t] = phi * r[t - 1] + rng.normal(0, 0.01)
    close = 100 * np.cumprod(1 + np.clip(r, -0.5, 0.5))
    got = of(autocorr, close, window=20_000 - 1, lag=1)[-1]
    assert got == pytest.approx(phi, abs=0.02)
    assert of(autocorr, close, window=19_990, lag=3)[-1] == pytest.approx(phi**3, abs=0.03)


def test_random_walk_has_hurst_of_a_half_and_a_variance_ratio_of_one() -> None:
    close = 100 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.01, 60_000)))
    assert np.nanmean(of(hurst, close, window=128)) == pytest.approx(0.5, abs=0.02)
    assert np.nanmean(of(hurst, close, window=512)) == pytest.approx(0.5, abs=0.02)
    assert np.nanmean(of(variance_ratio, close, window=120, lag=5)) == pytest.approx(1.0, abs=0.03)


def test_hurst_and_variance_ratio_tell_trends_from_reversion() -> None:
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 0.01, 20_000)
    trending, reverting = np.zeros(noise.size), np.zeros(noise.size)
    for t in range(1, noise.size):
        trending[t] = 0.5 * trending[t - 1] + noise[t]
        reverting[t] = -0.5 * reverting[t - 1] + noise[t]
    for returns, sign in ((trending, 1), (reverting, -1)):
        close = 100 * np.exp(np.cumsum(returns))
        assert sign * (np.nanmean(of(hurst, close, window=128)) - 0.5) > 0.08
        ratio = np.nanmean(of(variance_ratio, close, window=120, lag=2))
        assert ratio == pytest.approx(1 + sign * 0.5, abs=0.03)  # 1 + the first autocorrelation


def test_variance_ratio_is_lo_and_mackinlays() -> None:
    """Their sigma_c over sigma_a, eq. (14) of the paper, written out with the window's own mean."""
    close = 100 * np.exp(np.cumsum(np.random.default_rng(9).normal(0, 0.01, 41)))
    p, n, q = np.log(close), 40, 4
    mu = (p[-1] - p[0]) / n
    single = sum((p[k] - p[k - 1] - mu) ** 2 for k in range(1, n + 1)) / (n - 1)
    m = q * (n - q + 1) * (1 - q / n)
    several = sum((p[k] - p[k - q] - q * mu) ** 2 for k in range(q, n + 1)) / m
    assert of(variance_ratio, close, window=n, lag=q)[-1] == pytest.approx(several / single, rel=1e-10)


def test_shape_of_known_samples() -> None:
    """Joanes and Gill's G1 and G2 by their formulas on returns 1, 2, 3, 4, 10 %."""
    r = np.array([0.01, 0.02, 0.03, 0.04, 0.10])
    close = 100 * np.concatenate([[1.0], np.cumprod(1 + r)])
    d = r - r.mean()
    m2, m3, m4 = (np.mean(d**k) for k in (2, 3, 4))
    n = 5
    assert of(skew, close, window=n)[-1] == pytest.approx(m3 / m2**1.5 * math.sqrt(n * (n - 1)) / (n - 2), rel=1e-9)
    g2 = m4 / m2**2 - 3
    assert of(kurt, close, window=n)[-1] == pytest.approx((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * g2 + 6), rel=1e-9)


def test_roll_finds_the_spread_of_a_bounce() -> None:
    """A still value traded at bid and ask by turns of a coin: half a percent between them."""
    rng = np.random.default_rng(10)
    spread = 0.005
    close = 100 * (1 + spread / 2 * rng.choice([-1, 1], 50_001))
    got = of(resolve("roll_spread").feature, close, window=49_000)[-1]
    assert got == pytest.approx(spread, rel=0.03)
    trending = 100 * np.exp(np.cumsum(np.abs(rng.normal(0, 0.01, 500)).cumsum() / 500))
    assert (of(resolve("roll_spread").feature, trending, window=100)[101:] == 0).all()


def test_amihud_by_hand_leaves_bars_without_volume_out() -> None:
    close, volume = [100.0, 110.0, 99.0, 99.0, 100.0], [5.0, 10.0, 20.0, 0.0, 4.0]
    got = of(resolve("amihud").feature, close, volume, window=4)
    expected = np.mean([0.1 / 1100, 0.1 / 1980, (1 / 99) / 400])
    assert got[-1] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(got[:-1]).all()
    assert of(resolve("amihud").feature, close, [0.0] * 5, window=2)[2:].tolist() == [0, 0, 0]


def test_flat_markets_give_the_stated_neutral_values() -> None:
    flat = np.full(300, 100.1)
    stated = {
        "hurst": 0.5, "variance_ratio": 1.0, "autocorr": 0.0, "skew": 0.0, "kurt": 0.0, "roll_spread": 0.0,
        "garman_klass_vol": 0.0, "rogers_satchell_vol": 0.0, "yang_zhang_vol": 0.0, "keltner_position": 0.5,
        "keltner_width": 0.0, "donchian_width": 0.0, "cmo": 0.0, "stoch_d": 0.0, "stoch_rsi": 0.0, "ultimate_osc": 0.0,
        "plus_di": 0.0, "minus_di": 0.0, "sar_gap": 0.0, "supertrend_gap": 0.0, "supertrend_direction": 1.0,
        "ichimoku_cross": 0.0, "ichimoku_cloud_gap": 0.0, "ppo": 0.0, "trix": 0.0, "kama_gap": 0.0, "hull_gap": 0.0,
    }  # fmt: skip
    for name, value in stated.items():
        bound = resolve(name)
        got = bound.feature.function(*(flat for _ in bound.feature.inputs), **bound.parameters)
        assert got[bound.declared_warmup :] == pytest.approx(value, abs=1e-12), name
    empty = {
        "obv_ratio": 0.0, "chaikin_money_flow": 0.0, "amihud": 0.0, "volume_z": 0.0, "mfi": 0.0, "vwap_gap": 0.0,
        "profile_poc_gap": 0.0, "profile_high_gap": 0.0, "profile_low_gap": 0.0,
    }  # fmt: skip
    for name, value in empty.items():
        bound = resolve(name)
        columns = (np.zeros(300) if i == "volume" else flat for i in bound.feature.inputs)
        got = bound.feature.function(*columns, **bound.parameters)
        assert got[bound.declared_warmup :] == pytest.approx(value, abs=1e-12), name
