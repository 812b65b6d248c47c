"""``classic31``: the indicators that most charts know, in forms that a model can take: free of scale and of level."""

from __future__ import annotations

from workbench.features.sets.catalogue import feature_set

RETURNS = ("ret(1)", "ret(5)", "ret(20)")
TREND = (
    "ema_gap(20)", "ema_gap(100)", "kama_gap(30)", "adx(14)", "plus_di(14)", "minus_di(14)", "aroon_osc(25)",
    "trend_slope(20)", "supertrend_direction(10, 3.0)",
)  # fmt: skip
MOMENTUM = (
    "rsi(14)", "macd_hist_norm(12, 26, 9)", "stoch_k(14, 3)", "stoch_d(14, 3, 3)", "roc(10)", "williams_r(14)",
    "cci(20)",
)  # fmt: skip
VOLATILITY = (
    "natr(14)", "bollinger_percent_b(20, 2.0)", "bollinger_width(20, 2.0)", "keltner_position(20)",
    "donchian_position(20)", "realized_vol(20)", "garman_klass_vol(20)",
)  # fmt: skip
VOLUME = ("mfi(14)", "obv_ratio(20)", "vwap_gap(48)", "chaikin_money_flow(20)", "volume_z(20)")

CLASSIC31 = feature_set(
    "classic31",
    [*RETURNS, *TREND, *MOMENTUM, *VOLATILITY, *VOLUME],
    version=1,
    description="returns, trend, momentum, volatility and volume: 31 classic indicators in stationary forms",
)
