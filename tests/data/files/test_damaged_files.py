"""Files that were exported oddly or damaged on the way: what a user meets, and what it must say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.data import BarStore, import_file, read_bar_file
from workbench.data.files.filenames import price_kind_of
from workbench.errors import DataError

HEADER = "time,open,high,low,close,volume"


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def hourly(n: int, n_broken: int = 0) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=n, freq="1h", tz="UTC")
    frame = pd.DataFrame({"time": times, "open": 100.0 + np.arange(n) % 50})
    frame = frame.assign(high=frame["open"] + 2, low=frame["open"] - 2, close=frame["open"] + 1, volume=5.0)
    frame.loc[frame.index[10 : 10 + n_broken], "low"] = 1e6
    return frame


def refused(path: Path) -> str:
    with pytest.raises(DataError) as told:
        read_bar_file(path)
    assert path.name in str(told.value)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("name", ["SPY.csv", "SPY-1d.csv"])
def test_the_bar_length_is_told_from_rows_that_are_set_aside_too(tmp_path: Path, name: str) -> None:
    days = [f"2024-01-{d:02d},10,12,9,{close},5" for d, close in [(1, 11), (2, 11), (2, 10), (3, 11)]]
    file = read_bar_file(write(tmp_path / name, [HEADER, *days]))
    assert file.timeframe == "1d"
    assert file.findings["kind"].tolist() == ["conflicting_duplicate"] * 2
    assert file.bars.index.strftime("%m-%d").tolist() == ["01-01", "01-03"]


@pytest.mark.parametrize(("n", "n_broken"), [(1000, 50), (100, 20)])
def test_a_few_broken_rows_are_set_aside(tmp_path: Path, n: int, n_broken: int) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    hourly(n, n_broken).to_parquet(path)
    assert len(read_bar_file(path).bars) == n - n_broken


@pytest.mark.parametrize(("n", "n_broken", "share"), [(1000, 51, "5.1%"), (100, 21, "21.0%")])
def test_a_file_with_many_broken_rows_is_refused_whole(tmp_path: Path, n: int, n_broken: int, share: str) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    hourly(n, n_broken).to_parquet(path)
    store = BarStore(tmp_path / "bars")
    with pytest.raises(DataError) as told:
        import_file(path, store)
    text = str(told.value)
    assert f"{n_broken} of {n} rows of BTC/USDT ({share}) break the convention" in text
    assert "the first: high below low (BTCUSDT-1h.parquet row 11: open=110" in text
    assert text.endswith("download or export the file again")
    assert store.list().empty


def test_exact_repetitions_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    hourly(100).loc[lambda f: f.index.repeat([2] * 40 + [1] * 60)].to_parquet(path)
    assert len(read_bar_file(path).bars) == 100


def test_a_corrupted_real_file_is_refused(shared_data: Path, tmp_path: Path) -> None:
    data = bytearray((shared_data / "ohlcv" / "binance" / "BTCUSDT-1h.parquet").read_bytes())
    start = 7 * len(data) // 16
    data[start : start + 4000] = bytes(b ^ 0xFF for b in data[start : start + 4000])
    path = tmp_path / "BTCUSDT-1h.parquet"
    path.write_bytes(data)
    assert "of 45024 rows of BTC/USDT (16.2%) break the convention" in refused(path)


def test_page_checksums_are_verified_where_a_file_has_them(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    hourly(500).to_parquet(path, compression=None, use_dictionary=False, write_page_checksum=True)
    assert len(read_bar_file(path).bars) == 500
    data = path.read_bytes()
    at = data.index(np.float64(123.0).tobytes())
    path.write_bytes(data[:at] + np.float64(123.5).tobytes() + data[at + 8 :])
    assert "not a readable Parquet file" in refused(path)


EUROPEAN = [f"2024-01-01T{h:02d}:00:00Z;{100 + h},5;{102 + h},5;{99 + h},5;{101 + h},5;{10 + h},0" for h in range(10)]


@pytest.mark.parametrize(
    "header", [HEADER.replace(",", ";"), "Prices, of Bitcoin, hourly\n" + HEADER.replace(",", ";")]
)
def test_a_semicolon_with_decimal_commas_is_told_apart(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "BTCUSDT-1h.csv", [header, *EUROPEAN])
    text = refused(path)
    assert "column 'open': '100,5' is not a number (a decimal comma? write a point)" in text
    path.write_text(path.read_text().replace(",", "."))
    assert read_bar_file(path).bars["open", "BTC/USDT"].iloc[0] == 100.5


def test_decimal_commas_without_a_header(tmp_path: Path) -> None:
    text = refused(write(tmp_path / "BTCUSDT-1h.csv", EUROPEAN))
    assert "line 1, column 'open': '100,5' is not a number (a decimal comma? write a point)" in text


def test_too_many_cells_are_not_called_cut_off(tmp_path: Path) -> None:
    rows = ["2024-01-01,10,12,9,11,5", "2024-01-02,10,12,9,11,5", "2024-01-03,10,5,12,9,11,5"]
    text = refused(write(tmp_path / "SPY-1d.csv", [HEADER, *rows]))
    assert "line 4 has 7 cells where 6 are expected" in text
    assert "decimal comma" in text
    assert "cut off" not in text
    assert "cut off?" in refused(write(tmp_path / "SPY-1d.csv", [HEADER, *rows[:2], "2024-01-03,10,12"]))


def test_prices_that_are_no_trades_are_imported_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h-mark-2025.parquet"
    hourly(30).to_parquet(path)
    report = import_file(path, BarStore(tmp_path / "bars"))
    note = next(n for n in report.notes if "'mark'" in n)
    assert "count as BTC/USDT" in note
    assert "--symbol" in note
    assert "--source" in note
    assert not any("'mark'" in n for n in read_bar_file(path, symbol="BTCMARK").notes)


@pytest.mark.parametrize(
    ("stem", "word"),
    [
        ("BTCUSDT-8h-mark-2025", "mark"),
        ("BTCUSDT_1h_premiumIndexKlines", "premiumIndexKlines"),
        ("indexPrice BTCUSDT 1h", "indexPrice"),
        ("FOREX_EURUSD_1H_ASK", "ASK"),
        ("market-BTCUSDT-1h", None),
        ("BTCUSDT-1h", None),
    ],
)
def test_words_of_names_that_say_what_prices_are(stem: str, word: str | None) -> None:
    assert price_kind_of(stem) == word


def test_a_contradiction_names_the_mode_for_notebooks_and_the_command_line(tmp_path: Path) -> None:
    store, frame = BarStore(tmp_path / "bars"), hourly(30)
    frame.to_parquet(tmp_path / "BTCUSDT-1h.parquet")
    import_file(tmp_path / "BTCUSDT-1h.parquet", store)
    frame.assign(volume=6.0).to_parquet(tmp_path / "BTCUSDT-1h.parquet")
    with pytest.raises(DataError, match=r"or mode 'replace' \(--mode replace\)$"):
        import_file(tmp_path / "BTCUSDT-1h.parquet", store)
