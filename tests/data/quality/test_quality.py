"""Seeded defects are all found, and none is invented on clean bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import KINDS, SAMPLE_SYMBOLS, bars_of, quality_report, synthetic_market
from workbench.data.quality.calendars import expected_times, infer_calendar
from workbench.data.sources.sample import read_sample

N = 400
DAY = pd.Timedelta(days=1)


def clean(seed: int = 1, timeframe: str = "1h", spec: str = "gbm") -> pd.DataFrame:
    return synthetic_market(f"{spec}(seed={seed}, n_bars={N})", ["A"], timeframe)[0]


@pytest.mark.parametrize("spec", ["gbm", "regimes", "planted"])
@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d", "1w"])
def test_nothing_is_invented_on_clean_bars(spec: str, timeframe: str) -> None:
    for seed in range(10):
        report = quality_report(clean(seed, timeframe, spec), timeframe)
        assert report.findings.empty, report.findings
        assert report.ok
        assert report.summary["coverage"].tolist() == [1.0]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    rows=st.lists(st.integers(10, (N - 20) // 10).map(lambda i: i * 10), min_size=8, max_size=8, unique=True),
    hole=st.integers(1, 5),
    spec=st.sampled_from(["gbm", "regimes", "planted"]),
)
def test_seeded_defects_are_all_found_and_no_others(seed: int, rows: list[int], hole: int, spec: str) -> None:
    bars = clean(seed, spec=spec)
    zero, flat, bad, negative, spike, gap, twice, conflict = rows
    set_values(bars, zero, volume=0.0)
    set_values(bars, flat, **dict.fromkeys(("open", "high", "low", "close"), float(bars.iloc[flat, 0])))
    set_values(bars, bad, high=float(bars["low"].iloc[bad, 0]) * 0.9)
    set_values(bars, negative, low=-1.0)
    top = float(bars["high"].iloc[spike, 0]) * 10
    set_values(bars, spike, close=top, high=top)
    times = bars.index
    planted = {
        ("zero_volume", times[zero]), ("flat", times[flat]), ("high_below_low", times[bad]), ("outlier", times[spike]),
        ("high_below_body", times[bad]), ("price_not_positive", times[negative]), ("gap", times[gap]),
        ("duplicate", times[twice]), ("conflicting_duplicate", times[conflict]),
    }  # fmt: skip
    other = bars.iloc[[conflict]] * 1.01
    damaged = pd.concat([bars.drop(times[gap : gap + hole]), bars.iloc[[twice]], other]).sort_index(kind="stable")
    report = quality_report(damaged, "1h")
    assert set(zip(report.findings["kind"], report.findings["time"], strict=True)) == planted
    assert report.findings.loc[report.findings["kind"] == "gap", "value"].tolist() == [hole]
    assert report.summary.loc["A", "missing_bars"] == hole
    assert not report.ok


def set_values(bars: pd.DataFrame, row: int, **values: float) -> None:
    for field, value in values.items():
        bars.iloc[row, bars.columns.get_loc((field, "A"))] = value


def test_unsorted_and_off_grid_times_are_found() -> None:
    bars = clean()
    late = bars.index.to_series()
    late.iloc[50] += pd.Timedelta("7min")
    shifted = bars.set_axis(pd.DatetimeIndex(late, name="time"), axis=0)
    assert quality_report(shifted, "1h").findings[["kind", "time"]].to_numpy().tolist() == [["off_grid", late.iloc[50]]]
    order = [*range(20), 21, 20, *range(22, N)]
    found = quality_report(bars.iloc[order], "1h").findings
    assert found[["kind", "time"]].to_numpy().tolist() == [["unsorted", bars.index[20]]]


def test_a_move_that_stays_is_a_jump_and_no_outlier() -> None:
    bars = clean()
    prices = ["open", "high", "low", "close"]
    bars.loc[bars.index[200:], [(f, "A") for f in prices]] *= 1 / 7  # an unadjusted seven-for-one split
    report = quality_report(bars, "1h")
    assert report.findings["kind"].tolist() == ["jump"]
    assert report.findings["time"].tolist() == [bars.index[200]]
    assert report.findings["value"].iloc[0] == pytest.approx(-np.log(7), abs=0.1)
    assert report.ok


def test_a_copied_bar_is_found_and_a_silent_market_is_told_once() -> None:
    bars = clean()
    bars.iloc[300] = bars.iloc[100]
    assert "repeated" in set(quality_report(bars, "1h").findings["kind"])
    silent = clean()
    silent[("volume", "A")] = 0.0
    assert quality_report(silent, "1h").findings["kind"].tolist() == ["no_volume"]


def test_symbols_are_judged_on_their_own() -> None:
    a, b = (synthetic_market(f"gbm(seed=1, n_bars={N})", [s], "1h")[0].droplevel(1, axis=1) for s in "AB")
    report = quality_report(bars_of({"A": a, "B": b.iloc[100:200]}), "1h")
    assert report.findings.empty
    assert report.summary["bars"].to_dict() == {"A": N, "B": 100}


def test_the_summary_counts_every_kind() -> None:
    bars = clean()
    set_values(bars, 5, volume=0.0)
    summary = quality_report(bars, "1h").summary
    assert set(KINDS) < set(summary.columns)
    assert summary.loc["A", "zero_volume"] == 1
    assert summary.loc["A", list(set(KINDS) - {"zero_volume"})].sum() == 0


@pytest.mark.parametrize("symbol", SAMPLE_SYMBOLS)
def test_holidays_and_weekends_are_no_gaps_on_real_stocks(symbol: str) -> None:
    report = quality_report(bars_of({symbol: read_sample(symbol)}), "1d")
    assert report.summary["calendar"].tolist() == ["business"]
    assert report.count("gap") == 0


def test_a_holiday_counts_only_where_the_bars_keep_it() -> None:
    frame = read_sample("IBM")
    easter_monday, good_friday = pd.Timestamp("2005-03-28", tz="UTC"), pd.Timestamp("2005-03-25", tz="UTC")
    report = quality_report(bars_of({"IBM": frame.drop(easter_monday)}), "1d")
    assert report.findings["time"].tolist() == [easter_monday]
    assert good_friday not in frame.index


@given(row=st.integers(10, 3000), length=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_missing_trading_days_are_found_on_real_stocks(row: int, length: int) -> None:
    frame = read_sample("IBM")
    lost = frame.index[row : row + length]
    report = quality_report(bars_of({"IBM": frame.drop(lost)}), "1d")
    gaps = report.findings[report.findings["kind"] == "gap"]
    assert gaps["time"].tolist() == [lost[0]]
    assert gaps["value"].tolist() == [length]


NEW_YORK_RESTS_2019 = ["01-01", "01-21", "02-18", "04-19", "05-27", "07-04", "09-02", "11-28", "12-25"]


def test_sessions_of_hourly_stocks_survive_daylight_saving() -> None:
    days = pd.bdate_range("2019-01-02", "2019-12-31", tz="America/New_York")
    days = days[~days.strftime("%m-%d").isin(NEW_YORK_RESTS_2019)]
    times = pd.DatetimeIndex(sorted(d + pd.Timedelta(hours=h) for d in days for h in range(10, 16)), name="time")
    early = times[(times.normalize() == "2019-07-03") & (times.hour >= 13)]  # an early close
    times = times.drop(early).tz_convert("UTC").as_unit("us")
    source = clean(timeframe="1h")
    frame = source.droplevel(1, axis=1).iloc[np.arange(len(times)) % N].set_axis(times, axis=0)
    frame["volume"] = np.arange(1.0, len(times) + 1)
    report = quality_report(bars_of({"A": frame}), "1h")
    assert report.summary["calendar"].tolist() == ["business"]
    assert report.count("gap") == 0
    noon = frame.index[(frame.index.tz_convert("America/New_York").hour == 12)][100]
    whole_day = frame.index[frame.index.normalize() == "2019-10-16"]
    damaged = quality_report(bars_of({"A": frame.drop([noon, *whole_day])}), "1h")
    gaps = damaged.findings[damaged.findings["kind"] == "gap"]
    assert gaps["time"].tolist() == [noon, whole_day[0]]
    assert gaps["value"].tolist() == [1, 6]


def test_calendars_are_told_from_times() -> None:
    around = pd.date_range("2020-01-01", periods=500, freq="1h", tz="UTC")
    assert infer_calendar(around, pd.Timedelta("1h")) == "24/7"
    assert infer_calendar(around[::3], pd.Timedelta("1h")) == "24/7"
    weekdays = around[around.day_of_week < 5]
    assert infer_calendar(weekdays, pd.Timedelta("1h")) == "business"
    assert infer_calendar(pd.bdate_range("2020-01-01", periods=50, tz="UTC"), DAY) == "business"
    assert infer_calendar(pd.date_range("2020-01-06", periods=50, freq="7D", tz="UTC"), 7 * DAY) == "24/7"


def test_expected_times_around_the_clock_are_the_grid() -> None:
    times = pd.date_range("2020-01-01 00:30", periods=50, freq="1h", tz="UTC")
    pd.testing.assert_index_equal(expected_times(times.delete([5, 6]), pd.Timedelta("1h"), "24/7"), times)
