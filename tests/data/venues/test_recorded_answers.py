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


OKX_LISTS = {
    "SPOT": "okx/api_v5_public_instruments_instType_SPOT.json.gz",
    "SWAP": "okx/api_v5_public_instruments_instType_SWAP.json.gz",
    "FUTURES": "okx/api_v5_public_instruments_instType_FUTURES.json",
}
BYBIT_LISTS = {
    "spot": "nautilus-bybit/http_get_instruments_spot.json",
    "linear": "nautilus-bybit/http_get_instruments_linear.json",
}


@pytest.fixture
def telling(recorded: Path, settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any) -> Any:
    """Open a venue that answers one recorded body, whatever it is asked besides its lists of markets."""

    def open_at(name: str, file: str, now: float) -> Any:
        def answer(asked: Any) -> Any:
            if asked.path == "/api/v5/public/instruments":
                return answer_of(body(recorded / OKX_LISTS[asked.query["instType"]]))
            if asked.path == "/v5/market/instruments-info":
                nothing = {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": []}}
                if "status" in asked.query:
                    return answer_of(nothing)
                told = json.loads(body(recorded / BYBIT_LISTS[asked.query["category"]]))
                told["result"].update(category=asked.query["category"], nextPageCursor="")  # as the real one tells
                return answer_of(told)
            lists = {"/products": "coinbase-exchange/products.json.gz", "/0/public/AssetPairs": None}
            if asked.path in lists:
                return answer_of(body(recorded / (lists[asked.path] or "nautilus-kraken/http_asset_pairs.json")))
            return answer_of(body(recorded / file))

        scripted_server.markets, scripted_server.answer, step_clock.time = False, answer, now
        return open_venue(name, settings, at=scripted_server.url, clock=step_clock, seed=0)

    return open_at


def test_recorded_markets_of_bybit(telling: Any) -> None:
    markets = telling("bybit", "", 1_709_891_700.0).markets()
    assert {s: m.kind for s, m in markets.items()} == {
        "BTC/USDT": "spot", "ETH/USDT": "spot", "BTC/USDT:USDT": "swap", "ETH/USDT:USDT": "swap",
    }  # fmt: skip
    assert markets["BTC/USDT:USDT"].price_tick == 0.5
    assert markets["BTC/USDT:USDT"].listed is not None


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe", "file", "now", "row"),
    [
        ("coinbase", "BTC/USD", "1m", "xchange-coinbasepro/example-historical-candles.json", 1517443800,
         [1517443740000, 10106.01, 10120.21, 10106, 10120.21, 2.85107455]),
        ("okx", "BTC/USDT:USDT", "1m", "nautilus-okx/http_get_candlesticks_full.json", 1747094100,
         [1747094040000, 102806.1, 102820.4, 102806.1, 102820.4, 10.4037]),
        ("okx", "BTC/USDT", "1m", "nautilus-okx/http_get_candlesticks.json", 1625097720,
         [1625097660000, 33783.9, 33783.9, 33782.1, 33782.1, 0.123]),
    ],
)  # fmt: skip
def test_recorded_bars(
    name: str, symbol: str, timeframe: str, file: str, now: int, row: list[float], telling: Any, recorded: Path
) -> None:
    venue = telling(name, file, now + 2.0)
    told = json.loads(body(recorded / file))
    rows = told if isinstance(told, list) else told["data"]
    page = venue.fetch_bars(symbol, timeframe, row[0] - 400 * 60_000, 300)
    assert len(page) == len(rows)
    assert page[-1].tolist() == row
    assert venue.refused == []


def test_recorded_trades_books_tickers_and_funding(telling: Any) -> None:
    at = 1_709_891_700.0
    trades = telling("bybit", "nautilus-bybit/http_get_trades_recent.json", at).fetch_trades("BTC/USDT:USDT", 0, 10)
    assert trades.iloc[0].tolist() == ["a905d5c3-1ed0-4f37-83e4-9c73a2fe2f01", 27450.5, 0.005, "buy"]
    trades = telling("okx", "nautilus-okx/http_get_trades.json", 1747087170.0).fetch_trades("BTC/USDT", 0, 10)
    assert trades["side"].tolist() == ["buy", "sell"]
    assert trades["amount"].tolist() == [0.0000125, 0.00013669]
    raw = telling("kraken", "nautilus-kraken/http_trades.json.gz", 1762900000.0)
    trades = raw.fetch_trades("BTC/USDT", 1762795433000, 1000)
    assert trades.iloc[0].tolist() == ["10218208", 105433.6, 0.00027625, "buy"]
    assert trades["id"].is_unique
    book = telling("bybit", "nautilus-bybit/http_get_orderbook.json", at).fetch_order_book("BTC/USDT:USDT")
    assert (book.bids[0].tolist(), book.asks[0].tolist()) == ([27450.5, 1.5], [27451.0, 1.2])
    book = telling("okx", "nautilus-okx/http_get_order_book.json", at).fetch_order_book("BTC/USDT")
    assert (book.bids[0].tolist(), len(book.asks)) == ([41006.7, 0.487921], 3)
    book = telling("kraken", "nautilus-kraken/http_order_book.json", at).fetch_order_book("BTC/USDT")
    assert book.asks[0].tolist() == [105944.3, 0.136]
    ticker = telling("kraken", "nautilus-kraken/http_ticker.json", at).fetch_ticker("BTC/USDT")
    assert (ticker.bid, ticker.ask, ticker.last) == (105944.2, 105944.3, 105899.4)
    ticker = telling("coinbase", "xchange-coinbasepro/example-ticker-data.json", at).fetch_ticker("BTC/USD")
    assert (ticker.bid, ticker.ask, ticker.last) == (637.0, 637.11, 246.28)
    venue = telling("bybit", "nautilus-bybit/http_get_funding_history.json", at)
    assert venue.fetch_funding("BTC/USDT:USDT", 1709856000000, 10)["rate"].tolist() == [0.00015, 0.0001]
    venue = telling("okx", "nautilus-okx/http_get_funding_rate_history.json", 1704070000.0)
    assert venue.fetch_funding("BTC/USDT:USDT", 1704038400000, 10)["rate"].tolist() == [-0.00002, 0.00015]
