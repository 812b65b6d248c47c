"""Kraken's dialect: unmodified ccxt and ccxt.pro against it, and its shapes beside recorded ones."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from workbench.data.replay import ReplayClock, ReplayMarket, replay_venue, synthetic_replay
from workbench.data.replay.kraken_shapes import book_checksum
from workbench.data.replay.running import Running

HOUR = 3_600_000
HOST = "/api.kraken.com/0/public"
Ask = Callable[[str], Any]
Make = Callable[[str, str], Any]


@pytest.fixture(scope="module")
def kraken_market() -> ReplayMarket:
    return synthetic_replay("regimes(seed=7)", ("BTC/USDT", "ETH/USD", "DOGE/EUR", "SOL/CHF"))


@pytest.fixture(scope="module")
def kraken_venue(kraken_market: ReplayMarket, replay_now_ms: int) -> Iterator[Running]:
    with replay_venue(kraken_market, ReplayClock(replay_now_ms / 1000, frozen=True)) as running:
        yield running


@pytest.fixture(scope="module")
def kraken_at_speed(kraken_market: ReplayMarket, replay_now_ms: int) -> Iterator[Running]:
    with replay_venue(kraken_market, ReplayClock(replay_now_ms / 1000, 60.0), tick_s=0.02) as running:
        yield running


@pytest.fixture
def kraken(kraken_venue: Running, exchange_at: Make) -> Any:
    return exchange_at("kraken", kraken_venue.base_url)


def test_ccxt_reads_the_markets_by_their_usual_names(kraken: Any) -> None:
    markets = kraken.load_markets()
    assert sorted(markets) == ["BTC/USDT", "DOGE/EUR", "ETH/USD", "SOL/CHF"]  # spot alone: perpetuals are elsewhere
    assert [markets[s]["id"] for s in sorted(markets)] == ["XBTUSDT", "XXDGZEUR", "XETHZUSD", "SOLCHF"]
    assert all(m["active"] and m["spot"] for m in markets.values())
    assert (markets["BTC/USDT"]["precision"]["price"], markets["BTC/USDT"]["limits"]["amount"]["min"]) == (0.01, 1e-5)


def test_ccxt_reads_the_clock_and_the_state(kraken: Any, replay_now_ms: int) -> None:
    assert kraken.fetch_time() == replay_now_ms // 1000 * 1000
    assert kraken.fetch_status()["status"] == "ok"


@pytest.mark.parametrize("timeframe", ["1m", "15m", "1h", "4h", "1d"])
def test_bars_are_the_markets_own(kraken: Any, kraken_market: ReplayMarket, replay_now_ms: int, timeframe: str) -> None:
    rows = np.array(kraken.fetch_ohlcv("BTC/USDT", timeframe), dtype=float)
    assert len(rows) == 721  # 720 that have ended, and the one under way
    expected = kraken_market.seen("BTC/USDT", timeframe, int(rows[0, 0]), replay_now_ms + 1, replay_now_ms)
    np.testing.assert_array_equal(rows, expected)


def test_since_is_exclusive_and_reaches_back_720_bars_at_most(
    kraken_venue: Running, kraken: Any, ask_json: Ask, replay_now_ms: int
) -> None:
    every = kraken.fetch_ohlcv("ETH/USD", "1h")
    assert kraken.fetch_ohlcv("ETH/USD", "1h", every[100][0], 50) == every[100:150]
    assert kraken.fetch_ohlcv("ETH/USD", "1h", every[0][0] - 1000 * HOUR, 3) == every[:3]  # the older ones are gone
    url = f"{kraken_venue.base_url}{HOST}/OHLC?pair=ETHUSD&interval=60&since={every[700][0] // 1000}"
    result = ask_json(url)["result"]
    assert [row[0] * 1000 for row in result["XETHZUSD"]] == [row[0] for row in every[701:]]
    assert result["last"] * 1000 == every[-2][0]  # the newest that has ended
    assert every[-1][0] <= replay_now_ms < every[-1][0] + HOUR


def test_prices_books_and_trades_agree_with_the_market(
    kraken: Any, kraken_market: ReplayMarket, replay_now_ms: int
) -> None:
    ticker = kraken.fetch_ticker("BTC/USDT")
    book = kraken.fetch_order_book("BTC/USDT", 20)
    trades = kraken.fetch_trades("BTC/USDT", limit=50)
    assert ticker["last"] == kraken_market.last_price("BTC/USDT", replay_now_ms) == trades[-1]["price"]
    assert (book["bids"][0][0], book["asks"][0][0]) == (ticker["bid"], ticker["ask"])
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    expected = kraken_market.last_trades("BTC/USDT", replay_now_ms, 50)
    assert [t["timestamp"] for t in trades] == expected.times.tolist()
    assert [t["id"] for t in trades] == [str(n) for n in expected.ids]
    assert [t["side"] for t in trades] == ["sell" if sold else "buy" for sold in expected.buyer_maker]


def test_trades_are_read_on_by_last(kraken_venue: Running, ask_json: Ask, replay_now_ms: int) -> None:
    base, since, read = f"{kraken_venue.base_url}{HOST}/Trades?pair=XBTUSDT", str(replay_now_ms // 1000 - 3600), []
    for _ in range(100):
        result = ask_json(f"{base}&since={since}&count=200")["result"]
        if not result["XBTUSDT"]:
            break
        read += result["XBTUSDT"]
        since = result["last"]
    times = [int(t * 1000) for _, _, t, *_ in read]
    assert len(read) > 1000
    assert times == sorted(times)
    assert len({row[6] for row in read}) == len(read)  # each once
    whole = ask_json(f"{base}&count=1000")["result"]["XBTUSDT"]
    assert read[-1000:] == whole


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("OHLC?pair=NOPE", "EQuery:Unknown asset pair"),
        ("OHLC", "EGeneral:Invalid arguments"),
        ("OHLC?pair=XBTUSDT&interval=7", "EGeneral:Invalid arguments"),
        ("Depth?pair=XBTUSDT&count=many", "EGeneral:Invalid arguments"),
        ("Trades?pair=XBTUSDT&since=monday", "EGeneral:Invalid arguments:since"),
        ("Spread?pair=XBTUSDT", "EGeneral:Unknown method"),
    ],
)
def test_refusals_come_in_krakens_words_with_status_200(
    kraken_venue: Running, ask_json: Ask, path: str, error: str
) -> None:
    assert ask_json(f"{kraken_venue.base_url}{HOST}/{path}") == {"error": [error]}


def test_a_pair_has_four_names_and_several_are_asked_at_once(kraken_venue: Running, ask_json: Ask) -> None:
    base = f"{kraken_venue.base_url}{HOST}/Ticker?pair="
    answers = [ask_json(base + name)["result"] for name in ("XETHZUSD", "ETHUSD", "ETH/USD")]
    assert all(list(answer) == ["XETHZUSD"] for answer in answers)
    assert sorted(ask_json(base + "ETHUSD,XDGEUR")["result"]) == ["XETHZUSD", "XXDGZEUR"]
    assert len(ask_json(base)["result"]) == 4


@pytest.mark.parametrize(
    ("recorded", "path", "old_fields"),
    [
        ("nautilus-kraken/http_ohlc.json.gz", "OHLC?pair=XBTUSDT&interval=1", ()),
        ("nautilus-kraken/http_order_book.json", "Depth?pair=XBTUSDT&count=5", ()),
        ("nautilus-kraken/http_trades.json.gz", "Trades?pair=XBTUSDT", ()),
        ("nautilus-kraken/http_ticker.json", "Ticker?pair=XBTUSDT", ()),
        (
            "nautilus-kraken/http_asset_pairs.json",
            "AssetPairs?pair=XBTUSDT",
            ("long_position_limit", "short_position_limit"),
        ),
        ("kraken/0_public_AssetPairs.json.gz", "AssetPairs", ()),
        ("xchange-kraken/example-assets-data.json", "Assets", ()),
        ("xchange-kraken/example-servertime-data.json", "Time", ()),
    ],
)
def test_answers_have_the_recorded_fields_and_types(
    kraken_venue: Running, ask_json: Ask, shared_data: Path, recorded: str, path: str, old_fields: tuple[str, ...]
) -> None:
    ours = ask_json(f"{kraken_venue.base_url}{HOST}/{path}")
    theirs = _recorded(shared_data, recorded)
    assert ours["error"] == theirs["error"] == []
    _same_shape(_first(theirs["result"]), _first(ours["result"]), old_fields)


@pytest.mark.parametrize(
    ("recorded", "channel"),
    [("ws_book_snapshot.json", "book"), ("ws_book_update.json", "book"), ("ws_ticker_snapshot.json", "ticker")],
)
def test_messages_have_the_recorded_fields_and_types(
    kraken_at_speed: Running, shared_data: Path, recorded: str, channel: str
) -> None:
    theirs = _recorded(shared_data, f"nautilus-kraken/{recorded}")
    ours = asyncio.run(_message(kraken_at_speed.base_url, channel, theirs["type"]))
    _same_shape(theirs, ours, ())


def test_ccxt_pro_watches_bars_that_follow_one_another(
    kraken_at_speed: Running, kraken_market: ReplayMarket, pro_at: Make
) -> None:
    async def watch() -> list[list[float]]:
        exchange = pro_at("kraken", kraken_at_speed.base_url)
        seen: dict[float, list[float]] = {}
        try:
            while len(seen) < 64:  # sixty of the snapshot, and some that were watched
                for row in await exchange.watch_ohlcv("BTC/USDT", "1m"):
                    seen[row[0]] = row
        finally:
            await exchange.close()
        return [seen[time] for time in sorted(seen)]

    rows = np.array(asyncio.run(asyncio.wait_for(watch(), 120)))
    assert set(np.diff(rows[:, 0])) == {60_000.0}
    ended = kraken_market.bars("BTC/USDT", "1m", int(rows[0, 0]), int(rows[-1, 0]))
    np.testing.assert_array_equal(rows[:-1], ended)  # the last word on each bar is the whole bar


def test_ccxt_pro_watches_every_trade_once(kraken_at_speed: Running, kraken_market: ReplayMarket, pro_at: Make) -> None:
    async def watch() -> list[Any]:
        exchange = pro_at("kraken", kraken_at_speed.base_url)
        exchange.newUpdates = True
        trades: list[Any] = []
        try:
            while len(trades) < 60:
                trades += await exchange.watch_trades("ETH/USD")
        finally:
            await exchange.close()
        return trades

    trades = asyncio.run(asyncio.wait_for(watch(), 120))
    times = [t["timestamp"] for t in trades]
    made = kraken_market.trades("ETH/USD", times[0], times[-1] + 1)
    assert [t["id"] for t in trades] == [str(n) for n in made.ids][-len(trades) :]
    assert times == sorted(times)


@pytest.mark.parametrize("spoiled", [False, True])
def test_book_checksums_hold_in_ccxt_pro(
    kraken_at_speed: Running, pro_at: Make, monkeypatch: pytest.MonkeyPatch, spoiled: bool
) -> None:
    """ccxt's own check, with prices and amounts written as Kraken's guide says; ccxt in Python cannot write them."""
    if spoiled:
        monkeypatch.setattr("workbench.data.replay.kraken_ws.book_checksum", lambda *_: 1)

    async def watch() -> int:
        import ccxt

        exchange = pro_at("kraken", kraken_at_speed.base_url)
        exchange.options["watchOrderBook"] = {"checksum": True}
        places = itertools.cycle([2, 8])
        exchange.format_number = lambda value: f"{value:.{next(places)}f}".replace(".", "").lstrip("0")
        checked = 0
        try:
            while checked < 25:
                book = await exchange.watch_order_book("BTC/USDT", 10)
                assert len(book["bids"]) == len(book["asks"]) == 10
                assert book["bids"][0][0] < book["asks"][0][0]
                checked += 1
        except ccxt.ChecksumError:
            return -1
        finally:
            await exchange.close()
        return checked

    assert asyncio.run(asyncio.wait_for(watch(), 120)) == (-1 if spoiled else 25)


def test_the_checksum_is_the_guides_own_example() -> None:
    """The worked example of Kraken's guide to book checksums (version 2)."""
    asks = [
        (45285.2, 0.001), (45286.4, 1.54571953), (45286.6, 1.54571109), (45289.6, 1.54560911), (45290.2, 0.15890660),
        (45291.8, 1.54553491), (45294.7, 0.04454749), (45296.1, 0.3538), (45297.5, 0.09945542), (45299.5, 0.18772827),
    ]  # fmt: skip
    bids = [
        (45283.5, 0.1), (45283.4, 1.54582015), (45282.1, 0.1), (45281.0, 0.1), (45280.3, 1.54592586),
        (45279.0, 0.0799), (45277.6, 0.03310103), (45277.5, 0.3), (45277.3, 1.54602737), (45276.6, 0.15445238),
    ]  # fmt: skip
    assert book_checksum(np.array(bids), np.array(asks), 1) == 3310070434


def test_ccxt_pro_watches_tickers(kraken_at_speed: Running, pro_at: Make) -> None:
    async def watch() -> list[Any]:
        exchange = pro_at("kraken", kraken_at_speed.base_url)
        try:
            return [await exchange.watch_ticker("DOGE/EUR") for _ in range(3)]
        finally:
            await exchange.close()

    for ticker in asyncio.run(asyncio.wait_for(watch(), 120)):
        assert ticker["bid"] < ticker["ask"]
        assert ticker["low"] <= ticker["last"] <= ticker["high"]


def test_a_socket_refuses_in_krakens_words_and_ends_what_is_unsubscribed(kraken_venue: Running) -> None:
    async def talk() -> list[dict[str, Any]]:
        url = f"{kraken_venue.base_url}/ws.kraken.com/v2"
        trade = {"channel": "trade", "symbol": ["BTC/USDT"]}
        asked: list[dict[str, Any]] = [
            {"method": "ping", "req_id": 1},
            {"method": "subscribe", "params": {"channel": "trade", "symbol": ["NO/PE"]}, "req_id": 2},
            {"method": "subscribe", "params": {"channel": "ohlc", "symbol": ["BTC/USDT"], "interval": 7}, "req_id": 3},
            {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USDT"], "depth": 11}, "req_id": 4},
            {"method": "subscribe", "params": {"channel": "candles", "symbol": ["BTC/USDT"]}, "req_id": 5},
            {"method": "subscribe", "params": trade, "req_id": 6},
            {"method": "subscribe", "params": trade, "req_id": 7},
            {"method": "unsubscribe", "params": trade, "req_id": 8},
            {"method": "subscribe", "params": trade, "req_id": 9},
            {"method": "dance", "req_id": 10},
        ]
        answers = []
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            for one in asked:
                await socket.send_json(one)
            while len(answers) < len(asked):
                message = await socket.receive_json(timeout=60)
                if "req_id" in message:
                    answers.append(message)
        return answers

    answers = asyncio.run(talk())
    assert [a["req_id"] for a in answers] == list(range(1, 11))
    assert answers[0]["method"] == "pong"
    assert [a.get("success") for a in answers[1:]] == [False] * 4 + [True, False, True, True, False]
    assert answers[1]["error"].startswith("Currency pair not supported")
    assert answers[6]["error"] == "Already subscribed"


async def _message(base_url: str, channel: str, kind: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{base_url}/ws.kraken.com/v2") as socket:
        await socket.send_json({"method": "subscribe", "params": {"channel": channel, "symbol": ["BTC/USDT"]}})
        while True:
            message = await socket.receive_json(timeout=60)
            whole = kind == "snapshot" or (message.get("data") and message["data"][0].get("bids"))
            if (message.get("channel"), message.get("type")) == (channel, kind) and whole:
                return dict(message)


def _recorded(folder: Path, name: str) -> Any:
    path = folder / "exchange-responses" / name
    if not path.exists():
        pytest.skip(f"no recorded {name}")
    return json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())


def _first(result: Any) -> Any:
    """Return an answer with one entry under one name, so that answers about different pairs can be compared."""
    plain = {key: value for key, value in result.items() if key in ("last", "unixtime", "rfc1123")}
    entries = [value for key, value in result.items() if key not in plain]
    return {**plain, "entry": entries[0]} if entries else plain


def _same_shape(theirs: Any, ours: Any, old_fields: tuple[str, ...], where: str = "") -> None:
    """Hold that everything recorded is there with its type (a whole number may stand for any number)."""
    numbers = (int, float)
    if isinstance(theirs, numbers) and not isinstance(theirs, bool):
        assert isinstance(ours, numbers), where
        return
    assert type(theirs) is type(ours), f"{where}: {theirs!r} is {type(theirs)}, ours {ours!r}"
    if isinstance(theirs, dict):
        missing = set(theirs) - set(ours) - set(old_fields)
        assert not missing, f"{where} lacks {missing}"
        for key in set(theirs) & set(ours):
            _same_shape(theirs[key], ours[key], old_fields, f"{where}.{key}")
    elif isinstance(theirs, list) and theirs and ours:
        row = isinstance(theirs[0], list | dict)
        for a, b in [(theirs[0], ours[0])] if row else zip(theirs, ours, strict=True):
            _same_shape(a, b, old_fields, f"{where}[]")
