"""Bodies recorded at real venues: every one is read, ccxt parses them, and our answers have their shape."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from workbench.data.replay.running import Running

# What ccxt makes of the recorded lists of markets alone; calls that are not recorded are answered with these.
LOADED = [
    ("binance", {"fetchMarkets": {"types": ["spot"]}}, "binance", 1695),
    ("binanceusdm", {"fetchMarkets": {"types": ["linear"]}}, "binance-usdm", 122),
    ("krakenfutures", {}, "kraken-futures", 27),
    ("okx", {}, "okx", 1479),
    ("gemini", {}, "gemini", 70),
    ("kraken", {}, "kraken", 304),
    ("coinbaseexchange", {}, "coinbase-exchange", 162),
]  # fmt: skip
SOCKET_LINE = re.compile(r"(?:\S+ (?:<-|->|<->) )?\d+\.\d+(?:: (.*))?")


@pytest.fixture(scope="session")
def recorded_bodies(shared_data: Path) -> Path:
    """The folder of recorded bodies."""
    folder = shared_data / "exchange-responses"
    if not folder.is_dir():
        pytest.skip("no folder of recorded answers among the real files")
    return folder


@pytest.fixture(scope="session")
def recorded_index(recorded_bodies: Path) -> list[dict[str, Any]]:
    """One row a file: name, address, bytes of the body."""
    return [json.loads(line) for line in (recorded_bodies / "index.jsonl").read_text().splitlines()]


def text_of(path: Path) -> str:
    """Return the text of a body, unpacked."""
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()


def shape(value: Any) -> Any:
    """Return the types of a JSON value: a mapping's by key, a list's of its first element; numbers as text as such."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str):
        return "number as text" if re.fullmatch(r"-?\d+(\.\d+)?", value) else "text"
    return type(value).__name__


def same_shape(ours: Any, theirs: Any, where: str = "", *, optional: frozenset[str] = frozenset()) -> None:
    """Assert that our value has the keys and types of theirs, but for keys that came and went over the years."""
    if where.endswith((".filters", ".rateLimits")):
        key = "filterType" if where.endswith(".filters") else "rateLimitType"
        ours, theirs = ({row[key]: row for row in rows} for rows in (ours, theirs))
        for kind in set(ours) & set(theirs):
            same_shape(ours[kind], theirs[kind], f"{where}/{kind}", optional=optional)
        assert set(ours) & set(theirs) or not theirs, where
    elif isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert set(theirs) - set(ours) <= optional, where
        assert set(ours) - set(theirs) <= optional, where
        for key in set(ours) & set(theirs):
            same_shape(ours[key], theirs[key], f"{where}.{key}", optional=optional)
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        if theirs and ours and isinstance(theirs[0], dict | list):
            same_shape(ours[0], theirs[0], f"{where}[0]", optional=optional)
        elif theirs and ours:
            assert [shape(v) for v in ours][: len(theirs)] == [shape(v) for v in theirs][: len(ours)], where
    else:
        assert shape(ours) == shape(theirs), (where, ours, theirs)


def decimals_of(text: str) -> int:
    return len(text.partition(".")[2])


def test_every_recorded_body_is_read(recorded_bodies: Path, recorded_index: list[dict[str, Any]]) -> None:
    logs = messages = bodies = 0
    sizes: dict[str, set[int]] = {}  # the index has one file twice
    for row in recorded_index:
        sizes.setdefault(row["file"], set()).add(row["body_bytes"])
    for row in {r["file"]: r for r in recorded_index}.values():
        text = text_of(recorded_bodies / row["file"])
        if ".log" in row["file"]:
            logs += 1
            found = [m[1] for line in text.splitlines() if (m := SOCKET_LINE.fullmatch(line)) and m[1]]
            values = [json.loads(t) for t in found]
            assert values, row["file"]
            assert all(isinstance(v, dict | list) for v in values), row["file"]
            messages += len(values)
        else:
            bodies += 1
            assert len(text.encode()) == row["body_bytes"], row["file"]
            assert isinstance(json.loads(text), dict | list), row["file"]
    files = {str(p.relative_to(recorded_bodies)) for p in recorded_bodies.glob("*/*") if p.is_file()}
    assert files == {row["file"] for row in recorded_index}
    assert (logs, bodies) == (sum(".log" in f for f in files), len(files) - logs)
    assert messages > 1000


@pytest.mark.parametrize(("name", "options", "folder", "n_markets"), LOADED, ids=[row[0] for row in LOADED])
def test_ccxt_loads_markets_from_recorded_bodies(
    recorded_bodies: Path,
    recorded_index: list[dict[str, Any]],
    name: str,
    options: dict[str, Any],
    folder: str,
    n_markets: int,
) -> None:
    import ccxt

    bodies = {}
    for row in recorded_index:
        if row["file"].startswith(f"{folder}/") and row["url"].startswith("https"):
            address = urlsplit(row["url"])
            bodies[address.path, address.query] = row["file"]
    exchange = getattr(ccxt, name)()
    exchange.options.update(options)

    def fetch(url: str, *_: Any, **__: Any) -> Any:
        asked = urlsplit(url)
        file = bodies.get((asked.path, asked.query)) or bodies.get((asked.path, ""))
        if file is None:
            return [] if name == "coinbaseexchange" else {"result": {}, "error": [], "code": "0", "data": []}
        return json.loads(text_of(recorded_bodies / file))

    exchange.fetch = fetch
    exchange.fetch_currencies = lambda *_: {}
    markets = exchange.load_markets()
    assert sum(map(len, exchange.markets_by_id.values())) == n_markets
    assert all(m["base"] and m["quote"] for m in markets.values())


@pytest.mark.parametrize(("name", "folder"), [("binance", "binance"), ("binanceusdm", "binance-usdm")])
def test_ccxt_reads_recorded_books_and_streams(recorded_bodies: Path, name: str, folder: str) -> None:
    import ccxt

    exchange = getattr(ccxt, name)()
    for path in sorted((recorded_bodies / folder).glob("*depth*.json")):
        body = json.loads(text_of(path))
        book = exchange.parse_order_book(body, "X/Y")
        assert len(book["bids"]) == len(body["bids"]) > 100
        assert book["bids"][0][0] < book["asks"][0][0]
        assert book["bids"] == sorted(book["bids"], reverse=True)
    (log,) = (recorded_bodies / folder).glob("websocket*")
    events: dict[str, int] = {}
    for line in text_of(log).splitlines():
        match = SOCKET_LINE.fullmatch(line)
        if match and match[1] and (data := json.loads(match[1]).get("data")):
            event = data.get("e", "bookTicker")
            events[event] = events.get(event, 0) + 1
            if event == "aggTrade":
                trade = exchange.parse_trade(data)
                assert trade["price"] == float(data["p"])
                assert trade["side"] == ("sell" if data["m"] else "buy")
    assert set(events) == {"depthUpdate", "bookTicker", "kline", "aggTrade"}


ANSWERS = [
    ("binance/api_v3_exchangeInfo.json.gz", "api.binance.com/api/v3/exchangeInfo"),
    ("binance/api_v3_depth_symbol_NKNUSDT_limit_1000.json", "api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"),
    ("binance-usdm/fapi_v1_exchangeInfo.json.gz", "fapi.binance.com/fapi/v1/exchangeInfo"),
    ("binance-usdm/fapi_v1_depth_symbol_AKROUSDT_limit_1000.json", "fapi.binance.com/fapi/v1/depth?symbol=SOLUSDT"),
    ("nautilus-binance/book_ticker_response.json", "api.binance.com/api/v3/ticker/bookTicker?symbol=BTCUSDT"),
    ("nautilus-binance/depth_response.json", "api.binance.com/api/v3/depth?symbol=ETHUSDT&limit=5"),
    ("nautilus-binance/exchange_info_response.json", "api.binance.com/api/v3/exchangeInfo?symbol=ETHUSDT"),
    ("nautilus-binance/klines_response.json", "api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=2"),
    ("nautilus-binance/ping_response.json", "api.binance.com/api/v3/ping"),
    ("nautilus-binance/server_time_response.json", "api.binance.com/api/v3/time"),
    ("nautilus-binance/ticker_24hr_response.json", "api.binance.com/api/v3/ticker/24hr?symbol=BTCUSDT"),
    ("nautilus-binance/ticker_price_response.json", "api.binance.com/api/v3/ticker/price?symbol=BTCUSDT"),
    ("nautilus-binance/avg_price_response.json", "api.binance.com/api/v3/avgPrice?symbol=BTCUSDT"),
    ("nautilus-binance/trades_response.json", "api.binance.com/api/v3/trades?symbol=BTCUSDT&limit=3"),
    ("xchange-binance/depth.json", "api.binance.com/api/v3/depth?symbol=SOLUSDT&limit=5"),
    ("xchange-binance/single-24hr-ticker.json", "api.binance.com/api/v3/ticker/24hr?symbol=SOLUSDT"),
]
# Keys that one recording has and another, older or newer, does not.
COME_AND_GONE = frozenset(
    {
        "sors", "askQty", "bidQty", "otoAllowed", "opoAllowed", "allowTrailingStop", "cancelReplaceAllowed",
        "amendAllowed", "pegInstructionsAllowed", "permissionSets", "defaultSelfTradePreventionMode",
        "allowedSelfTradePreventionModes",
    }
)  # fmt: skip


@pytest.mark.parametrize(("file", "path"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_our_answers_have_the_keys_and_types_of_recorded_ones(
    recorded_bodies: Path, frozen_venue: Running, ask_json: Callable[[str], Any], file: str, path: str
) -> None:
    theirs = json.loads(text_of(recorded_bodies / file))
    same_shape(ask_json(f"{frozen_venue.base_url}/{path}"), theirs, optional=COME_AND_GONE)


def test_spot_prices_have_eight_decimals_and_futures_their_own(
    recorded_bodies: Path, frozen_venue: Running, ask_json: Callable[[str], Any]
) -> None:
    recorded = json.loads(text_of(recorded_bodies / "binance/api_v3_depth_symbol_NKNUSDT_limit_1000.json"))
    ours = ask_json(f"{frozen_venue.base_url}/api.binance.com/api/v3/depth?symbol=BTCUSDT")
    assert {decimals_of(t) for t in ours["bids"][0]} == {decimals_of(t) for t in recorded["bids"][0]} == {8}
    perpetual = ask_json(f"{frozen_venue.base_url}/fapi.binance.com/fapi/v1/depth?symbol=BTCUSDT")
    info = frozen_venue.venue.market.instrument("BTC/USDT:USDT")
    assert [decimals_of(t) for t in perpetual["bids"][0]] == [info.price_decimals, info.amount_decimals]


STREAMS = [
    ("futures_agg_trade_stream", "aggTrade", "fstream.binance.com"),
    ("futures_book_ticker_stream", "bookTicker", "fstream.binance.com"),
    ("futures_depth_update_stream", "depth5", "fstream.binance.com"),
    ("futures_kline_stream_open", "kline_1m", "fstream.binance.com"),
    ("futures_kline_stream_closed", "kline_1m", "fstream.binance.com"),
    ("futures_mark_price_stream", "markPrice@1s", "fstream.binance.com"),
    ("futures_ticker_stream", "ticker", "fstream.binance.com"),
]


@pytest.mark.parametrize(("file", "stream", "host"), STREAMS, ids=[row[0] for row in STREAMS])
def test_our_stream_messages_have_the_keys_and_types_of_recorded_ones(
    recorded_bodies: Path, stream_messages: Callable[[str, str], list[Any]], file: str, stream: str, host: str
) -> None:
    theirs = json.loads(text_of(recorded_bodies / "nautilus-binance" / f"{file}.json"))
    closed = "closed" in file
    messages = stream_messages(host, f"btcusdt@{stream}")
    ours = [m for m in messages if "k" not in m or m["k"]["x"] is closed]
    assert ours
    same_shape(ours[0], theirs, optional=frozenset({"st", "ps"}))


@pytest.mark.parametrize(
    ("folder", "host"), [("binance", "stream.binance.com"), ("binance-usdm", "fstream.binance.com")]
)
def test_our_stream_messages_have_the_keys_and_types_of_real_traffic(
    recorded_bodies: Path, stream_messages: Callable[[str, str], list[Any]], folder: str, host: str
) -> None:
    (log,) = (recorded_bodies / folder).glob("websocket*")
    theirs: dict[str, Any] = {}
    for line in text_of(log).splitlines():
        match = SOCKET_LINE.fullmatch(line)
        if match and match[1] and "stream" in (said := json.loads(match[1])):
            kind = said["stream"].partition("@")[2]
            if not (kind.startswith("depth") and not (said["data"]["b"] and said["data"]["a"])):
                theirs.setdefault(kind, said["data"])
    assert set(theirs) == {"depth@100ms", "bookTicker", "kline_1m", "aggTrade"}
    for kind, data in theirs.items():
        for ours in stream_messages(host, f"btcusdt@{kind}")[:3]:
            same_shape(ours, data, kind)
