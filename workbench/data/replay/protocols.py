"""What plugs into the replay venue: dialects of venues, and plans of what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from workbench.data.replay.calls import Call
from workbench.data.replay.channel import Channel

if TYPE_CHECKING:
    from aiohttp import web

    from workbench.data.replay.server import ReplayServer


class Dialect(Protocol):
    """How one venue speaks. Paths are without the host: ``/api/v3/klines``."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Original hosts that it answers for, such as ``api.binance.com``."""
        ...

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
