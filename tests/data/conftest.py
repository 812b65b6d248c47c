"""A scripted server on loopback that unmodified ccxt talks to, and a clock that only sleeping moves."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

T0 = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


class StepClock:
    """Time that passes by sleeping alone; ``slept`` keeps each wait."""

    def __init__(self, now: float = T0) -> None:
        self.time, self.slept, self.lock = now, [], threading.Lock()

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.slept.append(seconds)
            self.time += seconds


@dataclass
class Asked:
    """One request as it came in: path without the host of the venue, and parameters."""

    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Answer:
    """What is sent back; ``body`` as bytes is sent as it is, ``cut`` drops the connection after so many bytes of it,
    ``drip_s`` is the wait before each byte."""

    body: Any = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    cut: int | None = None
    reset: bool = False
    drip_s: float = 0.0


@dataclass
class ScriptedServer:
    """Answers by ``answer(asked)``, keeps every request, and markets of a few venues by itself."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Answer] = lambda _asked: Answer([])
    markets: bool = True

    @property
    def pages(self) -> list[Asked]:
        """The requests that are not for lists of markets."""
        return [a for a in self.asked if a.path not in MARKETS]

    def say(self, *answers: Answer) -> None:
        """Give these answers in turn, the last one for ever."""
        left = list(answers)
        self.answer = lambda _asked: left.pop(0) if len(left) > 1 else left[0]

    def reply(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if not self.markets or asked.path not in MARKETS:
            return self.answer(asked)
        body = MARKETS[asked.path]
        if "instType" in asked.query:  # OKX lists each kind by itself
            body = {**body, "data": [row for row in body["data"] if row["instType"] == asked.query["instType"]]}
        return Answer(body)


@pytest.fixture
def step_clock() -> StepClock:
    return StepClock()


@pytest.fixture
def answer_of() -> type[Answer]:
    """The class of answers, for tests to script with."""
    return Answer


class Handler(BaseHTTPRequestHandler):
    """Serves one script."""

    protocol_version = "HTTP/1.1"
    script: ScriptedServer

    def log_message(self, *_args: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, host, path = parts.path.split("/", 2)
        said = self.script.reply(Asked(host, f"/{path}", dict(parse_qsl(parts.query)), dict(self.headers)))
        if said.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.connection.close()
            self.close_connection = True
            return
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        self.send_response(said.status)
        for name, value in {"Content-Type": said.kind, "Content-Length": str(len(body)), **said.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for byte in body if said.drip_s else b"":
            time.sleep(said.drip_s)
            self.wfile.write(bytes([byte]))
        if not said.drip_s:
            self.wfile.write(body[: said.cut])
        self.close_connection = said.cut is not None

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):  # the client went away, or the connection was reset on purpose
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """A running scripted server."""
    serving = type("Serving", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), serving)
    server.daemon_threads = True
    serving.script = script = ScriptedServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield script
    server.shutdown()
    server.server_close()


def binance_symbol(base: str, quote: str, **more: Any) -> dict[str, Any]:
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "permissions": ["SPOT"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            {"filterType": "NOTIONAL", "minNotional": "5"},
        ],
        **more,
    }


_SWAP = {
    "contractType": "PERPETUAL",
    "marginAsset": "USDT",
    "onboardDate": 1569398400000,
    "deliveryDate": 4133404800000,
}
MARKETS: dict[str, Any] = {
    "/api/v3/exchangeInfo": {"symbols": [binance_symbol("BTC", "USDT"), binance_symbol("ETH", "USDT")]},
    "/fapi/v1/exchangeInfo": {"symbols": [binance_symbol("BTC", "USDT", **_SWAP)]},
    "/0/public/AssetPairs": {
        "error": [],
        "result": {
            "XXBTZUSD": {
                "altname": "XBTUSD",
                "wsname": "XBT/USD",
                "base": "XXBT",
                "quote": "ZUSD",
                "pair_decimals": 1,
                "lot_decimals": 8,
                "fees": [[0, 0.4]],
                "fees_maker": [[0, 0.25]],
                "leverage_buy": [],
                "ordermin": "0.0001",
                "costmin": "0.5",
                "tick_size": "0.1",
                "status": "online",
            }
        },
    },
    "/products": [
        {
            "id": "BTC-USD",
            "base_currency": "BTC",
            "quote_currency": "USD",
            "quote_increment": "0.01",
            "base_increment": "0.00000001",
            "display_name": "BTC/USD",
            "min_market_funds": "1",
            "status": "online",
            "trading_disabled": False,
        }
    ],
    "/api/v5/public/instruments": {
        "code": "0",
        "msg": "",
        "data": [
            {
                "instType": "SWAP",
                "instId": "BTC-USDT-SWAP",
                "instFamily": "BTC-USDT",
                "uly": "BTC-USDT",
                "settleCcy": "USDT",
                "ctVal": "0.01",
                "ctMult": "1",
                "ctValCcy": "BTC",
                "ctType": "linear",
                "listTime": "1573557408000",
                "expTime": "",
                "tickSz": "0.1",
                "lotSz": "0.01",
                "minSz": "0.01",
                "state": "live",
                "lever": "100",
                "baseCcy": "",
                "quoteCcy": "",
            }
        ],
    },
}
"""The least lists of markets that ccxt reads."""
