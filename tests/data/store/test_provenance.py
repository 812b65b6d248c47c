"""Who each bar came from, and corrections of stored bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction

from workbench.data import BarStore, content_hash, synthetic_market
from workbench.errors import BarsError, DataError


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars")


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return synthetic_market("gbm(seed=9, n_bars=300)", ["A"], "1h")[0]


def put(store: BarStore, bars: pd.DataFrame, mode: str = "merge", **named: Any) -> int:
    return store.write("binance", "A", "1h", bars, mode, **named)  # type: ignore[arg-type]  # a mode


def told(bars: pd.DataFrame, source: str | list[str], repaired: bool | list[bool] = False) -> pd.DataFrame:
    return pd.DataFrame({"source": source, "repaired": repaired}, index=bars.index)


def origin(store: BarStore, version: int | None = None) -> pd.DataFrame:
    return store.provenance("binance", "A", "1h", version=version)


def test_bars_are_their_own_sources_unless_told(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars)
    said = origin(store)
    assert said.index.equals(bars.index.as_unit("us"))
    assert (said["source"] == "binance").all()
    assert isinstance(said["source"].dtype, pd.CategoricalDtype)
    assert said["repaired"].dtype == bool
    assert not said["repaired"].any()


def test_each_bar_keeps_its_venue_over_merges_and_rewrites(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[100:200], provenance=told(bars.iloc[100:200], "kraken"))
    put(store, bars.iloc[250:])
    put(store, bars.iloc[200:250], provenance=told(bars.iloc[200:250], ["okx", "binance"] * 25, [True, False] * 25))
    put(store, bars, provenance=told(bars, "bybit"))  # only the first hundred are new
    expected = ["bybit"] * 100 + ["kraken"] * 100 + ["okx", "binance"] * 25 + ["binance"] * 50
    said = origin(store)
    assert said["source"].astype(str).tolist() == expected
    assert said["repaired"].tolist() == [False] * 200 + [True, False] * 25 + [False] * 50
    assert content_hash(store.read("binance", "A", "1h")) == content_hash(bars)
    part = store.provenance("binance", "A", "1h", bars.index[90], bars.index[110])
    assert part["source"].astype(str).tolist() == ["bybit"] * 10 + ["kraken"] * 10


def test_who_a_bar_came_from_is_no_part_of_its_content_hash(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars, provenance=told(bars, "kraken", True))
    assert store.versions("binance", "A", "1h")["content_hash"].tolist() == [content_hash(bars)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p.iloc[1:], "says nothing of the bar 2020-01-01 00:00"),
        (lambda p: p.rename(columns={"source": "venue"}), "columns source and repaired"),
        (lambda p: p.assign(source="Not A Venue"), "not valid"),
        (lambda p: p.assign(repaired=None), "True or False"),
    ],
)
def test_wrong_provenance_is_refused(store: BarStore, bars: pd.DataFrame, change: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        put(store, bars, provenance=change(told(bars, "kraken")))
    assert store.list().empty


def test_a_revision_replaces_bars_and_leaves_the_old_version_readable(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[:200])
    better = bars.iloc[[5, 150]] * 1.01
    with pytest.raises(BarsError, match="2 bar"):
        put(store, better)
    assert put(store, better, "revise", provenance=told(better, "kraken", True)) == 2
    assert put(store, better, "revise", provenance=told(better, "kraken", True)) == 2
    expected = bars.iloc[:200].copy()
    expected.iloc[[5, 150]] = better
    assert content_hash(store.read("binance", "A", "1h")) == content_hash(expected)
    assert content_hash(store.read("binance", "A", "1h", version=1)) == content_hash(bars.iloc[:200])
    said = origin(store)
    assert np.flatnonzero(said["repaired"]).tolist() == [5, 150]
    assert said["source"].astype(str).iloc[[4, 5, 150]].tolist() == ["binance", "kraken", "kraken"]
    assert not origin(store, version=1)["repaired"].any()
    assert store.versions("binance", "A", "1h")["rows_written"].tolist() == [200, 2]


def test_a_revision_adds_bars_of_other_times(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, pd.concat([bars.iloc[:100], bars.iloc[120:200]]))
    assert put(store, bars, "revise") == 2
    assert content_hash(store.read("binance", "A", "1h")) == content_hash(bars)


def test_a_revision_of_the_same_values_by_another_venue_is_one(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars)
    assert put(store, bars.iloc[:3], "revise", provenance=told(bars.iloc[:3], "okx", True)) == 2
    assert origin(store)["source"].astype(str).iloc[:4].tolist() == ["okx"] * 3 + ["binance"]


def test_big_series_rewrite_only_the_files_that_change(store: BarStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.data.store.table.PART_ROWS", 64)
    bars = synthetic_market("gbm(seed=9, n_bars=300)", ["A"], "1h")[0]
    put(store, bars)
    folder = store.root / "binance" / "1h" / "A"
    before = set(folder.glob("*.parquet"))
    assert len(before) == 5
    put(store, bars.iloc[[100]] * 1.01, "revise")
    put(store, synthetic_market("gbm(seed=9, n_bars=310)", ["A"], "1h")[0].iloc[305:])
    assert len(set(folder.glob("*.parquet")) - before) == 2
    assert len(store.read("binance", "A", "1h")) == 305


def legacy_table(folder: Path, pieces: list[pd.DataFrame]) -> None:
    """A series as the first release wrote it: through deltalake, without provenance and without checksums."""
    time = pa.field("time", pa.timestamp("us", "UTC"), nullable=False)
    fields = ["open", "high", "low", "close", "volume"]
    schema = pa.schema([time, *(pa.field(f, pa.float64(), nullable=False) for f in fields)])
    folder.mkdir(parents=True)
    DeltaTable.create(str(folder), schema)
    for number, piece in enumerate(pieces, 1):
        times = pa.array(piece.index.as_unit("us").asi8).cast(time.type)
        columns = [times, *(pa.array(piece[(f, "A")].to_numpy()) for f in fields)]
        name = f"bars-{number:08d}-{content_hash(piece)[:16]}.parquet"
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), folder / name, write_page_checksum=True)
        first, last = (t.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for t in (piece.index[0], piece.index[-1]))
        stats = {"numRecords": len(piece), "minValues": {"time": first}, "maxValues": {"time": last}}
        add = AddAction(
            name, (folder / name).stat().st_size, {}, 0, True, json.dumps({**stats, "nullCount": {"time": 0}})
        )
        note = {"content_hash": content_hash(piece), "mode": "merge", "rows": str(len(piece))}
        table = DeltaTable(str(folder))
        table.create_write_transaction(
            [add], "append", table.schema(), commit_properties=CommitProperties(custom_metadata=note)
        )


def test_tables_of_the_first_release_are_read_and_written_on(store: BarStore, bars: pd.DataFrame) -> None:
    folder = store.root / "binance" / "1h" / "A"
    legacy_table(folder, [bars.iloc[:100], bars.iloc[100:200]])
    assert content_hash(store.read("binance", "A", "1h")) == content_hash(bars.iloc[:200])
    assert content_hash(store.read("binance", "A", "1h", version=1)) == content_hash(bars.iloc[:100])
    assert (origin(store)["source"] == "binance").all()
    assert put(store, bars, provenance=told(bars, "kraken")) == 3
    assert put(store, bars.iloc[[150]] * 1.01, "revise", provenance=told(bars.iloc[[150]], "okx", True)) == 4
    assert origin(store, 4)["source"].astype(str).iloc[[0, 150, 250]].tolist() == ["binance", "okx", "kraken"]
    assert [len(store.read("binance", "A", "1h", version=v)) for v in (1, 2, 3, 4)] == [100, 200, 300, 300]
    assert store.versions("binance", "A", "1h")["rows_written"].tolist() == [100, 100, 100, 1]


def test_any_delta_reader_opens_every_version(store: BarStore, bars: pd.DataFrame) -> None:
    put(store, bars.iloc[:100])
    put(store, bars.iloc[100:200], provenance=told(bars.iloc[100:200], "kraken"))
    put(store, bars.iloc[[50]] * 1.01, "revise", provenance=told(bars.iloc[[50]], "okx", True))
    folder = str(store.root / "binance" / "1h" / "A")
    for version, rows in ((1, 100), (2, 200), (3, 200)):
        table = DeltaTable(folder, version=version)
        assert sum(pa.table(table.get_add_actions(flatten=True))["num_records"].to_pylist()) == rows
    read = pa.table(DeltaTable(folder).to_pyarrow_dataset().to_table()).sort_by("time")
    assert np.array_equal(read["close"].to_numpy(), store.read("binance", "A", "1h")["close"]["A"].to_numpy())
    assert read["source"].to_pylist()[49:51] == [None, "okx"]
    assert read["repaired"].to_pylist()[49:51] == [None, True]


def test_a_table_of_the_first_release_stays_a_delta_table_when_written_on(store: BarStore, bars: pd.DataFrame) -> None:
    folder = store.root / "binance" / "1h" / "A"
    legacy_table(folder, [bars.iloc[:100]])
    put(store, bars, provenance=told(bars, "kraken"))
    read = pa.table(DeltaTable(str(folder)).to_pyarrow_dataset().to_table()).sort_by("time")
    assert read["source"].to_pylist() == [None] * 100 + ["kraken"] * 200
