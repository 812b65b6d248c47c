from __future__ import annotations

import pandas as pd
import pytest

from workbench.data import infer_timeframe, timeframe_delta
from workbench.data.timeframes import canonical_timeframe, check_timeframe, utc_range
from workbench.errors import DataError


@pytest.mark.parametrize(("name", "minutes"), [("1m", 1), ("90m", 90), ("4h", 240), ("1d", 1440), ("1w", 10080)])
def test_spans(name: str, minutes: int) -> None:
    assert timeframe_delta(name) == pd.Timedelta(minutes=minutes)


@pytest.mark.parametrize("name", ["", "h", "0h", "1 h", "1H", "-1h", "1.5h", "1month", "1s"])
def test_an_unreadable_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="m, h, d or w"):
        timeframe_delta(name)


def test_canonical_names() -> None:
    assert [canonical_timeframe(t) for t in ("60m", "24h", "7d", "90m")] == ["1h", "1d", "1w", "90m"]


def times(start: str, periods: int, step: str) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=periods, freq=step, tz="UTC")


def test_the_bar_length_is_the_common_step() -> None:
    hourly = times("2020-01-01", 200, "1h").delete(range(50, 80))
    assert infer_timeframe(hourly) == "1h"
    assert infer_timeframe(pd.bdate_range("2020-01-01", "2020-12-31", tz="UTC")) == "1d"


def test_an_unclear_bar_length_is_an_error() -> None:
    with pytest.raises(DataError, match="1 bar"):
        infer_timeframe(times("2020-01-01", 1, "1h"))
    with pytest.raises(DataError, match="unclear"):
        infer_timeframe(pd.date_range("2020-01-31", periods=24, freq="ME", tz="UTC"))


def test_a_name_that_contradicts_the_times_is_refused() -> None:
    hourly = times("2020-01-01", 100, "1h")
    check_timeframe(hourly, "1h")
    for wrong in ("1m", "4h", "1d"):
        with pytest.raises(DataError, match="1h apart"):
            check_timeframe(hourly, wrong)


def test_a_thin_market_keeps_its_smaller_bar_length() -> None:
    thin = times("2020-01-01", 300, "1min")[[0, 1, 3, 6, 9, 12, 15, 18, 21]]
    check_timeframe(thin, "1m")


def test_ranges() -> None:
    assert utc_range("", None) == (None, None)
    first, last = utc_range("2020-01-01", "2020-01-01T02:00:00+01:00")
    assert (first, last) == (pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-01-01 01:00", tz="UTC"))
    with pytest.raises(DataError, match="exchange them"):
        utc_range("2020-02-01", "2020-01-01")
    with pytest.raises(DataError, match="not a date"):
        utc_range("yesterdayish", None)
