"""What is computed from bars: cross-sections by hand, holes, threads, and features that misbehave beside good ones."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import Market, Registry, compute, feature, indicator, resolve
from workbench.features.expressions import evaluate
from workbench.features.registry import Feature

MakeMarket = Callable[..., pd.DataFrame]


def frame(close: dict[str, list[float]], **more: dict[str, list[float]]) -> pd.DataFrame:
    """Bars of a few rows; a field that is not given equals the close."""
    n_bars = len(next(iter(close.values())))
    index = pd.date_range("2024-02-28", periods=n_bars, freq="h", tz="UTC", name="time")
    parts = {
        (field, symbol): np.asarray(more.get(field, close)[symbol], dtype=np.float64)
        for field in ("open", "high", "low", "close", "volume")
        for symbol in close
    }
    made = pd.DataFrame(parts, index=index)
    made.columns = made.columns.set_names(["field", "symbol"])
    return made


NAN = float("nan")
CLOSE = {"A": [1.0, 4.0, 2.0, 5.0], "B": [2.0, 4.0, NAN, 1.0], "C": [6.0, 1.0, 2.0, NAN], "D": [3.0, NAN, 2.0, NAN]}
OTHER = {"A": [1.0, 1.0, 1.0, 2.0], "B": [2.0, 3.0, NAN, 4.0], "C": [3.0, 5.0, 2.0, NAN], "D": [4.0, NAN, 3.0, NAN]}


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        ("rank(close)", [[0.25, 0.5, 1.0, 0.75], [2.5 / 3, 2.5 / 3, 1 / 3, NAN], [2 / 3, NAN, 2 / 3, 2 / 3],
                         [1.0, 0.5, NAN, NAN]]),
        ("demean(close)", [[-2, -1, 3, 0], [1, 1, -2, NAN], [0, NAN, 0, 0], [2, -2, NAN, NAN]]),
        ("market_mean(close)", [[3, 3, 3, 3], [3, 3, 3, NAN], [2, NAN, 2, 2], [3, 3, NAN, NAN]]),
        ("market_count(close)", [[4, 4, 4, 4], [3, 3, 3, NAN], [3, NAN, 3, 3], [2, 2, NAN, NAN]]),
        ("market_std(close)", [[(14 / 3) ** 0.5] * 4, [3**0.5] * 3 + [NAN], [0, NAN, 0, 0],
                               [8**0.5, 8**0.5, NAN, NAN]]),
        ("zscore(close)", [[-2 / (14 / 3) ** 0.5, -1 / (14 / 3) ** 0.5, 3 / (14 / 3) ** 0.5, 0],
                           [3**-0.5, 3**-0.5, -2 / 3**0.5, NAN], [0, NAN, 0, 0], [0.5**0.5, -(0.5**0.5), NAN, NAN]]),
        ("scale(close - 3)", [[-2 / 6, -1 / 6, 3 / 6, 0], [1 / 4, 1 / 4, -2 / 4, NAN], [-1 / 3, NAN, -1 / 3, -1 / 3],
                              [2 / 4, -2 / 4, NAN, NAN]]),
        ("bucket(close, 2)", [[0, 0, 1, 1], [1, 1, 0, NAN], [1, NAN, 1, 1], [1, 0, NAN, NAN]]),
        # places 1.47 and 1.53 in 1 2 3 6; 0.98 and 1.02 in 1 4 4; 0.49 and 0.51 in 1 5
        ("winsorize(close, 0.49)", [[2.47, 2.47, 2.53, 2.53], [4.0, 4.0, 3.94, NAN], [2, NAN, 2, 2],
                                    [3.04, 2.96, NAN, NAN]]),
        # of 1 2 6 3 on 1 2 3 4: slope 1, mean 3 on 2.5
        ("neutralize(close, volume)", [[-0.5, -0.5, 2.5, -1.5], [-0.5, 1.0, -0.5, NAN], [0, NAN, 0, 0],
                                       [0, 0, NAN, NAN]]),
    ],
)  # fmt: skip
def test_cross_sections_by_hand(spec: str, rows: list[list[float]]) -> None:
    made = compute(frame(CLOSE, volume=OTHER), spec)[spec]
    np.testing.assert_allclose(made, rows, rtol=0, atol=1e-12)


def test_cross_sections_skip_who_has_no_value_yet(ragged: pd.DataFrame) -> None:
    """Each row by pandas on the panel of a symbol's own bars."""
    inner = compute(ragged, "rsi(14)")["rsi(14)"]
    made = compute(ragged, ["rank(rsi(14))", "zscore(rsi(14))", "demean(rsi(14))"])
    pd.testing.assert_frame_equal(made["rank(rsi(14))"], inner.rank(axis=1, pct=True), check_names=False)
    spread = inner.std(axis=1).where(inner.count(axis=1) > 1)
    want = inner.sub(inner.mean(axis=1), axis=0).div(spread, axis=0)
    several = inner.count(axis=1) > 1
    np.testing.assert_allclose(made["zscore(rsi(14))"][several], want[several], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(made["demean(rsi(14))"], inner.sub(inner.mean(axis=1), axis=0), atol=1e-9)


def test_windows_over_a_cross_section_skip_holes(ragged: pd.DataFrame) -> None:
    ranks = compute(ragged, "rank(close)")["rank(close)"]
    made = compute(ragged, "mean(rank(close), 5)")["mean(rank(close), 5)"]
    for symbol in "ABCD":
        own = ranks[symbol].dropna()
        np.testing.assert_allclose(made[symbol].reindex(own.index), own.rolling(5).mean(), rtol=1e-12, atol=1e-12)
    assert made["C"].isna().equals(ranks["C"].isna() | made["C"].isna())


def test_a_symbol_counts_in_a_cross_section_although_it_lacks_a_field_used_elsewhere(bars: pd.DataFrame) -> None:
    paid = pd.DataFrame(1.0, index=bars.index, columns=bars["close"].columns)
    paid.loc[paid.index[:200], "A"] = np.nan
    more = pd.concat([bars, pd.concat({"funding_rate": paid}, axis=1, names=["field", "symbol"])], axis=1)
    made, ranks = compute(more, "rank(close) * funding_rate"), compute(bars, "rank(close)")
    np.testing.assert_array_equal(made.to_numpy(), np.where(paid.isna(), np.nan, ranks.to_numpy()))


def test_an_indicator_skips_rows_on_which_its_series_has_no_value(bars: pd.DataFrame) -> None:
    """As it skips holes of the bars: one NaN must not poison all that follow."""
    spec, inner = "ema(sqrt(close - 100), 5)", compute(bars, "sqrt(close - 100)")["sqrt(close - 100)"]
    made = compute(bars, spec)[spec]
    for symbol in "ABCD":
        present = inner[symbol].dropna()
        own = frame({symbol: present.tolist()})
        want = np.full(len(bars), np.nan)
        want[inner[symbol].notna()] = compute(own, "ema(5)").to_numpy()[:, 0]
        np.testing.assert_array_equal(made[symbol], want)
    assert made.notna().sum(axis=None) > 200


def test_threads_give_the_same_bits(market: MakeMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = market(300, "ABCDEFGHIJKL", seed=4)
    rng = np.random.default_rng(0)
    for symbol in "BDFHJ":
        wide.loc[rng.random(300) < 0.2, (slice(None), symbol)] = np.nan
    specs = ["rsi(14)", "ema(5)@4h", "rank(ret(3))", "mean(zscore(close), 9)", "close / ema(12) - 1", "obv", "hour"]
    alone = compute(wide, specs)
    monkeypatch.setattr(evaluate, "_PARALLEL", 1)
    monkeypatch.setattr(evaluate.os, "cpu_count", lambda: 8)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(5):
            pd.testing.assert_frame_equal(compute(wide, specs), alone, check_exact=True)
    finally:
        sys.setswitchinterval(interval)


def test_errors_of_threads_are_told(market: MakeMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "_PARALLEL", 1)
    monkeypatch.setattr(evaluate.os, "cpu_count", lambda: 4)
    bad = indicator("bad", registry=Registry())(lambda close: close[1:])
    with pytest.raises(DataError, match="'bad' returned an array of shape"):
        compute(market(50, "ABCDEF"), [bad, "rsi(14)"])
    made = compute(market(50, "ABCDEF"), [bad, "rsi(5)"], errors="collect")
    assert list(made.attrs["errors"]) == ["bad"]
    assert made["rsi(5)"].notna().sum(axis=None) == 45 * 6


def writes(close):
    close[0] = 1.0
    return close


def sorts(close):
    close.sort()
    return close


def divides(close):
    return close / (1 // 0)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (writes, "changes the bars it is given; work on a copy: close.copy"),
        (sorts, "changes the bars it is given"),
        (divides, "failed: ZeroDivisionError: .*; run it alone to see the line"),
        (lambda close: close[1:], r"returned an array of shape \(399,\); it must return an array of its 400 rows"),
        (lambda close: np.column_stack([close, close]), r"returned an array of shape \(400, 2\)"),
        (lambda close: close.tolist(), "returned list"),
        (lambda close: float(close[-1]), "returned float"),
        (lambda close: None, "returned NoneType"),  # noqa: ARG005
        (lambda close: pd.Series(close) * 1, "returned Series"),
        (lambda close: close.astype(str), "returned <U32; it must return float64"),
        (lambda close: close + 1j, "returned complex128; it must return float64"),
    ],
)
def test_an_indicator_that_misbehaves_is_named_and_the_rest_computed(
    bars: pd.DataFrame, function: Callable[..., object], says: str
) -> None:
    bad = indicator("bad", registry=Registry())(function)
    before = bars.copy(deep=True)
    for one in (bars, bars.loc[:, (slice(None), "A")]):
        with pytest.raises(DataError, match="^feature 'bad' " + says):
            compute(one, bad)
        made = compute(one, ["rsi(14)", bad, "close"], errors="collect")
        assert list(made.attrs["errors"]) == ["bad"]
        assert made["bad"].isna().all(axis=None)
        pd.testing.assert_frame_equal(made[["rsi(14)", "close"]], compute(one, ["rsi(14)", "close"]), check_exact=True)
    pd.testing.assert_frame_equal(bars, before, check_exact=True)


def test_a_missing_field_is_named_and_the_rest_computed(bars: pd.DataFrame) -> None:
    prices = bars[["open", "high", "low", "close"]]
    text = "close / funding_rate"
    with pytest.raises(DataError, match=f"'{text}' needs the field 'funding_rate' of A, which these bars lack"):
        compute(bars, text)
    made = compute(prices, ["mfi(14)", "rank(volume)", "rsi(14)", "rank(close)"], errors="collect")
    assert list(made.attrs["errors"]) == ["mfi(14)", "rank(volume)"]
    assert all("needs the field 'volume' of A" in m for m in made.attrs["errors"].values())
    assert made[["mfi(14)", "rank(volume)"]].isna().all(axis=None)
    assert made["rank(close)"].notna().all(axis=None)
    with pytest.raises(ConfigError, match="errors must be 'raise' or 'collect', got 'ignore'"):
        compute(bars, "rsi(14)", errors="ignore")


def test_a_window_longer_than_the_bars_is_all_warm_up(bars: pd.DataFrame) -> None:
    specs = ["mean(close, 5000)", "ref(close, 400)", "ema(1000)", "corr(close, open, 401)", "mean(rank(close), 999)"]
    assert compute(bars, specs).isna().all(axis=None)
    assert compute(bars, "ref(close, 399)").notna().sum(axis=None) == 4


def identity() -> Feature:
    return indicator("given", warmup=0, registry=Registry())(lambda close: close)


def test_what_is_returned_may_be_written_to(bars: pd.DataFrame) -> None:
    """Also where an indicator hands its input back, on one symbol, where nothing is copied."""
    for one in (bars, bars.loc[:, (slice(None), "A")].copy()):
        before = one.copy(deep=True)
        for spec in (identity(), "close", "ref(close, 0)", "rsi(14)"):
            made = compute(one, spec)
            made.iloc[:] = -1.0
            assert (made == -1.0).all(axis=None)
        pd.testing.assert_frame_equal(one, before, check_exact=True)


def test_a_market_is_made_once_for_many_calls(ragged: pd.DataFrame) -> None:
    market = Market(ragged)
    for spec in ("rsi(14)", "rank(close)", "ema(5)@4h", "hour"):
        pd.testing.assert_frame_equal(compute(market, spec), compute(ragged, spec), check_exact=True)


def test_a_feature_of_all_symbols_is_part_of_an_expression(bars: pd.DataFrame) -> None:
    registry = Registry()

    @feature("lead", warmup=1, registry=registry)
    def lead(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"].pct_change(fill_method=None).rank(axis=1)

    want = lead(bars)
    bound = resolve("mean(lead, 3) + 1", registry)
    assert bound.cross
    assert bound.declared_warmup == 3
    np.testing.assert_allclose(compute(bars, [bound]).to_numpy(), want.rolling(3).mean() + 1, rtol=1e-12)
    with pytest.raises(ConfigError, match="looks across symbols within @4h"):
        resolve("lead@4h", registry)


def test_the_same_part_is_computed_once() -> None:
    calls = []

    @indicator("costly", warmup=0, registry=Registry())
    def costly(close):
        calls.append(close.size)
        return close * 2

    registry = Registry()
    registry.add(costly)
    bound = [resolve(t, registry) for t in ("costly + 1", "mean(costly, 2)", "costly * costly")]
    compute(frame(CLOSE), bound)
    assert len(calls) == 4  # one a symbol
