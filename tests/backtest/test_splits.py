"""Walk-forward folds never overlap, no label reaches a test part, and too few bars say so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.backtest import WalkForward, purge, rows_of
from workbench.backtest.validation.spans import moved
from workbench.errors import ConfigError, DataError


def _times(n):
    return pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC", name="time")


def _t1(times, horizon):
    """Label ends ``horizon + 1`` bars later, NaT beyond the last bar."""
    ends = times.to_series().shift(-(horizon + 1))
    return pd.DatetimeIndex(ends)


@st.composite
def splits(draw):
    n, horizon = draw(st.integers(30, 300)), draw(st.integers(0, 5))
    embargo = draw(st.integers(0, 5))
    train = draw(st.integers(horizon + embargo + 2, n - 5))
    test = draw(st.integers(1, n - train))
    return n, horizon, WalkForward(train, test, draw(st.booleans()), embargo)


@given(splits())
def test_no_training_label_reaches_the_test_part_or_its_embargo(case):
    n, horizon, splitter = case
    times = _times(n)
    for fold in splitter.split(times, _t1(times, horizon)):
        label_ends = fold.train + horizon + 1
        assert label_ends.max() + splitter.embargo < fold.test[0]
        window = fold.test[0] if splitter.expanding else splitter.train_size
        assert len(fold.train) == window - fold.n_purged
        assert fold.n_purged == min(horizon + 1 + splitter.embargo, window)


@given(splits())
def test_test_parts_tile_the_bars_after_the_first_window(case):
    n, horizon, splitter = case
    times = _times(n)
    folds = splitter.split(times, _t1(times, horizon))
    assert np.concatenate([f.test for f in folds]).tolist() == list(range(splitter.train_size, n))
    assert [f.number for f in folds] == list(range(len(folds)))
    for fold in folds:
        assert fold.train.max() < fold.test.min()
        assert (fold.train_start, fold.train_end) == (times[fold.train[0]], times[fold.train[-1]])
        assert (fold.test_start, fold.test_end) == (times[fold.test[0]], times[fold.test[-1]])


def test_rolling_and_expanding_windows():
    times = _times(20)
    rolling = WalkForward(8, 4).split(times, _t1(times, 0))
    expanding = WalkForward(8, 4, expanding=True).split(times, _t1(times, 0))
    assert [len(f.train) for f in rolling] == [7, 7, 7]
    assert [len(f.train) for f in expanding] == [7, 11, 15]
    assert rolling[1].train[0] == 4
    assert expanding[1].train[0] == 0


@given(splits(), st.integers(1, 3))
def test_rows_of_many_assets_follow_their_own_labels(case, n_assets):
    n, horizon, splitter = case
    times = _times(n)
    t1 = _t1(times, horizon)
    row_times = times.repeat(n_assets)
    row_t1 = pd.DatetimeIndex(np.repeat(t1, n_assets))
    for fold in splitter.split(times, t1):
        train, test = rows_of(fold, row_times, row_t1)
        assert sorted(set(train // n_assets)) == fold.train.tolist()
        assert len(train) == n_assets * len(fold.train)
        assert (test // n_assets).tolist() == np.repeat(fold.test, n_assets).tolist()


def test_a_row_whose_label_ends_late_is_purged_alone():
    times = _times(10)
    t1 = times + pd.Timedelta(hours=1)
    fold = WalkForward(6, 4).split(times, t1)[0]
    row_times = times.repeat(2)
    row_t1 = pd.DatetimeIndex(np.repeat(t1, 2)).to_series().reset_index(drop=True)
    row_t1.iloc[4] = times[8]  # the first asset's label of bar 2 ends inside the test part
    train, _ = rows_of(fold, row_times, row_t1)
    assert 4 not in train
    assert 5 in train


def test_purge_is_closed_and_works_on_both_sides():
    times = _times(10)
    ends = times + pd.Timedelta(hours=2)
    keep = purge(times, ends, before=times[5], after=times[7])
    assert np.flatnonzero(keep).tolist() == [0, 1, 2, 8, 9]
    assert not purge(times, ends).any()
    unknown = pd.DatetimeIndex([pd.NaT] * 10, dtype=times.dtype)
    assert not purge(times, unknown, before=times[5], after=times[5]).any()


def test_too_few_bars_name_what_is_needed_and_what_there_is():
    times = _times(100)
    with pytest.raises(DataError, match=r"train_size 90 \+ test_size 20 = 110 bars, got 100"):
        WalkForward(90, 20).split(times, _t1(times, 1))


def test_purging_everything_is_an_error():
    times = _times(100)
    with pytest.raises(DataError, match="fold 0 has no training bar left after purging 10 bars"):
        WalkForward(10, 20).split(times, _t1(times, 9))


@pytest.mark.parametrize("bad", [{"train_size": 0}, {"test_size": 0}, {"embargo": -1}])
def test_sizes_out_of_bounds(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))} must be at least"):
        WalkForward(**{"train_size": 10, "test_size": 5} | bad)


def test_times_must_be_unique_and_match():
    times = _times(30)
    with pytest.raises(DataError, match="unique and increasing"):
        WalkForward(10, 5).split(times.repeat(2), times.repeat(2))
    with pytest.raises(DataError, match="30 times but 29 label ends"):
        WalkForward(10, 5).split(times, times[1:])


def _table(folds):
    """What a reader would write down by hand: first and last day of the training window and of the test part."""
    return [(f"{f.window_start:%y-%m-%d}", f"{f.test_start:%y-%m-%d}", f"{f.test_end:%y-%m-%d}") for f in folds]


DAYS = pd.date_range("2023-01-01", "2024-01-10", freq="D", tz="UTC")


def test_calendar_months_roll():
    folds = WalkForward("6M", "3M").split(DAYS, DAYS)
    assert _table(folds) == [
        ("23-01-01", "23-07-01", "23-09-30"),
        ("23-04-01", "23-10-01", "23-12-31"),
        ("23-07-01", "24-01-01", "24-01-10"),
    ]
    assert [len(f.train) for f in folds] == [181, 183, 184]


def test_calendar_months_expand_and_a_short_last_part_is_left_out():
    folds = WalkForward("6M", "3M", expanding=True, min_test=11).split(DAYS, DAYS)
    assert _table(folds) == [("23-01-01", "23-07-01", "23-09-30"), ("23-01-01", "23-10-01", "23-12-31")]
    kept = WalkForward("6M", "3M", expanding=True, min_test=10).split(DAYS, DAYS)
    assert len(kept) == 3


def test_an_anchor_holds_the_windows_whatever_history_is_added():
    anchored = WalkForward("3M", "3M", expanding=True, anchor="2023-04-01")
    expected = [
        ("23-04-01", "23-07-01", "23-09-30"),
        ("23-04-01", "23-10-01", "23-12-31"),
        ("23-04-01", "24-01-01", "24-01-10"),
    ]
    more = pd.date_range("2022-03-05", "2024-01-10", freq="D", tz="UTC")
    assert _table(anchored.split(DAYS, DAYS)) == _table(anchored.split(more, more)) == expected
    later = DAYS[95:]  # the anchor's own bar is missing: the calendar still counts from it
    assert _table(anchored.split(later, later)) == [("23-04-06", *row[1:]) for row in expected]
    by_bars = WalkForward(100, 50, expanding=True, anchor=DAYS[90]).split(DAYS, DAYS)
    assert [(f.train[0], f.test[0], f.test[-1]) for f in by_bars][:2] == [(90, 190, 239), (90, 240, 289)]


def test_months_count_from_the_first_day_and_do_not_drift():
    days = pd.date_range("2024-01-31", "2024-05-20", freq="D", tz="UTC")
    folds = WalkForward("1M", "1M").split(days, days)
    assert _table(folds) == [
        ("24-01-31", "24-02-29", "24-03-28"),
        ("24-02-29", "24-03-29", "24-04-28"),
        ("24-03-29", "24-04-29", "24-05-20"),
    ]


def test_days_by_the_calendar_equal_bars_where_none_is_missing():
    times = _times(24 * 40)
    t1 = _t1(times, 3)
    calendar, counted = WalkForward("10D", "4D", embargo="5h"), WalkForward(240, 96, embargo=5)
    for by_time, by_bars in zip(calendar.split(times, t1), counted.split(times, t1), strict=True):
        np.testing.assert_array_equal(by_time.train, by_bars.train)
        np.testing.assert_array_equal(by_time.test, by_bars.test)
        assert by_time.labels_before == by_bars.labels_before


def test_a_hole_in_the_data_leaves_out_the_steps_without_a_bar():
    days = DAYS[(DAYS < "2023-03-01") | (DAYS >= "2023-05-15")]
    for test_size in ("1M", 10):
        folds = WalkForward("1M", test_size, expanding=True, step="1M").split(days, days)
        starts = [row[1] for row in _table(folds)]
        assert starts[:4] == ["23-02-01", "23-05-15", "23-06-01", "23-07-01"]
        assert len(set(starts)) == len(starts)


def test_a_hole_where_the_first_part_opens_does_not_move_the_calendar():
    days = DAYS[(DAYS < "2023-06-25") | (DAYS >= "2023-07-12")]
    folds = WalkForward("6M", "3M").split(days, days)
    assert _table(folds)[:2] == [("23-01-01", "23-07-12", "23-09-30"), ("23-04-01", "23-10-01", "23-12-31")]


def test_an_embargo_longer_than_the_past_leaves_nothing():
    times = _times(10)
    with pytest.raises(DataError, match="fold 0 has no training bar left after purging 3 bars"):
        WalkForward(3, 2, embargo=5).split(times, times)


def test_a_fold_that_just_fits():
    assert len(WalkForward("10D", 5).split(DAYS[:15], DAYS[:15])) == 1
    assert len(WalkForward(10, 5).split(DAYS[:15], DAYS[:15])) == 1
    for short in (WalkForward("10D", 5), WalkForward(10, 5), WalkForward("10D", "5D")):
        with pytest.raises(DataError, match="one fold needs"):
            short.split(DAYS[:14], DAYS[:14])


def test_a_length_of_time_that_is_none():
    assert moved(pd.Timestamp("2024-03-31"), "1M", -1) == pd.Timestamp("2024-02-29")
    with pytest.raises(ConfigError, match="'3Q' is no length of time"):
        moved(pd.Timestamp("2024-01-31"), "3Q")


def test_steps_apart_and_overlapping():
    times = _times(20)
    apart = WalkForward(4, 2, step=5).split(times, times)
    assert [f.test.tolist() for f in apart] == [[4, 5], [9, 10], [14, 15], [19]]
    assert [f.train.tolist() for f in apart][1] == [5, 6, 7, 8]
    overlapping = WalkForward(12, 4, step=2).split(times, times)
    assert [f.test.tolist() for f in overlapping] == [
        [12, 13, 14, 15], [14, 15, 16, 17], [16, 17, 18, 19], [18, 19],
    ]  # fmt: skip
    mixed = WalkForward(5, "3h", step=4).split(times, times)
    assert [f.test.tolist() for f in mixed] == [[5, 6, 7], [9, 10, 11], [13, 14, 15], [17, 18, 19]]


@given(splits(), st.integers(1, 40), st.integers(1, 10))
def test_steps_and_short_parts_keep_what_a_fold_is(case, step, min_test):
    n, horizon, plain = case
    times = _times(n)
    splitter = WalkForward(
        plain.train_size,
        plain.test_size,
        plain.expanding,
        plain.embargo,
        step=step,
        min_test=min(min_test, plain.test_size),
    )
    folds = splitter.split(times, _t1(times, horizon))
    assert [f.test[0] for f in folds] == list(range(plain.train_size, n, step))[: len(folds)]
    for fold in folds:
        assert fold.train.max() + horizon + 1 + splitter.embargo < fold.test[0]
        assert splitter.min_test <= len(fold.test) <= plain.test_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_size": "3Q"}, "train_size '3Q' is no length of time"),
        ({"train_size": "0D"}, "train_size must be above zero, got '0D'"),
        ({"test_size": 2.5}, "test_size must be whole bars or a length such as 30D, got 2.5"),
        ({"step": 0}, "step must be at least 1, got 0"),
        ({"embargo": "2 days"}, "embargo '2 days' is no length of time"),
        ({"anchor": "2024-01-01"}, "anchor 2024-01-01 needs expanding=True"),
        ({"min_test": 0}, "min_test must be at least 1"),
    ],
)
def test_sizes_that_mean_nothing(arguments, message):
    with pytest.raises(ConfigError, match=message):
        WalkForward(**{"train_size": 10, "test_size": 5} | arguments)


def test_numpy_sizes_are_sizes():
    times = _times(12)
    assert len(WalkForward(np.int64(6), np.int64(3)).split(times, times)) == 2


@pytest.mark.parametrize(
    ("splitter", "message"),
    [
        (WalkForward("1Y", "6M"), "train_size 1Y [+] test_size 6M, got 375 bars from 2023-01-01"),
        (WalkForward("2Y", "1M"), "train_size 2Y [+] test_size 1M, got 375 bars"),
        (WalkForward(370, "1M"), "train_size 370 [+] test_size 1M, got 375 bars"),
        (WalkForward("1Y", 40), "train_size 1Y [+] test_size 40, got 375 bars"),
        (WalkForward(100, 50, expanding=True, anchor="2023-12-01"), "= 150 bars, got 41"),
        (WalkForward("1M", "1M", expanding=True, anchor="2025-01-01"), "got 375 bars"),
        (WalkForward(300, 50, step=70, min_test=60), "no test part has min_test 60 bars"),
    ],
)
def test_folds_longer_than_the_data(splitter, message):
    with pytest.raises(DataError, match=message):
        splitter.split(DAYS, DAYS) if splitter.min_test == 1 else splitter.split(DAYS[:350], DAYS[:350])


def test_labels_without_an_end_are_named():
    times = _times(30)
    unknown = pd.DatetimeIndex([pd.NaT] * 30, tz="UTC")
    with pytest.raises(DataError, match="pass t1, the time each label is known"):
        WalkForward(10, 5).split(times, None)
    with pytest.raises(DataError, match="none of 30 labels has an end t1"):
        WalkForward(10, 5).split(times, unknown)
    with pytest.raises(DataError, match="times are in zone UTC and t1 in None"):
        WalkForward(10, 5).split(times, times.tz_localize(None))
    with pytest.raises(DataError, match="ends before it, at 2023-12-31 23:00:00"):
        WalkForward(10, 5).split(times, times - pd.Timedelta("1h"))


def test_monthly_and_weekday_bars_fill_their_last_part():
    """The last bar of a month or before a weekend fills its part, though no bar stands at its end."""
    months = pd.date_range("2023-10-01", periods=6, freq="MS", tz="UTC")
    assert [f.test.tolist() for f in WalkForward("3M", "3M").split(months, months)] == [[3, 4, 5]]
    weekdays = pd.bdate_range("2024-01-01", "2024-01-19", tz="UTC")
    assert [len(f.test) for f in WalkForward("2W", "1W").split(weekdays, weekdays)] == [5]
