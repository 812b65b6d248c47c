"""Loops of volume features against slow twins, and volume profiles drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.features import resolve
from workbench.features.indicators import volume_kernels

DAY = 86_400_000_000_000


def slow_session_vwap(high, low, close, volume, time) -> list[float]:
    out = []
    for t in range(len(close)):
        rows = [s for s in range(t + 1) if time[s] // DAY == time[t] // DAY]
        typical = [(high[s] + low[s] + close[s]) / 3 for s in rows]
        traded = math.fsum(volume[s] for s in rows)
        money = math.fsum(p * volume[s] for p, s in zip(typical, rows, strict=True))
        out.append(money / traded if traded > 0 else math.fsum(typical) / len(rows))
    return out


def slow_profile(high, low, volume, window: int, bins: int, share: float) -> list[tuple[float, float, float]]:
    """Each bar's volume cut up over every bin by overlap."""
    out = [(math.nan,) * 3] * min(window - 1, len(high))
    for t in range(window - 1, len(high)):
        rows = range(t - window + 1, t + 1)
        floor, ceiling = min(low[s] for s in rows), max(high[s] for s in rows)
        if ceiling == floor:
            out.append((floor,) * 3)
            continue
        width = (ceiling - floor) / bins
        weigh = sum(volume[s] for s in rows) > 0
        mass = [0.0] * bins
        for s in rows:
            v = volume[s] if weigh else 1.0
            for b in range(bins):
                bottom, top = floor + b * width, floor + (b + 1) * width
                if high[s] == low[s]:
                    mass[b] += v if min(int((low[s] - floor) / width), bins - 1) == b else 0.0
                else:
                    mass[b] += v * max(0.0, min(top, high[s]) - max(bottom, low[s])) / (high[s] - low[s])
        even = 1e-9 * sum(mass)
        best = min(b for b in range(bins) if mass[b] >= max(mass) - even)
        lower = upper = best
        while sum(mass[lower : upper + 1]) < share * sum(mass) - even and (lower > 0 or upper < bins - 1):
            below = mass[lower - 1] if lower > 0 else -math.inf
            above = mass[upper + 1] if upper < bins - 1 else -math.inf
            lower, upper = (lower - 1, upper) if below >= above - even else (lower, upper + 1)
        out.append((floor + (best + 0.5) * width, floor + (upper + 1) * width, floor + lower * width))
    return out


def profile(high, low, volume, window: int, bins: int, share: float) -> np.ndarray:
    columns = [np.asarray(x, dtype=np.float64) for x in (high, low, volume)]
    of = [pd.Series(x).rolling(window) for x in columns]
    known = [np.array(x) for x in (of[0].max(), of[1].min(), of[2].sum())]
    out = np.empty((3, columns[0].size))
    volume_kernels.volume_profile(*columns, *known, window, bins, share, out[0], out[1], out[2])
    return out


def test_session_vwap_equals_its_slow_twin(markets) -> None:
    market = {k: v[:120] for k, v in markets["still"].items()}
    columns = [market[k] for k in ("high", "low", "close", "volume", "time")]
    columns[3] = np.where(np.arange(120) % 24 < 5, 0.0, columns[3])  # mornings without volume
    got = resolve("session_vwap").feature.function(*columns)
    np.testing.assert_allclose(got, slow_session_vwap(*columns), rtol=1e-14)


def test_session_vwap_knows_days_before_1970() -> None:
    time = np.array([-2, -1, 0, 1], dtype=np.int64) * (DAY // 2)
    price = np.array([1.0, 3.0, 5.0, 7.0])
    got = resolve("session_vwap").feature.function(price, price, price, np.ones(4), time)
    assert got.tolist() == [1.0, 2.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("window", "bins", "share"), [(1, 3, 0.7), (5, 4, 0.7), (20, 24, 0.7), (20, 7, 0.3), (9, 2, 1.0)]
)
def test_volume_profile_equals_its_slow_twin(markets, window: int, bins: int, share: float) -> None:
    for name in ("plain", "still"):
        m = {k: v[200:330] for k, v in markets[name].items()}
        got = profile(m["high"], m["low"], m["volume"], window, bins, share)
        slow = np.array(slow_profile(m["high"], m["low"], m["volume"], window, bins, share)).T
        np.testing.assert_allclose(got, slow, rtol=1e-9)


def test_a_profile_drawn_by_hand() -> None:
    """Two bars: 10 over 0 to 4, then 30 within 2 to 3. Bins of 1: 2.5, 2.5, 32.5, 2.5."""
    poc, area_high, area_low = profile([4.0, 3.0], [0.0, 2.0], [10.0, 30.0], 2, 4, 0.7)
    assert (poc[1], area_high[1], area_low[1]) == (2.5, 3.0, 2.0)
    poc, area_high, area_low = profile([4.0, 3.0], [0.0, 2.0], [10.0, 30.0], 2, 4, 0.85)
    assert (poc[1], area_high[1], area_low[1]) == (2.5, 3.0, 1.0)  # of equal neighbours the lower one joins


@given(
    st.lists(st.tuples(st.floats(1, 100), st.floats(0, 20), st.floats(0, 1e6)), min_size=1, max_size=30),
    st.integers(1, 8),
    st.integers(2, 12),
)
def test_levels_lie_in_the_window_and_around_each_other(rows, window: int, bins: int) -> None:
    low = np.array([r[0] for r in rows])
    high = low + [r[1] for r in rows]
    poc, area_high, area_low = profile(high, low, [r[2] for r in rows], window, bins, 0.7)
    for t in range(window - 1, low.size):
        floor, ceiling = low[t - window + 1 : t + 1].min(), high[t - window + 1 : t + 1].max()
        slack = 1e-9 * ceiling
        assert floor - slack <= area_low[t] <= poc[t] <= area_high[t] <= ceiling + slack


def test_features_of_the_profile_are_gaps_to_its_levels(markets) -> None:
    m = markets["plain"]
    poc, area_high, area_low = profile(m["high"], m["low"], m["volume"], 30, 10, 0.6)
    for spec, level in (
        ("profile_poc_gap(30, 10)", profile(m["high"], m["low"], m["volume"], 30, 10, 0.7)[0]),
        ("profile_high_gap(30, 10, 0.6)", area_high),
        ("profile_low_gap(30, 10, 0.6)", area_low),
    ):
        bound = resolve(spec)
        got = bound.feature.function(*(m[i] for i in bound.feature.inputs), **bound.parameters)
        np.testing.assert_array_equal(got, m["close"] / level - 1.0)
    assert np.isnan(poc[:29]).all()


def test_warm_compiles_for_arrays_that_may_not_be_written_to(markets) -> None:
    volume_kernels.warm()
    m = {k: v.copy() for k, v in markets["plain"].items()}
    for column in m.values():
        column.flags.writeable = False
    known = len(volume_kernels.session_vwap.signatures), len(volume_kernels.volume_profile.signatures)
    for name in ("session_vwap", "profile_poc_gap"):
        bound = resolve(name)
        bound.feature.function(*(m[i] for i in bound.feature.inputs), **bound.parameters)
    assert (len(volume_kernels.session_vwap.signatures), len(volume_kernels.volume_profile.signatures)) == known
