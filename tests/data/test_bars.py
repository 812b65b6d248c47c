"""The door: every way to break the convention is one line that names symbol, time, field and value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import BAR_FIELDS, bars_of, check_bars, content_hash, symbol_frame, symbols_of, synthetic_market
from workbench.errors import BarsError, DataError

AT = pd.Timestamp("2020-01-01 05:00", tz="UTC")


@pytest.fixture
def bars() -> pd.DataFrame:
    return synthetic_market("gbm(seed=3, n_bars=50)", ["A", "B"], "1h")[0]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("close", np.nan, "a field is empty"),
        ("high", np.inf, "infinite value"),
        ("low", -1.0, "price not above 0"),
        ("open", 0.0, "price not above 0"),
        ("volume", -5.0, "negative volume"),
        ("high", 1e-6, "high below low"),
        ("low", 1e6, "high below low"),
    ],
)
def test_a_bad_value_is_named(bars: pd.DataFrame, field: str, value: float, says: str) -> None:
    bars.loc[AT, (field, "B")] = value
    with pytest.raises(BarsError, match=says) as told:
        check_bars(bars)
    error = told.value
    assert (error.symbol, error.time) == ("B", AT)
    assert "\n" not in str(error)
    assert "B at 2020-01-01 05:00" in str(error)


def test_high_and_low_must_enclose_the_body(bars: pd.DataFrame) -> None:
    body = max(bars.loc[AT, ("open", "A")], bars.loc[AT, ("close", "A")])
    low = bars.loc[AT, ("low", "A")]
    bars.loc[AT, ("high", "A")] = (low + body) / 2
    with pytest.raises(BarsError, match="high below open or close"):
        check_bars(bars)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: b.iloc[:0], "empty"),
        (lambda b: b.reset_index(drop=True), "DatetimeIndex"),
        (lambda b: b.tz_localize(None), "no time zone"),
        (lambda b: b.tz_convert("Europe/Berlin"), "Europe/Berlin"),
        (lambda b: b.rename_axis(index="date"), "named 'time'"),
        (lambda b: b.iloc[::-1], "sort by time"),
        (lambda b: pd.concat([b.iloc[:3], b.iloc[2:]]), "twice"),
        (lambda b: b["close"], "two-level columns"),
        (lambda b: b.rename_axis(columns=["symbol", "field"]), "must be named"),
        (lambda b: b.drop(columns=("low", "B")), "lack the field 'low'"),
        (lambda b: b.rename(columns={"low": "Low"}, level=0), "lack the field 'low'"),
        (lambda b: b.astype({("volume", "A"): "int64"}), "float64"),
        (lambda b: b.to_numpy(), "DataFrame"),
    ],
)
def test_a_wrong_shape_is_one_line(bars: pd.DataFrame, change: object, says: str) -> None:
    with pytest.raises(DataError, match=says) as told:
        check_bars(change(bars))  # type: ignore[operator]  # the parameters above are functions
    assert "\n" not in str(told.value)


def test_the_door_returns_the_same_object_and_changes_nothing(bars: pd.DataFrame) -> None:
    before = bars.copy()
    assert check_bars(bars) is bars
    pd.testing.assert_frame_equal(bars, before)


def test_a_symbol_that_does_not_trade_is_empty_in_all_fields(bars: pd.DataFrame) -> None:
    bars.loc[AT, (slice(None), "B")] = np.nan
    check_bars(bars)
    assert AT not in symbol_frame(bars, "B").index
    assert AT in symbol_frame(bars, "A").index


def test_joining_symbols_is_an_outer_join_with_sorted_symbols(bars: pd.DataFrame) -> None:
    joined = bars_of({"Z": symbol_frame(bars, "A").iloc[:10], "M": symbol_frame(bars, "B").iloc[5:20]})
    assert symbols_of(joined) == ("M", "Z")
    assert len(joined) == 20
    assert joined[("close", "M")].isna().sum() == 5
    check_bars(joined)


def test_the_hash_is_of_the_content_alone(bars: pd.DataFrame) -> None:
    shuffled = bars[bars.columns[::-1]]
    finer = bars.set_axis(bars.index.as_unit("ns"), axis=0)
    assert content_hash(bars) == content_hash(shuffled) == content_hash(finer)


@settings(deadline=None)
@given(row=st.integers(0, 49), field=st.sampled_from(BAR_FIELDS), symbol=st.sampled_from(["A", "B"]))
def test_any_change_of_a_value_changes_the_hash(row: int, field: str, symbol: str) -> None:
    bars = synthetic_market("gbm(seed=3, n_bars=50)", ["A", "B"], "1h")[0]
    before = content_hash(bars)
    column = bars.columns.get_loc((field, symbol))
    bars.iloc[row, column] = np.nextafter(bars.iloc[row, column], np.inf)
    assert content_hash(bars) != before


def test_the_hash_knows_times_and_names(bars: pd.DataFrame) -> None:
    hashes = {
        content_hash(bars),
        content_hash(bars.rename(columns={"A": "C"}, level=1)),
        content_hash(bars.set_axis(bars.index + pd.Timedelta("1h"), axis=0).rename_axis(index="time")),
        content_hash(bars.iloc[:-1]),
    }
    assert len(hashes) == 4


def test_the_hash_of_a_small_case_is_that_of_its_stated_bytes() -> None:
    import hashlib
    import struct

    index = pd.DatetimeIndex(["2020-01-01"], tz="UTC", name="time")
    bars = bars_of({"X": pd.DataFrame([[1.0, 2.0, 0.5, 1.5, 7.0]], index=index, columns=list(BAR_FIELDS))})
    stated = b'workbench bars 1\n["X"]\n' + struct.pack("<q5d", 1577836800 * 10**9, 1.0, 2.0, 0.5, 1.5, 7.0)
    assert content_hash(bars) == hashlib.sha256(stated).hexdigest()
