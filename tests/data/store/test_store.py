"""The store: versions, what each way of writing does, names on disk."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import BarStore, bars_of, content_hash, symbol_frame, synthetic_market
from workbench.data.store.names import check_symbol, from_folder, to_folder
from workbench.errors import BarsError, DataError


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars")


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return synthetic_market("gbm(seed=9, n_bars=300)", ["BTC/USDT"], "1h")[0]


def put(store: BarStore, bars: pd.DataFrame, mode: str = "merge") -> int:
    return store.write("import", "BTC/USDT", "1h", bars, mode)  # type: ignore[arg-type]  # also wrong modes are tried


def got(store: BarStore, **named: object) -> pd.DataFrame:
    return store.read("import", "BTC/USDT", "1h", **named)  # type: ignore[arg-type]  # names as in read


def test_what_is_written_is_read_to_the_bit(store: BarStore, bars: pd.DataFrame) -> None:
    assert put(store, bars) == 1
    pd.testing.assert_frame_equal(got(store), bars, check_freq=False)
    assert content_hash(got(store)) == content_hash(bars)
    assert str(got(store).index.dtype) == "datetime64[us, UTC]"


def test_writing_the_same_again_makes_no_new_version(store: BarStore, bars: pd.DataFrame) -> None:
    for mode in ("merge", "append", "replace", "merge"):
        assert put(store, bars, mode) == 1
    assert put(store, bars.iloc[50:60]) == 1
    assert len(store.versions("import", "BTC/USDT", "1h")) == 1


def test_every_version_stays_readable(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[100:200])
    put(store, bars.iloc[200:], "append")
    put(store, bars.iloc[:100])
    put(store, bars.iloc[10:20], "replace")
    sizes = [len(got(store, version=v)) for v in (1, 2, 3, 4)]
    assert sizes == [100, 200, 300, 10]
    assert content_hash(got(store, version=3)) == content_hash(bars)
    told = store.versions("import", "BTC/USDT", "1h")
    assert told["mode"].tolist() == ["merge", "append", "merge", "replace"]
    assert told["rows_written"].tolist() == [100, 100, 100, 10]


@pytest.mark.slow
def test_many_versions_outlive_the_checkpoints_of_the_log(store: BarStore, bars: pd.DataFrame) -> None:
    for i in range(110):
        put(store, bars.iloc[2 * i : 2 * i + 2], "append")
    assert store.newest_version("import", "BTC/USDT", "1h") == 110
    assert [len(got(store, version=v)) for v in (1, 49, 50, 51, 100, 110)] == [2, 98, 100, 102, 200, 220]
    assert content_hash(got(store)) == content_hash(bars.iloc[:220])
    entry = store.root / "import" / "1h" / "BTC~2FUSDT" / "_delta_log" / f"{65:020d}.json"
    assert '"remove"' in entry.read_text()  # the 65th write gathered the files of the 64 before it


def test_slices_are_half_open(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[:150])
    put(store, bars.iloc[150:])
    part = got(store, start="2020-01-05", end="2020-01-08 12:00")
    pd.testing.assert_frame_equal(part, bars.loc["2020-01-05":"2020-01-08 11:00"], check_freq=False)
    with pytest.raises(DataError, match=r"no bar from 2030-01-01 to the end; it holds 2020-01-01 00:00 to 2020-01-13"):
        got(store, start="2030-01-01")
    with pytest.raises(DataError, match="exchange them"):
        got(store, start="2020-01-08", end="2020-01-05")


def test_a_contradiction_is_refused_and_nothing_changes(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[:100])
    other = bars.iloc[90:120].copy()
    other.iloc[5, other.columns.get_loc(("volume", "BTC/USDT"))] += 1
    for mode in ("merge", "append"):
        with pytest.raises(BarsError, match=r"2020-01-04 23:00 with volume .*1 bar\(s\) differ") as told:
            put(store, other, mode)
        assert (told.value.field, told.value.symbol) == ("volume", "BTC/USDT")
    assert store.newest_version("import", "BTC/USDT", "1h") == 1
    assert put(store, other, "replace") == 2


def test_append_refuses_what_does_not_come_last(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[10:20])
    with pytest.raises(DataError, match="lies before its last bar"):
        put(store, bars.iloc[:5], "append")
    assert put(store, bars.iloc[15:25], "append") == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: b.iloc[::-1], "sort by time"),
        (lambda b: b.rename(columns={"BTC/USDT": "ETH/USDT"}, level=1), "'BTC/USDT' alone, got bars of ETH/USDT"),
        (lambda b: b * float("nan"), "no traded bar"),
        (
            lambda b: b.set_axis(b.index.as_unit("ns") + pd.Timedelta(1, "ns"), axis=0).rename_axis(index="time"),
            "microsecond",
        ),
    ],
)
def test_bars_pass_the_door_first(store: BarStore, bars: pd.DataFrame, change: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        put(store, change(bars))  # type: ignore[operator]  # the parameters above are functions
    assert store.list().empty


def test_unknown_names_are_told(store: BarStore, bars: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="The store is empty"):
        got(store)
    put(store, bars)
    for arguments, says in [
        (("imprt", "BTC/USDT", "1h"), "Did you mean 'import'"),
        (("import", "BTC/USD", "1h"), "Did you mean 'BTC/USDT'"),
        (("import", "BTC/USDT", "4h"), "stored at 1h, not at 4h"),
        (("import", "X", "4h"), "no series at 4h"),
        (("import", "BTC/USDT", "1x"), "m, h, d or w"),
        (("Import", "BTC/USDT", "1h"), "lower-case"),
    ]:
        with pytest.raises(DataError, match=says):
            store.read(*arguments)
    with pytest.raises(DataError, match="versions are 1 to 1"):
        got(store, version=2)
    with pytest.raises(DataError, match="unknown write mode 'mrege'. Did you mean 'merge'"):
        put(store, bars, "mrege")


def test_the_list_says_what_is_there(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars)
    store.write("other", "BTC/USDT", "60m", bars)
    listed = store.list()
    assert listed[["source", "symbol", "timeframe", "bars", "version", "status"]].to_numpy().tolist() == [
        ["import", "BTC/USDT", "1h", 300, 1, "ok"],
        ["other", "BTC/USDT", "1h", 300, 1, "ok"],
    ]
    assert (listed["first"] == bars.index[0]).all()
    assert (listed["last"] == bars.index[-1]).all()
    assert (listed["bytes"] > 1000).all()
    assert store.sources() == ("import", "other")
    assert store.symbols("import", "1h") == ("BTC/USDT",)


@pytest.mark.parametrize("folder", ["my bärs & co", "100%", "50%20"])
def test_a_folder_of_any_name_works(tmp_path: Path, bars: pd.DataFrame, folder: str) -> None:
    store = BarStore(tmp_path / folder)
    put(store, bars)
    assert len(got(store)) == 300


@pytest.mark.parametrize("symbol", ["", "..", "../up", "a b", "A+B", "A@1", "x" * 41, "/etc", "A\nB", "A\x00", "~2F"])
def test_a_symbol_that_could_leave_its_folder_is_refused(symbol: str) -> None:
    with pytest.raises(DataError, match="not valid"):
        check_symbol(symbol)


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9^][A-Za-z0-9._/:^=\-]{0,39}", fullmatch=True))
def test_folder_names_are_safe_and_one_to_one(symbol: str) -> None:
    folder = to_folder(check_symbol(symbol))
    assert from_folder(folder) == symbol
    assert not set(folder) & set('./\\:*?"<>| ')


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 299), st.integers(1, 120)), min_size=1, max_size=5))
def test_merging_any_pieces_gives_their_union(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int]]
) -> None:
    bars = synthetic_market("gbm(seed=9, n_bars=300)", ["A"], "1h")[0]
    store = BarStore(tmp_path_factory.mktemp("merge"))
    rows: set[int] = set()
    for start, length in pieces:
        part = bars.iloc[start : start + length]
        before = len(rows)
        rows |= set(range(start, min(start + length, 300)))
        old = store.newest_version("import", "A", "1h")
        version = store.write("import", "A", "1h", part)
        assert version == old + (len(rows) > before)
    pd.testing.assert_frame_equal(store.read("import", "A", "1h"), bars.iloc[sorted(rows)], check_freq=False)


def test_writers_of_one_series_take_turns(store: BarStore, bars: pd.DataFrame) -> None:
    pieces = [bars.iloc[i : i + 30] for i in range(0, 300, 30)]
    threads = [threading.Thread(target=put, args=(store, p)) for p in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert content_hash(got(store)) == content_hash(bars)
    assert store.newest_version("import", "BTC/USDT", "1h") == 10


def test_bars_of_a_union_with_gaps_keep_their_holes(store: BarStore, bars: pd.DataFrame) -> None:
    frame = symbol_frame(bars, "BTC/USDT")
    put(store, bars_of({"BTC/USDT": frame.drop(frame.index[100:150])}))
    report = store.quality("import", "BTC/USDT", "1h")
    assert report.count("gap") == 1
    assert report.summary.loc["BTC/USDT", "missing_bars"] == 50
