"""Real files: all bars import, all others are refused by one line; numbers are those of an independent reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.data import BarStore, import_file, import_files, quality_report, read_bar_file
from workbench.errors import DataError

# What the raw files are: symbols and bars, or words of the refusal.
RAW = {
    "cryptodatadownload/Coinbase_BTCUSD_1h.csv": {"BTC/USD": 20111},
    "cryptodatadownload/Coinbase_BTCUSD_d.csv": {"BTC/USD": 1770},
    "cryptodatadownload/bitstamp_BTC-ETH-LTCUSD_d.csv": {"BTC": 1865, "ETH": 788, "LTC": 925},
    "freqtrade/ADA_BTC-5m.feather": {"ADA/BTC": 5720},
    "freqtrade/BCHEUR.csv": "looks like a list of trades",
    "freqtrade/NOPAIR_XXX-4m.json": "empty list",
    "freqtrade/UNITTEST_BTC-1m.json": {"UNITTEST/BTC": 13681},
    "freqtrade/UNITTEST_BTC-8m.feather": "is empty (0 bytes)",
    "freqtrade/UNITTEST_BTC-8m.json.gz": "'8m' does not fit: 96% of the bars are 1m apart",
    "freqtrade/XRP_ETH-trades.json.gz": "looks like a list of trades",
    "freqtrade/XRP_USDT_USDT-1h-futures.json.gz": {"XRP/USDT:USDT": 100},
    "freqtrade/XRP_USDT_USDT-8h-funding_rate.feather": "not a file of bars",
    "misc/BTCUSDT_1h_jan_feb_2024.csv": {"BTC/USDT": 1033},
    "misc/SOLUSDT_1h_30000_31000.csv": {"SOL/USDT": 1000},
    "misc/binance-USTUSDT-1h-depeg.csv": {"UST/USDT": 3353},
    "misc/bybit-BCHUSDT-1d-bad-tick.csv": {"BCH/USDT": 1795},
    "misc/gym-anytrading-FOREX_EURUSD_1H_ASK.csv": {"EURUSD": 6225},
    "misc/lean-SPY-daily.zip": "price_scale=0.0001",
    "smc-expected/EURUSD_15M.csv.gz": {"EURUSD": 24424},
    "talib-ref/ref252.csv": "no column of times",
}


@pytest.mark.slow
def test_every_file_of_bars_imports_and_nothing_is_lost(shared_data: Path, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    files = sorted((shared_data / "ohlcv").rglob("*.parquet"))
    assert len(files) > 100
    left_out: dict[str, list[str]] = {}
    for path in files:
        source = path.parent.name.replace("-", "_")
        report = import_file(path, store, source)
        raw = pd.read_parquet(path)
        one = report.series[0]
        assert any("'mark'" in n for n in report.notes) == ("-mark-" in path.stem)
        assert one.n_bars + one.n_set_aside == len(raw), path
        aside = report.findings[report.findings["set_aside"]]
        kept = store.read(source, one.symbol, report.timeframe, one.first, one.last + pd.Timedelta(1, unit="us"))
        good = raw[(raw[["open", "high", "low", "close"]] > 0).all(axis=1)].sort_index()
        good = good[~good.index.duplicated()]
        np.testing.assert_array_equal(kept.index, good.index)
        np.testing.assert_array_equal(kept.to_numpy(), good[["open", "high", "low", "close", "volume"]].to_numpy())
        left_out[f"{source}/{path.stem}"] = aside["kind"].tolist()
    assert left_out["bybit_linear/BCHUSDT-1d"] == ["price_not_positive", "duplicate"]
    assert left_out["bybit_linear/BTCUSDT-1d"] == ["duplicate"]
    assert sum(len(v) > 0 for v in left_out.values()) == 22
    quality = store.quality("bybit_linear", "BCH/USDT", "1d")
    assert quality.summary.loc["BCH/USDT", "set_aside"] == 2
    assert "open=0 high=280.35 low=0" in quality.findings["note"].iloc[0]


def test_gaps_of_the_hourly_files_are_those_that_were_measured(shared_data: Path) -> None:
    told = {"BTCUSDT-1h": (27, 127), "ETHUSDT-1h": (27, 127), "ADAUSDT-1h": (24, 87), "LUNAUSDT-1h-delisted": (6, 449)}
    for stem, (gaps, missing) in told.items():
        file = read_bar_file(shared_data / "ohlcv" / "binance" / f"{stem}.parquet")
        report = quality_report(file.bars, file.timeframe)
        assert (report.count("gap"), int(report.summary["missing_bars"].iloc[0])) == (gaps, missing)
    spy = read_bar_file(shared_data / "ohlcv" / "us-equity" / "SPY-1h.parquet")
    assert quality_report(spy.bars, "1h").count("gap") == 0


def test_rows_out_of_order_are_sorted_and_listed(shared_data: Path) -> None:
    file = read_bar_file(shared_data / "ohlcv" / "coinbase" / "BTCUSD-1h.parquet")
    assert file.findings["kind"].tolist() == ["unsorted"] * 5
    assert not file.findings["set_aside"].any()
    assert "rows were newest first; turned round" in file.notes


@pytest.mark.parametrize("name", sorted(RAW))
def test_raw_files_import_or_are_refused_in_one_line(shared_data: Path, name: str) -> None:
    expected = RAW[name]
    path = shared_data / "raw" / name
    if isinstance(expected, dict):
        assert {s: len(f) for s, f in read_bar_file(path).frames.items()} == expected
        return
    with pytest.raises(DataError) as told:
        read_bar_file(path)
    assert expected in str(told.value)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400


def test_every_other_file_is_refused_in_one_line(shared_data: Path) -> None:
    folders = ["raw/lean-factor-files", "raw/smc-expected", "funding", "options", "panels", "rates"]
    paths = [p for f in folders for p in sorted((shared_data / f).rglob("*")) if p.is_file()]
    refused = [p for p in paths if "EURUSD_15M" not in p.name and "vix" not in p.name.split("-")[0]]
    assert len(refused) > 30
    for path in refused:
        with pytest.raises(DataError) as told:
            read_bar_file(path)
        assert path.name in str(told.value)
        assert "\n" not in str(told.value)


def test_choices_are_told(shared_data: Path) -> None:
    misc, crypto = shared_data / "raw" / "misc", shared_data / "raw" / "cryptodatadownload"
    notes = read_bar_file(crypto / "Coinbase_BTCUSD_1h.csv").notes
    assert "skipped 1 line(s) above the header" in notes
    assert "volume is column 'volume_btc', not 'volume'" in notes
    reference = pd.read_parquet(shared_data / "ohlcv" / "coinbase" / "BTCUSD-1h.parquet").sort_index()
    ours = read_bar_file(crypto / "Coinbase_BTCUSD_1h.csv").bars
    np.testing.assert_array_equal(ours.to_numpy(), reference[["open", "high", "low", "close", "volume"]].to_numpy())
    assert "no volume in the file: written as 0" in read_bar_file(misc / "BTCUSDT_1h_jan_feb_2024.csv").notes
    forex = read_bar_file(misc / "gym-anytrading-FOREX_EURUSD_1H_ASK.csv")
    assert "times with the day first, taken as UTC" in forex.notes
    assert forex.bars.index[0] == pd.Timestamp("2017-01-01 22:00", tz="UTC")


def test_whole_number_prices_need_a_scale(shared_data: Path) -> None:
    file = read_bar_file(shared_data / "raw" / "misc" / "lean-SPY-daily.zip", price_scale=1e-4)
    reference = pd.read_parquet(shared_data / "ohlcv" / "us-equity" / "SPY-1d.parquet")
    assert file.symbols == ("SPY",)
    np.testing.assert_allclose(file.frames["SPY"]["close"], reference["close"], rtol=1e-9)


def test_a_forced_bar_length_must_still_fit(shared_data: Path) -> None:
    path = shared_data / "raw" / "freqtrade" / "UNITTEST_BTC-8m.json.gz"
    assert read_bar_file(path, timeframe="1m").timeframe == "1m"
    with pytest.raises(DataError, match="'1h' does not fit"):
        read_bar_file(path, timeframe="1h")


def test_two_venues_do_not_mix_in_one_series(shared_data: Path, tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    paths = [shared_data / "ohlcv" / v / "BTCUSDT-1d.parquet" for v in ("binance", "bybit-linear")]
    with pytest.raises(DataError, match=r"695 bar\(s\) differ.*another source name"):
        import_files(paths, store)
    assert len(store.read("import", "BTC/USDT", "1d")) == 1881
    assert import_file(paths[1], store, "bybit").series[0].version == 1
    assert not import_file(paths[0], store).series[0].is_new_version
