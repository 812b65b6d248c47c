"""Each fault of sockets alone, over a plain WebSocket."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from workbench.data.replay.running import Running

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


def _wait(done: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)
