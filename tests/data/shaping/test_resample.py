"""Higher bars hold what the lower ones did, gaps stay gaps, and nothing is seen before its bar has closed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.data import (
    BarStore,
    align_higher,
    bars_of,
    check_bars,
    read_bar_file,
    resample,
    resample_share,
    synthetic_market,
)  # fmt: skip
from workbench.data.shaping.resample_stored import resample_stored
from workbench.data.sources.sample import read_sample
from workbench.errors import DataError

HOUR = pd.Timedelta("1h")


def market(n: int = 400, timeframe: str = "1h", seed: int = 3, symbols: tuple[str, ...] = ("A",)) -> pd.DataFrame:
    return synthetic_market(f"gbm(seed={seed}, n_bars={n})", list(symbols), timeframe)[0]


def slow_twin(bars: pd.DataFrame, hours: int) -> dict[pd.Timestamp, list[float]]:
    """Group by hand: open time of the higher bar -> open, high, low, close, volume of symbol A."""
    groups: dict[pd.Timestamp, list[tuple[float, ...]]] = {}
    for time, *row in bars.xs("A", axis=1, level=1).dropna().itertuples():
        groups.setdefault(time.floor(f"{hours}h"), []).append(tuple(row))
    return {
        t: [rows[0][0], max(r[1] for r in rows), min(r[2] for r in rows), rows[-1][3], sum(r[4] for r in rows)]
        for t, rows in groups.items()
    }


@given(
    lost=st.lists(st.integers(0, 119), max_size=60, unique=True),
    start=st.integers(0, 9),
    hours=st.sampled_from([2, 3, 4, 6]),
)
def test_higher_bars_equal_a_loop_over_groups(lost: list[int], start: int, hours: int) -> None:
    bars = market(130).iloc[start:]
    bars = bars.drop(bars.index[[i for i in lost if i not in (0, 1)]])
    made = resample(bars, f"{hours}h", partial="keep", lower="1h")
    expected = slow_twin(bars, hours)
    assert list(made.index) == list(expected)
    np.testing.assert_allclose(made.to_numpy(), np.array(list(expected.values())), rtol=1e-12)
    check_bars(made)


def test_symbols_are_gathered_on_their_own_and_absent_ones_stay_absent() -> None:
    both = market(96, symbols=("A", "B"))
    a, b = (both.xs(s, axis=1, level=1) for s in "AB")
    joined = bars_of({"A": a, "B": b.iloc[30:60]})
    made = resample(joined, "4h")
    alone = resample(bars_of({"A": a}), "4h")
    pd.testing.assert_frame_equal(made[[(f, "A") for f in alone.columns.levels[0]]].sort_index(axis=1),
                                  alone.sort_index(axis=1), check_freq=False)  # fmt: skip
    there = made[("close", "B")].notna()
    start, stop = joined.index[0] + 28 * HOUR, joined.index[0] + 60 * HOUR
    assert made.index[there.to_numpy()].tolist() == list(pd.date_range(start, stop, freq="4h", inclusive="left"))
    assert made[("volume", "B")].sum() == pytest.approx(b["volume"].iloc[30:60].sum())


def test_a_bar_that_is_not_over_and_one_that_began_before_are_left_out() -> None:
    bars = market(50)
    first = bars.index[0]
    cut = bars.iloc[2:47]  # 02:00 to 23:00 two days on: the first bar is cut off, the last lacks 23:00
    assert resample(cut, "4h").index.tolist() == list(pd.date_range(first + 4 * HOUR, periods=10, freq="4h"))
    assert len(resample(cut, "4h", partial="keep")) == 12
    assert resample(bars.iloc[2:48], "4h").index[-1] == first + 44 * HOUR  # its last hour is there: it is over
    thin = bars.iloc[:47]  # nobody traded at 23:00, and the clock says that it is past
    assert resample(thin, "4h", now=first + 48 * HOUR).index[-1] == first + 44 * HOUR
    assert resample(thin, "4h", now=first + 47 * HOUR).index[-1] == first + 40 * HOUR


def test_gaps_stay_gaps_and_the_share_tells_of_holes() -> None:
    bars = market(48)
    holes = bars.drop(bars.index[[5, *range(12, 20)]])
    made, share = resample(holes, "4h"), resample_share(holes, "4h")
    assert made.index.equals(share.index)
    times = bars.index[0] + pd.to_timedelta([12, 16], unit="h")
    assert not made.index.isin(times).any()
    assert share["A"].tolist() == [1.0, 0.75, *[1.0] * 8]
    assert len(resample(holes, "4h", min_share=0.8)) == len(made) - 1


def test_weeks_of_stocks_begin_on_monday_and_holidays_are_no_holes() -> None:
    bars = bars_of({"SPX": read_sample("SPX")})
    weeks, share = resample(bars, "1w"), resample_share(bars, "1w")
    assert set(weeks.index.day_of_week) == {0}
    assert share.loc[weeks.index, "SPX"].eq(1.0).all()
    one = bars["2005-01-03":"2005-01-07"]
    row = weeks.loc["2005-01-03"]
    assert row[("open", "SPX")] == one[("open", "SPX")].iloc[0]
    assert row[("close", "SPX")] == one[("close", "SPX")].iloc[-1]
    assert row[("volume", "SPX")] == one[("volume", "SPX")].sum()
    lost = bars.drop(pd.Timestamp("2005-01-05", tz="UTC"))
    assert resample_share(lost, "1w").loc["2005-01-03", "SPX"] == pytest.approx(0.8)
    midweek = bars.loc[:"2005-01-05"]
    assert resample(midweek, "1w").index[-1] == pd.Timestamp("2004-12-27", tz="UTC")


def test_an_offset_moves_where_days_begin() -> None:
    made = resample(market(100), "1d", offset="22h")
    assert set(made.index.hour) == {22}


@pytest.mark.parametrize(
    ("timeframe", "options", "says"),
    [
        ("90m", {}, "name a multiple of 1h"),
        ("30m", {}, "name a multiple of 1h"),
        ("4h", {"partial": "dorp"}, "Did you mean 'drop'"),
        ("4h", {"min_share": 2}, "between 0 and 1"),
        ("4h", {"offset": "later"}, "'22h'"),
        ("52w", {}, "bring more bars"),
    ],
)
def test_mistakes_are_told_in_one_line(timeframe: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says) as told:
        resample(market(), timeframe, **options)
    assert "\n" not in str(told.value)


@given(cut=st.integers(30, 399), hours=st.sampled_from([2, 4, 24]), lost=st.integers(0, 20))
def test_cutting_later_bars_changes_nothing_that_was_seen(cut: int, hours: int, lost: int) -> None:
    bars = market()
    bars = bars.drop(bars.index[50 : 50 + lost])
    higher = f"{hours}h"

    def seen(part: pd.DataFrame) -> pd.DataFrame:
        made = resample(part, higher, partial="keep", lower="1h")
        return align_higher(pd.DatetimeIndex(part.index), made, lower="1h", timeframe=higher)

    whole, part = seen(bars), seen(bars.iloc[:cut])
    pd.testing.assert_frame_equal(whole.iloc[:cut], part, check_freq=False)


def test_a_higher_bar_appears_in_the_row_that_closes_with_it() -> None:
    bars = market(24)
    made = resample(bars, "4h")
    seen = align_higher(pd.DatetimeIndex(bars.index), made["close"]["A"])
    assert seen.iloc[:3].isna().all()
    assert seen.iloc[3:7].tolist() == [bars[("close", "A")].iloc[3]] * 4
    assert seen.iloc[7] == bars[("close", "A")].iloc[7]
    with pytest.raises(DataError, match="not higher"):
        align_higher(pd.DatetimeIndex(made.index), bars)
    with pytest.raises(DataError, match="no higher bar"):
        align_higher(pd.DatetimeIndex(bars.index), made.iloc[:0], timeframe="4h")


@pytest.mark.parametrize("timeframe", ["1h", "4h", "1d"])
def test_real_5m_bars_make_the_bars_that_the_venue_shows(shared_data: Path, timeframe: str) -> None:
    folder = shared_data / "ohlcv" / "binance"
    made = wb.data.resample(read_bar_file(folder / "BTCUSDT-5m-2024.parquet").bars, timeframe)
    told = read_bar_file(folder / f"BTCUSDT-{timeframe}-2024.parquet").bars
    assert made.index.equals(told.index)
    for field in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(made[field], told[field])
    np.testing.assert_allclose(made["volume"], told["volume"], rtol=1e-12)


def test_stored_bars_are_resampled_with_a_note_and_where_they_came_from(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path / "bars"), market(48)
    origin = pd.DataFrame({"source": ["one"] * 5 + ["two"] * 43, "repaired": [False] * 47 + [True]}, index=bars.index)
    store.write("one", "A", "1h", bars, provenance=origin)
    done = resample_stored(store, "one", "A", "1h", "4h")
    assert (done.version, done.bars, done.with_holes, done.from_version) == (1, 12, 0, 1)
    pd.testing.assert_frame_equal(store.read("one", "A", "4h"), resample(bars, "4h"), check_freq=False)
    told = store.provenance("one", "A", "4h")
    assert told["source"].tolist() == ["one", "mixed", *["two"] * 10]
    assert told["repaired"].tolist() == [False] * 11 + [True]
    notes = store.quality("one", "A", "4h").findings
    assert notes.loc[notes["kind"] == "resampled", "note"].tolist() == ["4h bars made of 1h bars, version 1"]
    assert resample_stored(store, "one", "A", "1h", "4h").version == 1
    with pytest.raises(DataError, match="not a higher time frame"):
        resample_stored(store, "one", "A", "4h", "1h")
