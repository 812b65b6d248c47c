"""Lists of markets as real venues sent them, through unmodified ccxt into our vocabulary."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from workbench.data.venues.coingecko import CoinGecko
from workbench.data.venues.open import open_venue

RECORDED = {
    "binance": ({"/api/v3/exchangeInfo": "binance/api_v3_exchangeInfo.json.gz"}, 1695, "BTC/USDT"),
    "binanceusdm": ({"/fapi/v1/exchangeInfo": "binance-usdm/fapi_v1_exchangeInfo.json.gz"}, 122, "BTC/USDT:USDT"),
    "kraken": ({"/0/public/AssetPairs": "kraken/0_public_AssetPairs.json.gz"}, 289, "BTC/USD"),
    "coinbase": ({"/products": "coinbase-exchange/products.json.gz"}, 162, "BTC/USD"),
    "okx": (
        {
            "SPOT": "okx/api_v5_public_instruments_instType_SPOT.json.gz",
            "SWAP": "okx/api_v5_public_instruments_instType_SWAP.json.gz",
            "FUTURES": "okx/api_v5_public_instruments_instType_FUTURES.json",
        },
        None,
        "BTC/USDT:USDT",
    ),
}


@pytest.fixture
def recorded(shared_data: Path) -> Path:
    folder = shared_data / "exchange-responses"
    if not folder.is_dir():
        pytest.skip("no recorded answers of venues beside the checkout")
    return folder


def body(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_markets_are_read(
    name: str, recorded: Path, settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    files, count, usual = RECORDED[name]
    scripted_server.markets = False
    scripted_server.answer = lambda asked: answer_of(body(recorded / files[asked.query.get("instType", asked.path)]))
    markets = open_venue(name, settings, at=scripted_server.url, clock=step_clock).markets()
    assert len(scripted_server.asked) == len(files)
    if count:
        assert len(markets) == count
    market = markets[usual]
    assert market.symbol == usual
    assert market.base == "BTC"
    assert market.kind == ("swap" if ":" in usual else "spot")
    assert market.active or name == "kraken"  # it did not tell then
    assert market.price_tick > 0
    assert market.amount_step > 0
    assert all(m.base and m.quote and m.symbol == s for s, m in markets.items())
    assert all(math.isnan(m.price_tick) or m.price_tick > 0 for m in markets.values())
    told = sum(m.listed is not None for m in markets.values())
    assert (told > 0.9 * len(markets)) == (name in ("okx", "binanceusdm"))
    for m in markets.values():
        assert m.listed is None or m.delisted is None or m.listed < m.delisted
        assert m.delisted is None or m.kind == "future" or not m.active or m.delisted.year < 2030


@pytest.mark.parametrize("path", ["NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"])
def test_recorded_order_books_are_read(
    path: str, recorded: Path, settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    scripted_server.markets = False
    books = {"depth": f"api_v3_depth_symbol_{path}_limit_1000.json", "exchangeInfo": "api_v3_exchangeInfo.json.gz"}
    scripted_server.answer = lambda asked: answer_of(body(recorded / "binance" / books[asked.path.rpartition("/")[2]]))
    venue = open_venue("binance", settings, at=scripted_server.url, clock=step_clock)
    symbol = next(s for s in venue.markets() if s.replace("/", "") == path)
    book = venue.fetch_order_book(symbol, 1000)
    raw = json.loads(body(recorded / "binance" / books["depth"]))
    assert book.bids.shape == (len(raw["bids"]), 2)
    assert book.asks[0].tolist() == [float(x) for x in raw["asks"][0]]
    assert book.bids[0, 0] < book.asks[0, 0]


def test_a_full_recorded_page_of_kraken(
    recorded: Path, settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    raw = json.loads(body(recorded / "nautilus-kraken" / "http_ohlc.json.gz"))
    rows = next(v for k, v in raw["result"].items() if k != "last")
    step_clock.time = rows[-1][0] + 17.0
    scripted_server.say(answer_of(raw))
    venue = open_venue("kraken", settings, at=scripted_server.url, clock=step_clock)
    page = venue.fetch_bars("BTC/USD", "1m", rows[0][0] * 1000, 1000)
    assert len(page) == len(rows) == 721  # 720 and the unclosed one
    assert venue.refused == []
    assert page[5].tolist() == [rows[5][0] * 1000, *(float(x) for x in rows[5][1:5]), float(rows[5][6])]


def test_recorded_chart_of_coingecko(
    recorded: Path, settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    folder = recorded / "coingecko"
    raw = json.loads((folder / "coins_id_market_chart_response.json").read_bytes())
    step_clock.time = raw["prices"][-1][0] / 1000 + 1
    coins = [{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}]
    scripted_server.answer = lambda asked: answer_of(coins if asked.path.endswith("list") else raw)
    frame = CoinGecko(settings, at=scripted_server.url, clock=step_clock).daily("BTC/USDT", 5)
    midnights = [p for p in raw["prices"] if p[0] % 86_400_000 == 0]
    assert frame["price"].tolist() == [p[1] for p in midnights]
    assert frame["market_cap"].notna().all()
