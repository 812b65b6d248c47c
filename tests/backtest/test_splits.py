"""Walk-forward folds never overlap, no label reaches a test part, and too few bars say so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.backtest import WalkForward, purge, rows_of
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
