"""Rolling kernels against exact arithmetic: levels far above the moves, values that left, equal values, holes."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.features.kernels import orders, pairs, sections, windows
from workbench.typing import FloatArray

Exact = list[Fraction]


def mean(x: Exact) -> Fraction:
    return sum(x, Fraction(0)) / len(x)


def moment(x: Exact, power: int) -> Fraction:
    m = mean(x)
    return sum(((v - m) ** power for v in x), Fraction(0))


def product(x: Exact, y: Exact) -> Fraction:
    mx, my = mean(x), mean(y)
    return sum(((a - mx) * (b - my) for a, b in zip(x, y, strict=True)), Fraction(0))


def steps(x: Exact) -> Exact:
    return [Fraction(i) for i in range(len(x))]


def root(x: Fraction) -> float:
    return math.sqrt(x)


def zscore(x: Exact) -> float:
    variance = moment(x, 2) / (len(x) - 1)
    return float(x[-1] - mean(x)) / root(variance) if variance else 0.0


def skewness(x: Exact) -> float:
    n, m2 = len(x), moment(x, 2) / len(x)
    return float(moment(x, 3) / n) / float(m2) ** 1.5 * math.sqrt(n * (n - 1)) / (n - 2) if m2 else 0.0


def kurtosis(x: Exact) -> float:
    n, m2 = len(x), moment(x, 2) / len(x)
    return float(((n + 1) * (moment(x, 4) / n / m2**2 - 3) + 6) * (n - 1) / ((n - 2) * (n - 3))) if m2 else 0.0


def slope(x: Exact) -> float:
    return float(product(x, steps(x)) / moment(steps(x), 2)) if len(x) > 1 else 0.0


def rsquare(x: Exact) -> float:
    return float(product(x, steps(x)) ** 2 / moment(steps(x), 2) / moment(x, 2)) if len(set(x)) > 1 else 0.0


def residual(x: Exact) -> float:
    b = product(x, steps(x)) / moment(steps(x), 2) if len(x) > 1 else Fraction(0)
    return float(x[-1] - mean(x) - b * Fraction(len(x) - 1, 2))


def correlation(x: Exact, y: Exact) -> float:
    xx, yy = moment(x, 2), moment(y, 2)
    return float(product(x, y)) / math.sqrt(xx * yy) if xx and yy else 0.0


def quantile(x: Exact, q: float) -> float:
    return float(np.quantile(list(map(float, x)), q))


Kernel = Callable[[FloatArray, int, FloatArray], object]
KERNELS: dict[str, tuple[int, Kernel, Callable[[Exact], float]]] = {
    "sum": (1, windows.rolling_sum, lambda x: float(sum(x, Fraction(0)))),
    "mean": (1, windows.rolling_mean, lambda x: float(mean(x))),
    "var": (2, lambda x, w, out: windows.rolling_var(x, w, 1, out), lambda x: float(moment(x, 2) / (len(x) - 1))),
    "var0": (1, lambda x, w, out: windows.rolling_var(x, w, 0, out), lambda x: float(moment(x, 2) / len(x))),
    "zscore": (2, windows.rolling_zscore, zscore),
    "skew": (3, lambda x, w, out: windows.rolling_shape(x, w, out, np.empty(x.size)), skewness),
    "kurtosis": (4, lambda x, w, out: windows.rolling_shape(x, w, np.empty(x.size), out), kurtosis),
    "min": (1, windows.rolling_min, lambda x: float(min(x))),
    "max": (1, windows.rolling_max, lambda x: float(max(x))),
    "argmax": (1, lambda x, w, out: windows.rolling_argmax(x, w, 1.0, out), lambda x: 1.0 + x.index(max(x))),
    "argmin": (1, lambda x, w, out: windows.rolling_argmax(x, w, -1.0, out), lambda x: 1.0 + x.index(min(x))),
    "median": (1, lambda x, w, out: orders.rolling_quantile(x, w, 0.5, out), lambda x: quantile(x, 0.5)),
    "upper": (1, lambda x, w, out: orders.rolling_quantile(x, w, 0.9, out), lambda x: quantile(x, 0.9)),
    "rank": (1, orders.rolling_rank, lambda x: (sum(v < x[-1] for v in x) + (x.count(x[-1]) + 1) / 2) / len(x)),
    "mad": (1, orders.rolling_mad, lambda x: float(sum((abs(v - mean(x)) for v in x), Fraction(0)) / len(x))),
    "weighted": (
        1,
        lambda x, w, out: pairs.rolling_line(x, w, pairs.WEIGHTED, out),
        lambda x: float(sum(((i + 1) * v for i, v in enumerate(x)), Fraction(0)) / (len(x) * (len(x) + 1) // 2)),
    ),
    "slope": (1, lambda x, w, out: pairs.rolling_line(x, w, pairs.SLOPE, out), slope),
    "rsquare": (2, lambda x, w, out: pairs.rolling_line(x, w, pairs.RSQUARE, out), rsquare),
    "residual": (2, lambda x, w, out: pairs.rolling_line(x, w, pairs.RESIDUAL, out), residual),
}  # fmt: skip
OF_DEVIATIONS = {"var", "var0", "mad", "slope", "residual"}
FREE = {"zscore", "skew", "kurtosis", "rsquare"}
PAIRS = {
    "covariance": (pairs.COVARIANCE, lambda x, y: float(product(x, y) / (len(x) - 1))),
    "correlation": (pairs.CORRELATION, correlation),
    "beta": (pairs.BETA, lambda x, y: float(product(x, y) / moment(y, 2)) if moment(y, 2) else 0.0),
}

moves = st.lists(st.integers(-5, 5), min_size=1, max_size=40)
levels = st.sampled_from([0.0, 1.0, 50_000.0, -3e6])


def made(name: str, x: FloatArray, window: int) -> FloatArray:
    out = np.empty(x.size)
    KERNELS[name][1](x, window, out)
    return out


def exact(x: FloatArray) -> Exact:
    return [Fraction(float(v)) for v in x]


@pytest.mark.parametrize("name", KERNELS)
@given(moves=moves, level=levels, window=st.integers(1, 45))
@settings(max_examples=20)
def test_a_kernel_is_its_exact_twin(name: str, moves: list[int], level: float, window: int) -> None:
    least, _, twin = KERNELS[name]
    window = max(window, least)
    unit = 2.0**-17 if level else 1.0  # about 1e-5: exact beside a level of millions
    x = level + unit * np.array(moves, dtype=np.float64)
    got = made(name, x, window)
    want = [twin(exact(x[t - window + 1 : t + 1])) for t in range(window - 1, x.size)]
    assert np.isnan(got[: window - 1]).all()
    power = 2 if name.startswith("var") else 1
    atol = 1e-7 if name in FREE else 1e-9 * unit**power if name in OF_DEVIATIONS else 1e-15 * abs(level) * window
    np.testing.assert_allclose(got[window - 1 :], want, rtol=1e-12 if name not in FREE else 1e-9, atol=atol)


@pytest.mark.parametrize("name", PAIRS)
@given(moves=st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=40), level=levels,
       window=st.integers(2, 42))  # fmt: skip
@settings(max_examples=20)
def test_a_kernel_of_two_series_is_its_exact_twin(
    name: str, moves: list[tuple[int, int]], level: float, window: int
) -> None:
    unit = 2.0**-17 if level else 1.0
    x, y = (level + unit * np.array([m[k] for m in moves], dtype=np.float64) for k in (0, 1))
    what, twin = PAIRS[name]
    out = np.empty(x.size)
    pairs.rolling_pair(x, y, window, what, out)
    span = [slice(t - window + 1, t + 1) for t in range(window - 1, x.size)]
    want = [twin(exact(x[s]), exact(y[s])) for s in span]
    assert np.isnan(out[: window - 1]).all()
    scale = unit**2 if name == "covariance" else 1.0
    np.testing.assert_allclose(out[window - 1 :], want, rtol=1e-9, atol=1e-9 * scale)


def everything(x: FloatArray, window: int) -> dict[str, FloatArray]:
    found = {name: made(name, x, max(window, KERNELS[name][0])) for name in KERNELS}
    other = np.arange(x.size) % 7.0
    for name, (what, _) in PAIRS.items():
        found[name] = np.empty(x.size)
        pairs.rolling_pair(x, other, max(window, 2), what, found[name])
    return found


@given(seed=st.integers(0, 999), window=st.integers(4, 20), place=st.integers(0, 59))
@settings(max_examples=30)
def test_a_value_that_has_left_leaves_no_trace(seed: int, window: int, place: int) -> None:
    x = 50_000 + np.random.default_rng(seed).normal(0, 0.01, 60)
    spoilt = x.copy()
    spoilt[place] = 1e9
    clean, after = everything(x, window), everything(spoilt, window)
    for name in clean:
        np.testing.assert_array_equal(after[name][place + window :], clean[name][place + window :], err_msg=name)
        np.testing.assert_array_equal(after[name][:place], clean[name][:place], err_msg=name)


@given(seed=st.integers(0, 999), window=st.integers(4, 20), place=st.integers(0, 59))
@settings(max_examples=30)
def test_a_missing_value_is_missed_in_its_own_windows_only(seed: int, window: int, place: int) -> None:
    x = np.random.default_rng(seed).normal(0, 1, 60)
    holed = x.copy()
    holed[place] = np.nan
    clean, after = everything(x, window), everything(holed, window)
    for name in clean:
        want = clean[name].copy()
        want[place : place + window] = np.nan
        np.testing.assert_array_equal(after[name], want, err_msg=name)


@given(
    value=st.floats(-1e12, 1e12).filter(lambda v: abs(v) > 1e-3), window=st.integers(4, 12), n_before=st.integers(0, 9)
)
@settings(max_examples=40)
def test_equal_values_vary_by_exactly_nothing(value: float, window: int, n_before: int) -> None:
    """Also right after a shock, and where the mean of equal values would not be that value."""
    x = np.concatenate([np.full(n_before, value * 1.7), np.full(30, value)])
    found = everything(x, window)
    rows = slice(n_before + window - 1, None)
    for name in ("var", "var0", "zscore", "skew", "kurtosis", "slope", "rsquare", "residual", "mad", "covariance",
                 "correlation"):  # fmt: skip
        assert (found[name][rows] == 0).all(), name
    for name in ("mean", "min", "max", "median", "upper", "weighted"):
        assert (found[name][rows] == value).all(), name
    assert (found["argmax"][rows] == 1).all()
    assert (found["argmin"][rows] == 1).all()


@given(seed=st.integers(0, 999), window=st.integers(4, 25), cut=st.integers(0, 60))
@settings(max_examples=20)
def test_the_past_does_not_move_by_a_bit(seed: int, window: int, cut: int) -> None:
    x = np.random.default_rng(seed).normal(0, 1, 60).cumsum()
    whole, part = everything(x, window), everything(x[:cut], window)
    for name in whole:
        np.testing.assert_array_equal(part[name], whole[name][:cut], err_msg=name)


@pytest.mark.parametrize("n_bars", [0, 1, 3, 4])
def test_fewer_rows_than_the_window_are_all_warm_up(n_bars: int) -> None:
    for name, values in everything(np.arange(float(n_bars)), 5).items():
        assert np.isnan(values).all(), name


def test_infinities_pass_and_go() -> None:
    x = np.array([1.0, 2, np.inf, 3, 4, 5, 6, 7, 8, -np.inf, 1, 2, 3, 4, 5])
    top, low, place = made("max", x, 4), made("min", x, 4), made("argmax", x, 4)
    np.testing.assert_array_equal(top[3:6], [np.inf] * 3)
    np.testing.assert_array_equal(top[6:9], [6, 7, 8])
    np.testing.assert_array_equal(low[9:13], [-np.inf] * 4)
    np.testing.assert_array_equal(place[3:6], [3, 2, 1])
    assert np.isfinite(made("mean", x, 4)[6:9]).all()
    assert (made("median", x, 4)[6:9] == [4.5, 5.5, 6.5]).all()


@given(rows=st.lists(st.lists(st.sampled_from([-1.0, 0.0, 0.1, 2.0, float("nan")]), min_size=6, max_size=6),
                     min_size=1, max_size=8), share=st.floats(0, 0.49))  # fmt: skip
@settings(max_examples=40)
def test_quantile_bounds_are_those_of_numpy(rows: list[list[float]], share: float) -> None:
    x = np.array(rows)
    for row, (low, high) in zip(x, sections.quantile_bounds(x, share), strict=True):
        values = row[~np.isnan(row)]
        if not values.size:
            assert np.isnan([low, high]).all()
            continue
        np.testing.assert_allclose([low, high], np.quantile(values, [share, 1 - share]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("room", [windows, orders, pairs, sections])
def test_every_kernel_room_can_be_warmed(room: object) -> None:
    kernels = [
        kernel
        for name, kernel in vars(room).items()
        if not name.startswith("_") and getattr(getattr(kernel, "py_func", None), "__module__", "") == room.__name__
    ]
    room.warm()
    assert kernels
    assert all(k.signatures for k in kernels)
