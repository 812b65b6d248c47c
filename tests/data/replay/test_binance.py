"""Unmodified ccxt and ccxt.pro against the replay venue's Binance, compared with the market behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable
from typing import Any

import ccxt
import numpy as np
import pandas as pd
import pytest

from workbench.data.bars import bars_of
from workbench.data.replay import ReplayClock, ReplayMarket, replay_of_bars, replay_venue
from workbench.data.replay.grid import DAY, HOUR, MINUTE, length_ms, open_of
from workbench.data.replay.running import Running

Make = Callable[[str, str], Any]
At = Callable[[str], Any]
KINDS = [("binance", "BTC/USDT"), ("binanceusdm", "BTC/USDT:USDT")]
HOSTS = {"binance": "api.binance.com/api/v3", "binanceusdm": "fapi.binance.com/fapi/v1"}
BARS = "klines"


def raw(url: str) -> Any:
    """Return the JSON of a GET."""
    port, _, path = url.removeprefix("http://127.0.0.1:").partition("/")
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.request("GET", f"/{path}")
    body = connection.getresponse().read()
    connection.close()
    return json.loads(body)


@pytest.mark.parametrize(("name", "symbol"), KINDS)
class TestRest:
    """Every call of ccxt that the workbench uses."""

    def test_markets(self, frozen_venue: Running, frozen_exchange: At, name: str, symbol: str) -> None:
        exchange = frozen_exchange(name)
        markets = exchange.load_markets()
        info = frozen_venue.venue.market.instrument(symbol)
        found = markets[symbol]
        assert (found["base"], found["quote"], found["type"], found["active"]) == ("BTC", "USDT", info.kind, True)
        assert (found["precision"]["price"], found["precision"]["amount"]) == (info.price_tick, info.amount_step)
        assert found["limits"]["cost"]["min"] == 5.0
        assert {s for s in markets if (":" in s) == (":" in symbol)} == {
            s for s in frozen_venue.venue.market.symbols if (":" in s) == (":" in symbol)
        }

    @pytest.mark.parametrize("timeframe", ["1m", "5m", "1h", "1d", "1w", "1M"])
    def test_bars(
        self, frozen_venue: Running, frozen_exchange: At, replay_now_ms: int, name: str, symbol: str, timeframe: str
    ) -> None:
        exchange = frozen_exchange(name)
        found = np.array(exchange.fetch_ohlcv(symbol, timeframe, limit=40), dtype=float)
        begin = replay_now_ms - 42 * length_ms(timeframe)
        truth = frozen_venue.venue.market.seen(symbol, timeframe, begin, replay_now_ms + 1, replay_now_ms)[-40:]
        assert found.tolist() == truth.tolist()
        since = int(found[7, 0]) - 1
        later = np.array(exchange.fetch_ohlcv(symbol, timeframe, since=since, limit=5), dtype=float)
        assert later.tolist() == truth[7:12].tolist()
        until = {"until": int(found[9, 0])}
        few = np.array(exchange.fetch_ohlcv(symbol, timeframe, since=since, limit=5, params=until), dtype=float)
        assert few.tolist() == truth[7:10].tolist()

    def test_paging_meets_every_bar_once(
        self, frozen_venue: Running, frozen_exchange: At, replay_now_ms: int, name: str, symbol: str
    ) -> None:
        exchange = frozen_exchange(name)
        exchange.load_markets()
        frozen_venue.venue.requests.clear()
        since, found = replay_now_ms - 3 * DAY, []
        while page := exchange.fetch_ohlcv(symbol, "1m", since=since, limit=1000):
            found += page
            since = page[-1][0] + 1
        truth = frozen_venue.venue.market.seen(symbol, "1m", replay_now_ms - 3 * DAY, replay_now_ms + 1, replay_now_ms)
        assert np.array_equal(np.array(found, dtype=float), truth)
        assert frozen_venue.venue.requests.count(path=BARS) == 6  # 4,320 bars, and one page that says: no more

    def test_pages_hold_no_more_than_the_venue_allows(
        self, frozen_venue: Running, replay_now_ms: int, name: str, symbol: str
    ) -> None:
        url = f"{frozen_venue.base_url}/{HOSTS[name]}/klines?symbol=BTCUSDT&interval=1m"
        most = 1000 if name == "binance" else 1500
        assert len(raw(f"{url}&limit=5000")) == most
        assert len(raw(url)) == 500
        first = raw(f"{url}&startTime=0&limit=3")
        assert first[0][0] == frozen_venue.venue.market.instrument(symbol).listed_ms
        assert raw(f"{url}&startTime={replay_now_ms + 1}") == []
        assert raw(f"{url}&startTime={replay_now_ms}&endTime={replay_now_ms - HOUR}") == []

    def test_the_bar_under_way_changes_until_it_ends(
        self, replay_market: ReplayMarket, replay_now_ms: int, exchange_at: Make, name: str, symbol: str
    ) -> None:
        clock = ReplayClock(replay_now_ms / 1000, frozen=True)
        with replay_venue(replay_market, clock) as running:
            exchange = exchange_at(name, running.base_url)
            opened = open_of(replay_now_ms, "1m")
            first = exchange.fetch_ohlcv(symbol, "1m", limit=2)
            assert first[-1][0] == opened
            clock.step(10)
            second = exchange.fetch_ohlcv(symbol, "1m", limit=2)
            assert second[0] == first[0]
            assert second[-1][0] == opened
            assert second[-1][5] > first[-1][5]
            clock.set((opened + MINUTE) / 1000)
            third = exchange.fetch_ohlcv(symbol, "1m", limit=2)
            assert [row[0] for row in third] == [opened, opened + MINUTE]
            assert third[0] == replay_market.bars(symbol, "1m", opened, opened + 1)[0].tolist()

    def test_ticker_book_trades_time_and_status(
        self, frozen_venue: Running, frozen_exchange: At, replay_now_ms: int, name: str, symbol: str
    ) -> None:
        exchange, market = frozen_exchange(name), frozen_venue.venue.market
        quote, ticker = market.ticker(symbol, replay_now_ms), exchange.fetch_ticker(symbol)
        assert [ticker[k] for k in ("last", "high", "low", "open", "baseVolume", "timestamp")] == [
            quote.last, quote.high, quote.low, quote.open, quote.volume, replay_now_ms,
        ]  # fmt: skip
        tickers = exchange.fetch_tickers()
        assert tickers[symbol]["last"] == quote.last
        assert len(tickers) == 3
        assert exchange.fetch_bids_asks([symbol])[symbol]["bid"] == quote.bid[0]
        assert exchange.fetch_last_prices([symbol])[symbol]["price"] == quote.last
        book, truth = exchange.fetch_order_book(symbol, 50), market.book(symbol, replay_now_ms, 50)
        assert [book["bids"], book["asks"]] == [truth.bids.tolist(), truth.asks.tolist()]
        assert book["nonce"] == truth.update_id
        assert exchange.fetch_time() == replay_now_ms
        assert exchange.fetch_status()["status"] == "ok"

    def test_trades(
        self, frozen_venue: Running, frozen_exchange: At, replay_now_ms: int, name: str, symbol: str
    ) -> None:
        exchange, market = frozen_exchange(name), frozen_venue.venue.market
        truth = market.last_trades(symbol, replay_now_ms, 100)
        ways = (
            ["publicGetAggTrades", "publicGetTrades"]
            if name == "binance"
            else ["fapiPublicGetAggTrades", "fapiPublicGetTrades"]
        )
        for way in ways:
            found = exchange.fetch_trades(symbol, limit=100, params={"fetchTradesMethod": way})
            assert [t["id"] for t in found] == [str(i) for i in truth.ids]
            assert [t["price"] for t in found] == truth.prices.tolist()
            assert [t["amount"] for t in found] == truth.amounts.tolist()
            assert [t["timestamp"] for t in found] == truth.times.tolist()
            assert [t["side"] for t in found] == ["sell" if m else "buy" for m in truth.buyer_maker]
        since = replay_now_ms - DAY
        early = exchange.fetch_trades(symbol, since=since, limit=70)
        expected = market.trades(symbol, since, since + HOUR)
        assert [t["id"] for t in early] == [str(i) for i in expected.ids[:70]]
        page = exchange.fetch_trades(symbol, limit=10, params={"fromId": int(expected.ids[500])})
        assert [t["id"] for t in page] == [str(i) for i in expected.ids[500:510]]

    def test_what_does_not_exist_is_refused_in_the_words_of_the_venue(
        self, frozen_venue: Running, frozen_exchange: At, name: str, symbol: str
    ) -> None:
        exchange = frozen_exchange(name)
        exchange.load_markets()
        assert symbol in exchange.markets
        host = {"binance": exchange.public_get_klines, "binanceusdm": exchange.fapipublic_get_klines}[name]
        for wrong, error in (
            ({"symbol": "NOCOIN", "interval": "1m"}, ccxt.BadSymbol),
            ({"symbol": "BTCUSDT", "interval": "7m"}, ccxt.BadRequest),
            ({"symbol": "BTCUSDT", "interval": "1m", "startTime": "soon"}, ccxt.BadRequest),
            ({"interval": "1m"}, ccxt.ExchangeError),
        ):
            with pytest.raises(error):
                host(wrong)


def test_perpetuals_have_funding_marks_and_open_interest(
    frozen_venue: Running, frozen_exchange: At, replay_now_ms: int
) -> None:
    exchange, market = frozen_exchange("binanceusdm"), frozen_venue.venue.market
    symbol = "ETH/USDT:USDT"
    since = replay_now_ms - 5 * DAY
    truth = market.funding(symbol, since, replay_now_ms + 1)
    found = exchange.fetch_funding_rate_history(symbol, since=since, limit=1000)
    assert [[r["timestamp"], r["fundingRate"], float(r["info"]["markPrice"])] for r in found] == truth.tolist()
    newest = exchange.fetch_funding_rate_history(symbol, limit=4)
    assert [r["timestamp"] for r in newest] == truth[-4:, 0].tolist()
    assert exchange.fetch_funding_rate(symbol)["fundingRate"] == truth[-1, 1]
    assert exchange.fetch_funding_rates()[symbol]["fundingRate"] == truth[-1, 1]
    for price in ("mark", "index"):
        bars = np.array(exchange.fetch_ohlcv(symbol, "15m", limit=30, params={"price": price}), dtype=float)
        seen = market.seen(symbol, "15m", replay_now_ms - DAY, replay_now_ms + 1, replay_now_ms, price)  # type: ignore[arg-type]
        assert bars.tolist() == seen[-30:].tolist()
    history = exchange.fetch_open_interest_history(symbol, "1h", since=since, limit=50)
    rows = market.open_interest(symbol, HOUR, since, since + 50 * HOUR)
    assert [h["openInterestAmount"] for h in history] == rows[:, 1].tolist()
    assert [h["openInterestValue"] for h in history] == pytest.approx(rows[:, 2].tolist())
    now = exchange.fetch_open_interest(symbol)["openInterestAmount"]
    assert now == market.open_interest(symbol, 1000, replay_now_ms - 1000, replay_now_ms + 1)[-1, 1]


def test_holes_in_the_bars_are_holes_in_the_pages(exchange_at: Make) -> None:
    index = pd.date_range("2024-01-01", periods=9000, freq="1min", tz="UTC", name="time").delete(range(1000, 7000))
    closes = np.round(100 + np.arange(len(index)) / 100, 2)
    frame = pd.DataFrame({f: closes for f in ("open", "high", "low", "close")} | {"volume": 1.0}, index=index)
    market = replay_of_bars(bars_of({"BTC/USDT": frame}), "1m")
    first = int(index[0].timestamp() * 1000)
    with replay_venue(market, ReplayClock(first / 1000 + 9000 * 60, frozen=True)) as running:
        exchange = exchange_at("binance", running.base_url)
        found, since = [], first
        while page := exchange.fetch_ohlcv("BTC/USDT", "1m", since=since, limit=500):
            found += page
            since = page[-1][0] + MINUTE
        assert [row[0] for row in found] == (index.as_unit("ms").asi8).tolist()
        assert [row[4] for row in found] == closes.tolist()
        assert running.venue.requests.count(path=BARS) == 7  # six full pages, though twelve spans lie between
        assert exchange.load_markets(True)["BTC/USDT"]["active"] is False


@pytest.mark.parametrize(("name", "symbol"), KINDS)
class TestStreams:
    """ccxt.pro, with a clock that runs."""

    def test_bars_trades_book_and_ticker(
        self, replay_market: ReplayMarket, replay_now_ms: int, pro_at: Make, name: str, symbol: str
    ) -> None:
        async def watch(url: str) -> dict[str, Any]:
            exchange = pro_at(name, url)
            got: dict[str, Any] = {"bars": {}, "trades": {}}
            try:
                async with asyncio.timeout(120):
                    while len(got["bars"]) < 4:
                        for row in await exchange.watch_ohlcv(symbol, "1m"):
                            got["bars"][row[0]] = row
                    while len(got["trades"]) < 100:
                        for trade in await exchange.watch_trades(symbol):
                            got["trades"][int(trade["id"])] = (trade["timestamp"], trade["price"], trade["amount"])
                    for _ in range(6):
                        book = await exchange.watch_order_book(symbol)
                    got["book"] = (book["nonce"], [list(b) for b in book["bids"]], [list(a) for a in book["asks"]])
                    got["ticker"] = await exchange.watch_ticker(symbol)
                    got["best"] = (await exchange.watch_bids_asks([symbol]))[symbol]
            finally:
                await exchange.close()
            return got

        with replay_venue(replay_market, ReplayClock(replay_now_ms / 1000, speed=200)) as running:
            got = asyncio.run(watch(running.base_url))
            end = running.venue.now_ms()
        ended = sorted(got["bars"])[:-1]
        truth = replay_market.bars(symbol, "1m", ended[0], ended[-1] + 1)
        assert np.array_equal(np.array([got["bars"][t] for t in ended], dtype=float), truth)
        numbers = sorted(got["trades"])
        made = replay_market.trades(symbol, replay_now_ms, end + 1)
        chosen = made.take((made.ids >= numbers[0]) & (made.ids <= numbers[-1]))
        assert numbers == chosen.ids.tolist()
        assert [got["trades"][n] for n in numbers] == list(
            zip(chosen.times.tolist(), chosen.prices.tolist(), chosen.amounts.tolist(), strict=True)
        )
        nonce, bids, asks = got["book"]
        book = replay_market.book(symbol, nonce * 100)
        assert bids[:500] == book.bids[:500].tolist()
        assert asks[:500] == book.asks[:500].tolist()
        assert got["ticker"]["last"] == pytest.approx(replay_market.last_price(symbol, end), rel=0.05)
        assert got["best"]["bid"] < got["best"]["ask"]

    def test_many_symbols_on_one_socket_and_an_end_of_them(
        self, replay_market: ReplayMarket, replay_now_ms: int, pro_at: Make, name: str, symbol: str
    ) -> None:
        symbols = [s for s in replay_market.symbols if (":" in s) == (":" in symbol)]

        async def watch(running: Running) -> tuple[set[str], int, int]:
            exchange = pro_at(name, running.base_url)
            wanted = [[s, "1m"] for s in symbols]
            seen: set[str] = set()
            try:
                async with asyncio.timeout(120):
                    while len(seen) < len(symbols):
                        seen |= set(await exchange.watch_ohlcv_for_symbols(wanted))
                    opened = len(running.venue.channels)
                    await exchange.un_watch_ohlcv_for_symbols(wanted)
                    channel = next(iter(running.venue.channels.values()))
                    sent = channel.sent
                    await asyncio.sleep(0.3)
                    return seen, opened, channel.sent - sent
            finally:
                await exchange.close()

        with replay_venue(replay_market, ReplayClock(replay_now_ms / 1000, speed=500)) as running:
            seen, opened, after = asyncio.run(watch(running))
        assert seen == set(symbols)
        assert opened == 1
        assert after == 0


def converse(url: str, sent: list[str], n: int) -> list[Any]:
    """Return the first n messages of a socket, as JSON."""

    async def talk() -> list[Any]:
        import aiohttp

        async with aiohttp.ClientSession() as session, session.ws_connect(url.replace("http", "ws", 1)) as one:
            for text in sent:
                await one.send_str(text)
            return [json.loads((await one.receive(timeout=60)).data) for _ in range(n)]

    return asyncio.run(talk())


def test_addresses_name_streams_single_and_combined(frozen_venue: Running) -> None:
    single = converse(f"{frozen_venue.base_url}/stream.binance.com/ws/ethusdt@kline_1h", [], 1)[0]
    assert (single["e"], single["s"], single["k"]["i"], single["k"]["x"]) == ("kline", "ETHUSDT", "1h", False)
    url = f"{frozen_venue.base_url}/fstream.binance.com/stream?streams=btcusdt@markPrice@1s/!ticker@arr/solusdt@depth5"
    both = {m["stream"]: m["data"] for m in converse(url, [], 3)}
    assert both["btcusdt@markPrice@1s"]["e"] == "markPriceUpdate"
    assert {t["s"] for t in both["!ticker@arr"]} == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
    assert len(both["solusdt@depth5"]["b"]) == 5


def test_messages_that_make_no_sense_are_refused_and_the_socket_lives_on(frozen_venue: Running) -> None:
    said = converse(
        f"{frozen_venue.base_url}/stream.binance.com/ws/1",
        [
            "{", "[1]", '{"method":"DANCE","id":3}', '{"method":"SUBSCRIBE","params":"x","id":4}',
            '{"method":"SUBSCRIBE","params":["nocoin@trade","btcusdt@nothing"],"id":5}',
            '{"method":"LIST_SUBSCRIPTIONS","id":6}',
        ],
        6,
    )  # fmt: skip
    assert [m.get("error", {}).get("code") for m in said] == [3, 2, 2, 2, None, None]
    assert said[5]["result"] == ["nocoin@trade", "btcusdt@nothing"]


def test_the_websocket_api_answers_as_rest_does(frozen_venue: Running) -> None:
    url = f"{frozen_venue.base_url}/ws-api.binance.com/ws-api/v3"
    asked = [
        '{"id":"a","method":"klines","params":{"symbol":"BTCUSDT","interval":"1h","limit":3}}',
        '{"id":"b","method":"klines","params":{"symbol":"NOCOIN","interval":"1h"}}',
        '{"id":"c","method":"order.place"}',
        "{",
        '{"id":"d","method":"time","params":[1]}',
    ]
    bars, refused, unknown, *senseless = converse(url, asked, 5)
    rest = raw(f"{frozen_venue.base_url}/api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=3")
    assert (bars["id"], bars["status"], bars["result"]) == ("a", 200, rest)
    assert (refused["status"], refused["error"]["code"]) == (400, -1121)
    assert unknown["error"]["code"] == -1000
    assert [m["error"]["code"] for m in senseless] == [-1000, -1000]
