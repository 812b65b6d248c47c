"""Indicators of ours that are put together from parts, against loops; the clock, funding and basis by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from workbench.features import resolve

Arrays = dict[str, np.ndarray]


def of(spec: str, market: Arrays) -> np.ndarray:
    bound = resolve(spec)
    return bound.feature.function(*(market[i] for i in bound.feature.inputs), **bound.parameters)


def over(window: int, n: int, at) -> list[float]:
    """Apply `at(first, last)` to each full window of rows."""
    return [math.nan] * min(window - 1, n) + [at(t - window + 1, t) for t in range(window - 1, n)]


def loops(m: dict[str, list[float]]) -> dict[str, list[float]]:
    high, low, close, volume = m["high"], m["low"], m["close"], m["volume"]
    n = len(close)

    def middle(window: int, t: int) -> float:
        rows = slice(t - window + 1, t + 1)
        return (max(high[rows]) + min(low[rows])) / 2

    def place(a: int, b: int) -> float:
        floor, ceiling = min(low[a : b + 1]), max(high[a : b + 1])
        return (close[b] - floor) / (ceiling - floor)

    def balance(a: int, b: int) -> float:
        signed = sum(volume[t] * ((close[t] > close[t - 1]) - (close[t] < close[t - 1])) for t in range(a + 1, b + 1))
        return signed / sum(volume[a + 1 : b + 1])

    def money_flow(a: int, b: int) -> float:
        flow = sum(
            volume[t] * ((close[t] - low[t]) - (high[t] - close[t])) / (high[t] - low[t]) for t in range(a, b + 1)
        )
        return flow / sum(volume[a : b + 1])

    def lagged_correlation(a: int, b: int) -> float:
        r = [close[t] / close[t - 1] - 1 for t in range(a + 1, b + 1)]
        return float(np.corrcoef(r[2:], r[:-2])[0, 1])

    def weights(a: int, b: int) -> float:
        return sum(w * close[a + w - 1] for w in range(1, b - a + 2)) / sum(range(1, b - a + 2))

    cloud = []
    for t in range(n):
        if t < 19:
            cloud.append(math.nan)
            continue
        edges = sorted([(middle(5, t) + middle(9, t)) / 2, middle(20, t)])
        cloud.append(close[t] / min(max(close[t], edges[0]), edges[1]) - 1)
    return {
        "ichimoku_tenkan(5)": over(5, n, lambda _a, b: middle(5, b)),
        "ichimoku_kijun(9)": over(9, n, lambda _a, b: middle(9, b)),
        "ichimoku_senkou_a(5, 9)": over(9, n, lambda _a, b: (middle(5, b) + middle(9, b)) / 2),
        "ichimoku_senkou_b(20)": over(20, n, lambda _a, b: middle(20, b)),
        "ichimoku_cross(5, 9)": over(9, n, lambda _a, b: middle(5, b) / middle(9, b) - 1),
        "ichimoku_cloud_gap(5, 9, 20)": cloud,
        "donchian_position(12)": over(12, n, place),
        "donchian_width(12)": over(
            12, n, lambda a, b: (max(high[a : b + 1]) - min(low[a : b + 1])) / middle(b - a + 1, b)
        ),
        "obv_ratio(12)": over(13, n, balance),
        "chaikin_money_flow(12)": over(12, n, money_flow),
        "autocorr(12, 2)": over(15, n, lagged_correlation),
        "wma_gap(12)": over(12, n, lambda a, b: close[b] / weights(a, b) - 1),
        "sma_gap(12)": over(12, n, lambda a, b: close[b] / (sum(close[a : b + 1]) / 12) - 1),
    }


def test_equal_to_loops(markets: dict[str, Arrays]) -> None:
    for name in ("plain", "dear"):
        market = {k: v[:120] for k, v in markets[name].items()}
        for spec, expected in loops({k: v.tolist() for k, v in market.items()}).items():
            np.testing.assert_allclose(of(spec, market), expected, rtol=1e-10, atol=1e-12, err_msg=spec)


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("bollinger_percent_b(9, 1.5)", ("bollinger_upper(9, 1.5)", "bollinger_lower(9, 1.5)")),
        ("keltner_position(9, 5, 1.5)", ("keltner_upper(9, 5, 1.5)", "keltner_lower(9, 5, 1.5)")),
        ("donchian_position(9)", ("donchian_upper(9)", "donchian_lower(9)")),
    ],
)
def test_places_between_bands(place: str, parts: tuple[str, str], markets: dict[str, Arrays]) -> None:
    market = markets["plain"]
    upper, lower = (of(p, market) for p in parts)
    np.testing.assert_allclose(of(place, market), (market["close"] - lower) / (upper - lower), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["ema", "dema", "tema", "kama", "hull", "supertrend", "sar", "session_vwap", "vwap"])
def test_gaps_are_distances_from_the_level(name: str, markets: dict[str, Arrays]) -> None:
    market = markets["plain"]
    np.testing.assert_array_equal(of(f"{name}_gap", market), market["close"] / of(name, market) - 1.0)


def test_supertrend_lies_below_in_an_up_trend_and_turns_on_a_close_beyond(markets: dict[str, Arrays]) -> None:
    market = markets["plain"]
    line, side = of("supertrend(10, 3)", market)[10:], of("supertrend_direction(10, 3)", market)[10:]
    close = market["close"][10:]
    assert set(side) == {1.0, -1.0}
    assert (np.sign(close - line) == side).mean() > 0.99  # bands may cross for a bar
    turns = np.flatnonzero(np.diff(side) != 0) + 1
    assert (np.sign(close[turns] - line[turns - 1]) == side[turns]).all()


CLOCK = {
    "2024-02-29 23:59": {"hour": 23, "weekday": 3, "month": 2, "minutes_to_funding": 1},
    "2024-03-04 00:00": {"hour": 0, "weekday": 0, "month": 3, "minutes_to_funding": 480},
    "2023-12-31 08:30": {"hour": 8, "weekday": 6, "month": 12, "minutes_to_funding": 450},
    "1969-12-31 15:00": {"hour": 15, "weekday": 2, "month": 12, "minutes_to_funding": 60},
}


def test_the_clock_against_the_calendar() -> None:
    times = pd.DatetimeIndex([*CLOCK], tz="UTC")
    market = {"time": times.as_unit("ns").asi8.astype(np.int64)}
    for name in ("hour", "weekday", "month", "minutes_to_funding"):
        assert of(name, market).tolist() == [day[name] for day in CLOCK.values()], name
    assert of("minutes_to_funding(1)", market).tolist() == [1, 60, 30, 60]
    turn = 2 * np.pi
    np.testing.assert_allclose(of("hour_sin", market), np.sin(turn * (times.hour + times.minute / 60) / 24), atol=1e-12)
    np.testing.assert_allclose(of("hour_cos", market), np.cos(turn * (times.hour + times.minute / 60) / 24), atol=1e-12)
    np.testing.assert_allclose(of("weekday_sin", market), np.sin(turn * times.day_of_week / 7), atol=1e-12)
    np.testing.assert_allclose(of("weekday_cos", market), np.cos(turn * times.day_of_week / 7), atol=1e-12)
    np.testing.assert_allclose(of("month_sin", market), np.sin(turn * (times.month - 1) / 12), atol=1e-12)
    np.testing.assert_allclose(of("month_cos", market), np.cos(turn * (times.month - 1) / 12), atol=1e-12)


def test_funding_and_basis(markets: dict[str, Arrays]) -> None:
    market = markets["plain"]
    rate, basis = pd.Series(market["funding_rate"]), pd.Series(market["basis"])
    np.testing.assert_allclose(of("funding_sum(24)", market), rate.rolling(24).sum(), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(of("basis_mean(24)", market), basis.rolling(24).mean(), rtol=1e-9, atol=1e-15)
    for spec, x in (("funding_z(30)", rate), ("basis_z(30)", basis)):
        expected = (x - x.rolling(30).mean()) / x.rolling(30).std()
        np.testing.assert_allclose(of(spec, market), expected, rtol=1e-7, atol=1e-9)
    assert (of("funding_z(8)", {"funding_rate": np.full(40, 1e-4)})[7:] == 0).all()
