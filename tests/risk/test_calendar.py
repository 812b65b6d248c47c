"""Periods per year from the index."""

from __future__ import annotations

import pandas as pd
import pytest

from workbench.errors import DataError
from workbench.risk import periods_per_year


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (pd.date_range("2024-01-01", periods=2000, freq="h", tz="UTC"), 8760),
        (pd.date_range("2024-01-01", periods=48, freq="h", tz="UTC"), 8760),
        (pd.date_range("2024-01-01", periods=2000, freq="15min", tz="UTC"), 35040),
        (pd.date_range("2024-01-01", periods=400, freq="4h", tz="UTC"), 2190),
        (pd.date_range("2024-01-01", periods=400, freq="D", tz="UTC"), 365),
        (pd.bdate_range("2024-01-01", periods=400, tz="UTC"), 252),
        (pd.bdate_range("2024-01-01", periods=5, tz="UTC"), 252),
        (pd.date_range("2024-01-01", periods=60, freq="W", tz="UTC"), 52),
        (pd.date_range("2024-01-01", periods=60, freq="MS", tz="UTC"), 12),
        (pd.date_range("2014-01-01", periods=20, freq="QS", tz="UTC"), 4),
        (pd.date_range("1990-01-01", periods=20, freq="YS", tz="UTC"), 1),
    ],
)
def test_known_calendars(index, expected):
    assert periods_per_year(index) == expected


def test_hourly_sessions_of_a_stock_market_count_their_own_hours():
    days = pd.bdate_range("2024-01-01", periods=50, tz="UTC")
    index = pd.DatetimeIndex([d + pd.Timedelta(hours=h) for d in days for h in range(14, 21)])
    assert periods_per_year(index) == 252 * 7


def test_gaps_do_not_matter():
    index = pd.date_range("2024-01-01", periods=2000, freq="h", tz="UTC").delete(range(300, 330))
    assert periods_per_year(index) == 8760


@pytest.mark.parametrize("index", [pd.RangeIndex(5), pd.date_range("2024-01-01", periods=1, tz="UTC")])
def test_an_index_that_cannot_tell_is_refused(index):
    with pytest.raises(DataError, match="pass periods_per_year yourself"):
        periods_per_year(index)
