"""The fault plan of a replay venue: what its schedule switches on, done on the wire."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.data.replay.fault_answers import AFTER, BEFORE, INSTEAD
from workbench.data.replay.fault_bodies import WHOLE, BodyFaults, applies
from workbench.data.replay.fault_kinds import FAULTS, Option
from workbench.data.replay.fault_sockets import SocketFaults
from workbench.data.replay.fault_windows import Window
from workbench.data.replay.schedule import FaultSchedule

if TYPE_CHECKING:
    from aiohttp import web

    from workbench.data.replay.calls import Call
    from workbench.data.replay.channel import Channel

_DAY = 86400.0


@dataclass(frozen=True)
class Hit:
    """One fault that is on for one request, socket or message.

    Attributes
    ----------
    window : Window
    index, repeat : int
        Which window of the schedule, and its how-manieth repeat.
    left_s : float
        Seconds until it is over (infinity: never).
    draw : random.Random
        Chance of this hit, from the schedule's seed alone.
    """

    window: Window
    index: int
    repeat: int
    left_s: float
    draw: random.Random

    @property
    def kind(self) -> str:
        """Name of the fault."""
        return self.window.kind

    def option(self, name: str) -> Option:
        """Return an option, or its usual value."""
        return self.window.options.get(name, FAULTS[self.window.kind].options[name])

    def number(self, name: str) -> float:
        """Return an option that is a number."""
        return float(self.option(name))


class Faults:
    """A fault plan from a schedule: give it to the replay venue.

    Parameters
    ----------
    schedule : FaultSchedule
        It may be exchanged while the venue runs.
    start : float, optional
        The venue's time from which the schedule counts, seconds since 1970 UTC; the first request where left out.

    Attributes
    ----------
    counts : Counter
        How often each fault has struck.
    """

    def __init__(self, schedule: FaultSchedule, start: float | None = None) -> None:
        self.schedule, self.start = schedule, start
        self.counts: Counter[str] = Counter()
        self._struck: Counter[tuple[int, int]] = Counter()
        self._now = 0.0 if start is None else start
        self._late: set[int] = set()
        self._bodies = BodyFaults(schedule.seed)
        self._sockets = SocketFaults(self)

    def offset(self, now: float) -> float:
        """Return seconds since the schedule's start."""
        if self.start is None:
            self.start = now
        self._now = now
        return now - self.start

    def offset_of(self, time: float) -> float:
        """Return a time as seconds after the schedule's start."""
        return time - (time if self.start is None else self.start)

    def due(self, kinds: frozenset[str], where: str, now: float) -> Iterator[Hit]:
        """Yield the faults among ``kinds`` that are on for a host and path, and count each as struck."""
        offset = self.offset(now)
        for index, window in enumerate(self.schedule.windows):
            if window.kind in kinds and window.active(offset) and window.touches(where):
                hit = self.strike(index, window, offset)
                if hit is not None:
                    yield hit

    def strike(self, index: int, window: Window, offset: float) -> Hit | None:
        """Count a hit of a window's present repeat; ``None`` where its number is used up or chance spares it."""
        repeat = window.repeat_at(offset) or 0
        key = (index, repeat)
        number = self._struck[key]
        if window.times and number >= window.times:
            return None
        draw = random.Random(f"{self.schedule.seed}:{index}:{repeat}:{number}")  # noqa: S311
        self._struck[key] += 1
        if draw.random() >= float(window.options.get("p", 1.0)):
            return None
        self.counts[window.kind] += 1
        return Hit(window, index, repeat, window.end_of(repeat) - offset, draw)

    def clock_skew(self, host: str, now: float) -> float:
        """Return seconds by which the host's own clock is ahead of the true one."""
        ahead = 0.0
        offset = self.offset(now)
        for window in self.schedule.windows:
            if window.kind == "skew" and window.active(offset) and window.touches(host):
                options = {**FAULTS["skew"].options, **window.options}
                begun = offset - window.begin_of(window.repeat_at(offset) or 0)
                ahead += float(options["seconds"]) + float(options["drift"]) * begun / _DAY
        return ahead

    async def before_request(self, call: Call, request: web.Request) -> web.StreamResponse | None:
        """Answer instead of the venue, or ``None`` to let the request through."""
        for hit in self.due(BEFORE, call.host + call.path, call.time):
            if hit.kind == "slow":
                self._late.add(call.number)
            answer = await INSTEAD[hit.kind](hit, call, request)
            if answer is not None:
                return answer
        return None

    async def change_answer(self, call: Call, request: web.Request, answer: web.Response) -> web.StreamResponse:
        """Return the venue's answer with what is on: another content, then another way to travel."""
        where = call.host + call.path
        bodies = frozenset(kind for kind in FAULTS if applies(kind, call))
        hits = sorted(self.due(bodies, where, call.time), key=lambda hit: hit.kind in WHOLE)  # bars while they are bars
        travel = next(self.due(frozenset(AFTER), where, call.time), None)
        arrives = len(hits) == 1 and travel is None and call.number not in self._late
        self._late.discard(call.number)
        for hit in hits:
            self._bodies.change(hit, call, answer, arrives)
        return answer if travel is None else await AFTER[travel.kind](travel, request, answer)

    async def on_connect(self, channel: Channel) -> None:
        """Meet a new socket."""
        self._sockets.meet(channel)

    async def on_message(self, channel: Channel, text: str) -> Sequence[str]:
        """Return what is sent in place of one message of the venue."""
        return self._sockets.messages(channel, text)

    async def on_tick(self, channel: Channel) -> None:
        """Close, silence or flood a socket whose time has come."""
        await self._sockets.tick(channel)

    def describe(self) -> Sequence[str]:
        """Return one line for each fault that is on, and one for the next to come."""
        offset = self._now - (self._now if self.start is None else self.start)
        on = [window.line() for window in self.schedule.windows if window.active(offset)]
        ahead = sorted((w.start, w.line()) for w in self.schedule.windows if w.start > offset)
        return on + ([f"next: {ahead[0][1]}"] if ahead else [])


def open_faults(text: str | Sequence[str | Mapping[str, Any]], *, seed: int = 0, start: float | None = None) -> Faults:
    """Return the fault plan of a schedule's text, such as ``"418@10m for 2m on binance; reset x3"``.

    Raises
    ------
    ConfigError
        Unknown fault or option, or a line that cannot be read.
    """
    return Faults(FaultSchedule.parse(text, seed), start)
