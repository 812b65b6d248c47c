"""Funding falls into the bar that contains it; mark prices are seen when their bars have closed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data import (
    funding_of,
    import_file,
    import_funding,
    open_store,
    synthetic_market,
    timeframe_delta,
    with_mark,
)
from workbench.data.shaping.perpetuals import basis, funding_in_bars
from workbench.data.store.records import open_records
from workbench.errors import DataError

START = pd.Timestamp("2024-01-01", tz="UTC")


def payments(count: int, jitter_ms: int = 0) -> pd.DataFrame:
    times = pd.date_range(START, periods=count, freq="8h") + pd.Timedelta(jitter_ms, unit="ms")
    index = pd.DatetimeIndex(times, name="time").as_unit("us")
    return pd.DataFrame({"rate": 0.0001, "mark_price": 100.0}, index=index)


@pytest.mark.parametrize("timeframe", ["1m", "1h", "4h", "8h", "1d"])
@pytest.mark.parametrize("jitter", [0, 1, 17])
def test_a_week_of_constant_funding_is_21_payments(settings: Settings, timeframe: str, jitter: int) -> None:
    records = open_records(settings)
    records.write("funding", "binanceusdm", "BTC/USDT:USDT", payments(21, jitter))
    index = pd.date_range(START, START + pd.Timedelta("7D"), freq=timeframe_delta(timeframe), inclusive="left")
    paid = funding_of(records, "BTC/USDT:USDT", index)
    assert paid["payments"].sum() == 21
    assert paid["funding_rate"].sum() == pytest.approx(21 * 0.0001, abs=1e-15)
    due = paid.index[paid["payments"] > 0]
    assert due.equals(index[index.floor("8h") == index] if timeframe_delta(timeframe) <= pd.Timedelta("8h") else index)


def test_nothing_is_known_outside_of_what_is_recorded() -> None:
    times = payments(3).index.as_unit("ns").asi8
    index = pd.date_range(START - pd.Timedelta("1D"), periods=72, freq="1h")
    paid = funding_in_bars(times, np.full(3, 0.0002), index)["funding_rate"]
    known = paid.index[paid.notna()]
    assert (known[0], known[-1]) == (START - pd.Timedelta("8h"), START + pd.Timedelta("23h"))
    assert paid[START] == 0.0002
    assert paid[START + pd.Timedelta("1h")] == 0.0


def test_a_mark_price_is_seen_when_its_bar_has_closed() -> None:
    bars = synthetic_market("gbm(seed=1, n_bars=48)", ["A"], "1h")[0]
    mark = synthetic_market("gbm(seed=2, n_bars=12)", ["A"], "4h")[0]
    both = with_mark(bars, mark)
    assert both[("mark", "A")].iloc[:3].isna().all()
    assert both[("mark", "A")].iloc[3] == mark[("close", "A")].iloc[0]
    expected = bars[("close", "A")].iloc[3] / mark[("close", "A")].iloc[0] - 1
    assert both[("basis", "A")].iloc[3] == pytest.approx(expected)
    pd.testing.assert_frame_equal(both[bars.columns], bars)
    with pytest.raises(DataError, match="no mark price of 'A'"):
        with_mark(bars, synthetic_market("gbm(seed=2, n_bars=12)", ["B"], "4h")[0])


def test_the_basis_of_two_series() -> None:
    bars = synthetic_market("gbm(seed=1, n_bars=48)", ["A"], "1h")[0]
    apart = basis(bars * 1.01, bars.iloc[10:20])
    assert len(apart) == 10
    np.testing.assert_allclose(apart["A"], 0.01)


def test_real_funding_files_are_imported(shared_data: Path, settings: Settings) -> None:
    records, folder = open_records(settings), shared_data / "funding" / "binance-usdm"
    for coin, count in (("BTC", 266), ("ETH", 302), ("SOL", 266)):
        path = folder / f"{coin}USDT-8h-funding-2025.parquet"
        assert import_funding(path, records) == 1
        stored = records.read("funding", "binanceusdm", f"{coin}/USDT:USDT")
        raw = pd.read_parquet(path)
        assert len(stored) == count
        np.testing.assert_array_equal(stored["rate"], raw["funding_rate"])
        assert import_funding(path, records) == 1  # nothing new
    old = shared_data / "raw" / "freqtrade" / "XRP_USDT_USDT-8h-funding_rate.feather"
    import_funding(old, records)
    assert len(records.read("funding", "binanceusdm", "XRP/USDT:USDT")) == 91


def test_funding_and_mark_stand_beside_real_bars(shared_data: Path, settings: Settings) -> None:
    store, records = open_store(settings), open_records(settings)
    bars_file = shared_data / "ohlcv" / "binance-usdm" / "BTCUSDT-1m-2025.parquet"
    mark_file = shared_data / "ohlcv" / "binance-usdm" / "BTCUSDT-8h-mark-2025.parquet"
    import_file(bars_file, store, "binanceusdm", symbol="BTC/USDT:USDT")
    import_file(mark_file, store, "binanceusdm-mark", symbol="BTC/USDT:USDT")
    import_funding(shared_data / "funding" / "binance-usdm" / "BTCUSDT-8h-funding-2025.parquet", records)
    bars = store.read("binanceusdm", "BTC/USDT:USDT", "1m")
    paid = funding_of(records, "BTC/USDT:USDT", pd.DatetimeIndex(bars.index))
    recorded = records.read("funding", "binanceusdm", "BTC/USDT:USDT")
    inside = recorded[(recorded.index >= bars.index[0]) & (recorded.index < bars.index[-1] + pd.Timedelta("1min"))]
    assert paid["payments"].sum() == len(inside) == 89
    assert paid["funding_rate"].sum() == pytest.approx(inside["rate"].sum(), abs=1e-15)
    both = with_mark(bars, store.read("binanceusdm-mark", "BTC/USDT:USDT", "8h"))
    at_close = both[("basis", "BTC/USDT:USDT")][bars.index.floor("8h") + pd.Timedelta("479min") == bars.index]
    assert at_close.abs().max() < 0.002  # where a mark bar closes, mark and last price are close


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("BTCUSDT-8h.csv", "time,rates\n2024-01-01,0.1", "no funding rates"),
        ("BTCUSDT-8h.csv", "when,rate\n2024-01-01,0.01", "no times"),
        ("BTCUSDT-8h.csv", "time,rate\n2024-01-01,0.01\n2024-01-01,0.02", "two funding rates"),
        ("BTCUSDT-8h.csv", "time,rate\n2024-01-01,1.5", "fractions"),
        ("BTCUSDT-8h.csv", "time,rate\n2024-01-01,", "fractions"),
        ("BTCUSDT-8h.csv", "time,rate\nsoon,0.01", "is no time"),
        ("rates.csv", "time,rate\n2024-01-01,0.01", "does not tell the symbol"),
        ("BTCUSDT-8h.json", "{}", "not a file of funding rates"),
        ("BTCUSDT-8h.parquet", "torn", "cannot be read"),
    ],
)
def test_bad_files_are_refused_in_one_line(settings: Settings, tmp_path: Path, name: str, text: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=says) as told:
        import_funding(path, open_records(settings))
    assert "\n" not in str(told.value)
    with pytest.raises(DataError, match="does not exist"):
        import_funding(tmp_path / "BTCUSDT-none.csv", open_records(settings))


def test_milliseconds_are_read(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-8h.csv"
    path.write_text("fundingTime,fundingRate,markPrice\n1704067200001,0.0001,42000\n")
    records = open_records(settings)
    import_funding(path, records)
    stored = records.read("funding", "binanceusdm", "BTC/USDT:USDT")
    assert stored.index[0] == START + pd.Timedelta("1ms")
    assert stored["mark_price"].tolist() == [42000.0]
