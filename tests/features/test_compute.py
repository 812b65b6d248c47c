"""What `compute` refuses: missing inputs, and features that fail, misshape or mutate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import Registry, compute, feature

Function = Callable[[pd.DataFrame], pd.DataFrame]


def made(function: Function, **declared: object) -> object:
    return feature("bad", registry=Registry(), **{"inputs": ("open", "close"), **declared})(function)


def test_a_missing_field_is_named(bars: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"'mfi\(14\)' needs the field 'volume' of A, which these bars lack"):
        compute(bars[["open", "high", "low", "close"]], "mfi(14)")
    holed = bars.drop(columns=[("volume", "C")])
    with pytest.raises(DataError, match="'obv' needs the field 'volume' of C.*they have open, high, low, close"):
        compute(holed, "obv")
    assert compute(bars[["close"]], "rsi(14)").shape == (400, 4)


def test_order_of_columns_does_not_matter(bars: pd.DataFrame) -> None:
    shuffled = bars[[bars.columns[i] for i in np.random.default_rng(0).permutation(20)]]
    specs = ["mfi(14)", "adx(14)", "session_vwap"]
    expected = compute(bars, specs)
    got = compute(shuffled, specs)[list(expected.columns)]
    pd.testing.assert_frame_equal(got, expected, check_exact=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: b["close"], r"frame with a time index and \(field, symbol\) columns"),
        (lambda b: b.reset_index(drop=True), "frame with a time index"),
        (lambda b: b["close"]["A"], "frame with a time index"),
        (lambda b: b.iloc[::-1], "unique, increasing times"),
        (lambda b: pd.concat([b, b.iloc[-1:]]), "unique, increasing times"),
        (lambda b: b.rename(columns={"close": "Close"}), "unknown field 'Close'.* Did you mean 'close'?"),
        (lambda b: b.swaplevel(axis=1), "unknown field 'A'"),
    ],
)
def test_frames_that_are_no_bars_are_refused(bars: pd.DataFrame, spoil: Function, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compute(spoil(bars), "rsi(14)")


def sets_a_cell(bars: pd.DataFrame) -> pd.DataFrame:
    bars.iloc[0, 0] = 1.0
    return bars["close"]


def adds_a_column(bars: pd.DataFrame) -> pd.DataFrame:
    bars[("gap", "A")] = 0.0
    return bars["close"]


def replaces_a_field(bars: pd.DataFrame) -> pd.DataFrame:
    bars["close"] = bars["close"] * 2
    return bars["open"]


def turns_the_index(bars: pd.DataFrame) -> pd.DataFrame:
    bars.index = bars.index[::-1]
    return bars["close"].sort_index()


def writes_through_numpy(bars: pd.DataFrame) -> pd.DataFrame:
    bars.to_numpy()[0, 0] = 1.0
    return bars["close"]


@pytest.mark.parametrize(
    "function", [sets_a_cell, adds_a_column, replaces_a_field, turns_the_index, writes_through_numpy]
)
def test_a_feature_that_changes_its_bars_is_named_and_the_bars_stay(bars: pd.DataFrame, function: Function) -> None:
    before = bars.copy(deep=True)
    with pytest.raises(DataError, match="feature 'bad' (changes the bars it is given|failed: ValueError: .*read-only)"):
        compute(bars, made(function))
    pd.testing.assert_frame_equal(bars, before, check_exact=True)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda b: b["close"]["A"], "returned Series; it must return a frame like bars"),
        (lambda _: None, "returned NoneType"),
        (lambda b: b["close"].to_numpy(), "returned ndarray"),
        (lambda b: b["close"].iloc[1:], "returned 399 rows × 4 columns"),
        (lambda b: b["close"][["A", "B"]], r"returned 400 rows × 2 columns \['A', 'B'\].*\(A, B, C, D\)"),
        (lambda b: b["close"][list("BACD")], "columns"),
        (lambda b: b["close"].reset_index(drop=True), "another index"),
        (lambda b: b["close"].shift(1, freq="h"), "another index"),
        (lambda b: b["close"].astype(str), "it must return float64"),
        (lambda b: b["volume"], "failed: KeyError: 'volume'"),
        (lambda _: 1 / 0, "failed: ZeroDivisionError: division by zero"),
    ],
)
def test_a_feature_that_returns_something_else_is_named(bars: pd.DataFrame, function: Function, message: str) -> None:
    with pytest.raises(DataError, match="feature 'bad' .*" + message):
        compute(bars, made(function))


def test_an_error_of_ours_inside_a_feature_passes_unchanged(bars: pd.DataFrame) -> None:
    def picky(bars: pd.DataFrame) -> pd.DataFrame:
        raise ConfigError("write another one")

    with pytest.raises(ConfigError, match="^write another one$"):
        compute(bars, made(picky))


@pytest.mark.parametrize("several_blocks", [False, True])
def test_the_result_can_be_written_to_and_the_bars_stay(bars: pd.DataFrame, several_blocks: bool) -> None:
    """Also where a feature hands its input back as it is."""
    given = pd.concat([bars[[c]] for c in bars.columns], axis=1) if several_blocks else bars.copy()
    before = given.copy(deep=True)
    out = compute(given, [made(lambda b: b["close"]), "rsi(14)"])
    out.iloc[0, 0] = 5.0
    out.iloc[:, 1] = 3.0
    assert out.iloc[0, 0] == 5.0
    pd.testing.assert_frame_equal(given, before, check_exact=True)


def test_whole_numbers_and_booleans_become_float64(bars: pd.DataFrame) -> None:
    def up(bars: pd.DataFrame) -> pd.DataFrame:
        return bars["close"] > bars["open"]

    out = compute(bars, made(up))
    assert set(map(str, out.dtypes)) == {"float64"}
    assert out.iloc[0, 0] == float(bars["close"].iloc[0, 0] > bars["open"].iloc[0, 0])


def test_what_cannot_be_read_is_named_and_the_rest_computed(bars: pd.DataFrame) -> None:
    specs = ["rsi(14)", "rsii(14)", "rsi(1)", "ema(5)@1m", "a + 1", "ret(1)", "ret", "sum(close)"]
    frame = compute(bars, specs, errors="collect")
    found = frame.attrs["errors"]
    assert set(found) == {"rsii(14)", "rsi(1)", "ema(5)@1m", "a + 1", "ret", "sum(close)"}
    assert "Did you mean 'rsi'?" in found["rsii(14)"]
    assert "window must be between 2 and 100000, got 1" in found["rsi(1)"]
    assert "time frame 1m is finer than the bars, which are of 1h" in found["ema(5)@1m"]
    assert "is named twice, as 'ret(1)' and 'ret'" in found["ret"]
    assert set(frame.columns.unique(0)) == set(specs)
    pd.testing.assert_frame_equal(frame[["rsi(14)", "ret(1)"]], compute(bars, ["rsi(14)", "ret(1)"]))
    assert frame[list(found)].isna().all(axis=None)


def test_only_what_cannot_be_read(bars: pd.DataFrame) -> None:
    frame = compute(bars, "rsii(14)", errors="collect")
    assert frame.shape == (400, 4)
    assert frame.isna().all(axis=None)


def test_a_cell_that_is_no_number_is_named_by_column_and_time(bars: pd.DataFrame) -> None:
    wrong = bars.astype(object)
    wrong.loc[wrong.index[3], ("high", "B")] = "12,5"
    with pytest.raises(
        DataError, match=r"bars hold '12,5' in high of B at 2024-02-2\d \d\d:00; prices and volumes must"
    ):
        compute(wrong, "rsi(14)")
    pd.testing.assert_frame_equal(compute(bars.astype(object), "rsi(14)"), compute(bars, "rsi(14)"))


def test_a_time_frame_that_does_not_fit_is_told_with_its_feature(bars: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"feature 'close / ema\(5\)@1m - 1': time frame 1m is finer than the bars"):
        compute(bars, "close / ema(5)@1m - 1")
