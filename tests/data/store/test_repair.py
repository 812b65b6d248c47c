"""What verify finds and what repair saves: damaged data files, log entries, images; files of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from workbench.data import BarStore, RecordStore, bars_of, content_hash, synthetic_market
from workbench.errors import DataError


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return synthetic_market("gbm(seed=9, n_bars=300)", ["A"], "1h")[0]


@pytest.fixture
def store(tmp_path: Path, bars: pd.DataFrame) -> BarStore:
    """Three versions: 100, 200 and 300 bars, one file more in each."""
    store = BarStore(tmp_path / "bars", image=False)
    for i in (0, 100, 200):
        put(store, bars.iloc[i : i + 100])
    return store


def put(store: BarStore, bars: pd.DataFrame, mode: str = "merge") -> int:
    return store.write("x", "A", "1h", bars, mode)  # type: ignore[arg-type]  # a mode


def folder(store: BarStore) -> Path:
    return store.root / "x" / "1h" / "A"


def file(store: BarStore, version: int) -> Path:
    (path,) = folder(store).glob(f"bars-{version:08d}-*.parquet")
    return path


def entry(store: BarStore, version: int) -> Path:
    return folder(store) / "_delta_log" / f"{version:020d}.json"


def flip(path: Path, share: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0x04
    path.write_bytes(data)


def verified(store: BarStore, **named: Any) -> pd.Series:
    return store.verify(**named).iloc[0]


def span(bars: pd.DataFrame, first: int, last: int, rows: int) -> list[list[Any]]:
    return [[bars.index[first], bars.index[last], rows]]


def check_whole_log(store: BarStore) -> None:
    """Any Delta reader still opens the newest version and sees the same bars."""
    read = pa.table(DeltaTable(str(folder(store))).to_pyarrow_dataset().to_table()).sort_by("time")
    assert read["close"].to_pylist() == store.read("x", "A", "1h")["close"]["A"].tolist()


def test_a_sound_store_is_sound(store: BarStore) -> None:
    told = verified(store)
    assert told.to_dict() == {
        "source": "x", "symbol": "A", "timeframe": "1h", "version": 3,
        "status": "sound", "damaged_versions": "", "findings": "",
    }  # fmt: skip
    report = store.repair("x", "A", "1h")
    assert (report.version, report.quarantine, report.moved) == (None, None, ())
    assert store.newest_version("x", "A", "1h") == 3


@pytest.mark.parametrize("how", ["flip", "short", "empty", "gone", "other file"])
def test_a_damaged_file_is_found_and_its_bars_are_named(store: BarStore, bars: pd.DataFrame, how: str) -> None:
    path = file(store, 2)
    name = path.name
    if how == "flip":
        flip(path)
    elif how == "gone":
        path.unlink()
    else:
        data = {"short": path.read_bytes()[:500], "empty": b"", "other file": file(store, 1).read_bytes()}[how]
        path.write_bytes(data)
    told = verified(store)
    assert (told["status"], told["damaged_versions"]) == ("damaged", "2-3")
    assert name in told["findings"]
    with pytest.raises(DataError, match=name):
        store.read("x", "A", "1h")
    assert len(store.read("x", "A", "1h", end=bars.index[100])) == 100  # that file is not needed
    report = store.repair("x", "A", "1h")
    assert report.version == 4
    assert report.lost.to_numpy().tolist() == span(bars, 100, 199, 100)
    assert report.moved == (() if how == "gone" else (name,))
    assert f"lost: 100 row(s) from {bars.index[100]:%Y-%m-%d %H:%M}" in "\n".join(report.lines())
    if how != "gone":
        assert (report.quarantine / name).is_file()  # type: ignore[operator]  # it is a path then
    rest = pd.concat([bars.iloc[:100], bars.iloc[200:]])
    assert content_hash(store.read("x", "A", "1h")) == content_hash(rest)
    assert content_hash(store.read("x", "A", "1h", version=1)) == content_hash(bars.iloc[:100])
    assert verified(store)["status"] == "sound"
    assert put(store, bars) == 5  # fetched again
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    check_whole_log(store)


def test_rows_are_saved_from_older_files(tmp_path: Path, bars: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.data.store.writing.MOST_PARTS", 33)
    store = BarStore(tmp_path / "bars", image=False)
    for i in range(0, 175, 5):
        put(store, bars.iloc[i : i + 5])
    before = store.read("x", "A", "1h")
    flip(max(folder(store).glob("bars-*.parquet"), key=lambda p: p.stat().st_size))
    with pytest.raises(DataError):
        store.read("x", "A", "1h")
    report = store.repair("x", "A", "1h")
    assert report.recovered >= 160
    assert len(report.lost) == 1  # the bars of the very write that gathered
    assert report.lost["rows"].tolist() == [5]
    gathered = report.lost["first"][0]
    lost = before.index[(before.index >= gathered) & (before.index <= report.lost["last"][0])]
    assert content_hash(store.read("x", "A", "1h")) == content_hash(before.drop(lost))
    check_whole_log(store)


def test_rows_are_saved_from_the_image(store: BarStore, bars: pd.DataFrame) -> None:
    BarStore(store.root).read("x", "A", "1h")
    flip(file(store, 2))
    assert content_hash(BarStore(store.root).read("x", "A", "1h")) == content_hash(bars)  # the image is whole
    assert verified(store)["status"] == "damaged"
    report = store.repair("x", "A", "1h")
    assert (report.recovered, len(report.lost)) == (100, 0)
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    assert store.provenance("x", "A", "1h")["repaired"].tolist() == [False] * 100 + [True] * 100 + [False] * 100


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.95])
def test_a_flipped_newest_entry_loses_nothing(store: BarStore, bars: pd.DataFrame, share: float) -> None:
    flip(entry(store, 3), share)
    told = verified(store)
    assert (told["status"], told["damaged_versions"]) == ("damaged", "3")
    with pytest.raises(DataError, match="version"):
        store.read("x", "A", "1h")
    report = store.repair("x", "A", "1h")
    assert (report.version, report.given_up) == (4, (3,))
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    with pytest.raises(DataError, match="version 3 was lost to damage"):
        store.read("x", "A", "1h", version=3)
    assert len(store.read("x", "A", "1h", version=2)) == 200
    assert verified(store)["status"] == "sound"
    assert store.versions("x", "A", "1h")["version"].tolist() == [1, 2, 4]
    check_whole_log(store)


@pytest.mark.parametrize("how", ["torn", "empty"])
def test_an_unreadable_newest_entry_is_replaced_by_what_its_files_hold(
    store: BarStore, bars: pd.DataFrame, how: str
) -> None:
    path = entry(store, 3)
    path.write_bytes(path.read_bytes()[:200] if how == "torn" else b"")
    report = store.repair("x", "A", "1h")
    assert report.recovered == 100
    assert report.lost["rows"].tolist() == [-1]  # nobody knows whether there was more
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    assert "rows of unknown number from 2020-01-13 12:00 on" in "\n".join(report.lines())
    assert verified(store)["status"] == "sound"
    check_whole_log(store)


@pytest.mark.parametrize("how", ["flip", "gone"])
def test_a_damaged_older_entry_costs_its_version_alone(store: BarStore, bars: pd.DataFrame, how: str) -> None:
    flip(entry(store, 2)) if how == "flip" else entry(store, 2).unlink()
    assert len(store.read("x", "A", "1h")) == 300
    assert verified(store)["damaged_versions"] == "2"
    report = store.repair("x", "A", "1h")
    assert (report.version, report.given_up, report.recovered) == (None, (2,), 0)
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    assert verified(store)["status"] == "sound"
    check_whole_log(store)


def test_a_damaged_first_entry_is_made_anew(store: BarStore) -> None:
    flip(entry(store, 0), 0.9)
    assert verified(store)["status"] == "damaged"
    store.repair("x", "A", "1h")
    assert verified(store)["status"] == "sound"
    check_whole_log(store)


def test_files_of_others_are_never_used_and_moved(store: BarStore, bars: pd.DataFrame) -> None:
    stray = folder(store) / "stray.parquet"
    stray.write_bytes(file(store, 1).read_bytes())
    (folder(store) / "_delta_log" / "notes.txt").write_text("hello")
    assert len(store.read("x", "A", "1h")) == 300
    told = verified(store)
    assert (told["status"], told["damaged_versions"]) == ("foreign", "")
    report = store.repair("x", "A", "1h")
    assert sorted(report.moved) == ["notes.txt", "stray.parquet"]
    assert report.version is None
    assert verified(store)["status"] == "sound"
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)


@pytest.mark.parametrize("number", [4, 90])
def test_an_entry_of_another_program_is_never_used_and_moved(store: BarStore, bars: pd.DataFrame, number: int) -> None:
    entry(store, number).write_text('{"commitInfo":{"operation":"DELETE"}}\n{"remove":{"path":"x"}}\n')
    with pytest.raises(DataError, match="not written by this store"):
        store.read("x", "A", "1h")
    with pytest.raises(DataError, match="not written by this store"):
        put(store, bars.iloc[:10])
    assert verified(store)["status"] in ("foreign", "damaged")
    report = store.repair("x", "A", "1h")
    assert report.moved == (f"{number:020d}.json",)
    assert report.given_up == ()
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)
    assert store.newest_version("x", "A", "1h") == 3
    assert verified(store)["status"] == "sound"


def test_leftovers_of_killed_writers_are_no_damage(store: BarStore) -> None:
    (folder(store) / "bars-00000004-x0123456789abcdef.parquet").write_bytes(b"half")
    (folder(store) / ".bars-00000004.x.part").write_bytes(b"half")
    assert verified(store)["status"] == "leftovers"
    assert len(store.repair("x", "A", "1h").moved) == 2
    assert verified(store)["status"] == "sound"


def test_a_shallow_look_reads_no_data(store: BarStore) -> None:
    flip(file(store, 2))
    assert verified(store, deep=False)["status"] == "sound"
    file(store, 2).write_bytes(b"")
    assert verified(store, deep=False)["status"] == "damaged"


def test_verify_takes_only_what_is_asked(store: BarStore, bars: pd.DataFrame) -> None:
    store.write("y", "B/USDT", "60m", bars_of({"B/USDT": bars.droplevel("symbol", axis=1)}))
    assert len(store.verify()) == 2
    assert store.verify("y")["symbol"].tolist() == ["B/USDT"]
    assert store.verify(symbol="A")["source"].tolist() == ["x"]
    assert store.verify(timeframe="60m")["timeframe"].tolist() == ["1h", "1h"]
    assert store.verify("z").empty
    with pytest.raises(DataError, match="no source 'z'"):
        store.repair("z", "A", "1h")


def test_everything_lost_is_said_and_the_series_can_be_filled_again(tmp_path: Path, bars: pd.DataFrame) -> None:
    store = BarStore(tmp_path, image=False)
    put(store, bars)
    file(store, 1).write_bytes(b"")
    report = store.repair("x", "A", "1h")
    assert report.lost.to_numpy().tolist() == span(bars, 0, 299, 300)
    with pytest.raises(DataError, match="no bar"):
        store.read("x", "A", "1h")
    put(store, bars)
    assert content_hash(store.read("x", "A", "1h")) == content_hash(bars)


def test_records_are_verified_and_repaired_alike(tmp_path: Path) -> None:
    records = RecordStore(tmp_path)
    index = pd.DatetimeIndex(pd.to_datetime(range(40), unit="s", utc=True), name="time").as_unit("us")
    ids = [str(i) for i in range(40)]
    trades = pd.DataFrame({"id": ids, "price": 1.0, "amount": 2.0, "side": "buy"}, index=index)
    for i in (0, 20):
        records.write("trades", "kraken", "X", trades.iloc[i : i + 20])
    flip(next((tmp_path / "trades" / "kraken" / "X").glob("trades-00000002-*.parquet")))
    assert records.verify().loc[0, ["kind", "status", "damaged_versions"]].tolist() == ["trades", "damaged", "2"]
    report = records.repair("trades", "kraken", "X")
    assert report.lost["rows"].tolist() == [20]
    assert len(records.read("trades", "kraken", "X")) == 20
    assert records.verify()["status"].tolist() == ["sound"]
