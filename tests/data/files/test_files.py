"""Made-up files, one for each way to be awkward."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from workbench.data import BarStore, import_file, import_files, read_bar_file
from workbench.errors import DataError

HEADER = "time,open,high,low,close,volume"
ROWS = [f"2024-01-01T{h:02d}:00:00Z,{100 + h},{102 + h},{99 + h},{101 + h},{10 + h}" for h in range(10)]


def write(tmp_path: Path, lines: list[str], name: str = "BTCUSDT-1h.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


def stamped(times: list[object], name: str = "time", **extra: list[object]) -> pd.DataFrame:
    n = len(times)
    data = {name: times, "open": range(100, 100 + n), "high": range(102, 102 + n), "low": range(99, 99 + n)}
    return pd.DataFrame({**data, "close": range(101, 101 + n), "volume": [1.5] * n, **extra})


def refused(path: Path, says: str, **named: object) -> str:
    with pytest.raises(DataError, match=says) as told:
        read_bar_file(path, **named)  # type: ignore[arg-type]  # names as in read_bar_file
    assert "\n" not in str(told.value)
    assert path.name in str(told.value)
    return str(told.value)


def hours(path: Path, **named: object) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(read_bar_file(path, **named).bars.index)  # type: ignore[arg-type]  # as above


HOURS = pd.date_range("2024-01-01", periods=10, freq="1h", tz="UTC")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path, [line.replace(",", delimiter) for line in [HEADER, *ROWS]])
    assert hours(path).equals(HOURS)


@pytest.mark.parametrize(
    ("times", "note"),
    [
        ([int(t.timestamp()) for t in HOURS], "times in s since 1970"),
        ([int(t.timestamp() * 1e3) for t in HOURS], "times in ms since 1970"),
        ([int(t.timestamp() * 1e6) for t in HOURS], "times in us since 1970"),
        ([int(t.timestamp()) * 10**9 for t in HOURS], "times in ns since 1970"),
        ([f"{t.timestamp():.1f}" for t in HOURS], "times in s since 1970"),
        ([f"{t:%Y-%m-%d %H:%M:%S}" for t in HOURS], "ISO times without a zone, taken as UTC"),
        ([f"{t.tz_convert('Asia/Tokyo').isoformat()}" for t in HOURS], "ISO times with a zone"),
        ([f"{t:%Y-%m-%d %H:%M:%S} UTC" for t in HOURS], "ISO times with a zone"),
        ([f"{t:%Y.%m.%d %H:%M}" for t in HOURS], "ISO times without a zone, taken as UTC"),
        ([f"{t:%Y%m%d%H%M%S}" for t in HOURS], "times written as %Y%m%d%H%M%S, taken as UTC"),
        ([f"{t:%Y%m%d %H:%M:%S}" for t in HOURS], "times written as %Y%m%d %H:%M:%S, taken as UTC"),
        ([f"{t:%Y-%m-%d %I-%p}" for t in HOURS], "times written as %Y-%m-%d %I-%p, taken as UTC"),
    ],
)
def test_times_are_recognised(tmp_path: Path, times: list[object], note: str) -> None:
    path = tmp_path / "BTCUSDT.csv"
    stamped(times).to_csv(path, index=False)
    file = read_bar_file(path)
    assert pd.DatetimeIndex(file.bars.index).equals(HOURS)
    assert note in file.notes
    assert (file.symbols, file.timeframe) == (("BTC/USDT",), "1h")


@pytest.mark.parametrize(
    ("dates", "order", "first"),
    [
        ([f"{d:02d}/01/2024" for d in range(1, 20)], None, "2024-01-01"),
        ([f"01/{d:02d}/2024" for d in range(1, 20)], None, "2024-01-01"),
        ([f"{d:02d}.02.2024" for d in range(1, 10)], "dmy", "2024-02-01"),
        ([f"02-{d:02d}-2024" for d in range(1, 10)], "mdy", "2024-02-01"),
        (["Jan 02, 2024", "Jan 03, 2024", "Jan 04, 2024"], None, "2024-01-02"),
        (["02-Jan-2024", "03-Jan-2024", "04-Jan-2024"], None, "2024-01-02"),
        (["20240102", "20240103", "20240104"], None, "2024-01-02"),
    ],
)
def test_dates_are_recognised(tmp_path: Path, dates: list[object], order: str | None, first: str) -> None:
    path = tmp_path / "SPY-1d.csv"
    stamped(dates, "Date").to_csv(path, index=False)
    index = hours(path, date_order=order)
    assert index.equals(pd.date_range(first, periods=len(dates), freq="D", tz="UTC"))


def test_an_ambiguous_date_is_an_error_with_its_cure(tmp_path: Path) -> None:
    path = tmp_path / "SPY-1d.csv"
    stamped([f"{d:02d}/02/2024" for d in range(1, 10)], "Date").to_csv(path, index=False)
    assert "line 2, column 'Date': '01/02/2024'" in refused(path, "date_order='dmy' or 'mdy'")
    refused(path, "does not fit|unclear", date_order="mdy")


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("", "line 4, column 'time' has no time"),
        ("yesterday", "line 4, column 'time': 'yesterday' is not a time written like '2024-01-01T00:00:00Z'"),
        ("2024-02-30T00:00:00Z", "line 4, column 'time': '2024-02-30T00:00:00Z' is not a time"),
        ("2024-01-01T02:00:00", "some times name a zone and others do not"),
    ],
)
def test_a_bad_time_names_line_and_column(tmp_path: Path, cell: str, says: str) -> None:
    rows = [*ROWS]
    rows[2] = ",".join([cell, *rows[2].split(",")[1:]])
    refused(write(tmp_path, [HEADER, *rows]), says)


def test_mixed_and_unknown_epochs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    seconds: list[object] = [int(t.timestamp()) for t in HOURS]
    stamped([*seconds[:5], int(HOURS[5].timestamp() * 1000), *seconds[6:]]).to_csv(path, index=False)
    assert "line 7, column 'time': 1704085200000" in refused(path, "like the others in s")
    stamped(list(range(10))).to_csv(path, index=False)
    refused(path, "in s, ms, us or ns")
    stamped([45292 + i for i in range(10)]).to_csv(path, index=False)
    refused(path, "line 2, column 'time': 45292")


@pytest.mark.parametrize(
    ("cell", "says"),
    [("abc", "'abc' is not a number"), ('"1.234,5"', "is not a number"), ('"101,5"', "decimal comma")],
)
def test_a_bad_number_names_line_and_column(tmp_path: Path, cell: str, says: str) -> None:
    rows = [*ROWS]
    rows[5] = f"2024-01-01T05:00:00Z,105,107,104,{cell},15"
    assert "line 7, column 'close'" in refused(write(tmp_path, [HEADER, *rows]), says)


@pytest.mark.parametrize(
    ("row", "kind", "field"),
    [
        ("105,107,104,,15", "missing_value", "close"),
        ("105,107,104,null,15", "missing_value", "close"),
        ("105,107,104,inf,15", "infinite_value", "close"),
        ("105,107,104,-106,15", "price_not_positive", "close"),
        ("105,100,104,106,15", "high_below_low", "high"),
        ("105,107,104,106,-1", "negative_volume", "volume"),
        (",,,,", "missing_value", "open"),
    ],
)
def test_a_bad_bar_is_set_aside_and_listed(tmp_path: Path, row: str, kind: str, field: str) -> None:
    rows = [*ROWS]
    rows[5] = f"2024-01-01T05:00:00Z,{row}"
    file = read_bar_file(write(tmp_path, [HEADER, *rows]))
    found = file.findings.iloc[0]
    assert (len(file.bars), len(file.findings)) == (9, 1)
    assert (found["kind"], found["field"], found["symbol"], found["set_aside"]) == (kind, field, "BTC/USDT", True)
    assert found["time"] == HOURS[5]
    assert "line 7" in found["note"]


def test_repeated_bars_are_listed_and_contradictions_leave_none(tmp_path: Path) -> None:
    other = ROWS[7].replace(",17", ",18")
    file = read_bar_file(write(tmp_path, [HEADER, *ROWS[:4], ROWS[3], *ROWS[4:8], other, *ROWS[8:]]))
    assert file.findings["kind"].tolist() == ["duplicate", "conflicting_duplicate", "conflicting_duplicate"]
    assert [n.split(":")[0] for n in file.findings["note"]] == [f"BTCUSDT-1h.csv line {i}" for i in (6, 10, 11)]
    assert pd.DatetimeIndex(file.bars.index).equals(HOURS.delete(7))


def test_newest_first_is_turned_round_and_disorder_is_refused(tmp_path: Path) -> None:
    file = read_bar_file(write(tmp_path, [HEADER, *ROWS[::-1]]))
    assert pd.DatetimeIndex(file.bars.index).equals(HOURS)
    assert "rows were newest first; turned round" in file.notes
    refused(write(tmp_path, [HEADER, *ROWS[5:], *ROWS[:5]]), "line 7 has 2024-01-01 00:00:00.* after .*sort the file")


def test_files_that_hold_nothing_or_are_torn(tmp_path: Path) -> None:
    refused(write(tmp_path, [HEADER]), "header and no row")
    refused(write(tmp_path, ["", "", ""]), "no line of text")
    empty = tmp_path / "BTCUSDT-1h.parquet"
    empty.write_bytes(b"")
    refused(empty, "0 bytes")
    stamped(list(HOURS)).to_parquet(empty)
    empty.write_bytes(empty.read_bytes()[:-20])
    refused(empty, "not a readable Parquet file")
    packed = tmp_path / "BTCUSDT-1h.csv.gz"
    packed.write_bytes(gzip.compress("\n".join([HEADER, *ROWS]).encode())[:-12])
    refused(packed, "cannot be unpacked")
    feather = tmp_path / "BTCUSDT-1h.feather"
    feather.write_bytes(b"nothing of the kind")
    refused(feather, "not a readable Feather file")
    broken = tmp_path / "BTCUSDT-1h.json"
    broken.write_text("[[1704067200, 1, 2")
    refused(broken, "not JSON")
    refused(write(tmp_path, ["", HEADER, "", *ROWS[:8], ROWS[8][:30]]), r"line 12 has 4 cell\(s\) where 6 are expected")
    binary = tmp_path / "x.csv"
    binary.write_bytes(b"\xff\x00\x80" * 20)
    refused(binary, "UTF-8|zero bytes")


def test_wrong_places_and_kinds(tmp_path: Path) -> None:
    for path, says in [(tmp_path / "none.csv", "does not exist"), (tmp_path, "is a folder")]:
        with pytest.raises(DataError, match=says):
            read_bar_file(path)
    refused(write(tmp_path, [HEADER, *ROWS], "prices.xlsx"), "unknown kind")
    refused(write(tmp_path, [line.replace(",", " # ") for line in [HEADER, *ROWS]]), "one column only")


def test_columns_that_lack_or_double(tmp_path: Path) -> None:
    refused(write(tmp_path, ["time,open,high,low,volume", "2024-01-01,1,2,1,5"]), "no column for close")
    refused(write(tmp_path, ["a,open,high,low,close", "2024-01-01,1,2,1,1"]), "no column of times")
    refused(write(tmp_path, ["time,price,amount", "2024-01-01,1,2"]), "list of trades")
    double = [HEADER + ",Close", *(f"{row},1" for row in ROWS)]
    refused(write(tmp_path, double), "2 columns could be the close")
    refused(write(tmp_path, ["1704067200,1,2,3", "1704070800,1,2,3"]), "4 columns without a header are not bars")


def test_two_columns_of_times_must_agree(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    frame = stamped([int(t.timestamp()) for t in HOURS], "unix", date=[f"{t:%Y-%m-%d %H:%M:%S}" for t in HOURS])
    frame.to_csv(path, index=False)
    assert "times are those of 'unix'; 'date' agrees" in read_bar_file(path).notes
    frame.loc[4, "date"] = "2024-01-02 04:00:00"
    frame.to_csv(path, index=False)
    refused(path, "line 6: column 'unix' says 2024-01-01 04:00:00.*column 'date' 2024-01-02 04:00:00")


def test_date_and_clock_in_two_columns(tmp_path: Path) -> None:
    rows = [r.replace("T", ",").replace("Z", "").replace("2024-01-01", "2024.01.01") for r in ROWS]
    assert hours(write(tmp_path, ["<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", *rows])).equals(HOURS)


def test_exchange_layouts_without_a_header(tmp_path: Path) -> None:
    kline = [[int(t.timestamp() * 1000), "1", "2", "0.5", "1.5", "7", 0, "9", 3, "1", "1", "0"] for t in HOURS]
    path = tmp_path / "BTCUSDT-1h-2024-01.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BTCUSDT-1h-2024-01.csv", "\n".join(",".join(map(str, row)) for row in kline))
    file = read_bar_file(path)
    assert (len(file.bars), file.timeframe, file.symbols) == (10, "1h", ("BTC/USDT",))
    assert file.bars.iloc[0].tolist() == [1.0, 2.0, 0.5, 1.5, 7.0]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.csv", "x")
    refused(path, "holds 2 files")
    plain = tmp_path / "BTCUSDT-1h.json"
    plain.write_text(json.dumps(kline))
    assert len(read_bar_file(plain).bars) == 10
    plain.write_text(json.dumps([*kline, [1, 2]]))
    refused(plain, "row 11 is 2 values where 12 values are expected")


@pytest.mark.parametrize("shape", ["records", "lists", "wrapped", "lines"])
def test_json_of_objects(tmp_path: Path, shape: str) -> None:
    records = [{"t": int(t.timestamp() * 1000), "o": 1.0, "h": 2, "l": 0.5, "c": "1.5", "v": 3} for t in HOURS]
    text = {
        "records": json.dumps(records),
        "lists": json.dumps({k: [r[k] for r in records] for k in records[0]}),
        "wrapped": json.dumps({"status": "OK", "results": records}),
        "lines": "\n".join(map(json.dumps, records)),
    }[shape]
    path = tmp_path / "BTCUSDT-1h.json"
    path.write_text(text)
    assert hours(path).equals(HOURS)


def test_parquet_and_feather_with_or_without_an_index(tmp_path: Path) -> None:
    frame = stamped(list(HOURS), "timestamp")
    frame.to_parquet(tmp_path / "BTCUSDT-1h.parquet")
    frame.set_index("timestamp").to_parquet(tmp_path / "ETHUSDT-1h.parquet")
    frame.assign(timestamp=HOURS.tz_localize(None)).to_feather(tmp_path / "SOLUSDT-1h.feather")
    read = [read_bar_file(p) for p in sorted(tmp_path.iterdir())]
    assert [f.symbols for f in read] == [("BTC/USDT",), ("ETH/USDT",), ("SOL/USDT",)]
    assert all(pd.DatetimeIndex(f.bars.index).equals(HOURS) for f in read)
    assert "times without a zone, taken as UTC" in read[2].notes


def test_our_own_bars_come_back(tmp_path: Path) -> None:
    from workbench.data import synthetic_market

    bars, _ = synthetic_market("gbm(seed=1, n_bars=50)", ["A/B", "C"], "4h")
    bars.to_parquet(tmp_path / "mine.parquet")
    pd.testing.assert_frame_equal(read_bar_file(tmp_path / "mine.parquet").bars, bars, check_freq=False)


def test_symbols_in_a_column_become_series(tmp_path: Path) -> None:
    rows = [f"{row},{s}" for row in ROWS for s in ("BTCUSDT", "ETHUSDT")]
    path = write(tmp_path, [HEADER + ",symbol", *rows], "market.csv")
    assert read_bar_file(path).symbols == ("BTC/USDT", "ETH/USDT")
    assert read_bar_file(path, symbol="ETH/USDT").symbols == ("ETH/USDT",)
    refused(path, "holds BTC/USDT, ETH/USDT, not 'SOL/USDT'", symbol="SOL/USDT")
    one = write(tmp_path, [HEADER + ",ticker", *(f"{row},ETHUSDT" for row in ROWS)])
    refused(one, "its name says 'BTC/USDT' but its column says 'ETH/USDT'")


def test_the_symbol_must_be_known_and_the_bar_length_must_fit(tmp_path: Path) -> None:
    path = write(tmp_path, [HEADER, *ROWS], "prices.csv")
    refused(path, "give it, such as symbol=")
    assert read_bar_file(path, symbol="MY.X").symbols == ("MY.X",)
    refused(path, "'4h' does not fit: 100% of the bars are 1h apart", symbol="X", timeframe="4h")
    refused(write(tmp_path, [HEADER, *ROWS], "SPY-1d.csv"), "its name: the time frame '1d' does not fit")
    refused(write(tmp_path, [HEADER, ROWS[0]], "SPY.csv"), "1 bar")


def test_bad_arguments(tmp_path: Path) -> None:
    path = write(tmp_path, [HEADER, *ROWS])
    for named, says in [
        ({"symbol": "../x"}, "not valid"),
        ({"timeframe": "1hour"}, "m, h, d or w"),
        ({"date_order": "ymd"}, "date_order"),
        ({"price_scale": 0.0}, "price_scale"),
    ]:
        with pytest.raises(DataError, match=says):
            read_bar_file(path, **named)  # type: ignore[arg-type]  # wrong ones are the point


def test_an_import_is_reported_kept_and_repeatable(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    rows = [*ROWS]
    rows[5] = "2024-01-01T05:00:00Z,0,107,0,106,15"
    path = write(tmp_path, [HEADER, *rows, ROWS[9]])
    report = import_file(path, store)
    one = report.series[0]
    assert (one.symbol, one.version, one.is_new_version, one.n_bars, one.n_set_aside) == ("BTC/USDT", 1, True, 9, 2)
    assert report.frame()["file"].tolist() == ["BTCUSDT-1h.csv"]
    assert not import_file(path, store).series[0].is_new_version
    quality = store.quality("import", "BTC/USDT", "1h")
    assert quality.findings["kind"].tolist() == ["price_not_positive", "gap", "duplicate"]
    assert quality.findings["set_aside"].tolist() == [True, False, True]
    assert not quality.ok
    mended = write(tmp_path, [HEADER, *ROWS])
    assert import_file(mended, store).series[0].version == 2
    assert len(store.quality("import", "BTC/USDT", "1h").findings) == 2
    import_file(mended, store, mode="replace")
    assert store.newest_version("import", "BTC/USDT", "1h") == 2
    store.write("import", "BTC/USDT", "1h", read_bar_file(mended).bars.iloc[:8], "replace")
    assert store.quality("import", "BTC/USDT", "1h").findings.empty
    assert len(store.quality("import", "BTC/USDT", "1h", version=1).findings) == 3


def test_one_bad_file_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    good = write(tmp_path, [HEADER, *ROWS])
    bad = write(tmp_path, [HEADER], "ETHUSDT-1h.csv")
    with pytest.raises(DataError):
        import_files([good, bad], store)
    assert store.list().empty
    for source in ("sample", "gbm", "Bad-Name"):
        with pytest.raises(DataError, match="source"):
            import_file(good, store, source)


def test_findings_that_are_damaged_are_one_line(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    import_file(write(tmp_path, [HEADER, *ROWS, ROWS[9]]), store)
    next(store.root.rglob("import_findings.json")).write_text("{")
    with pytest.raises(DataError, match="import again"):
        store.quality("import", "BTC/USDT", "1h")
    assert len(store.read("import", "BTC/USDT", "1h")) == 10
