"""One WebSocket of Binance: subscriptions by message or by address, single or combined, and the WebSocket API."""

from __future__ import annotations

import json
from typing import Any

from workbench.data.replay.binance_streams import Stream, stream_named
from workbench.data.replay.server import Call, Channel, Dialect, ReplayServer

_METHODS = {
    "ping": "ping", "time": "time", "exchangeInfo": "exchangeInfo", "klines": "klines", "depth": "depth",
    "trades.recent": "trades", "trades.aggregate": "aggTrades", "ticker.24hr": "ticker/24hr",
    "ticker.price": "ticker/price", "ticker.book": "ticker/bookTicker",
}  # fmt: skip
_MOST_STREAMS = 1024


async def converse(channel: Channel, venue: ReplayServer, kind: str, dialect: Dialect) -> None:
    """Hold the conversation of one socket until it is closed."""
    if "/ws-api/" in channel.path or "/ws-fapi/" in channel.path:
        await _answer_requests(channel, venue, kind, dialect)
    combined, names = _addressed(channel)
    streams = Subscriptions(channel, venue, kind, combined=combined)
    streams.add(names)
    while True:
        heard = await channel.receive()
        if heard is not None:
            await channel.send(streams.answer(heard))
        for message in streams.due():
            await channel.send(message)


class Subscriptions:
    """The streams of one socket."""

    def __init__(self, channel: Channel, venue: ReplayServer, kind: str, *, combined: bool) -> None:
        self.channel, self.venue, self.kind, self.combined = channel, venue, kind, combined
        self.streams: dict[str, Stream | None] = {}

    def add(self, names: list[str]) -> None:
        """Subscribe; names of streams that do not exist are taken and stay silent, as on the real venue."""
        market = self.venue.market
        infos = [i for i in map(market.instrument, market.symbols) if i.kind == self.kind]
        for name in names:
            if name not in self.streams:
                self.streams[name] = stream_named(name, market, infos, self.venue.book_step_ms)

    def due(self) -> list[str]:
        """Return all messages that are due."""
        now, told = self.venue.now_ms(), self.venue.now_ms(self.channel.host)
        messages = []
        for name, stream in self.streams.items():
            if stream is not None:
                made = stream.due(now, told)
                messages += [f'{{"stream":"{name}","data":{m}}}' for m in made] if self.combined else list(made)
        return messages

    def answer(self, heard: str) -> str:
        """Return the answer to a message of the client."""
        try:
            asked = json.loads(heard)
        except ValueError as err:
            return _refusal(3, f"Invalid JSON: {err}", None)
        if not isinstance(asked, dict) or "method" not in asked:
            return _refusal(2, "Invalid request: missing field `method`", None)
        number, names = asked.get("id"), asked.get("params") or []
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            return _refusal(2, "Invalid request: params must be an array of strings", number)
        result: Any = None
        match asked["method"]:
            case "SUBSCRIBE":
                if len(self.streams) + len(names) > _MOST_STREAMS:
                    return _refusal(2, f"Invalid request: at most {_MOST_STREAMS} streams a connection", number)
                self.add(names)
            case "UNSUBSCRIBE":
                for name in names:
                    self.streams.pop(name, None)
            case "LIST_SUBSCRIPTIONS":
                result = list(self.streams)
            case other:
                return _refusal(2, f"Invalid request: unknown method {other}", number)
        return json.dumps({"result": result, "id": number}, separators=(",", ":"))


async def _answer_requests(channel: Channel, venue: ReplayServer, kind: str, dialect: Dialect) -> None:
    """Answer the WebSocket API: the REST answers, wrapped."""
    rest = "/api/v3/" if kind == "spot" else "/fapi/v1/"
    while True:
        heard = await channel.receive()
        if heard is None:
            continue
        asked = _object(heard)
        if asked is None or not isinstance(asked.get("params") or {}, dict):
            await channel.send(_refusal(-1000, "a request is an object with an object of params", None))
            continue
        path = _METHODS.get(str(asked.get("method")))
        params = {k: str(v) for k, v in (asked.get("params") or {}).items()}
        call = Call(0, venue.clock.now(), "GET", channel.host, rest + (path or "?"), params)
        answer = await dialect.handle_rest(call, venue)
        if answer is None:
            await channel.send(_refusal(-1000, f"unknown method {asked.get('method')}", asked.get("id")))
            continue
        body, number = bytes(answer.body).decode(), json.dumps(asked.get("id"))  # type: ignore[arg-type]
        key = "result" if answer.status == 200 else "error"
        await channel.send(f'{{"id":{number},"status":{answer.status},"{key}":{body}}}')


def _object(heard: str) -> dict[str, Any] | None:
    try:
        asked = json.loads(heard)
    except ValueError:
        return None
    return asked if isinstance(asked, dict) else None


def _addressed(channel: Channel) -> tuple[bool, list[str]]:
    """Return whether messages are wrapped, and the streams that the address names."""
    if channel.path.rstrip("/").endswith("/stream"):
        return True, [n for n in channel.params.get("streams", "").split("/") if n]
    _, _, names = channel.path.partition("/ws/")
    return False, [n for n in names.split("/") if "@" in n or n.startswith("!")]


def _refusal(code: int, message: str, number: Any) -> str:
    return json.dumps({"error": {"code": code, "msg": message}, "id": number}, separators=(",", ":"))
