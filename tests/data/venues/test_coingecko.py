"""CoinGecko: which coin is meant, daily values, its limit, and faults."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.data.venues.answers import BadAnswerError
from workbench.data.venues.budget import Budget
from workbench.data.venues.catalogue import VENUES
from workbench.data.venues.coingecko import CoinGecko
from workbench.data.venues.keys import Keys
from workbench.data.venues.vocabulary import VenueDownError
from workbench.errors import DataError, VenueError

DAY = 86_400_000
LAST = 1_699_920_000_000  # the midnight before the step clock's now
COINS = [
    {"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"},
    {"id": "batcat", "symbol": "btc", "name": "BatCat"},
    {"id": "ethereum", "symbol": "eth", "name": "Ethereum"},
    {"id": "btc-proxy", "symbol": "btc", "name": "Proxy"},
]
RANKED = [
    {"id": "batcat", "market_cap": None},
    {"id": "bitcoin", "market_cap": 7e11},
    {"id": "btc-proxy", "market_cap": 5},
]


def chart(**more: Any) -> dict[str, Any]:
    times = [LAST - DAY, LAST, LAST + 80_000_000]  # the last one is now
    told = {
        "prices": [[t, 100.0 + i] for i, t in enumerate(times)],
        "market_caps": [[t, 1e9] for t in times],
        "total_volumes": [[t, 5e6] for t in times],
    }
    return {**told, **more}


@pytest.fixture
def gecko(settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any) -> Any:
    def make(told: Any = None, status: int = 200, **headers: str) -> CoinGecko:
        def answer(asked: Any) -> Any:
            if asked.path.endswith("/coins/list"):
                return answer_of(COINS)
            if asked.path.endswith("/coins/markets"):
                return answer_of(RANKED)
            return answer_of(chart() if told is None else told, status, dict(headers))

        scripted_server.answer = answer
        return CoinGecko(settings, at=scripted_server.url, clock=step_clock, seed=0)

    return make


def test_daily_values_end_with_the_last_midnight(gecko: Any, scripted_server: Any) -> None:
    frame = gecko().daily("ETH/USDT", 2)
    assert frame.index.tolist() == [pd.Timestamp(t, unit="ms", tz="UTC") for t in (LAST - DAY, LAST)]
    assert frame.index.name == "time"
    assert frame.to_dict("list") == {"price": [100.0, 101.0], "market_cap": [1e9, 1e9], "volume": [5e6, 5e6]}
    asked = scripted_server.asked[-1]
    assert asked.path == "/api/v3/coins/ethereum/market_chart"
    assert asked.query == {"vs_currency": "usd", "days": "2", "interval": "daily"}


def test_of_several_coins_with_a_symbol_the_largest_is_meant(gecko: Any, scripted_server: Any) -> None:
    venue = gecko()
    assert venue.coin_id("BTC") == "bitcoin"
    assert venue.coin_id("btc/usd") == "bitcoin"
    assert len(scripted_server.asked) == 2  # asked once
    assert scripted_server.asked[1].query["ids"] == "bitcoin,batcat,btc-proxy"
    assert venue.coin_id("batcat") == "batcat"
    with pytest.raises(DataError, match="Did you mean 'ethereum'"):
        venue.coin_id("etherium")


@pytest.mark.parametrize("days", [0, -1, 366])
def test_days_out_of_bounds(days: int, gecko: Any) -> None:
    with pytest.raises(DataError, match="1 to 365"):
        gecko().daily("ETH", days)


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"prices": "none"},
        {"status": {"error_code": 1}},
        b"<html>",
        b'{"prices": [[1699',
        chart(prices=[[LAST, -1.0]]),
        chart(prices=[[LAST, None]]),
        chart(prices=[[LAST / 1000, 1.0]]),
        chart(prices=[[LAST, 1.0], [LAST, 2.0]]),
        chart(prices=[[LAST, "x"]]),
        chart(prices=[[LAST]]),
        chart(prices=[5]),
        chart(market_caps=[[LAST, -5]]),
        chart(market_caps=[[LAST, 1e999]]),
    ],
    ids=str,
)
def test_impossible_answers_are_typed_errors_after_three_tries(told: Any, gecko: Any, scripted_server: Any) -> None:
    with pytest.raises(BadAnswerError):
        gecko(told).daily("ETH", 5)
    assert sum("market_chart" in a.path for a in scripted_server.asked) == 3


@pytest.mark.parametrize(("status", "tries", "down"), [(500, 4, True), (429, 5, True), (403, 1, True), (404, 1, False)])
def test_the_retry_table_holds_here_too(status: int, tries: int, down: bool, gecko: Any, scripted_server: Any) -> None:
    with pytest.raises(VenueError) as raised:
        gecko({}, status).daily("ETH", 5)
    assert isinstance(raised.value, VenueDownError) == down
    assert sum("market_chart" in a.path for a in scripted_server.asked) == tries


def test_a_long_retry_after_stops_all_asking(gecko: Any, scripted_server: Any, step_clock: Any) -> None:
    venue = gecko({}, 429, **{"Retry-After": "3600"})
    for _ in range(3):
        with pytest.raises(VenueDownError) as raised:
            venue.daily("ETH", 5)
        assert raised.value.until == pytest.approx(step_clock.now() + 3600, abs=1)
    assert sum("market_chart" in a.path for a in scripted_server.asked) == 1


def test_ten_requests_a_minute_and_no_more(tmp_path: Any, step_clock: Any) -> None:
    budget = Budget(tmp_path, step_clock, rates=VENUES["coingecko"].rates)
    times = []
    for _ in range(30):
        budget.take("api.coingecko.com", 1, 1e6)
        times.append(step_clock.now())
    stamps = np.array(times)
    assert max(int(((stamps >= t) & (stamps < t + 59.9)).sum()) for t in stamps) <= 10


def test_a_demo_key_is_sent_and_none_is_needed(
    settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    scripted_server.say(answer_of({"gecko_says": "(V3) To the Moon!"}))
    for keys in (Keys(), Keys("canary-demo-key")):
        assert CoinGecko(settings, at=scripted_server.url, clock=step_clock, keys=keys).ping()
    sent = [json.dumps(a.headers).lower() for a in scripted_server.asked]
    assert "x-cg-demo-api-key" not in sent[0]
    assert "canary-demo-key" in sent[1]
