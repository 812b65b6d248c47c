"""Values against naive loops, and the stated values of flat prices and no volume."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from workbench.features import compute

FIELDS = ("open", "high", "low", "close", "volume")


def series(bars: pd.DataFrame) -> dict[str, list[float]]:
    return {f: bars[f]["A"].tolist() for f in FIELDS}


def naive_ema(x: list[float], window: int) -> list[float]:
    out = [math.nan] * (window - 1) + [sum(x[:window]) / window]
    for value in x[window:]:
        out.append(out[-1] + 2 / (window + 1) * (value - out[-1]))
    return out


def naive_wilder(x: list[float], window: int) -> list[float]:
    out = [sum(x[:window]) / window]
    for value in x[window:]:
        out.append((out[-1] * (window - 1) + value) / window)
    return out


def naive_rsi(x: list[float], window: int) -> list[float]:
    changes = [b - a for a, b in itertools.pairwise(x)]
    ups = naive_wilder([max(c, 0.0) for c in changes], window)
    downs = naive_wilder([max(-c, 0.0) for c in changes], window)
    return [math.nan] * window + [100 * u / (u + d) for u, d in zip(ups, downs, strict=True)]


def naive_macd_hist(x: list[float], fast: int, slow: int, signal: int) -> list[float]:
    """Both EMAs start together: the fast one is seeded with the window that ends where the slow one's does."""
    skip = slow - fast
    line = [a - b for a, b in zip(naive_ema(x[skip:], fast)[fast - 1 :], naive_ema(x, slow)[slow - 1 :], strict=True)]
    smooth = naive_ema(line, signal)
    return [math.nan] * (slow - 1) + [a - b for a, b in zip(line, smooth, strict=True)]


def naive_atr(bars: dict[str, list[float]], window: int) -> list[float]:
    h, low, c = bars["high"], bars["low"], bars["close"]
    ranges = [max(h[t], c[t - 1]) - min(low[t], c[t - 1]) for t in range(1, len(c))]
    return [math.nan] * window + naive_wilder(ranges, window)


def naive_adx(bars: dict[str, list[float]], window: int) -> list[float]:
    """Wilder (1978): sums of window - 1 first values, then s - s / window + new; DX averaged over the first window."""
    h, low, c = bars["high"], bars["low"], bars["close"]
    plus, minus, ranges = [], [], []
    for t in range(1, len(c)):
        up, down = h[t] - h[t - 1], low[t - 1] - low[t]
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)
        ranges.append(max(h[t], c[t - 1]) - min(low[t], c[t - 1]))
    sums = [sum(x[: window - 1]) for x in (plus, minus, ranges)]
    dx = []
    for values in list(zip(plus, minus, ranges, strict=True))[window - 1 :]:
        sums = [s - s / window + v for s, v in zip(sums, values, strict=True)]
        dx.append(100 * abs(sums[0] - sums[1]) / (sums[0] + sums[1]))
    return [math.nan] * (2 * window - 1) + naive_wilder(dx, window)


def over(window: int, n: int, at) -> list[float]:
    """Apply `at(rows)` to each full window of rows."""
    return [math.nan] * (window - 1) + [at(range(t - window + 1, t + 1)) for t in range(window - 1, n)]


def mean(x) -> float:
    x = list(x)
    return math.fsum(x) / len(x)


def naive_mfi(bars: dict[str, list[float]], window: int) -> list[float]:
    typical = [(h + low + c) / 3 for h, low, c in zip(bars["high"], bars["low"], bars["close"], strict=True)]
    flows = [
        (typical[t] * bars["volume"][t]) * (1 if typical[t] > typical[t - 1] else -1) for t in range(1, len(typical))
    ]
    out = over(
        window, len(flows), lambda rows: 100 * sum(max(flows[t], 0) for t in rows) / sum(abs(flows[t]) for t in rows)
    )
    return [math.nan, *out]


def naive_cases(bars: dict[str, list[float]]) -> dict[str, list[float]]:
    o, h, low, c, v = (bars[f] for f in FIELDS)
    n = len(c)
    typical = [(a + b + d) / 3 for a, b, d in zip(h, low, c, strict=True)]
    returns = [math.nan, *(b / a - 1 for a, b in itertools.pairwise(c))]

    def std(x, ddof: int) -> float:
        x = list(x)
        return math.sqrt(math.fsum((a - mean(x)) ** 2 for a in x) / (len(x) - ddof))

    def skewness(rows) -> float:
        r = [returns[t] for t in rows]
        k = len(r)
        return k / ((k - 1) * (k - 2)) * math.fsum(((a - mean(r)) / std(r, 1)) ** 3 for a in r)

    def slope(rows) -> float:
        y = [math.log(c[t]) for t in rows]
        x = range(len(y))
        return sum((a - mean(x)) * (b - mean(y)) for a, b in zip(x, y, strict=True)) / sum(
            (a - mean(x)) ** 2 for a in x
        )

    def cci(rows) -> float:
        centre = mean(typical[t] for t in rows)
        return (typical[rows[-1]] - centre) / (0.015 * mean(abs(typical[t] - centre) for t in rows))

    def aroon(rows) -> float:
        best = max(rows, key=lambda t: (h[t], t))
        worst = min(rows, key=lambda t: (low[t], -t))
        return 100 * (best - worst) / (len(rows) - 1)

    def place(rows) -> float:
        floor, ceiling = min(low[t] for t in rows), max(h[t] for t in rows)
        return (c[rows[-1]] - floor) / (ceiling - floor)

    def vwap(rows) -> float:
        return sum(typical[t] * v[t] for t in rows) / sum(v[t] for t in rows)

    def z(rows) -> float:
        logs = [math.log(1 + v[t]) for t in rows]
        return (logs[-1] - mean(logs)) / std(logs, 1)

    fast_k = over(14, n, lambda rows: 100 * place(rows))
    balance = [v[0]]
    for t in range(1, n):
        balance.append(balance[-1] + v[t] * ((c[t] > c[t - 1]) - (c[t] < c[t - 1])))
    band = over(20, n, lambda rows: 2.5 * std((c[t] for t in rows), 0))
    sma20 = over(20, n, lambda rows: mean(c[t] for t in rows))
    return {
        "ret(3)": [math.nan] * 3 + [b / a - 1 for a, b in zip(c, c[3:], strict=False)],
        "log_ret(3)": [math.nan] * 3 + [math.log(b / a) for a, b in zip(c, c[3:], strict=False)],
        "roc(3)": [math.nan] * 3 + [100 * (b / a - 1) for a, b in zip(c, c[3:], strict=False)],
        "open_gap": [math.nan, *(b / a - 1 for a, b in zip(c, o[1:], strict=False))],
        "skew(30)": [math.nan, *over(30, n - 1, lambda rows: skewness([t + 1 for t in rows]))],
        "rsi(14)": naive_rsi(c, 14),
        "macd_hist(12, 26, 9)": naive_macd_hist(c, 12, 26, 9),
        "macd_hist_norm(5, 9, 3)": [a / b for a, b in zip(naive_macd_hist(c, 5, 9, 3), c, strict=True)],
        "stoch_k(14, 3)": [math.nan] * 2 + [mean(fast_k[t - 2 : t + 1]) for t in range(2, n)],
        "stoch_k(14, 1)": fast_k,
        "williams_r(14)": [k - 100 for k in fast_k],
        "cci(20)": over(20, n, cci),
        "mfi(14)": naive_mfi(bars, 14),
        "sma(20)": sma20,
        "ema(20)": naive_ema(c, 20),
        "ema_gap(20)": [a / b - 1 for a, b in zip(c, naive_ema(c, 20), strict=True)],
        "adx(14)": naive_adx(bars, 14),
        "aroon_osc(25)": over(26, n, aroon),
        "trend_slope(20)": over(20, n, slope),
        "donchian_position(20)": over(20, n, place),
        "bollinger_upper(20, 2.5)": [a + b for a, b in zip(sma20, band, strict=True)],
        "bollinger_lower(20, 2.5)": [a - b for a, b in zip(sma20, band, strict=True)],
        "bollinger_percent_b(20, 2.5)": [0.5 + (x - a) / (2 * b) for x, a, b in zip(c, sma20, band, strict=True)],
        "bollinger_width(20, 2.5)": [2 * b / a for a, b in zip(sma20, band, strict=True)],
        "atr(14)": naive_atr(bars, 14),
        "natr(14)": [100 * a / b for a, b in zip(naive_atr(bars, 14), c, strict=True)],
        "realized_vol(20)": [math.nan, *over(20, n - 1, lambda rows: std((returns[t + 1] for t in rows), 1))],
        "parkinson_vol(20)": over(
            20, n, lambda rows: math.sqrt(mean(math.log(h[t] / low[t]) ** 2 for t in rows) / (4 * math.log(2)))
        ),
        "obv": balance,
        "volume_z(20)": over(20, n, z),
        "vwap(48)": over(48, n, vwap),
        "vwap_gap(48)": [a / b - 1 for a, b in zip(c, over(48, n, vwap), strict=True)],
        "session_vwap": [vwap(range(t - (t + 4) % 24 if t >= 20 else 0, t + 1)) for t in range(n)],
    }


def test_every_feature_equals_a_naive_loop(market) -> None:
    """Bars start at 04:00, so that the first day of the session VWAP is a short one."""
    bars = market(180, "A", start="2024-03-01 04:00")
    cases = naive_cases(series(bars))
    got = compute(bars, list(cases))
    for spec, expected in cases.items():
        np.testing.assert_allclose(got[spec]["A"], expected, rtol=1e-9, atol=1e-10, err_msg=spec)


def test_flat_prices_and_no_volume_give_the_stated_values(market) -> None:
    """After a moving start: prices stand still at 100.1 and nothing is traded."""
    bars = market(300, "A")
    for field in ("open", "high", "low", "close"):
        bars.loc[bars.index[100:], (field, "A")] = 100.1
    bars.loc[bars.index[100:], ("volume", "A")] = 0.0
    stated = {
        "ret(1)": 0.0, "skew(60)": 0.0, "roc(10)": 0.0, "stoch_k(14)": 0.0, "cci(20)": 0.0, "williams_r(14)": 0.0,
        "mfi(14)": 0.0, "trend_slope(20)": 0.0, "donchian_position(20)": 0.5, "bollinger_percent_b(20)": 0.5,
        "bollinger_width(20)": 0.0, "realized_vol(20)": 0.0, "parkinson_vol(20)": 0.0, "volume_z(20)": 0.0,
        "vwap(48)": 100.1, "vwap_gap(48)": 0.0, "session_vwap": 100.1, "sma(20)": 100.1,
    }  # fmt: skip
    last = compute(bars, list(stated)).iloc[-1].droplevel("symbol")
    for spec, value in stated.items():
        assert last[spec] == pytest.approx(value, abs=1e-10), spec
    never_moved = bars.iloc[100:]
    assert compute(never_moved, ["rsi(14)", "adx(14)"]).iloc[-1].tolist() == [0.0, 0.0]
    rsi = compute(bars, "rsi(14)").iloc[:, 0]
    assert rsi.iloc[-1] == pytest.approx(rsi.iloc[101], abs=1e-9)


def test_session_vwap_restarts_at_midnight_utc(market) -> None:
    bars = market(60, "A", start="2024-03-01 00:00")
    out = compute(bars, "session_vwap").iloc[:, 0]
    typical = (bars["high"] + bars["low"] + bars["close"])["A"] / 3
    assert out.iloc[[0, 24, 48]].tolist() == pytest.approx(typical.iloc[[0, 24, 48]].tolist(), rel=1e-15)
