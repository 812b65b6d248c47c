"""Replay venues on loopback, and unmodified ccxt pointed at them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from workbench.data.replay import Faults, ReplayClock, ReplayMarket, open_faults, replay_venue, synthetic_replay
from workbench.data.replay.binance_streams import stream_named
from workbench.data.replay.running import Running
from workbench.data.venues.address import redirect

_KLINES = "/api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=40"


@pytest.fixture(scope="session")
def replay_now_ms() -> int:
    """Where frozen clocks stand: in the middle of a minute, an hour, a day and a month."""
    return int(pd.Timestamp("2026-03-10 12:34:27.500", tz="UTC").timestamp() * 1000)


@pytest.fixture(scope="session")
def replay_market() -> ReplayMarket:
    """Three synthetic symbols with their perpetuals."""
    return synthetic_replay("regimes(seed=7)")


@pytest.fixture(scope="session")
def shared_frozen_venue(replay_market: ReplayMarket, replay_now_ms: int) -> Iterator[Running]:
    """A venue whose clock stands still."""
    with replay_venue(replay_market, ReplayClock(replay_now_ms / 1000, frozen=True)) as running:
        yield running


@pytest.fixture
def frozen_venue(shared_frozen_venue: Running) -> Running:
    """A venue whose clock stands still, with an empty log."""
    shared_frozen_venue.venue.requests.clear()
    return shared_frozen_venue


@pytest.fixture
def exchange_at() -> Callable[[str, str], Any]:
    """Return plain ccxt, only its addresses changed."""

    def make(name: str, base_url: str) -> Any:
        import ccxt

        return redirect(getattr(ccxt, name)({"enableRateLimit": False, "timeout": 60_000}), base_url)

    return make


@pytest.fixture(scope="session")
def frozen_exchange(shared_frozen_venue: Running) -> Callable[[str], Any]:
    """Return plain ccxt at the venue whose clock stands still, one of each name for all tests."""
    import ccxt

    made: dict[str, Any] = {}

    def exchange(name: str) -> Any:
        if name not in made:
            plain = getattr(ccxt, name)({"enableRateLimit": False, "timeout": 60_000})
            made[name] = redirect(plain, shared_frozen_venue.base_url)
        return made[name]

    return exchange


@pytest.fixture
def pro_at() -> Callable[[str, str], Any]:
    """Return plain ccxt.pro, only its addresses changed; to be made and closed inside an event loop."""

    def make(name: str, base_url: str) -> Any:
        import ccxt.pro

        return redirect(getattr(ccxt.pro, name)({"enableRateLimit": False, "timeout": 60_000}), base_url)

    return make


@pytest.fixture
def ask_json() -> Callable[[str], Any]:
    """Return the JSON of a GET."""

    def ask(url: str) -> Any:
        port, _, path = url.removeprefix("http://127.0.0.1:").partition("/")
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
        try:
            connection.request("GET", f"/{path}")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return json.loads(answer.read())
        finally:
            connection.close()

    return ask


@pytest.fixture
def stream_messages(replay_market: ReplayMarket, replay_now_ms: int) -> Callable[[str, str], list[Any]]:
    """Return the messages of one stream of a host over seventy seconds, a second at a time, as JSON."""

    def messages(host: str, name: str) -> list[Any]:
        kind = "swap" if host.startswith("f") else "spot"
        infos = [i for i in map(replay_market.instrument, replay_market.symbols) if i.kind == kind]
        stream = stream_named(name, replay_market, infos)
        assert stream is not None
        times = range(replay_now_ms, replay_now_ms + 70_000, 1000)
        return [json.loads(text) for time in times for text in stream.due(time, time)]

    return messages


class PlainAnswer:
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
def get(faulty: Running) -> Callable[..., PlainAnswer]:
    """Ask the venue over a plain connection of its own."""

    def ask(path: str = _KLINES, seconds: float = 60.0) -> PlainAnswer:
        connection = http.client.HTTPConnection("127.0.0.1", faulty.venue.port, timeout=seconds)
        try:
            connection.request("GET", path)
            return PlainAnswer(connection.getresponse())
        finally:
            connection.close()

    return ask
