"""The server on loopback: finds the dialect of a host, lets the fault plan meddle, and counts every request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from workbench.data.venues.clock import Clock
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"
_KEPT = 20_000
_LARGEST_MESSAGE = 1 << 20


class DroppedError(Exception):
    """Raised by a dialect or a fault plan: the connection is cut without an answer."""


class ChannelClosedError(Exception):
    """The socket is gone; whoever served it is done."""


@dataclass(slots=True)
class Call:
    """One request as the log keeps it. ``status`` is 0 while it is not answered, and stays 0 when it never was."""

    number: int
    time: float
    method: str
    host: str
    path: str
    params: dict[str, str]
    status: int = 0


class RequestLog:
    """Every request: the newest calls, and counts of all."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=_KEPT)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.total = 0

    def add(self, time: float, method: str, host: str, path: str, params: dict[str, str]) -> Call:
        """Count a request that has come in, and return its row."""
        self.total += 1
        self.counts[host, path] += 1
        call = Call(self.total, time, method, host, path, params)
        self.calls.append(call)
        return call

    def count(self, host: str = "", path: str = "") -> int:
        """Return how many requests came for a host (``""``: all) whose path contains ``path``."""
        return sum(n for (h, p), n in self.counts.items() if host in ("", h) and path in p)

    def clear(self) -> None:
        """Forget all calls and counts."""
        self.calls.clear()
        self.counts.clear()
        self.total = 0


class Dialect(Protocol):
    """How one venue speaks. Paths are without the host: ``/api/v3/klines``."""

    hosts: tuple[str, ...]
    """Original hosts that it answers for, such as ``api.binance.com``."""

    async def handle_rest(self, call: Call, venue: ReplayServer) -> web.Response | None:
        """Answer a request; ``None``: this venue has no such path (404)."""
        ...

    async def handle_socket(self, channel: Channel, venue: ReplayServer) -> None:
        """Hold the conversation of one socket until `ChannelClosedError` ends it.

        Loop: ``text = await channel.receive()`` (``None`` each tick), answer it, send what the clock has brought.
        """
        ...


class FaultPlan(Protocol):
    """What goes wrong. Every method may wait, and may raise `DroppedError` to cut the connection."""

    def clock_skew(self, host: str, now: float) -> float:
        """Return seconds by which the host's own clock is ahead of the true one."""
        ...

    async def before_request(self, call: Call, request: web.Request) -> web.StreamResponse | None:
        """Answer instead of the venue (429, HTML, a drip it has written itself), or ``None`` to let it through."""
        ...

    async def change_answer(self, call: Call, request: web.Request, answer: web.Response) -> web.StreamResponse:
        """Return the venue's answer, or another: cut short, of wrong types, with holes."""
        ...

    async def on_connect(self, channel: Channel) -> None:
        """Meet a new socket: keep it in mind, or close it."""
        ...

    async def on_message(self, channel: Channel, text: str) -> Sequence[str]:
        """Return what is sent in place of one message of the venue: itself, nothing, it twice, others."""
        ...

    async def on_tick(self, channel: Channel) -> None:
        """Be called at each tick of a socket, before the venue speaks: close it, silence it, send more."""
        ...

    def describe(self) -> Sequence[str]:
        """Return one line for each fault that is on, for the status page."""
        ...


class Channel:
    """One WebSocket as dialects and fault plans see it.

    Attributes
    ----------
    answers_pings : bool
        A fault plan sets it to False for a half-open socket.
    number : int
        Sockets are counted from 1 over the life of the server.
    """

    def __init__(self, number: int, call: Call, socket: web.WebSocketResponse, venue: ReplayServer) -> None:
        self.number, self.call, self.socket, self.venue = number, call, socket, venue
        self.host, self.path, self.params = call.host, call.path, call.params
        self.opened = venue.clock.now()
        self.answers_pings = True
        self.sent = 0

    async def receive(self, seconds: float | None = None) -> str | None:
        """Return the next text of the client, or ``None`` when a tick (``seconds`` of the machine) has passed.

        Raises
        ------
        ChannelClosedError
            When the socket is closed, by either side.
        """
        from aiohttp import WSMsgType

        loop = asyncio.get_running_loop()
        until = loop.time() + (self.venue.tick_s if seconds is None else seconds)
        while True:
            try:
                message = await self.socket.receive(timeout=max(0.001, until - loop.time()))
            except TimeoutError:
                await self._tick()
                return None
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                return message.data if isinstance(message.data, str) else message.data.decode()
            if message.type is WSMsgType.PING:
                if self.answers_pings:
                    await self.socket.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                raise ChannelClosedError
            if loop.time() >= until:
                await self._tick()
                return None

    async def send(self, text: str) -> None:
        """Send one message of the venue, as the fault plan lets it through."""
        plan = self.venue.faults
        for one in (text,) if plan is None else await plan.on_message(self, text):
            await self.send_raw(one)

    async def send_raw(self, text: str) -> None:
        """Send a message past the fault plan (for the plan itself)."""
        if self.socket.closed:
            raise ChannelClosedError
        try:
            await self.socket.send_str(text)
        except ConnectionError as err:
            raise ChannelClosedError from err
        self.sent += 1

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code. 1006 is never sent: the connection is cut."""
        if code == 1006:
            raise DroppedError
        await self.socket.close(code=code, message=reason.encode(), drain=False)
        raise ChannelClosedError

    async def _tick(self) -> None:
        if self.venue.faults is not None:
            await self.venue.faults.on_tick(self)


class ReplayServer:
    """The HTTP and WebSocket server: request paths are ``/<original host>/<original path>``.

    Parameters
    ----------
    market : ReplayMarket
    clock : Clock
        What the venue takes for the time.
    dialects : sequence of Dialect
    faults : FaultPlan, optional
    tick_s : float
        Seconds of the machine between two looks of a socket at the clock.
    """

    def __init__(
        self,
        market: Any,
        clock: Clock,
        dialects: Sequence[Dialect],
        faults: FaultPlan | None = None,
        tick_s: float = 0.05,
    ) -> None:
        self.market, self.clock, self.faults, self.tick_s = market, clock, faults, tick_s
        self.requests = RequestLog()
        self.channels: dict[int, Channel] = {}
        self.port = 0
        self._dialects: dict[str, Dialect] = {host: d for d in dialects for host in d.hosts}
        self._sockets_opened = 0
        self._runner: web.ServerRunner | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Original hosts that this server stands in for."""
        return tuple(self._dialects)

    @property
    def base_url(self) -> str:
        """Address of the server, such as ``http://127.0.0.1:8787``."""
        return f"http://{HOST}:{self.port}"

    def now_ms(self, host: str = "") -> int:
        """Return the venue's clock in milliseconds: with a host, as that host tells it, skewed by the fault plan."""
        now = self.clock.now()
        skew = self.faults.clock_skew(host, now) if host and self.faults is not None else 0.0
        return int((now + skew) * 1000)

    async def start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1 (port 0: any free one) and return the base address."""
        from aiohttp import web

        runner = web.ServerRunner(web.Server(self._answer, access_log=None), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as err:
            await runner.cleanup()
            raise ConfigError(f"port {port} of {HOST} is taken ({err.strerror}); choose another with --port") from err
        self._runner = runner
        self.port = int(runner.addresses[0][1])
        return self.base_url

    async def stop(self) -> None:
        """Close every socket and stop listening."""
        for channel in list(self.channels.values()):
            _cut(channel.socket)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: Any) -> Any:
        from aiohttp import web

        host, _, rest = request.path.lstrip("/").partition("/")
        dialect = self._dialects.get(host)
        if dialect is None:
            return self._own_page(request.path)
        params = dict(request.query)
        if request.can_read_body:
            params.update({k: str(v) for k, v in (await request.post()).items()})
        call = self.requests.add(self.clock.now(), request.method, host, f"/{rest}", params)
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._converse(call, request, dialect)
            answer = await self._rest(call, request, dialect)
        except DroppedError:
            _cut(request)
            return web.Response(status=500)
        call.status = answer.status
        return answer

    async def _rest(self, call: Call, request: web.Request, dialect: Dialect) -> web.StreamResponse:
        from aiohttp import web

        if self.faults is not None:
            instead = await self.faults.before_request(call, request)
            if instead is not None:
                return instead
        answer = await dialect.handle_rest(call, self)
        if answer is None:
            answer = web.json_response({"error": f"no such path: {call.path}"}, status=404)
        return answer if self.faults is None else await self.faults.change_answer(call, request, answer)

    async def _converse(self, call: Call, request: web.Request, dialect: Dialect) -> web.StreamResponse:
        from aiohttp import web

        if self.faults is not None:
            instead = await self.faults.before_request(call, request)
            if instead is not None:
                call.status = instead.status
                return instead
        socket = web.WebSocketResponse(autoping=False, max_msg_size=_LARGEST_MESSAGE, compress=False)
        await socket.prepare(request)
        call.status = 101
        self._sockets_opened += 1
        channel = Channel(self._sockets_opened, call, socket, self)
        self.channels[channel.number] = channel
        try:
            if self.faults is not None:
                await self.faults.on_connect(channel)
            await dialect.handle_socket(channel, self)
        except ChannelClosedError:
            pass
        except DroppedError:
            _cut(request)
        finally:
            del self.channels[channel.number]
            with contextlib.suppress(ConnectionError):
                await socket.close(drain=False)
        return socket

    def _own_page(self, path: str) -> web.Response:
        from aiohttp import web

        if path == "/status":
            return json_answer(status_of(self))
        if path == "/":
            from workbench.data.replay.page import status_page

            return web.Response(text=status_page(status_of(self)), content_type="text/html")
        known = ", ".join(self._dialects)
        return web.json_response({"error": f"no venue at {path}; this server stands in for {known}"}, status=404)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON answer: ``value`` may be bytes that are JSON already."""
    from aiohttp import web

    body = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def status_of(venue: ReplayServer) -> dict[str, Any]:
    """Return what the server serves: hosts, symbols, clock, faults, requests and sockets, as plain values."""
    return {
        "hosts": list(venue.hosts),
        "symbols": list(venue.market.symbols),
        "source": getattr(venue.market, "source", ""),
        "clock_ms": venue.now_ms(),
        "speed": getattr(venue.clock, "speed", 1.0),
        "faults": [] if venue.faults is None else list(venue.faults.describe()),
        "requests": venue.requests.total,
        "requests_by_path": {f"{host}{path}": n for (host, path), n in venue.requests.counts.most_common(200)},
        "sockets": len(venue.channels),
    }


def _cut(request: Any) -> None:
    """Cut the connection under a request or socket: the client sees a reset."""
    transport = getattr(request, "transport", None)
    if transport is None:
        inner = getattr(request, "_req", None)
        transport = None if inner is None else inner.transport
    if transport is not None:
        transport.abort()
