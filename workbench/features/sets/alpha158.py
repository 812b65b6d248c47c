"""``alpha158``: candle shapes, prices and rolling statistics of price and volume over five windows, 158 in all.

The list follows the feature set of that name in Qlib (Yang et al. 2020). Departures: the average price of a bar, which
bars do not hold, is the typical price; a ratio with nothing below it is 0, never infinite.
"""

from __future__ import annotations

from workbench.features.sets.catalogue import feature_set

WINDOWS = (5, 10, 20, 30, 60)

_CANDLES = {
    "KMID": "(close - open) / open",
    "KLEN": "(high - low) / open",
    "KMID2": "safe_div(close - open, high - low)",
    "KUP": "(high - greater(open, close)) / open",
    "KUP2": "safe_div(high - greater(open, close), high - low)",
    "KLOW": "(less(open, close) - low) / open",
    "KLOW2": "safe_div(less(open, close) - low, high - low)",
    "KSFT": "(2 * close - high - low) / open",
    "KSFT2": "safe_div(2 * close - high - low, high - low)",
}
_PRICES = {
    "OPEN0": "open / close",
    "HIGH0": "high / close",
    "LOW0": "low / close",
    "VWAP0": "(high + low + close) / 3 / close",
}
_UP, _DOWN = "greater(delta(close, 1), 0)", "greater(-delta(close, 1), 0)"
_VOLUME_UP, _VOLUME_DOWN = "greater(delta(volume, 1), 0)", "greater(-delta(volume, 1), 0)"
_FLOW = "abs(change(close, 1)) * volume"

_ROLLING = {
    "ROC": "ref(close, {d}) / close",
    "MA": "mean(close, {d}) / close",
    "STD": "std(close, {d}) / close",
    "BETA": "slope(close, {d}) / close",
    "RSQR": "rsquare(close, {d})",
    "RESI": "resi(close, {d}) / close",
    "MAX": "max(high, {d}) / close",
    "MIN": "min(low, {d}) / close",
    "QTLU": "quantile(close, {d}, 0.8) / close",
    "QTLD": "quantile(close, {d}, 0.2) / close",
    "RANK": "rank_over(close, {d})",
    "RSV": "safe_div(close - min(low, {d}), max(high, {d}) - min(low, {d}))",
    "IMAX": "idxmax(high, {d}) / {d}",
    "IMIN": "idxmin(low, {d}) / {d}",
    "IMXD": "(idxmax(high, {d}) - idxmin(low, {d})) / {d}",
    "CORR": "corr(close, log1p(volume), {d})",
    "CORD": "corr(close / ref(close, 1), log1p(safe_div(volume, ref(volume, 1))), {d})",
    "CNTP": "mean(close > ref(close, 1), {d})",
    "CNTN": "mean(close < ref(close, 1), {d})",
    "CNTD": "mean(close > ref(close, 1), {d}) - mean(close < ref(close, 1), {d})",
    "SUMP": f"safe_div(sum({_UP}, {{d}}), sum(abs(delta(close, 1)), {{d}}))",
    "SUMN": f"safe_div(sum({_DOWN}, {{d}}), sum(abs(delta(close, 1)), {{d}}))",
    "SUMD": "safe_div(sum(delta(close, 1), {d}), sum(abs(delta(close, 1)), {d}))",
    "VMA": "safe_div(mean(volume, {d}), volume)",
    "VSTD": "safe_div(std(volume, {d}), volume)",
    "WVMA": f"safe_div(std({_FLOW}, {{d}}), mean({_FLOW}, {{d}}))",
    "VSUMP": f"safe_div(sum({_VOLUME_UP}, {{d}}), sum(abs(delta(volume, 1)), {{d}}))",
    "VSUMN": f"safe_div(sum({_VOLUME_DOWN}, {{d}}), sum(abs(delta(volume, 1)), {{d}}))",
    "VSUMD": "safe_div(sum(delta(volume, 1), {d}), sum(abs(delta(volume, 1)), {d}))",
}

ALPHA158 = feature_set(
    "alpha158",
    {
        **_CANDLES,
        **_PRICES,
        **{f"{name}{d}": text.format(d=d) for name, text in _ROLLING.items() for d in WINDOWS},
    },
    version=1,
    description="candle shapes, prices and rolling statistics of price and volume over 5, 10, 20, 30 and 60 bars",
    references=("Yang et al. (2020), Qlib: An AI-oriented quantitative investment platform, arXiv:2009.11189",),
)
