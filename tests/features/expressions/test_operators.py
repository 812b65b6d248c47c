"""Every operator against a plain loop, its look-back, and its past when the future is cut off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.features import check_causality, check_warmup, resolve
from workbench.features.expressions import OPERATORS, Operator

NAN = float("nan")
Window = Sequence[float]


def strict(function: Callable[..., float]) -> Callable[..., float]:
    """NaN where anything in the windows is NaN."""

    def guarded(*windows: Window, **parameters: Any) -> float:
        return NAN if any(v != v for w in windows for v in w) else function(*windows, **parameters)

    return guarded


def flat(w: Window) -> bool:
    return max(w) == min(w)


def deviations(w: Window) -> list[float]:
    """From the mean; measured from the first value, or their digits would drown in the level."""
    moved = [v - w[0] for v in w]
    mean = math.fsum(moved) / len(w)
    return [v - mean for v in moved]


def central(w: Window, power: int) -> float:
    return math.fsum(d**power for d in deviations(w))


def spread(w: Window) -> float:
    return 0.0 if flat(w) else math.sqrt(central(w, 2) / (len(w) - 1))


def slope(w: Window) -> float:
    """Of the least-squares line over 0, 1, 2 …"""
    places = [i - (len(w) - 1) / 2 for i in range(len(w))]
    return math.fsum(i * d for i, d in zip(places, deviations(w), strict=True)) / math.fsum(i * i for i in places)


def fitted(w: Window) -> list[float]:
    """Deviations of the line from the mean."""
    return [slope(w) * (i - (len(w) - 1) / 2) for i in range(len(w))]


def cross_product(x: Window, y: Window) -> float:
    return math.fsum(a * b for a, b in zip(deviations(x), deviations(y), strict=True))


def correlation(x: Window, y: Window) -> float:
    if flat(x) or flat(y):
        return 0.0
    return cross_product(x, y) / math.sqrt(central(x, 2) * central(y, 2))


def skewness(w: Window, **_: Any) -> float:
    n = len(w)
    if flat(w):
        return 0.0
    g = central(w, 3) / n / (central(w, 2) / n) ** 1.5
    return math.sqrt(n * (n - 1)) / (n - 2) * g


def kurtosis(w: Window, **_: Any) -> float:
    n = len(w)
    if flat(w):
        return 0.0
    g = central(w, 4) / n / (central(w, 2) / n) ** 2 - 3
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * g + 6)


def quantile(w: Window, q: float, **_: Any) -> float:
    ordered, place = sorted(w), q * (len(w) - 1)
    low = math.floor(place)
    high = min(low + 1, len(w) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def first_extreme(w: Window, best: float) -> float:
    return 1.0 + next(i for i, v in enumerate(w) if v == best)


def bars_since(w: Window, window: int) -> float:
    ages = [age for age, v in enumerate(reversed(w)) if v != 0]
    return float(ages[0]) if ages else float(window)


def one(function: Callable[..., float]) -> Callable[..., float]:
    """A function of single values, on windows of one bar."""
    return lambda *windows, **parameters: float(function(*(w[-1] for w in windows), **parameters))


def smooth(function: Callable[..., float]) -> Callable[..., float]:
    return strict(one(function))


def safely(function: Callable[[float], float], pole: float = NAN) -> Callable[[float], float]:
    """Python raises where floating point has an answer."""

    def called(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return -math.inf if x == pole else NAN
        except OverflowError:
            return math.inf

    return called


def quotient(x: float, y: float) -> float:
    if y == 0:
        return NAN if x == 0 else math.copysign(math.inf, x) * math.copysign(1.0, y)
    return x / y


def powered(x: float, y: float) -> float:
    return NAN if x < 0 and y != math.floor(y) else safely(lambda _: x**y)(x) if x or y > 0 else math.inf if y else 1.0


TWINS: dict[str, Callable[..., float]] = {
    "add": smooth(lambda x, y: x + y),
    "sub": smooth(lambda x, y: x - y),
    "mul": smooth(lambda x, y: x * y),
    "div": smooth(quotient),
    "mod": smooth(lambda x, y: NAN if y == 0 else x - y * math.floor(x / y)),
    "power": smooth(powered),
    "neg": smooth(lambda x: -x),
    "gt": one(lambda x, y: x > y),
    "ge": one(lambda x, y: x >= y),
    "lt": one(lambda x, y: x < y),
    "le": one(lambda x, y: x <= y),
    "eq": one(lambda x, y: x == y),
    "ne": one(lambda x, y: x != y),
    "both": one(lambda x, y: x != 0 and y != 0),
    "either": one(lambda x, y: x != 0 or y != 0),
    "not_": one(lambda x: x == 0),
    "where": one(lambda c, x, y: x if c != 0 else y),
    "abs": smooth(abs),
    "sign": smooth(lambda x: (x > 0) - (x < 0)),
    "log": smooth(safely(math.log, 0.0)),
    "log1p": smooth(safely(math.log1p, -1.0)),
    "exp": smooth(safely(math.exp)),
    "sqrt": smooth(lambda x: NAN if x < 0 else math.sqrt(x)),
    "tanh": smooth(math.tanh),
    "floor": smooth(math.floor),
    "signed_power": smooth(lambda x, exponent: math.copysign(abs(x) ** exponent, x)),
    "clip": smooth(lambda x, low, high: min(max(x, low), high)),
    "greater": smooth(max),
    "less": smooth(min),
    "safe_div": smooth(lambda x, y, empty: empty if y == 0 else x / y),
    "ref": lambda w, **_: w[0],
    "delta": lambda w, **_: w[-1] - w[0],
    "change": lambda w, **_: quotient(w[-1], w[0]) - 1,
    "sum": strict(lambda w, **_: math.fsum(w)),
    "mean": strict(lambda w, **_: math.fsum(w) / len(w)),
    "var": strict(lambda w, **_: spread(w) ** 2),
    "std": strict(lambda w, **_: spread(w)),
    "zscore_over": strict(lambda w, **_: 0.0 if flat(w) else deviations(w)[-1] / spread(w)),
    "skewness": strict(skewness),
    "kurtosis_over": strict(kurtosis),
    "min": strict(lambda w, **_: min(w)),
    "max": strict(lambda w, **_: max(w)),
    "span": strict(lambda w, **_: max(w) - min(w)),
    "position": strict(lambda w, **_: 0.5 if flat(w) else (w[-1] - min(w)) / (max(w) - min(w))),
    "idxmax": strict(lambda w, **_: first_extreme(w, max(w))),
    "idxmin": strict(lambda w, **_: first_extreme(w, min(w))),
    "quantile": strict(quantile),
    "median": strict(lambda w, **_: quantile(w, 0.5)),
    "rank_over": strict(lambda w, **_: (sum(v < w[-1] for v in w) + (sum(v == w[-1] for v in w) + 1) / 2) / len(w)),
    "mad": strict(lambda w, **_: math.fsum(abs(v - math.fsum(w) / len(w)) for v in w) / len(w)),
    "decay": strict(lambda w, **_: math.fsum((i + 1) * v for i, v in enumerate(w)) / (len(w) * (len(w) + 1) / 2)),
    "slope": strict(lambda w, **_: slope(w)),
    "rsquare": strict(lambda w, **_: 0.0 if flat(w) else central(fitted(w), 2) / central(w, 2)),
    "resi": strict(lambda w, **_: deviations(w)[-1] - fitted(w)[-1]),
    "cov": strict(lambda x, y, **_: cross_product(x, y) / (len(x) - 1)),
    "corr": strict(lambda x, y, **_: correlation(x, y)),
    "beta_on": strict(lambda x, y, **_: 0.0 if flat(y) else cross_product(x, y) / central(y, 2)),
    "autocorr_over": strict(lambda w, window, lag: correlation(w[lag:], w[:window])),
    "count": lambda w, **_: float(sum(v != 0 for v in w)),
    "since": bars_since,
    "cross_above": lambda x, y: float(x[-1] > y[-1] and not x[0] > y[0]),
    "cross_below": lambda x, y: float(x[-1] < y[-1] and not x[0] < y[0]),
}

N = 60


def ranks(row: Window) -> list[Fraction]:
    return [Fraction(2 * sum(v < x for v in row) + sum(v == x for v in row) + 1, 2 * len(row)) for x in row]


def residuals(x: Window, y: Window) -> list[float]:
    mx, my = math.fsum(x) / len(x), math.fsum(y) / len(y)
    slope = 0.0 if flat(y) else cross_product(x, y) / central(y, 2)
    return [a - mx - slope * (b - my) for a, b in zip(x, y, strict=True)]


def held(row: Window, share: float) -> list[float]:
    low, high = quantile(row, share), quantile(row, 1 - share)
    return [min(max(v, low), high) for v in row]


def spread_of_row(row: Window) -> float:
    return spread(row) if len(row) > 1 else 0.0


ACROSS: dict[str, Callable[..., list[Any]]] = {
    "rank": ranks,
    "zscore": lambda r: [0.0 if spread_of_row(r) == 0 else d / spread_of_row(r) for d in deviations(r)],
    "demean": lambda r: [v - math.fsum(r) / len(r) for v in r],
    "neutralize": residuals,
    "scale": lambda r: [v / (math.fsum(map(abs, r)) or 1.0) for v in r],
    "winsorize": held,
    "bucket": lambda r, buckets: [min(math.ceil(k * buckets) - 1, buckets - 1) for k in ranks(r)],
    "market_mean": lambda r: [math.fsum(r) / len(r)] * len(r),
    "market_std": lambda r: [spread_of_row(r)] * len(r),
    "market_count": lambda r: [len(r)] * len(r),
}
"""Each takes the values of the symbols that have one."""

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "signed_power": [{"exponent": 0.5}, {"exponent": 2.0}],
    "clip": [{"low": -0.5, "high": 1.0}],
    "safe_div": [{"empty": 0.0}, {"empty": -1.5}],
    "quantile": [{"window": w, "q": q} for w in (1, 2, 7, N) for q in (0.0, 0.2, 0.5, 0.93, 1.0)],
    "autocorr_over": [{"window": w, "lag": lag} for w, lag in ((2, 1), (7, 1), (9, 4), (N - 5, 5))],
    "winsorize": [{"share": 0.0}, {"share": 0.05}, {"share": 0.3}, {"share": 0.49}],
    "bucket": [{"buckets": b} for b in (2, 5, 25, 100)],
}


def parameters_of(operator: Operator) -> list[dict[str, Any]]:
    if operator.name in PARAMETERS:
        return PARAMETERS[operator.name]
    names = [p.name for p in operator.parameters]
    if names == ["window"]:
        least = int(operator.parameters[0].low or 1)
        return [{"window": w} for w in sorted({least, least + 1, 7, 20, N})]
    return [{"periods": k} for k in (0, 1, 7, N - 1)] if names == ["periods"] else [{}]


def series(kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    walk = rng.normal(0, 1, N).cumsum()
    made = {
        "walk": walk,
        "ties": np.round(rng.normal(0, 1, N)) + 0.0,  # no -0.0, whose powers Python refuses
        "flat": np.where(np.arange(N) < 40, 100.1, walk),
        "price": 50_000 + 1e-3 * walk,
        "holes": np.where(rng.random(N) < 0.1, np.nan, walk),
    }
    return made[kind]


TIME = [o for o in OPERATORS if not o.cross]


def test_every_operator_has_a_plain_twin() -> None:
    assert len(OPERATORS) >= 50
    assert {o.name for o in TIME} == set(TWINS)
    assert {o.name for o in OPERATORS if o.cross} == set(ACROSS)


@pytest.mark.parametrize("kind", ["walk", "ties", "flat", "price", "holes"])
@pytest.mark.parametrize("operator", TIME, ids=lambda o: o.name)
def test_an_operator_is_its_plain_twin(operator: Operator, kind: str) -> None:
    args = [series(kind, seed) for seed in range(operator.n_args)]
    for parameters in parameters_of(operator):
        lookback = operator.lookback(**parameters)
        out = np.full(N, np.nan)
        with np.errstate(all="ignore"):
            operator.function(out, *args, **parameters)
            expected = [
                TWINS[operator.name](*(a[t - lookback : t + 1].tolist() for a in args), **parameters)
                for t in range(lookback, N)
            ]
        assert len(expected) == N - lookback > 0
        scale = 1e-3 if kind == "price" else 1.0  # of the deviations
        tight = operator.name in ("zscore_over", "skewness", "kurtosis_over", "rsquare", "corr", "autocorr_over")
        np.testing.assert_allclose(
            out[lookback:], expected, rtol=1e-7 if kind == "price" else 1e-10, atol=(1e-8 if tight else 1e-9) * scale,
            err_msg=f"{operator.name} {parameters} on {kind}",
        )  # fmt: skip


@pytest.mark.parametrize("operator", [o for o in OPERATORS if o.cross], ids=lambda o: o.name)
@pytest.mark.parametrize("n_symbols", [1, 2, 25])
def test_an_operator_across_symbols_is_its_plain_twin(operator: Operator, n_symbols: int) -> None:
    rng = np.random.default_rng(n_symbols)
    for kind in ("walk", "ties", "holes", "flat"):
        args = []
        for _ in range(operator.n_args):
            x = rng.normal(0, 1, (N, n_symbols))
            x = np.round(x) if kind == "ties" else x
            args.append(np.full_like(x, 100.1) if kind == "flat" else np.where(rng.random(x.shape) < 0.3, np.nan, x))
        for parameters in parameters_of(operator):
            out = np.empty((N, n_symbols))
            with np.errstate(all="ignore"):
                operator.function(out, *args, **parameters)
            for t in range(N):
                present = np.logical_and.reduce([~np.isnan(a[t]) for a in args])
                expected = np.full(n_symbols, np.nan)
                if present.any():
                    expected[present] = [
                        float(v) for v in ACROSS[operator.name](*(a[t][present].tolist() for a in args), **parameters)
                    ]
                message = f"{operator.name} {parameters} on {kind}"
                np.testing.assert_allclose(out[t], expected, rtol=1e-9, atol=1e-12, err_msg=message)


ARGUMENTS = ("close / open - 1", "volume", "high")


@pytest.mark.parametrize("operator", list(OPERATORS), ids=lambda o: o.name)
def test_lookback_is_exact_and_the_past_does_not_move(operator: Operator, ragged: pd.DataFrame) -> None:
    """On expressions of bars with holes, a late listing, a flat stretch and hours without volume."""
    safe = ("volume + 1", "high", "low") if operator.name in ("log", "div", "mod", "change") else ARGUMENTS
    for parameters in parameters_of(operator)[-2:]:
        spec = operator.written(safe[: operator.n_args], parameters)
        bound = resolve(spec)
        assert bound.declared_warmup == operator.lookback(**parameters)
        if operator.name not in ("power", "sqrt", "log1p"):
            assert check_warmup(spec, ragged) == operator.lookback(**parameters)
        check_causality(spec, ragged, cuts=3)
