"""Indicators that TA-Lib has give TA-Lib's numbers, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import talib

from workbench.features import compute, resolve

Arrays = dict[str, np.ndarray]
BARE: dict[str, Callable[[Arrays], np.ndarray]] = {
    "roc(7)": lambda m: talib.ROC(m["close"], 7),
    "mom(7)": lambda m: talib.MOM(m["close"], 7),
    "rsi(9)": lambda m: talib.RSI(m["close"], 9),
    "cmo(9)": lambda m: talib.CMO(m["close"], 9),
    "stoch_k(9, 4)": lambda m: talib.STOCH(m["high"], m["low"], m["close"], 9, 4, 0, 1, 0)[0],
    "stoch_d(9, 4, 5)": lambda m: talib.STOCH(m["high"], m["low"], m["close"], 9, 4, 0, 5, 0)[1],
    "stoch_rsi(9, 11)": lambda m: talib.STOCHRSI(m["close"], 9, 11, 1, 0)[0],
    "stoch_rsi_d(9, 11, 4)": lambda m: talib.STOCHRSI(m["close"], 9, 11, 4, 0)[1],
    "cci(9)": lambda m: talib.CCI(m["high"], m["low"], m["close"], 9),
    "williams_r(9)": lambda m: talib.WILLR(m["high"], m["low"], m["close"], 9),
    "ultimate_osc(3, 9, 12)": lambda m: talib.ULTOSC(m["high"], m["low"], m["close"], 3, 9, 12),
    "macd(5, 9, 4)": lambda m: talib.MACD(m["close"], 5, 9, 4)[0],
    "macd_signal(5, 9, 4)": lambda m: talib.MACD(m["close"], 5, 9, 4)[1],
    "macd_hist(5, 9, 4)": lambda m: talib.MACD(m["close"], 5, 9, 4)[2],
    "ppo(5, 9)": lambda m: talib.PPO(m["close"], 5, 9, 1),
    "trix(7)": lambda m: talib.TRIX(m["close"], 7),
    "sma(9)": lambda m: talib.SMA(m["close"], 9),
    "ema(9)": lambda m: talib.EMA(m["close"], 9),
    "wma(9)": lambda m: talib.WMA(m["close"], 9),
    "dema(9)": lambda m: talib.DEMA(m["close"], 9),
    "tema(9)": lambda m: talib.TEMA(m["close"], 9),
    "kama(9)": lambda m: talib.KAMA(m["close"], 9),
    "hull(9)": lambda m: talib.HMA(m["close"], 9),
    "adx(9)": lambda m: talib.ADX(m["high"], m["low"], m["close"], 9),
    "plus_di(9)": lambda m: talib.PLUS_DI(m["high"], m["low"], m["close"], 9),
    "minus_di(9)": lambda m: talib.MINUS_DI(m["high"], m["low"], m["close"], 9),
    "aroon_down(9)": lambda m: talib.AROON(m["high"], m["low"], 9)[0],
    "aroon_up(9)": lambda m: talib.AROON(m["high"], m["low"], 9)[1],
    "aroon_osc(9)": lambda m: talib.AROONOSC(m["high"], m["low"], 9),
    "bollinger_upper(9, 1.5)": lambda m: talib.BBANDS(m["close"], 9, 1.5, 1.5, 0)[0],
    "bollinger_middle(9)": lambda m: talib.BBANDS(m["close"], 9, 1.5, 1.5, 0)[1],
    "bollinger_lower(9, 1.5)": lambda m: talib.BBANDS(m["close"], 9, 1.5, 1.5, 0)[2],
    "keltner_upper(9, 5, 1.5)": lambda m: talib.KC(m["high"], m["low"], m["close"], 9, 5, 1.5)[0],
    "keltner_lower(9, 5, 1.5)": lambda m: talib.KC(m["high"], m["low"], m["close"], 9, 5, 1.5)[2],
    "donchian_upper(9)": lambda m: talib.DONCHIAN(m["high"], m["low"], 9)[0],
    "donchian_middle(9)": lambda m: talib.DONCHIAN(m["high"], m["low"], 9)[1],
    "donchian_lower(9)": lambda m: talib.DONCHIAN(m["high"], m["low"], 9)[2],
    "sar(0.03, 0.3)": lambda m: talib.SAR(m["high"], m["low"], 0.03, 0.3),
    "supertrend(9, 2)": lambda m: talib.SUPERTREND(m["high"], m["low"], m["close"], 9, 2.0)[0],
    "true_range": lambda m: talib.TRANGE(m["high"], m["low"], m["close"]),
    "atr(9)": lambda m: talib.ATR(m["high"], m["low"], m["close"], 9),
    "natr(9)": lambda m: talib.NATR(m["high"], m["low"], m["close"], 9),
    "obv": lambda m: talib.OBV(m["close"], m["volume"]),
    "mfi(9)": lambda m: talib.MFI(m["high"], m["low"], m["close"], m["volume"], 9),
    "ad": lambda m: talib.AD(m["high"], m["low"], m["close"], m["volume"]),
    "chaikin_osc(4, 9)": lambda m: talib.ADOSC(m["high"], m["low"], m["close"], m["volume"], 4, 9),
    "ichimoku_tenkan(9)": lambda m: talib.MIDPRICE(m["high"], m["low"], 9),
}


@pytest.mark.parametrize("spec", BARE)
def test_equals_the_bare_function(spec: str, markets: dict[str, Arrays]) -> None:
    bound = resolve(spec)
    for market in markets.values():
        got = bound.feature.function(*(market[i] for i in bound.feature.inputs), **bound.parameters)
        np.testing.assert_array_equal(got, BARE[spec](market))


def test_also_through_compute(market) -> None:
    bars = market(200, "AB")
    got = compute(bars, list(BARE))
    for symbol in "AB":
        own = {f: bars[f][symbol].to_numpy().copy() for f in ("open", "high", "low", "close", "volume")}
        for spec, bare in BARE.items():
            np.testing.assert_array_equal(got[spec][symbol], bare(own), err_msg=spec)


@pytest.mark.parametrize(
    ("spec", "bare"),
    [
        ("chaikin_money_flow(20)", lambda m: talib.CMF(m["high"], m["low"], m["close"], m["volume"], 20)),
        ("trend_slope(20)", lambda m: talib.LINEARREG_SLOPE(np.log(m["close"]), 20)),
    ],
)
def test_ours_equal_theirs_where_theirs_leave_no_residue(spec: str, bare, markets: dict[str, Arrays]) -> None:
    market = markets["plain"]
    bound = resolve(spec)
    got = bound.feature.function(*(market[i] for i in bound.feature.inputs), **bound.parameters)
    np.testing.assert_allclose(got, bare(market), rtol=1e-9, atol=1e-11)


def test_money_flow_is_0_when_volume_dries_up(markets: dict[str, Arrays]) -> None:
    """TA-Lib's ratio of running sums is some number of rounding there."""
    market = markets["still"]
    dry = np.flatnonzero(market["volume"] == 0)[25:]
    bound = resolve("chaikin_money_flow(20)")
    got = bound.feature.function(*(market[i] for i in bound.feature.inputs), **bound.parameters)
    assert (got[dry] == 0).all()
    assert np.abs(got[19:]).max() <= 1
