"""What the store holds: counts equal to those of the loaded bars, venues, and the rule of freshness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data import (
    FRESHNESS_RULE,
    bars_of,
    coverage,
    freshness,
    import_file,
    month_table,
    open_store,
    source_shares,
)


def put(settings: Settings, symbol: str, times: pd.DatetimeIndex, timeframe: str = "1h", **options: object) -> None:
    close = 100 + np.arange(len(times), dtype=float) % 7
    flat = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "volume"), close), index=times.rename("time"))
    bars = bars_of({symbol: flat})
    open_store(settings).write("venue", symbol, timeframe, bars, **options)  # type: ignore[arg-type]


def hours(start: str, n: int, holes: Sequence[tuple[int, int]] = (), offset: str = "0min") -> pd.DatetimeIndex:
    times = pd.date_range(start, periods=n, freq="h", tz="UTC") + pd.Timedelta(offset)
    keep = np.ones(n, bool)
    for first, stop in holes:
        keep[first:stop] = False
    return pd.DatetimeIndex(times[keep])


def assert_as_loaded(settings: Settings, source: str, timeframe: str) -> None:
    """The counted shares are those of `coverage`, which loads every bar."""
    months = month_table(source, timeframe, settings=settings)
    keys = [months["symbol"], months["month"].dt.strftime("%Y-%m").rename("month")]
    counted = months.set_index(keys)["share"].dropna().sort_index()
    loaded = coverage(open_store(settings), source, timeframe).stack().dropna().sort_index()
    pd.testing.assert_series_equal(counted, loaded, check_names=False, check_index_type=False)


def test_months_by_hand(settings: Settings) -> None:
    put(settings, "A", hours("2024-01-31 12:00", 24 * 45, holes=[(36, 36 + 240)]))
    months = month_table("venue", "1h", settings=settings)
    rows = months.assign(month=months["month"].dt.strftime("%Y-%m")).to_numpy().tolist()
    assert rows == [
        ["A", "2024-01", 12, 12, 1.0],
        ["A", "2024-02", 456, 696, 456 / 696],
        ["A", "2024-03", 372, 372, 1.0],
    ]


def test_a_month_without_a_bar_is_a_row(settings: Settings) -> None:
    put(settings, "A", hours("2024-01-01", 24 * 200, holes=[(24 * 20, 24 * 80)]))
    months = month_table("venue", "1h", settings=settings).set_index("month")
    february = months.loc["2024-02-01"]
    assert (february["held"], february["expected"], february["share"]) == (0, 696, 0.0)
    assert len(months) == 7


@pytest.mark.parametrize("offset", ["0min", "7min"])
def test_counting_agrees_with_loading(settings: Settings, offset: str) -> None:
    put(settings, "CLOCK", hours("2023-11-17 05:00", 24 * 90, holes=[(10, 11), (500, 700)], offset=offset))
    put(settings, "SHORT", hours("2024-01-02", 30, offset=offset))
    week = hours("2023-12-01", 24 * 60)
    put(settings, "SESSIONS", week[(week.day_of_week < 5) & (week.hour >= 14) & (week.hour < 21) & (week.day != 12)])
    assert_as_loaded(settings, "venue", "1h")


def test_bars_off_the_grid_are_held_and_not_counted_as_expected(settings: Settings) -> None:
    times = hours("2024-01-01", 48)
    put(settings, "A", pd.DatetimeIndex([*times[:10], times[10] + pd.Timedelta("5min"), *times[11:]]))
    row = month_table("venue", "1h", settings=settings).iloc[0]
    assert (row["held"], row["expected"], row["share"]) == (48, 48, 47 / 48)
    assert_as_loaded(settings, "venue", "1h")


def test_symbols_can_be_chosen_and_the_sample_is_counted(settings: Settings) -> None:
    months = month_table("sample", "1d", ["SPX", "IBM"], settings)
    assert months["symbol"].unique().tolist() == ["IBM", "SPX"]
    assert months["held"].sum() == 3270 + 5031
    assert_as_loaded(settings, "sample", "1d")
    assert month_table("nowhere", "1d", settings=settings).empty


def test_a_synthetic_market_is_counted_as_drawn(settings: Settings) -> None:
    months = month_table("gbm(seed=1, n_bars=300)", "1h", settings=settings)
    assert months["held"].sum() == 300
    assert (months["share"] == 1).all()
    assert source_shares("gbm(seed=1, n_bars=300)", "1h", settings=settings)["share"].tolist() == [1.0]


def test_real_files_are_counted_as_loaded(settings: Settings, shared_data: Path) -> None:
    store = open_store(settings)
    for name in ("LUNAUSDT-1h-delisted", "BTCUSDT-1h", "USTUSDT-1h-delisted"):
        import_file(shared_data / "ohlcv" / "binance" / f"{name}.parquet", store, "binance")
    assert_as_loaded(settings, "binance", "1h")
    import_file(shared_data / "ohlcv" / "us-equity" / "SPY-1h.parquet", store, "stocks")
    assert_as_loaded(settings, "stocks", "1h")


def test_shares_of_venues(settings: Settings) -> None:
    times = hours("2024-01-01", 100)
    where = pd.DataFrame({"source": ["venue"] * 70 + ["kraken"] * 30, "repaired": [False] * 90 + [True] * 10})
    put(settings, "A", times, provenance=where.set_axis(times.rename("time"), axis=0))
    put(settings, "B", times)
    table = source_shares("venue", "1h", settings=settings)
    assert table.to_numpy().tolist() == [
        ["A", "venue", 70, 0, 0.7, 0.0],
        ["A", "kraken", 30, 10, 0.3, 0.1],
        ["B", "venue", 100, 0, 1.0, 0.0],
    ]
    assert source_shares("venue", "1h", ["B"], settings)["symbol"].tolist() == ["B"]


@pytest.mark.parametrize(
    ("now", "behind", "state"),
    [
        ("2024-01-02 23:30", 0, "fresh"),  # the bar of 23:00 is still forming
        ("2024-01-03 01:30", 1, "fresh"),
        ("2024-01-03 02:00", 2, "late"),
        ("2024-01-04 00:59", 24, "late"),
        ("2024-01-04 01:00", 25, "stale"),
    ],
)
def test_freshness_counts_closed_bars(settings: Settings, now: str, behind: int, state: str) -> None:
    put(settings, "A", hours("2024-01-01", 48))
    row = freshness(open_store(settings).list(), pd.Timestamp(now, tz="UTC")).iloc[0]
    assert (row["behind"], row["state"]) == (behind, state)
    assert row["age"] == max(pd.Timestamp(now, tz="UTC") - pd.Timestamp("2024-01-03", tz="UTC"), pd.Timedelta(0))


def test_a_market_that_rests_over_the_weekend_is_not_late(settings: Settings) -> None:
    days = pd.date_range("2024-01-01", "2024-03-01", freq="B", tz="UTC")
    put(settings, "STOCK", days, "1d")
    put(settings, "COIN", pd.date_range("2024-01-01", "2024-03-01", freq="D", tz="UTC"), "1d")
    on_tuesday = freshness(open_store(settings).list(), pd.Timestamp("2024-03-05 12:00", tz="UTC"))
    assert dict(zip(on_tuesday["symbol"], on_tuesday["state"], strict=True)) == {"COIN": "late", "STOCK": "fresh"}
    assert "4 more days" in FRESHNESS_RULE


def test_a_damaged_series_is_told(settings: Settings) -> None:
    put(settings, "A", hours("2024-01-01", 48))
    (entry,) = (settings.data_dir / "bars").glob(f"*/*/*/_delta_log/{1:020d}.json")
    entry.write_text("torn")
    row = freshness(open_store(settings).list(), pd.Timestamp("2024-01-03", tz="UTC")).iloc[0]
    assert row["state"] == "damaged"
