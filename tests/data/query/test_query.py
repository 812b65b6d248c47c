"""SQL over the store: what it sees, what it opens, what it refuses, and what it says when it cannot answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.config import Settings
from workbench.data import bars_of, open_store
from workbench.data.store.records import open_records
from workbench.errors import DataError

Fill = Callable[..., pd.DataFrame]


@pytest.fixture
def fill(settings: Settings) -> Fill:
    """Write hourly bars whose close counts from ``base``."""

    def write(
        symbol: str,
        source: str = "venue",
        n: int = 48,
        start: str = "2024-01-01",
        base: float = 100.0,
        **options: object,
    ) -> pd.DataFrame:
        times = pd.date_range(start, periods=n, freq="h", tz="UTC", name="time")
        close = base + np.arange(n, dtype=float)
        flat = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close), index=times)
        bars = bars_of({symbol: flat.assign(volume=1.0)})
        open_store(settings).write(source, symbol, "1h", bars, **options)  # type: ignore[arg-type]
        return bars

    return write


def parquet_of(settings: Settings, symbol: str) -> list[Path]:
    return sorted((settings.data_dir / "bars").glob(f"*/*/{symbol}/*.parquet"))


def test_bars_are_those_of_the_store(settings: Settings, fill: Fill) -> None:
    bars = fill("A/B")
    answer = wb.sql("select * from bars order by time", settings)
    assert list(answer.columns) == [
        "source", "symbol", "timeframe", "time", "open", "high", "low", "close", "volume", "venue", "repaired",
    ]  # fmt: skip
    assert (answer["time"] == bars.index).all()
    assert str(answer["time"].dt.tz) == "UTC"
    np.testing.assert_array_equal(answer["close"], bars[("close", "A/B")])
    first = answer.iloc[0]
    assert first[["source", "symbol", "timeframe", "venue"]].tolist() == ["venue", "A/B", "1h", "venue"]
    assert not answer["repaired"].any()


def test_a_time_filter_is_exact_to_the_microsecond(settings: Settings, fill: Fill) -> None:
    fill("A")
    count = "select count(*) as n from bars where symbol = 'A' and time {}"
    for condition, n in [
        (">= '2024-01-01 05:00'", 43),
        (">= '2024-01-01 05:00:00.000001'", 42),
        ("< '2024-01-01 05:00'", 5),
        ("= '2024-01-02'", 1),
        ("between '2024-01-01 01:00' and '2024-01-01 02:00'", 2),
        ("> '2030-01-01'", 0),
    ]:
        assert wb.sql(count.format(condition), settings)["n"].item() == n, condition


def test_provenance_of_each_bar(settings: Settings, fill: Fill) -> None:
    times = pd.date_range("2024-01-01", periods=48, freq="h", tz="UTC", name="time")
    where = pd.DataFrame({"source": ["venue"] * 40 + ["other"] * 8, "repaired": [False] * 47 + [True]}, index=times)
    fill("A", provenance=where)
    answer = wb.sql("select source, venue, repaired, count(*) as n from bars group by all order by all", settings)
    rows = [tuple(r) for r in answer.itertuples(index=False)]
    assert rows == [("venue", "other", False, 7), ("venue", "other", True, 1), ("venue", "venue", False, 40)]


def test_files_that_a_filter_rules_out_stay_shut(settings: Settings, fill: Fill) -> None:
    """All other files hold rubbish of the right size: opening one of them fails."""
    for number in range(20):
        fill(f"S{number:02d}")
    fill("S07", start="2024-02-01")
    kept = parquet_of(settings, "S07")[0]
    for path in (settings.data_dir / "bars").glob("*/*/*/*.parquet"):
        if path != kept:
            path.write_bytes(b"\xff" * path.stat().st_size)
    totals = "select count(*) as n, sum(close) as total from bars where {}"
    month = "symbol = 'S07' and time < '2024-02-01'"
    for condition in (month, f"{month} and source = 'venue' and timeframe = '1h'", f"symbol in ('S07') and {month}"):
        answer = wb.sql(totals.format(condition), settings)
        assert answer.iloc[0].tolist() == [48, 100 * 48 + 47 * 24]
    with pytest.raises(DataError, match="a stored file is damaged, so the query has no answer"):
        wb.sql("select sum(close) from bars where symbol = 'S07'", settings)


def test_joins_groups_pivots_and_parameters(settings: Settings, fill: Fill) -> None:
    fill("A")
    fill("B", base=200.0)
    wide = wb.sql("pivot (select time, symbol, close from bars) on symbol using first(close) order by time", settings)
    assert wide[["A", "B"]].iloc[-1].tolist() == [147.0, 247.0]
    days = wb.sql(
        "select symbol, time::date as day, count(*) as n, sum(repaired::int) as fixed from bars "
        "where symbol = $s group by all order by all",
        settings,
        {"s": "B"},
    )
    assert days["day"].tolist() == [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-02", tz="UTC")]
    assert days["n"].tolist() == [24, 24]
    assert days["fixed"].dtype == np.int64
    since = wb.sql("select count(*) as n from bars where time >= ?", settings, [pd.Timestamp("2024-01-02", tz="UTC")])
    assert since["n"].item() == 48


def test_frames_join_the_store(settings: Settings, fill: Fill) -> None:
    bars = fill("A")
    marks = pd.Series([1.0, 2.0], index=bars.index[[3, 5]], name="signal")
    joined = wb.sql("select close, signal from bars join marks using (time) order by time", settings, marks=marks)
    assert joined.to_numpy().tolist() == [[103.0, 1.0], [105.0, 2.0]]
    same = wb.sql(
        "select count(*) as n from mine m join bars b on m.symbol = b.symbol and m.time = b.time "
        "and m.close = b.close and m.volume = b.volume",
        settings,
        mine=bars,
    )
    assert same["n"].item() == len(bars)


def test_the_series_and_their_versions(settings: Settings, fill: Fill) -> None:
    fill("A")
    fill("A", start="2024-01-03")
    fill("B")
    table = wb.sql("select * from series order by symbol", settings)
    listed = open_store(settings).list()
    pd.testing.assert_frame_equal(table, listed, check_dtype=False, check_index_type=False)
    assert table.attrs["versions"] == {"venue:1h:A": 2, "venue:1h:B": 1}


def test_an_answer_can_be_asked_again_at_its_versions(settings: Settings, fill: Fill) -> None:
    fill("A")
    query = "select count(*) as n from bars"
    before = wb.sql(query, settings)
    fill("A", start="2024-01-03")
    fill("B")
    assert wb.sql(query, settings)["n"].item() == 144
    again = wb.sql(query + " where symbol = 'A'", settings, version=before.attrs["versions"])
    assert again["n"].item() == before["n"].item() == 48
    with pytest.raises(DataError, match=r"'venue:1h:C', which this query does not read. Did you mean 'venue:1h:"):
        wb.sql(query, settings, version={"venue:1h:C": 1})
    with pytest.raises(DataError, match="venue:1h:A has no version 9; its versions are 1 to 2"):
        wb.sql(query, settings, version={"venue:1h:A": 9})


def test_the_store_as_it_was_at_a_time(settings: Settings, fill: Fill) -> None:
    fill("A")
    written = open_store(settings).versions("venue", "A", "1h")["updated"].iloc[0]
    moment = pd.Timestamp(written)
    while pd.Timestamp.now("UTC").floor("ms") <= moment:  # versions carry whole milliseconds
        pass
    fill("A", start="2024-01-03")
    fill("B")
    query = "select count(*) as n from bars"
    assert wb.sql(query, settings, at=moment)["n"].item() == 48
    assert wb.sql(query, settings, at=moment - pd.Timedelta(1, unit="ms"))["n"].item() == 0
    assert wb.sql(query, settings, at="2999-01-01")["n"].item() == 144
    with pytest.raises(DataError, match="at= or version=, not both"):
        wb.sql(query, settings, at=moment, version={"venue:1h:A": 1})
    with pytest.raises(DataError, match="'yesterday-ish' is not a date"):
        wb.sql(query, settings, at="yesterday-ish")


def test_a_torn_newest_version_is_told_and_the_one_before_is_read(settings: Settings, fill: Fill) -> None:
    fill("A")
    fill("A", start="2024-01-03")
    newest = parquet_of(settings, "A")[-1]
    newest.write_bytes(newest.read_bytes()[:-10])
    answer = wb.sql("select count(*) as n from bars", settings)
    assert answer["n"].item() == 48
    assert answer.attrs["versions"] == {"venue:1h:A": 1}
    assert len(answer.attrs["notes"]) == 1
    assert "is read at version 1, not 2" in answer.attrs["notes"][0]
    assert newest.name in wb.sql("select status from series", settings)["status"].item()
    with pytest.raises(DataError, match=f"version 2 of venue:1h:A is damaged: {newest.name}"):
        wb.sql("select count(*) from bars", settings, version={"venue:1h:A": 2})


def test_flipped_bits_never_become_an_answer(settings: Settings, fill: Fill) -> None:
    fill("A", n=500)
    path = parquet_of(settings, "A")[0]
    sound = path.read_bytes()
    query = (
        "select sum(open) o, sum(high) h, sum(low) l, sum(close) c, sum(volume) v, sum(epoch_us(time)) t, "
        "count(distinct venue) as s, sum(repaired::int) as r from bars"
    )
    right, refused = wb.sql(query, settings), 0
    for place in range(4, len(sound), len(sound) // 60):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0x10]) + sound[place + 1 :])
        try:
            answer = wb.sql(query, settings)
        except DataError:
            refused += 1
        else:
            pd.testing.assert_frame_equal(answer, right)
    assert refused >= 50


def test_records_are_tables_too(settings: Settings) -> None:
    times = pd.date_range("2024-01-01", periods=3, freq="8h", tz="UTC", name="time")
    funding = pd.DataFrame({"rate": [1e-4, 2e-4, 3e-4], "mark_price": [1.0, np.nan, 3.0]}, index=times)
    records = open_records(settings)
    records.write("funding", "binance", "BTC/USDT:USDT", funding)
    trades = pd.DataFrame(
        {"id": ["1", "2"], "price": [10.0, 11.0], "amount": [1.0, 2.0], "side": ["buy", "sell"]}, index=times[:2]
    )
    records.write("trades", "kraken", "BTC/USD", trades)
    answer = wb.sql("select * from funding order by time", settings)
    assert list(answer.columns) == ["source", "symbol", "time", "rate", "mark_price"]
    assert answer["rate"].tolist() == [1e-4, 2e-4, 3e-4]
    assert answer["mark_price"].isna().tolist() == [False, True, False]
    assert answer.attrs["versions"] == {"funding:binance:BTC/USDT:USDT": 1}
    sides = wb.sql("select side, sum(price * amount) as value from trades group by side order by side", settings)
    assert sides.to_numpy().tolist() == [["buy", 10.0], ["sell", 22.0]]
    assert wb.sql("select count(*) as n from open_interest", settings)["n"].item() == 0


def test_the_sample_is_always_there(settings: Settings) -> None:
    query = "select count(*) as n, max(close) as high from bars where source = 'sample' and symbol = 'SPX'"
    assert wb.sql(query, settings).iloc[0].tolist() == [5031, 2930.75]


def test_an_empty_store_answers_with_no_rows(settings: Settings) -> None:
    answer = wb.sql("select symbol, time, close from bars", settings)
    assert answer.empty
    assert list(answer.columns) == ["symbol", "time", "close"]
    assert sorted(wb.sql("show tables", settings)["name"]) == [
        "bars", "funding", "market_cap", "open_interest", "series", "trades",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "insert into bars values (1)",
        "create table t as select 1",
        "create view bars as select 1",
        "drop view bars",
        "delete from bars",
        "update bars set close = 1",
        "copy bars to 'out.csv'",
        "copy (select 1) to 'out.csv'",
        "attach 'x.db'",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "export database 'out'",
        "pragma database_list",
        "call pragma_version()",
        "begin",
        "prepare p as select 1",
    ],
)
def test_a_query_only_reads(settings: Settings, tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"a query only reads: SELECT.* got [A-Z]+$"):
        wb.sql(query, settings)
    assert not [p for p in tmp_path.iterdir() if p.name != "data"]


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{secret}')",
        "select * from read_text('{secret}')",
        "select * from read_parquet('{secret}')",
        "select * from '{secret}'",
        "select * from glob('{folder}/*')",
        "select * from sniff_csv('{secret}')",
        "with x as (select * from read_blob('{secret}')) select * from x",
    ],
)
def test_files_are_out_of_reach(settings: Settings, tmp_path: Path, query: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhunter2\n")
    with pytest.raises(DataError, match="and no files; hand other data in as a frame") as caught:
        wb.sql(query.format(secret=secret, folder=tmp_path), settings)
    assert "hunter2" not in str(caught.value)


def test_python_variables_are_no_tables(settings: Settings) -> None:
    hidden = pd.DataFrame({"a": [1]})
    with pytest.raises(DataError, match="there is no table 'hidden'. Known: bars, funding"):
        wb.sql("select * from hidden", settings)
    assert len(hidden) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from barz", r"there is no table 'barz'. Did you mean 'bars'\? \(line 1, column 15"),
        ("select sorce from bars", r"there is no column 'sorce'. Did you mean 'source'\? \(line 1, column 8"),
        ("select close,\n  volme\nfrom bars", r"no column 'volme'. Did you mean 'volume'\? \(line 2, column 3: volme"),
        ("select b.clse from bars b", r"there is no column 'clse'. Did you mean 'close'\?"),
        ("select x.close from bars", r"there is no table 'x'"),
        ("selct 1", r"syntax error at or near \"selct\" \(line 1, column 1"),
        ("select 1; select 2", "a query is one statement, got 2"),
        ("  ", "the query is empty"),
        ("select cast(symbol as int) from bars", "Could not convert string 'A' to INT32"),
        ("select ? + close from bars", "Values were not provided for the following parameters: 1"),
        ("select foo(close) from bars", "Scalar Function with name foo does not exist"),
    ],
)
def test_errors_are_one_line_with_the_place_and_a_cure(settings: Settings, fill: Fill, query: str, said: str) -> None:
    fill("A")
    with pytest.raises(DataError, match=said) as caught:
        wb.sql(query, settings)
    assert "\n" not in str(caught.value)


def test_frames_that_cannot_be_tables(settings: Settings) -> None:
    frame = pd.DataFrame({"a": [1]})
    with pytest.raises(DataError, match="the name 'bars' is that of a table of the store"):
        wb.sql("select 1", settings, bars=frame)
    with pytest.raises(DataError, match="x must be a DataFrame, a Series or an Arrow table, got int"):
        wb.sql("select 1", settings, x=3)
    with pytest.raises(DataError, match="the frame 'x' cannot be handed to a query"):
        wb.sql("select 1", settings, x=pd.DataFrame({"a": [1, "b", object()]}))


def test_values_keep_their_kind(settings: Settings) -> None:
    answer = wb.sql(
        "select sum(a) as total, sum(b) as big, avg(a) as mean, 1.25 as part, date '2024-02-29' as day, "
        "timestamp '2024-02-29 01:02' as naive, null as nothing, true as yes, count(*) as n from x",
        settings,
        x=pd.DataFrame({"a": [1, 2], "b": [2**62, 2**62]}),
    )
    row = answer.iloc[0]
    assert answer["total"].dtype == np.int64
    assert (row["total"], row["big"], row["mean"], row["part"], row["n"]) == (3, 2.0**63, 1.5, 1.25, 2)
    assert row["day"] == pd.Timestamp("2024-02-29", tz="UTC")
    assert row["naive"] == pd.Timestamp("2024-02-29 01:02", tz="UTC")
    assert row["yes"]
    assert row["nothing"] is None


_WRITER = """
import sys
import numpy as np, pandas as pd
from workbench.config import load_settings
from workbench.data import bars_of, open_store

store = open_store(load_settings({"WORKBENCH_HOME": sys.argv[1]}))
for turn in range(1, 31):
    times = pd.date_range("2024-01-01", periods=100 * turn, freq="h", tz="UTC", name="time")
    flat = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "volume"), float(turn)), index=times)
    store.write("venue", "A", "1h", bars_of({"A": flat}), mode="replace")
    print(turn, flush=True)
"""


def test_readers_beside_a_writer_see_whole_versions(settings: Settings) -> None:
    """Version t holds 100·t bars that all say t: a mixture of two versions cannot add up."""
    command = [sys.executable, "-c", _WRITER, str(settings.home)]
    seen, query = set(), "select count(*) as n, min(close) as low, max(close) as high from bars"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline().strip() == "1"
        while writer.poll() is None:
            answer = wb.sql(query, settings)
            n, low, high = answer.iloc[0]
            assert low == high == n / 100
            assert answer.attrs["versions"] == {"venue:1h:A": int(low)}
            seen.add(int(low))
    assert writer.returncode == 0
    assert wb.sql(query, settings).iloc[0].tolist() == [3000, 30.0, 30.0]
    assert len(seen) >= 2


def test_threads_ask_at_once(settings: Settings, fill: Fill) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for number in range(4):
        fill(f"S{number}", base=100.0 * number + 1)

    def ask(number: int) -> float:
        query = "select max(close) as top from bars where symbol = ?"
        return float(wb.sql(query, settings, [f"S{number}"])["top"].item())

    with ThreadPoolExecutor(4) as pool:
        tops = list(pool.map(ask, [0, 1, 2, 3] * 5))
    assert tops == [48.0, 148.0, 248.0, 348.0] * 5
