"""A restated value is never seen before the time at which it was published."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data import as_known
from workbench.errors import DataError

START = pd.Timestamp("2024-01-01", tz="UTC")


def hour(number: float) -> pd.Timestamp:
    return START + pd.Timedelta(hours=number)


def published(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["event", "publish", "value"])
    for column in ("event", "publish"):
        frame[f"{column}_time"] = START + pd.to_timedelta(frame.pop(column), unit="h")
    return frame


def test_a_restatement_appears_when_it_is_published() -> None:
    frame = published([(0, 10, 1.0), (0, 30, 1.5), (20, 25, 2.0), (20, 40, 2.5)])
    known = as_known(frame, pd.DatetimeIndex([hour(h) for h in (9, 10, 24, 25, 30, 39, 40)]))
    assert known["value"].isna().tolist() == [True, *[False] * 6]
    assert known["value"].tolist()[1:] == [1.0, 1.0, 2.0, 2.0, 2.0, 2.5]  # the old event's restatement displaces none
    assert known["event_time"].tolist()[1:4] == [hour(0), hour(0), hour(20)]


@given(
    rows=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60)), min_size=1, max_size=25, unique=True),
    asked=st.lists(st.integers(-5, 65), min_size=1, max_size=15, unique=True).map(sorted),
)
def test_the_join_equals_a_search_for_each_time(rows: list[tuple[int, int]], asked: list[int]) -> None:
    frame = published([(e, p, float(i)) for i, (e, p) in enumerate(rows)])
    known = as_known(frame, pd.DatetimeIndex([hour(h) for h in asked]))
    for moment, value in zip(asked, known["value"], strict=True):
        out = [(e, p, i) for i, (e, p) in enumerate(rows) if p <= moment]
        assert value == max(out)[2] if out else pd.isna(value)


@given(cut=st.integers(0, 60))
def test_what_is_published_later_changes_nothing_earlier(cut: int) -> None:
    frame = published([(h % 7, h, float(h)) for h in range(0, 60, 3)])
    index = pd.DatetimeIndex([hour(h) for h in range(cut)])
    before = frame[frame["publish_time"] < hour(cut)]
    if len(index) and len(before):
        pd.testing.assert_frame_equal(as_known(frame, index), as_known(before, index))


def test_with_a_bar_length_a_row_sees_what_its_close_knows() -> None:
    frame, index = published([(0, 10, 1.0)]), pd.DatetimeIndex([hour(8), hour(9), hour(10)])
    assert as_known(frame, index)["value"].isna().tolist() == [True, True, False]
    assert as_known(frame, index, timeframe="1h")["value"].isna().tolist() == [True, False, False]


def test_symbols_are_joined_on_their_own() -> None:
    frame = published([(0, 1, 1.0), (0, 2, 2.0)]).assign(symbol=["A", "B"])
    known = as_known(frame, pd.DatetimeIndex([hour(1), hour(2)]), by="symbol")
    assert known[("value", "A")].tolist() == [1.0, 1.0]
    assert known[("value", "B")].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (published([(0, 1, 1.0)]).rename(columns={"publish_time": "published"}), "no column 'publish_time'"),
        (published([(0, 1, 1.0), (0, 1, 2.0)]), "published twice"),
        (published([(0, 1, 1.0)]).assign(publish_time=pd.Series([pd.NaT], dtype="datetime64[us, UTC]")), "is empty"),
        (published([(0, 1, 1.0)]).assign(publish_time="2024-01-01"), "UTC times"),
    ],
)
def test_mistakes_are_told(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataError, match=says):
        as_known(frame, pd.DatetimeIndex([hour(1)]))
