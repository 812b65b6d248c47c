"""One WebSocket of the replay venue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workbench.data.replay.calls import Call

if TYPE_CHECKING:
    from aiohttp import web

    from workbench.data.replay.server import ReplayServer


class DroppedError(Exception):
    """Raised by a dialect or a fault plan: the connection is cut without an answer."""


class ChannelClosedError(Exception):
    """The socket is gone; whoever served it is done."""


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
        self.sent += 1
        try:
            await self.socket.send_str(text)
        except ConnectionError as err:
            raise ChannelClosedError from err

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code. 1006 is never sent: the connection is cut."""
        if code == 1006:
            raise DroppedError
        await self.socket.close(code=code, message=reason.encode(), drain=False)
        raise ChannelClosedError

    async def _tick(self) -> None:
        if self.venue.faults is not None:
            await self.venue.faults.on_tick(self)
