"""Each fault alone does on the wire what it says, and unmodified ccxt meets it."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import math
import socket
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import ccxt
import pytest

from workbench.data.replay import FAULTS, Faults, ReplayClock, ReplayMarket, fault_table, open_faults, replay_venue
from workbench.data.replay.fault_ports import refusing_address, silent_address
from workbench.data.replay.running import Running

KLINES = "/api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=40"
OHLC = "/api.kraken.com/0/public/OHLC?pair=XBTUSDT&interval=1"
MINUTE = 60_000
Get = Callable[..., Any]
Rows = list[list[Any]]


class Answer:
    """One answer as it came over the wire."""

    def __init__(self, got: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = got.status, got.headers, got.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module")
def faulty(replay_market: ReplayMarket, replay_now_ms: int) -> Iterator[Running]:
    clock = ReplayClock(replay_now_ms / 1000, frozen=True)
    with replay_venue(replay_market, clock, tick_s=0.01) as running:
        yield running


@pytest.fixture
def faults_on(faulty: Running) -> Iterator[Callable[..., Faults]]:
    """Switch faults on for a test."""

    def on(text: str, seed: int = 0) -> Faults:
        plan = open_faults(text, seed=seed, start=faulty.venue.clock.now())
        faulty.venue.faults = plan
        return plan

    yield on
    faulty.venue.faults = None


@pytest.fixture
def get(faulty: Running) -> Get:
    """Ask the venue over a plain connection of its own."""

    def ask(path: str = KLINES, seconds: float = 60.0) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", faulty.venue.port, timeout=seconds)
        try:
            connection.request("GET", path)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return ask


@pytest.fixture
def binance(faulty: Running, exchange_at: Callable[[str, str], Any]) -> Any:
    """Plain ccxt that already knows the markets."""
    return _loaded(exchange_at("binance", faulty.base_url))


@pytest.fixture
def kraken(faulty: Running, exchange_at: Callable[[str, str], Any]) -> Any:
    """Plain ccxt that already knows the markets."""
    return _loaded(exchange_at("kraken", faulty.base_url))


def _loaded(exchange: Any) -> Any:
    exchange.options["fetchMarkets"] = {"types": ["spot"]}
    exchange.options["fetchCurrencies"] = False
    exchange.load_markets()
    return exchange


# statuses


@pytest.mark.parametrize("path", [KLINES, OHLC])
@pytest.mark.parametrize("status", [429, 418, 403, 451, 500, 502, 503, 504])
def test_statuses_come_as_they_are_named(faults_on: Any, get: Get, status: int, path: str) -> None:
    plan = faults_on(str(status))
    answer = get(path)
    assert answer.status == status
    assert plan.counts == {str(status): 1}
    html = status in (403, 502, 503, 504)
    assert answer.headers["Content-Type"].startswith("text/html" if html else "application/json")
    assert ("Retry-After" in answer.headers) == (status in (418, 429))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("429(30)", "30"),
        ("429(0)", "0"),
        ("429(-5)", "-5"),
        ("429(1e9)", "1e9"),
        ("429(garbage)", "in a while, perhaps"),
        ("429(missing)", None),
        ("429 for 90s", "90"),
        ("418 for 2m", "120"),
    ],
)
def test_retry_after_good_and_bad(faults_on: Any, get: Get, kind: str, told: str | None) -> None:
    faults_on(kind)
    assert get().headers["Retry-After"] == told


def test_retry_after_as_a_date_is_when_the_fault_ends(faults_on: Any, get: Get, faulty: Running) -> None:
    faults_on("429(date) for 90s")
    told = parsedate_to_datetime(get().headers["Retry-After"]).timestamp()
    assert told == math.ceil(faulty.venue.clock.now()) + 90


# the connection


def test_reset_cuts_the_connection(faults_on: Any, get: Get) -> None:
    faults_on("reset x1")
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        get()
    assert get().status == 200  # once only


def test_timeout_keeps_silent_until_the_client_leaves(faults_on: Any, get: Get) -> None:
    faults_on("timeout")
    with pytest.raises(TimeoutError):
        get(seconds=0.3)


def test_timeout_gives_up_after_its_hold(faults_on: Any, get: Get) -> None:
    faults_on("timeout(hold=0.1)")
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        get()


def test_drip_sends_a_few_bytes_at_a_time(faults_on: Any, faulty: Running) -> None:
    faults_on("drip(0.02, bytes=1)")
    pieces = []
    with socket.create_connection(("127.0.0.1", faulty.venue.port), timeout=60) as plain:
        plain.sendall(b"GET /api.binance.com/api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n")
        while not b"".join(pieces).endswith(b"}"):
            pieces.append(plain.recv(4096))
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head.lower()
    assert json.loads(body)["serverTime"] > 0
    assert len(pieces) > len(body) / 2  # some bytes may have met on the way


def test_slow_waits(faults_on: Any, get: Get) -> None:
    faults_on("slow(0.2)")
    begun = time.monotonic()
    assert get().status == 200
    assert time.monotonic() - begun >= 0.2


def test_who_leaves_while_it_waits_was_told_nothing(faults_on: Any, get: Get, faulty: Running) -> None:
    plan = faults_on("slow(0.5); 418")
    with pytest.raises(TimeoutError):
        get(seconds=0.1)
    _wait(lambda: plan.counts["slow"] == 1)
    time.sleep(1)
    assert (plan.counts["418"], faulty.venue.requests.calls[-1].status) == (0, 0)


def test_a_cut_off_body_is_shorter_than_promised(faults_on: Any, get: Get) -> None:
    faults_on("cut-off")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        get()


def test_a_redirect_leads_to_itself(faults_on: Any, get: Get) -> None:
    faults_on("redirect")
    answer = get()
    assert (answer.status, answer.headers["Location"]) == (302, KLINES)


# what is no JSON


def test_a_login_page_an_empty_body_and_half_of_one_come_with_status_200(faults_on: Any, get: Get) -> None:
    whole = get().body
    faults_on("html")
    page = get()
    assert (page.status, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    assert b"<form>" in page.body
    faults_on("empty")
    assert (get().status, get().body) == (200, b"")
    faults_on("truncated")
    half = get()
    assert half.status == 200
    assert whole.startswith(half.body)
    assert int(half.headers["Content-Length"]) == len(half.body) < len(whole)
    with pytest.raises(ValueError, match="Expecting|Unterminated|delimiter"):
        json.loads(half.body)


@pytest.mark.parametrize("kind", ["big(3)", "gzip-bomb(3)"])
def test_a_big_body_holds_the_answer_and_megabytes_of_nothing(faults_on: Any, get: Get, kind: str) -> None:
    whole = get().body
    faults_on(kind)
    answer = get()
    if kind.startswith("gzip"):
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.body) < 100_000
    body = gzip.decompress(answer.body) if kind.startswith("gzip") else answer.body
    assert len(body) == len(whole) + 3 * (1 << 20)
    assert json.loads(body) == json.loads(whole)


# contents


@pytest.mark.parametrize("path", [KLINES, OHLC])
@pytest.mark.parametrize(
    ("kind", "share"), [("nan", 0.2), ("negative", 0.2), ("high-low", 0.2), ("overflow", 0.2), ("seconds", 1.0)]
)
def test_impossible_bars(faults_on: Any, get: Get, kind: str, share: float, path: str) -> None:
    before = _rows(get(path))
    faults_on(kind)
    answer = get(path)
    after = _rows(answer)
    assert len(after) == len(before)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == int(len(before) * share)
    assert all(_impossible(kind, old, new) for old, new in changed)
    if kind == "overflow":
        assert b"1e400" in answer.body


def _impossible(kind: str, old: list[Any], new: list[Any]) -> bool:
    low, high, close = float(new[3]), float(new[2]), float(new[4])
    ratio = old[0] / new[0]
    return {
        "nan": math.isnan(close),
        "negative": low < 0 and float(new[5 if len(new) == 12 else 6]) < 0,
        "high-low": high < low,
        "overflow": math.isinf(high),
        "seconds": ratio == pytest.approx(1000, rel=1e-6) or ratio == pytest.approx(0.001),
    }[kind]


@pytest.mark.parametrize("path", [KLINES, OHLC])
def test_wrong_types(faults_on: Any, get: Get, path: str) -> None:
    before = _rows(get(path))
    faults_on("strings")
    swapped = _rows(get(path))
    assert {row[0] for row in swapped} == {"n/a"}
    assert [row[1] for row in swapped] == [float(row[1]) for row in before]
    faults_on("nulls")
    nulled = _rows(get(path))
    empty = sum(value is None for row in nulled for value in row)
    assert 0.3 < empty / sum(map(len, nulled)) < 0.7
    assert all(
        b is None or a == b for old, new in zip(before, nulled, strict=True) for a, b in zip(old, new, strict=True)
    )
    faults_on("nested-error")
    assert isinstance(get(path).json["error"]["code"], dict)


@pytest.mark.parametrize("path", [KLINES, OHLC])
def test_pages_with_holes_twins_and_disorder(faults_on: Any, get: Get, path: str) -> None:
    before = _rows(get(path))
    faults_on("hole", seed=3)
    holed = _rows(get(path))
    assert holed == _rows(get(path))  # the same bars are missing whenever they are asked
    assert 0 < len(holed) < len(before)
    assert [row for row in before if row in holed] == holed
    faults_on("duplicate")
    doubled = _rows(get(path))
    assert len(doubled) == len(before) + int(0.2 * len(before))
    assert [row for row, last in zip(doubled, [None, *doubled], strict=False) if row != last] == before
    faults_on("unordered")
    shuffled = _rows(get(path))
    assert shuffled != before
    assert sorted(shuffled) == before
    faults_on("short-page(7)")
    assert _rows(get(path)) == before[-7:]


def test_a_short_page_begins_where_it_was_asked_to(faults_on: Any, get: Get) -> None:
    path = f"{KLINES}&startTime={_rows(get())[0][0]}"
    before = _rows(get(path))
    faults_on("short-page(7)")
    assert _rows(get(path)) == before[:7]


def test_an_overlapping_page_begins_with_the_end_of_the_one_before(faults_on: Any, get: Get) -> None:
    first = _rows(get())[0][0]
    pages = [f"{KLINES.replace('40', '10')}&startTime={first + i * 10 * MINUTE}" for i in range(2)]
    before = [_rows(get(page)) for page in pages]
    faults_on("overlap(3)")
    after = [_rows(get(page)) for page in pages]
    assert after == [before[0], before[0][-3:] + before[1]]


@pytest.mark.parametrize("path", [KLINES, OHLC])
def test_a_bar_that_is_read_again_has_another_close_within_its_range(faults_on: Any, get: Get, path: str) -> None:
    before = _rows(get(path))
    faults_on("revised")
    assert _rows(get(path)) == before
    again = _rows(get(path))
    assert [a[:4] for a in again] == [b[:4] for b in before]
    moved = [(float(a[4]), float(a[3]), float(a[2])) for a, b in zip(again, before, strict=True) if a[4] != b[4]]
    assert len(moved) > len(before) / 2
    assert all(low <= close <= high for close, low, high in moved)


@pytest.mark.parametrize("path", [KLINES, OHLC])
def test_all_faults_of_content_at_once_still_make_an_answer(faults_on: Any, get: Get, path: str) -> None:
    bodies = [kind.name for kind in FAULTS.values() if kind.side == "body"]
    for first in range(len(bodies)):
        faults_on("; ".join(f"{kind}(p=0.7)" for kind in bodies[first:] + bodies[:first]), seed=first)
        assert [get(path).status for _ in range(3)] == [200, 200, 200]


def test_a_bar_whose_first_answer_was_spoiled_is_not_read_yet(faults_on: Any, get: Get) -> None:
    before = _rows(get())
    faults_on("high-low x1; revised")
    assert _rows(get()) != before
    assert _rows(get()) == before
    assert _rows(get()) != before


# clocks


@pytest.mark.parametrize("seconds", [0.5, -0.5, 1.5, -1.5, 5.0, -5.0, 60.0, -60.0])
def test_a_skewed_clock_is_told_and_bars_stay(faults_on: Any, get: Get, faulty: Running, seconds: float) -> None:
    now, bars = faulty.venue.clock.now(), get().body
    faults_on(f"skew({seconds}) on binance")
    assert get("/api.binance.com/api/v3/time").json["serverTime"] == int((now + seconds) * 1000)
    assert get("/api.kraken.com/0/public/Time").json["result"]["unixtime"] == int(now)
    assert get().body == bars


def test_a_drifting_clock_moves_by_the_day(replay_market: ReplayMarket) -> None:
    plan = open_faults("skew(seconds=1, drift=10)@1d for 2d", start=0.0)
    days = [plan.clock_skew("api.binance.com", day * 86400.0) for day in (0.5, 1, 2, 2.5, 3.5)]
    assert days == [0, 1, 11, 16, 0]


# ccxt


MET: list[tuple[str, type[BaseException], type[BaseException]]] = [
    ("429", ccxt.DDoSProtection, ccxt.DDoSProtection),
    ("418", ccxt.DDoSProtection, ccxt.DDoSProtection),
    ("403", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("451", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("500", ccxt.OperationFailed, ccxt.ExchangeNotAvailable),
    ("502", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("503", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("504", ccxt.RequestTimeout, ccxt.RequestTimeout),
    ("reset", ccxt.NetworkError, ccxt.NetworkError),
    ("timeout", ccxt.RequestTimeout, ccxt.RequestTimeout),
    ("redirect", ccxt.ExchangeError, ccxt.ExchangeError),
    ("cut-off", ccxt.NetworkError, ccxt.NetworkError),
]


@pytest.mark.parametrize(("kind", "at_binance", "at_kraken"), MET)
def test_unmodified_ccxt_raises(
    faults_on: Any,
    binance: Any,
    kraken: Any,
    kind: str,
    at_binance: type[BaseException],
    at_kraken: type[BaseException],
) -> None:
    faults_on(kind)
    for exchange, expected in ((binance, at_binance), (kraken, at_kraken)):
        exchange.timeout = 300 if kind == "timeout" else 60_000
        with pytest.raises(expected):
            exchange.fetch_ohlcv("BTC/USDT", "1m", limit=20)


@pytest.mark.parametrize("kind", ["html", "truncated", "nested-error"])
def test_unmodified_ccxt_takes_garbage_with_status_200_for_bars(faults_on: Any, binance: Any, kind: str) -> None:
    """Why a venue's rows are judged again after ccxt: it raises nothing here and answers rows of nothing."""
    faults_on(kind)
    rows = binance.fetch_ohlcv("BTC/USDT", "1m", limit=20)
    assert rows
    assert any(None in row for row in rows)


def test_addresses_at_which_nobody_answers(exchange_at: Callable[[str, str], Any]) -> None:
    with silent_address() as url:
        exchange = exchange_at("binance", url)
        exchange.timeout = 300
        with pytest.raises(ccxt.RequestTimeout):
            exchange.fetch_time()
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=0.3)
    with refusing_address() as url:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60)
        with pytest.raises(ccxt.NetworkError):
            exchange_at("binance", url).fetch_time()


def test_the_catalogue_is_a_table() -> None:
    table = fault_table().set_index("fault")
    assert table.index.tolist() == list(FAULTS)
    assert table.loc["skew", "options"] == "seconds=1.5, drift=0.0"


# which requests


def test_a_fault_meets_only_whom_it_is_meant_for_as_often_as_it_may(faults_on: Any, get: Get, faulty: Running) -> None:
    plan = faults_on("503@10s for 10s every 60s x2 on klines")
    clock = faulty.venue.clock
    assert get().status == 200
    clock.sleep(10)
    assert [get().status for _ in range(3)] == [503, 503, 200]
    assert get("/api.binance.com/api/v3/time").status == 200
    assert get(OHLC).status == 200
    clock.sleep(10)
    assert get().status == 200
    clock.sleep(50)
    assert [get().status for _ in range(3)] == [503, 503, 200]  # and again in the next repeat
    assert plan.counts == {"503": 4}


def test_a_share_of_requests_is_hit_and_the_same_ones_for_a_seed(faults_on: Any, get: Get) -> None:
    def statuses(seed: int) -> list[int]:
        faults_on("500(p=0.5) on time", seed=seed)
        return [get("/api.binance.com/api/v3/time").status for _ in range(40)]

    first = statuses(1)
    assert statuses(1) == first
    assert statuses(2) != first
    assert 8 < first.count(500) < 32


def test_faults_are_told_on_the_status_page(faults_on: Any, get: Get) -> None:
    faults_on("418 for 2m on nowhere; frozen@3h")
    assert get("/status").json["faults"] == ["418 for 2m on nowhere", "next: frozen@3h"]


# sockets

URL = "/ws.kraken.com/v2"
TRADES = {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USDT", "ETH/USDT"], "snapshot": True}}
Talk = Callable[[aiohttp.ClientWebSocketResponse], Any]


@pytest.fixture
def converse(faulty: Running) -> Callable[..., Any]:
    """Hold a conversation over a plain socket, in an event loop of its own."""

    def run(talk: Talk, url: str = URL, first: Any = TRADES, compress: int = 0) -> Any:
        async def main() -> Any:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(f"{faulty.base_url}{url}", autoping=False, compress=compress) as plain,
            ):
                if first is not None:
                    await plain.send_json(first)
                return await asyncio.wait_for(talk(plain), 100)

        return asyncio.run(main())

    return run


async def _data(plain: aiohttp.ClientWebSocketResponse, channel: str = "trade") -> Any:
    """Return the next message of market data."""
    while True:
        message = await plain.receive(timeout=60)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        told = json.loads(message.data)
        if told.get("channel") == channel:
            return told


async def _quiet(plain: aiohttp.ClientWebSocketResponse, seconds: float = 0.3) -> list[Any]:
    """Return what comes within a time."""
    got: list[Any] = []
    try:
        while not plain.closed:
            got.append(await plain.receive(timeout=seconds))
    except TimeoutError:
        pass
    return got


@pytest.mark.parametrize("code", [1000, 1001, 1012])
def test_a_socket_is_closed_with_its_code(faults_on: Any, converse: Any, faulty: Running, code: int) -> None:
    plan = faults_on(f"close-{code}@10s")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> int:
        await _data(plain)
        faulty.venue.clock.sleep(10)
        while not plain.closed:
            await plain.receive(timeout=60)
        return plain.close_code or 0

    assert converse(talk) == code
    assert plan.counts == {f"close-{code}": 1}

    async def stays(plain: aiohttp.ClientWebSocketResponse) -> bool:
        await _data(plain)
        await _quiet(plain)
        return plain.closed

    assert converse(stays) is False  # only what was open at that moment


@pytest.mark.parametrize("kind", ["close-1006", "partial"])
def test_a_socket_is_cut_without_a_close(faults_on: Any, converse: Any, faulty: Running, kind: str) -> None:
    faults_on(f"{kind}@10s")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> int:
        await _data(plain)
        faulty.venue.clock.sleep(10)
        while not plain.closed:
            await plain.receive(timeout=60)
        return plain.close_code or 0

    assert converse(talk) == 1006


def test_a_partial_frame_is_half_a_frame(faults_on: Any, faulty: Running) -> None:
    faults_on("partial")
    with socket.create_connection(("127.0.0.1", faulty.venue.port), timeout=60) as plain:
        head = (
            "GET {} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        )
        plain.sendall((head.format(URL) + "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n").encode())
        got = b""
        try:
            while piece := plain.recv(65536):
                got += piece
        except ConnectionError:
            pass
    frames = got.partition(b"\r\n\r\n")[2]
    while frames:
        length, start = frames[1], 2
        if length == 126:
            length, start = int.from_bytes(frames[2:4], "big"), 4
        if len(frames) < start + length:
            break
        frames = frames[start + length :]
    assert frames[:1] == b"\x81"  # a text frame
    assert 0 < len(frames) - start == length // 2


def test_a_half_open_socket_says_nothing_more_and_answers_no_ping(
    faults_on: Any, converse: Any, faulty: Running
) -> None:
    faults_on("half-open@10s for 1s")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> list[Any]:
        await _data(plain)
        faulty.venue.clock.sleep(10)
        await _quiet(plain)  # what was on its way
        await plain.ping()
        await plain.send_json({"method": "ping"})
        faulty.venue.clock.sleep(3600)  # it stays dead after the fault is over
        got = await _quiet(plain)
        assert not plain.closed
        transport = plain._response.connection.transport  # type: ignore[union-attr]  # to leave without a close
        transport.abort()  # type: ignore[union-attr]
        return got

    assert converse(talk) == []
    _wait(lambda: not faulty.venue.channels)


def test_unanswered_pings_while_data_comes(faults_on: Any, converse: Any, faulty: Running) -> None:
    faults_on("no-pong@10s for 10s")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> list[list[str]]:
        await _data(plain)
        answered = []
        for _ in range(3):
            await _quiet(plain, 0.1)
            await plain.ping()
            await plain.send_json({"method": "ping"})
            got = await _quiet(plain)
            pongs = [m.type.name for m in got if m.type is aiohttp.WSMsgType.PONG]
            pongs += ["text" for m in got if m.type is aiohttp.WSMsgType.TEXT and '"pong"' in m.data]
            answered.append(sorted(pongs))
            faulty.venue.clock.sleep(10)
            await _data(plain)  # trades come on
        return answered

    assert converse(talk) == [["PONG", "text"], [], ["PONG", "text"]]


def test_a_frozen_stream_answers_pings_and_sends_no_data(faults_on: Any, converse: Any, faulty: Running) -> None:
    faults_on("frozen@10s for 1s")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> list[str]:
        await _data(plain)
        faulty.venue.clock.sleep(10)
        await _quiet(plain)
        faulty.venue.clock.sleep(600)
        await plain.ping()
        await plain.send_json({"method": "ping"})
        got = await _quiet(plain)
        told = {json.loads(m.data).get("channel", "pong") for m in got if m.type is aiohttp.WSMsgType.TEXT}
        return sorted(told | {m.type.name for m in got if m.type is aiohttp.WSMsgType.PONG})

    assert converse(talk) == ["PONG", "pong"]


def test_a_burst_repeats_the_latest_message(faults_on: Any, converse: Any, faulty: Running) -> None:
    faults_on("burst@10s")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> int:
        await _data(plain)
        await _data(plain)
        faulty.venue.clock.sleep(10)
        counts: dict[str, int] = {}
        while max(counts.values(), default=0) < 10_000:
            message = await plain.receive(timeout=60)
            counts[message.data] = counts.get(message.data, 0) + 1
        return max(counts.values())

    assert converse(talk) >= 10_000


def test_every_message_twice(faults_on: Any, converse: Any, faulty: Running) -> None:
    faults_on("ws-duplicate")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> list[Any]:
        got = [await _data(plain) for _ in range(4)]
        faulty.venue.clock.sleep(60)
        return got + [await _data(plain) for _ in range(4)]

    got = converse(talk)
    assert got[::2] == got[1::2]
    assert all(a != b for a, b in zip(got[::2], got[2::2], strict=False))


def test_messages_come_in_another_order(faults_on: Any, converse: Any, faulty: Running) -> None:
    faults_on("ws-reorder(group=6)", seed=1)

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> list[int]:
        for _ in range(20):
            faulty.venue.clock.sleep(20)
            await asyncio.sleep(0.05)
        got = []
        while len(got) < 12:
            told = await _data(plain)
            got += [trade["trade_id"] for trade in told["data"][:1] if trade["symbol"] == "BTC/USDT"]
        return got

    ids = converse(talk)
    assert len(set(ids)) == len(ids)
    assert ids != sorted(ids)


def test_half_of_each_message(faults_on: Any, converse: Any) -> None:
    faults_on("ws-truncated")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> str:
        while True:
            message = await plain.receive(timeout=60)
            if '"channel":"trade","type"' in message.data:
                return str(message.data)

    text = converse(talk)
    with pytest.raises(ValueError, match="delimiter|Unterminated|Expecting"):
        json.loads(text)


@pytest.mark.parametrize(
    ("url", "first"),
    [(URL, TRADES), ("/stream.binance.com/ws/btcusdt@trade", None)],
)
def test_some_messages_name_a_symbol_that_nobody_asked_for(
    faults_on: Any, converse: Any, faulty: Running, url: str, first: Any
) -> None:
    faults_on("wrong-symbol")
    asked = {"BTC/USDT", "ETH/USDT"} if first else {"BTCUSDT"}

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> list[str]:
        named: list[str] = []
        while len(named) < 8:
            faulty.venue.clock.sleep(30)
            for message in await _quiet(plain, 0.1):
                told = json.loads(message.data)
                named += [told["s"]] if "s" in told else [t["symbol"] for t in told.get("data", ()) if "side" in t][:1]
        return named

    named = converse(talk, url, first)
    strange = [name for name in named if name not in asked]
    assert len(named) // 3 <= len(strange) <= len(named) * 2 // 3


def test_the_venue_ends_one_subscription(faults_on: Any, converse: Any, faulty: Running) -> None:
    faults_on("unsubscribed@10s")

    async def talk(plain: aiohttp.ClientWebSocketResponse) -> tuple[set[str], set[str]]:
        before = {(await _data(plain))["data"][0]["symbol"] for _ in range(2)}
        faulty.venue.clock.sleep(10)
        await _quiet(plain)
        after: set[str] = set()
        for _ in range(4):
            faulty.venue.clock.sleep(60)
            got = [json.loads(m.data) for m in await _quiet(plain, 0.1)]
            after |= {told["data"][0]["symbol"] for told in got if told.get("channel") == "trade"}
        return before, after

    before, after = converse(talk)
    assert before == {"BTC/USDT", "ETH/USDT"}
    assert len(after) == 1


def test_a_socket_is_not_opened_while_its_host_is_down(faults_on: Any, converse: Any) -> None:
    faults_on("503 on ws.kraken.com")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        converse(_data)
    assert refused.value.status == 503


def test_every_fault_is_met_by_a_test_of_this_file() -> None:
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    missing = [
        name for name in FAULTS if f'"{name}' not in text and not name.isdigit() and not name.startswith("close-1")
    ]
    assert missing == []


def _rows(answer: Answer) -> Rows:
    told = answer.json
    return list(told if isinstance(told, list) else told["result"]["XBTUSDT"])


def _wait(done: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)
