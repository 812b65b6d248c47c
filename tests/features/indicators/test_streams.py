"""A stream gives the batch's values: steps bar by bar, and the last rows of what looks back a fixed number of rows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.features import REGISTRY, resolve
from workbench.features.indicators import steps

TOLERANCE = 1e-12
OTHER_PARAMETERS = (
    "rsi(2)", "cmo(2)", "macd(3, 4, 1)", "macd_hist(3, 9, 4)", "ppo(2, 3)", "trix(1)", "trix(30)", "stoch_rsi(9, 30)",
    "stoch_rsi_d(2, 1, 4)", "cci(2)", "cci(40)", "ultimate_osc(1, 1, 1)", "ultimate_osc(30, 3, 10)", "mfi(2)",
    "mfi(60)", "sma(1)", "sma(200)", "sma_gap(200)", "ema(1)", "ema(50)", "dema(2)", "tema(2)", "tema_gap(30)",
    "kama(2)", "kama(60)", "adx(2)", "adx(30)", "plus_di(2)", "minus_di(40)", "bollinger_percent_b(3, 1.3)",
    "bollinger_width(2, 3.3)", "bollinger_width(100, 2)", "keltner_lower(30, 3, 1.5)", "keltner_position(3, 30, 1.7)",
    "atr(1)", "natr(2)", "sar(0.05, 0.05)", "sar_gap(0.1, 0.3)", "supertrend(2, 0.5)", "supertrend_direction(30, 1)",
    "chaikin_osc(2, 3)", "chaikin_osc(5, 40)", "hull(2)", "hull(100)", "wma(100)", "autocorr(3, 2)", "hurst(16)",
    "variance_ratio(50, 10)", "trend_slope(2)", "skew(3)", "kurt(4)", "vwap_gap(5)", "yang_zhang_vol(2)",
)  # fmt: skip
OURS = [f.name for f in REGISTRY if f.function.__module__.startswith("workbench.features.indicators")]
SPECS = (*OURS, *OTHER_PARAMETERS)
MARKETS = ("plain", "dear", "still", "cheap")


def batch(spec: str, market: dict[str, np.ndarray]) -> np.ndarray:
    bound = resolve(spec)
    return bound.feature.function(*(market[i] for i in bound.feature.inputs), **bound.parameters)


def differs(got: np.ndarray, expected: np.ndarray) -> str:
    """Where the two part by more than the tolerance, in words; empty where they do not."""
    if not (np.isnan(got) == np.isnan(expected)).all():
        return f"{np.isnan(got).sum()} NaN instead of {np.isnan(expected).sum()}"
    apart = np.nan_to_num(np.abs(got - expected)) / np.maximum(1.0, np.nan_to_num(np.abs(expected)))
    return f"{apart.max():.1e} at row {apart.argmax()}" if apart.max() > TOLERANCE else ""


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("spec", [s for s in SPECS if resolve(s).feature.stream is not None])
def test_steps_bar_by_bar_equal_the_batch(spec: str, market: str, markets: dict[str, dict[str, np.ndarray]]) -> None:
    bound = resolve(spec)
    columns = [markets[market][i].tolist() for i in bound.feature.inputs]
    assert bound.feature.stream is not None
    step = bound.feature.stream(**bound.parameters)
    got = np.array([step(*row) for row in zip(*columns, strict=True)])
    assert differs(got, batch(spec, markets[market])) == ""


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("spec", [s for s in SPECS if not resolve(s).feature.recursive])
def test_the_last_rows_are_enough_where_no_history_is_needed(
    spec: str, market: str, markets: dict[str, dict[str, np.ndarray]]
) -> None:
    rows = (resolve(spec).declared_warmup or 0) + 1
    full = batch(spec, markets[market])
    ends = range(rows, full.size + 1, 11)
    got = [batch(spec, {k: v[end - rows : end].copy() for k, v in markets[market].items()})[-1] for end in ends]
    assert differs(np.array(got), full[np.array(ends) - 1]) == ""


def test_every_recursive_indicator_has_a_step() -> None:
    assert [n for n in OURS if resolve(n).feature.recursive and resolve(n).feature.stream is None] == []


def test_two_streams_of_one_feature_share_no_state(markets: dict[str, dict[str, np.ndarray]]) -> None:
    close = markets["plain"]["close"].tolist()
    maker = resolve("macd").feature.stream
    assert maker is not None
    one, two = maker(fast=12, slow=26, signal=9), maker(fast=12, slow=26, signal=9)
    first = [one(x) for x in close]
    for x in reversed(close):
        one(x)
    np.testing.assert_array_equal([two(x) for x in close], first)


@given(*(st.floats(-1e12, 1e12) for _ in range(3)))
def test_one_rounding_instead_of_two(a: float, b: float, c: float) -> None:
    """The fused multiply-add by error-free transformations is the exact value rounded once."""
    tiny = min(abs(a), abs(b), abs(a * b)) < 1e-250  # where a product loses bits below the smallest numbers
    if not tiny:
        exact = float(Fraction(a) * Fraction(b) + Fraction(c))
        assert steps._rounded_once(a, b, c) == exact


def test_the_arithmetic_of_this_machines_library_is_told() -> None:
    assert steps.multiply_add() in (steps._rounded_once, steps._rounded_twice)
    probe = steps._PROBE - 1.0
    assert steps._rounded_once(probe, 0.2, 1.0) != steps._rounded_twice(probe, 0.2, 1.0)
