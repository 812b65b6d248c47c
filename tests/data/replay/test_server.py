"""The server itself: routing, the log, the call points of faults, sockets, starting and ending."""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import multiprocessing
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from workbench.data.replay import ReplayClock, ReplayMarket, ReplayVenue, replay_process, replay_venue, synthetic_replay
from workbench.data.replay.running import Running
from workbench.data.replay.server import Call, Channel, DroppedError, json_answer
from workbench.errors import ConfigError

TIME = "/api.binance.com/api/v3/time"


def ask(url: str) -> tuple[int, bytes]:
    """Return status and body of a GET."""
    port, _, path = url.removeprefix("http://127.0.0.1:").partition("/")
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    try:
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_requests_go_to_the_dialect_of_their_host_and_are_counted(frozen_venue: Running, replay_now_ms: int) -> None:
    status, body = ask(frozen_venue.base_url + TIME)
    assert (status, json.loads(body)) == (200, {"serverTime": replay_now_ms})
    assert ask(f"{frozen_venue.base_url}/api.binance.com/api/v3/nothing?a=1")[0] == 404
    assert ask(f"{frozen_venue.base_url}/api.example.com/v1/time")[0] == 404
    log = frozen_venue.venue.requests
    assert [(c.host, c.path, c.params, c.status) for c in log.calls] == [
        ("api.binance.com", "/api/v3/time", {}, 200),
        ("api.binance.com", "/api/v3/nothing", {"a": "1"}, 404),
    ]
    assert {c.time for c in log.calls} == {replay_now_ms / 1000}
    assert (log.total, log.count(path="/time"), log.count("fapi.binance.com")) == (2, 1, 0)


def test_the_page_and_the_status_say_what_is_served(frozen_venue: Running) -> None:
    ask(frozen_venue.base_url + TIME)
    status = json.loads(ask(frozen_venue.base_url + "/status")[1])
    assert status["requests_by_path"] == {"api.binance.com/api/v3/time": 1}
    assert (status["speed"], status["faults"], status["sockets"]) == (0, [], 0)
    assert {"BTC/USDT", "ETH/USDT:USDT"} <= set(status["symbols"])
    page = ask(frozen_venue.base_url + "/")[1].decode()
    for words in ("2026-03-10 12:34:27 UTC, stands still", "SOL/USDT", "api.kraken.com", "none", "/api/v3/time"):
        assert words in page


class Plan:
    """A plan that does one of everything, and keeps what it met."""

    def __init__(self) -> None:
        self.met: list[str] = []
        self.ticks = 0
        self.half_open = False
        self.close_at_tick = 0

    def clock_skew(self, host: str, now: float) -> float:
        assert now > 0
        return 1.5 if host == "api.binance.com" else 0.0

    async def before_request(self, call: Call, request: Any) -> Any:
        self.met.append(f"{request.method} {call.path}")
        if call.params.get("cut"):
            raise DroppedError
        return json_answer({"no": 1}, 429, {"Retry-After": "3"}) if call.params.get("busy") else None

    async def change_answer(self, call: Call, request: Any, answer: Any) -> Any:
        assert request.path.endswith(call.path)
        return json_answer(answer.body[:5] + b"!") if call.params.get("short") else answer

    async def on_connect(self, channel: Channel) -> None:
        channel.answers_pings = not self.half_open

    async def on_message(self, channel: Channel, text: str) -> Sequence[str]:
        return [text, text] if channel.opened and '"result"' in text else []

    async def on_tick(self, channel: Channel) -> None:
        self.ticks += 1
        if self.close_at_tick and self.ticks >= self.close_at_tick:
            await channel.close(1012, "service restart")

    def describe(self) -> Sequence[str]:
        return ["everything"]


def test_a_fault_plan_answers_cuts_changes_and_skews(replay_market: ReplayMarket, replay_now_ms: int) -> None:
    plan = Plan()
    with replay_venue(replay_market, ReplayClock(replay_now_ms / 1000, frozen=True), plan) as running:
        url = running.base_url + TIME
        assert json.loads(ask(url)[1]) == {"serverTime": replay_now_ms + 1500}
        assert ask(url + "?busy=1")[0] == 429
        assert ask(url + "?short=1")[1] == b'{"ser!'
        with pytest.raises(ConnectionError):
            ask(url + "?cut=1")
        assert ask(url)[0] == 200
        assert [c.status for c in running.venue.requests.calls] == [200, 429, 200, 0, 200]
        assert json.loads(ask(running.base_url + "/status")[1])["faults"] == ["everything"]
    assert plan.met == ["GET /api/v3/time"] * 5


def test_a_fault_plan_holds_sockets(replay_market: ReplayMarket, replay_now_ms: int) -> None:
    plan = Plan()
    plan.half_open = True

    async def talk(url: str) -> tuple[list[str], bool, int | None]:
        import aiohttp

        async with aiohttp.ClientSession() as session:
            socket_ = await session.ws_connect(f"{url}/stream.binance.com/ws/0", autoping=False)
            await socket_.send_str('{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}')
            texts = [(await socket_.receive(timeout=60)).data for _ in range(2)]
            await socket_.ping(b"there?")
            plan.close_at_tick = plan.ticks + 3
            message = await socket_.receive(timeout=60)
            await socket_.close()
            return texts, message.type is aiohttp.WSMsgType.PONG, socket_.close_code

    with replay_venue(replay_market, ReplayClock(replay_now_ms / 1000, frozen=True), plan) as running:
        texts, ponged, code = asyncio.run(talk(running.base_url))
    assert texts == ['{"result":null,"id":1}'] * 2
    assert not ponged
    assert code == 1012


def test_sockets_answer_pings_and_are_counted(frozen_venue: Running) -> None:
    async def talk(url: str) -> Any:
        import aiohttp

        async with aiohttp.ClientSession() as session:
            one = await session.ws_connect(f"{url}/fstream.binance.com/market/ws/1", autoping=False)
            await one.ping(b"there?")
            message = await one.receive(timeout=60)
            open_now = json.loads((await (await session.get(f"{url}/status")).read()).decode())["sockets"]
            await one.close()
            return message.type is aiohttp.WSMsgType.PONG, message.data, open_now

    assert asyncio.run(talk(frozen_venue.base_url)) == (True, b"there?", 1)
    assert [(c.path, c.status) for c in frozen_venue.venue.requests.calls] == [("/market/ws/1", 101)]


def test_the_thread_and_the_port_are_free_again_after_an_error(replay_market: ReplayMarket) -> None:
    before = set(threading.enumerate())
    ports = []

    def fail_inside() -> None:
        with replay_venue(replay_market) as running:
            ports.append(running.venue.port)
            assert set(threading.enumerate()) > before
            with socket.create_connection(("127.0.0.1", running.venue.port), timeout=60):
                raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert set(threading.enumerate()) <= before
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", ports[0]))


def test_a_taken_port_is_one_line(replay_market: ReplayMarket) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 cannot be used"),
            replay_venue(replay_market, port=port),
        ):
            pass


def test_open_sockets_do_not_hold_up_the_end(replay_market: ReplayMarket) -> None:
    async def go() -> Any:
        import aiohttp

        venue = ReplayVenue(replay_market)
        url = await venue.start()
        async with aiohttp.ClientSession() as session:
            one = await session.ws_connect(f"{url}/stream.binance.com/ws/btcusdt@trade")
            await asyncio.wait_for(venue.stop(), 60)
            message = await one.receive(timeout=60)
            while message.type is aiohttp.WSMsgType.TEXT:
                message = await one.receive(timeout=60)
            return message.type, aiohttp.WSMsgType

    kind, kinds = asyncio.run(go())
    assert kind in (kinds.CLOSED, kinds.CLOSE, kinds.CLOSING, kinds.ERROR)


@pytest.mark.slow
def test_a_venue_in_a_process_of_its_own_ends_with_its_block() -> None:
    make = functools.partial(synthetic_replay, "gbm(seed=1)", ("BTC/USDT",))
    with replay_process(make, start=1_700_000_000.0, speed=1000) as url:
        time = json.loads(ask(url + TIME)[1])["serverTime"]
        assert time >= 1_700_000_000_000
        children = multiprocessing.active_children()
        assert len(children) == 1
    assert not children[0].is_alive()
    with pytest.raises(ConnectionRefusedError):
        ask(url + TIME)
