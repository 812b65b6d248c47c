"""Funding, open interest, trades and market capitalisation: the same promises as bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.data.store.records import RecordStore, open_records
from workbench.errors import BarsError, DataError


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "records")


def funding(n: int, start: str = "2024-01-01") -> pd.DataFrame:
    index = pd.date_range(start, periods=n, freq="8h", tz="UTC", name="time", unit="us")
    return pd.DataFrame({"rate": np.arange(n) * 1e-5, "mark_price": [np.nan] + [100.0] * (n - 1)}, index=index)


def trades(ids: list[str], seconds: list[int]) -> pd.DataFrame:
    index = pd.DatetimeIndex(pd.to_datetime(seconds, unit="s", utc=True), name="time").as_unit("us")
    values = {
        "id": ids,
        "price": [100.0 + int(i) for i in ids],
        "amount": 0.5,
        "side": ["buy", "sell"] * (len(ids) // 2),
    }
    return pd.DataFrame(values, index=index)


def test_records_come_back_as_they_went_in(records: RecordStore) -> None:
    rates = funding(30)
    assert records.write("funding", "binanceusdm", "BTC/USDT:USDT", rates.iloc[:20]) == 1
    assert records.write("funding", "binanceusdm", "BTC/USDT:USDT", rates.iloc[10:]) == 2
    assert records.write("funding", "binanceusdm", "BTC/USDT:USDT", rates) == 2
    got = records.read("funding", "binanceusdm", "BTC/USDT:USDT")
    pd.testing.assert_frame_equal(got, rates, check_freq=False)
    assert len(records.read("funding", "binanceusdm", "BTC/USDT:USDT", version=1)) == 20
    assert len(records.read("funding", "binanceusdm", "BTC/USDT:USDT", "2024-01-02", "2024-01-03")) == 3
    assert records.newest("funding", "binanceusdm", "BTC/USDT:USDT") == rates.index[-1]
    assert records.newest("funding", "okx", "BTC/USDT:USDT") is None
    listed = records.list("funding")
    assert listed[["kind", "source", "symbol", "rows", "version", "status"]].to_numpy().tolist() == [
        ["funding", "binanceusdm", "BTC/USDT:USDT", 30, 2, "ok"]
    ]
    assert records.list("trades").empty


def test_a_contradiction_is_refused_and_a_revision_is_not(records: RecordStore) -> None:
    rates = funding(30)
    records.write("funding", "okx", "X", rates)
    other = rates.iloc[[0, 3]].assign(rate=[0.0, 0.5], mark_price=[np.nan, 100.0])
    with pytest.raises(BarsError, match=r"X funding \(okx\) already holds 2024-01-02 00:00 with rate 3e-05, not 0.5"):
        records.write("funding", "okx", "X", other)
    assert records.write("funding", "okx", "X", other, "revise") == 2
    assert records.read("funding", "okx", "X")["rate"].iloc[3] == 0.5
    assert records.read("funding", "okx", "X", version=1)["rate"].iloc[3] == rates["rate"].iloc[3]


def test_trades_of_one_instant_are_told_apart_by_their_ids(records: RecordStore) -> None:
    records.write("trades", "kraken", "X", trades(["8", "9"], [5, 5]))
    records.write(
        "trades", "kraken", "X", trades(["9", "10", "11", "12"], [5, 5, 5, 6]).assign(side=["sell", "buy"] * 2)
    )
    got = records.read("trades", "kraken", "X")
    assert got["id"].tolist() == ["8", "9", "10", "11", "12"]
    assert got["price"].tolist() == [108.0, 109.0, 110.0, 111.0, 112.0]
    assert got["side"].tolist() == ["buy", "sell", "buy", "sell", "buy"]
    folder = records.root / "trades" / "kraken" / "X"
    assert len(list(folder.glob("*.parquet"))) == 2  # nothing was rewritten
    records.write("trades", "kraken", "X", trades(["3", "4"], [5, 7]))
    assert records.read("trades", "kraken", "X")["id"].tolist() == ["3", "8", "9", "10", "11", "12", "4"]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (funding(3).drop(columns="rate"), "rate, mark_price; got mark_price"),
        (funding(3).assign(rate=np.nan), "rate of funding is nan"),
        (funding(3).assign(rate="x"), "must be numbers"),
        (funding(3).iloc[:0], "empty"),
        (pd.concat([funding(2), funding(2)]), "twice"),
        (funding(3).tz_localize(None), "UTC"),
    ],
)
def test_records_pass_the_door_first(records: RecordStore, frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataError, match=says):
        records.write("funding", "okx", "X", frame)
    assert records.list().empty


def test_unknown_kinds_and_series_are_told(records: RecordStore) -> None:
    with pytest.raises(DataError, match="'fundng'. Did you mean 'funding'"):
        records.read("fundng", "okx", "X")
    with pytest.raises(DataError, match="no funding of 'X' from 'okx' is stored"):
        records.read("funding", "okx", "X")


def test_records_lie_in_the_home(settings: object) -> None:
    assert open_records(settings).root == settings.data_dir / "records"  # type: ignore[arg-type,attr-defined]  # the fixture
