"""CoinGecko's market capitalisation lies in the store, each day as it was first told."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data import fetch_market_cap, open_records
from workbench.errors import DataError

DAYS = pd.date_range("2023-11-01", "2023-11-14", tz="UTC")


def told(days: pd.DatetimeIndex, price: float) -> dict[str, list[list[float]]]:
    ms = [int(d.timestamp() * 1000) for d in days]
    return {
        "prices": [[m, price + k] for k, m in enumerate(ms)],
        "market_caps": [[m, 1e9 + k] for k, m in enumerate(ms)],
        "total_volumes": [[m, 5e6] for m in ms],
    }


def test_new_days_are_added_and_old_ones_stay(
    settings: Settings, step_clock: Any, scripted_server: Any, answer_of: Any
) -> None:
    chart = told(DAYS[:10], 100.0)

    def answer(asked: Any) -> Any:
        listed = asked.path.endswith("/coins/list")
        return answer_of([{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}] if listed else chart)

    scripted_server.answer = answer
    options: dict[str, Any] = {"settings": settings, "clock": step_clock, "at": scripted_server.url}
    first = fetch_market_cap("BTC", 30, **options)
    assert first[["symbol", "added", "version"]].to_numpy().tolist() == [["BTC", 10, 1]]
    chart = told(DAYS, 200.0)  # restated, and four days more
    assert fetch_market_cap(["BTC"], 30, **options)["added"].tolist() == [4]
    assert fetch_market_cap(["BTC"], 30, **options)[["added", "version"]].to_numpy().tolist() == [[0, 2]]
    held = open_records(settings).read("market_cap", "replay-coingecko", "BTC")
    assert held["price"].tolist() == [100.0 + k for k in range(10)] + [200.0 + k for k in range(10, 14)]
    assert held["market_cap"].iloc[-1] == 1e9 + 13
    with pytest.raises(DataError, match="no coin 'NOPE'"):
        fetch_market_cap("NOPE", 30, **options)
