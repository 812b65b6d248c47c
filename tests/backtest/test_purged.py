"""Purged k-fold: no training label touches a test part, its labels or the embargo behind them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.backtest.validation import PurgedKFold
from workbench.errors import ConfigError, DataError


def labelled(n_bars: int, horizon: int, n_assets: int = 1) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    bars = pd.date_range("2024-01-01", periods=n_bars + horizon, freq="h", tz="UTC")
    return bars[:n_bars].repeat(n_assets), bars[horizon:].repeat(n_assets)


@given(st.integers(20, 60), st.integers(1, 3), st.integers(2, 4), st.integers(0, 3), st.integers(1, 3))
def test_no_training_label_meets_the_test_part(n: int, horizon: int, folds: int, embargo: int, assets: int) -> None:
    times, t1 = labelled(n, horizon, assets)
    seen = []
    for fold in PurgedKFold(folds, embargo).split(times, t1):
        ends = t1[fold.test].max()
        free = ends + embargo * pd.Timedelta("1h")
        for row in fold.train:
            assert t1[row] < fold.test_start or times[row] > min(free, times[-1])
        left = n * assets - len(fold.train) - len(fold.test)
        assert fold.n_purged == left
        assert set(fold.train).isdisjoint(fold.test)
        seen.append(fold.test)
    np.testing.assert_array_equal(np.concatenate(seen), np.arange(n * assets))  # the test parts tile the rows


def test_the_embargo_counts_from_the_end_of_the_last_test_label() -> None:
    times, t1 = labelled(20, 2)
    (first, _second) = PurgedKFold(2, embargo=3).split(times, t1)
    # test bars 0 to 9, the last label ends at bar 11, the embargo at bar 14
    assert first.train.tolist() == [15, 16, 17, 18, 19]
    assert first.n_purged == 5


def test_assets_share_their_bars() -> None:
    times, t1 = labelled(9, 1, 2)
    for fold in PurgedKFold(3).split(times, t1):
        assert len(set(times[fold.test])) == 3
        assert len(fold.test) == 6


def test_unknown_labels_are_tested_and_not_learnt() -> None:
    times, t1 = labelled(30, 1)
    t1 = t1.where(np.arange(30) < 28)
    folds = PurgedKFold(3).split(times, t1)
    assert all(set(f.train) <= set(range(28)) for f in folds)
    assert folds[-1].test[-1] == 29


def test_mistakes_are_one_line() -> None:
    times, t1 = labelled(6, 1)
    with pytest.raises(ConfigError, match="n_folds must be at least 2, got 1"):
        PurgedKFold(1)
    with pytest.raises(ConfigError, match="embargo must be at least 0"):
        PurgedKFold(2, -1)
    with pytest.raises(DataError, match="7 folds need as many bars, got 6"):
        PurgedKFold(7).split(times, t1)
    with pytest.raises(DataError, match="in order of time"):
        PurgedKFold(2).split(times[::-1], t1)
    with pytest.raises(DataError, match="6 times but 5 label ends"):
        PurgedKFold(2).split(times, t1[:5])
    with pytest.raises(DataError, match="fold 0 has no training row left"):
        PurgedKFold(2, embargo=9).split(times, t1)
