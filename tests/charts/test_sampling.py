"""Down-sampling keeps every extreme."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.charts import min_max_sample
from workbench.charts.sampling import screen


def walk(n_rows: int, n_columns: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    index = pd.date_range("2020", periods=n_rows, freq="h", tz="UTC")
    return pd.DataFrame(rng.normal(size=(n_rows, n_columns)).cumsum(axis=0), index=index)


def test_short_series_come_back_untouched() -> None:
    frame = walk(100, 2, 1)
    assert min_max_sample(frame, 100) is frame


@settings(max_examples=25, deadline=None)
@given(n_rows=st.integers(600, 9000), n_columns=st.integers(1, 4), seed=st.integers(0, 2**16))
def test_extremes_ends_order_and_limit_hold(n_rows: int, n_columns: int, seed: int) -> None:
    frame = walk(n_rows, n_columns, seed)
    thin = min_max_sample(frame, 500)
    assert len(thin) <= 500
    assert thin.index[0] == frame.index[0]
    assert thin.index[-1] == frame.index[-1]
    assert thin.index.is_monotonic_increasing
    assert thin.index.is_unique
    pd.testing.assert_series_equal(thin.max(), frame.max())
    pd.testing.assert_series_equal(thin.min(), frame.min())


def test_one_spike_among_45_000_bars_survives() -> None:
    frame = pd.DataFrame({"a": np.zeros(45_000)}, index=pd.date_range("2018", periods=45_000, freq="h"))
    frame.iloc[31_415, 0] = 1.0
    assert 31_415 in frame.index.get_indexer(min_max_sample(frame, 5000).index)


def test_missing_values_hide_no_extreme() -> None:
    frame = walk(3000, 1, 2)
    frame.iloc[::2] = np.nan
    assert min_max_sample(frame, 300)[0].max() == frame[0].max()


def test_screen_is_naive_utc() -> None:
    index = pd.date_range("2020-01-01 05:30", periods=3, freq="D", tz="Asia/Kolkata")
    shown = screen(pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=index))
    assert shown.index.tz is None
    assert shown.index[0] == pd.Timestamp("2020-01-01 00:00")
    assert shown.index.name == "time"


@pytest.mark.parametrize("limit", [10, 50])
def test_tiny_limits_still_keep_both_ends(limit: int) -> None:
    frame = walk(1000, 3, 5)
    thin = min_max_sample(frame, limit)
    assert len(thin) <= limit
    assert thin.index[-1] == frame.index[-1]
