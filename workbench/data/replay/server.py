"""The server on loopback: finds the dialect of a host, lets the fault plan meddle, and counts every request."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.data.replay.book import SLOT_MS
from workbench.data.replay.calls import Call, RequestLog
from workbench.data.replay.channel import Channel, ChannelClosedError, DroppedError
from workbench.data.replay.protocols import Dialect, FaultPlan
from workbench.data.venues.clock import Clock
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"
_LARGEST_MESSAGE = 1 << 20


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
    def names(self) -> tuple[str, ...]:
        """Names of the venues, for people."""
        return tuple(dict.fromkeys(getattr(d, "name", d.hosts[0]) for d in self._dialects.values()))

    @property
    def base_url(self) -> str:
        """Address of the server, such as ``http://127.0.0.1:8787``."""
        return f"http://{HOST}:{self.port}"

    def now_ms(self, host: str = "") -> int:
        """Return the venue's clock in milliseconds: with a host, as that host tells it, skewed by the fault plan."""
        now = self.clock.now()
        skew = self.faults.clock_skew(host, now) if host and self.faults is not None else 0.0
        return int((now + skew) * 1000)

    def book_step_ms(self) -> int:
        """Return the time between two states of the order books: a tenth of a second of the machine, at any speed."""
        return SLOT_MS * max(1, round(getattr(self.clock, "speed", 1.0)))

    async def start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1 (port 0: any free one) and return the base address."""
        from aiohttp import web

        runner = web.ServerRunner(web.Server(self._answer, access_log=None), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as err:
            await runner.cleanup()
            why = os.strerror(err.errno) if err.errno else str(err)
            raise ConfigError(f"port {port} of {HOST} cannot be used ({why}); choose another with --port") from err
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
