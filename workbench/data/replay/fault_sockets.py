"""Faults of sockets: closes, silence, floods and messages that are not what they should be."""

from __future__ import annotations

import asyncio
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from workbench.data.replay.channel import ChannelClosedError, DroppedError
from workbench.data.replay.fault_kinds import FAULTS

if TYPE_CHECKING:
    from workbench.data.replay.channel import Channel
    from workbench.data.replay.fault_windows import Window
    from workbench.data.replay.faults import Faults, Hit

_LASTING = frozenset({"half-open", "frozen"})
_AT_ONCE = frozenset(kind.name for kind in FAULTS.values() if kind.side == "socket" and kind.moment)
_OF_MESSAGES = frozenset({"ws-duplicate", "ws-reorder", "ws-truncated", "wrong-symbol"})
_SYMBOL = re.compile(r'"(?:symbol|s)":"([^"]+)"')
_DATA = re.compile(r'"(?:e|stream)":"|"channel":"(?:ohlc|trade|book|ticker)"')
_PONG = re.compile(r'"method":"pong"')
_LOOK_S = 0.05
_NOBODY = "ZZZ/USDT"


@dataclass
class _State:
    """What has become of one socket."""

    dead: bool = False
    frozen: bool = False
    done: set[tuple[int, int]] = field(default_factory=set)
    last: str = ""
    symbols: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    held: list[str] = field(default_factory=list)
    wrong_turn: bool = False


class SocketFaults:
    """Does to sockets what the schedule says; one state for each socket."""

    def __init__(self, plan: Faults) -> None:
        self._plan = plan
        self._states: WeakKeyDictionary[Channel, _State] = WeakKeyDictionary()

    def meet(self, channel: Channel) -> None:
        """Begin the state of a new socket; it may be silent from the start."""
        self._states[channel] = _State()
        self._silence(channel, self._states[channel])

    def messages(self, channel: Channel, text: str) -> list[str]:
        """Return what is sent in place of one message."""
        state = self._states[channel]
        self._silence(channel, state)
        data = _DATA.search(text) is not None
        if state.dead or (state.frozen and data):
            return []
        if not channel.answers_pings and _PONG.search(text):
            return []
        if not data:
            return [text]
        symbol = next(iter(_SYMBOL.findall(text)), "")
        if symbol in state.ended:
            return []
        state.last = text
        if symbol and symbol not in state.symbols:
            state.symbols.append(symbol)
        return self._changed(channel, state, text, symbol)

    async def tick(self, channel: Channel) -> None:
        """Close, silence or flood the socket if its time has come."""
        state = self._states[channel]
        self._silence(channel, state)
        if state.dead:
            await _play_dead(channel)
        for hit in self._begun(channel, state, _AT_ONCE):
            await self._strike(hit, channel, state)

    async def _strike(self, hit: Hit, channel: Channel, state: _State) -> None:
        if hit.kind.startswith("close-"):
            await channel.close(int(hit.kind.removeprefix("close-")), "by schedule")
        elif hit.kind == "burst":
            for number in range(int(hit.number("n"))):
                await channel.send_raw(state.last)
                if number % 500 == 0:
                    await asyncio.sleep(0)
        elif hit.kind == "partial":
            _write_half_a_frame(channel, state.last or '{"channel":"heartbeat"}')
            await asyncio.sleep(_LOOK_S)
            raise DroppedError
        elif hit.kind == "unsubscribed":
            gone = hit.draw.choice(state.symbols)
            state.ended.add(gone)
            if "kraken" in channel.host:
                await channel.send_raw(f'{{"method":"unsubscribe","result":{{"symbol":"{gone}"}},"success":true}}')

    def _silence(self, channel: Channel, state: _State) -> None:
        for hit in self._begun(channel, state, _LASTING):
            state.dead = state.dead or hit.kind == "half-open"
            state.frozen = True
        now = channel.venue.clock.now()
        offset = self._plan.offset(now)
        where = channel.host + channel.path
        unanswered = any(
            w.kind == "no-pong" and w.active(offset) and w.touches(where) for w in self._plan.schedule.windows
        )
        channel.answers_pings = not (state.dead or unanswered)

    def _begun(self, channel: Channel, state: _State, kinds: frozenset[str]) -> list[Hit]:
        """Return faults that are on, or have begun since the socket was opened, each once a socket and repeat."""
        offset = self._plan.offset(channel.venue.clock.now())
        opened = self._plan.offset_of(channel.opened)
        where = channel.host + channel.path
        hits = []
        for index, window in enumerate(self._plan.schedule.windows):
            if window.kind not in kinds or not window.touches(where):
                continue
            repeat = _repeat_due(window, offset, opened)
            if repeat is None or (index, repeat) in state.done or not _possible(window.kind, state):
                continue
            state.done.add((index, repeat))
            hit = self._plan.strike(index, window, offset)
            if hit is not None:
                hits.append(hit)
        return hits

    def _changed(self, channel: Channel, state: _State, text: str, symbol: str) -> list[str]:
        out = [text]
        where = channel.host + channel.path
        for hit in self._plan.due(_OF_MESSAGES, where, channel.venue.clock.now()):
            if hit.kind == "ws-duplicate":
                out = [one for one in out for _ in range(2)]
            elif hit.kind == "ws-truncated":
                out = [one[: len(one) // 2] for one in out]
            elif hit.kind == "wrong-symbol":
                state.wrong_turn = not state.wrong_turn
                out = [_renamed(one, symbol, channel, state) for one in out] if state.wrong_turn else out
            else:
                return self._shuffled(hit, state, out)
        held, state.held = state.held, []
        return held + out

    @staticmethod
    def _shuffled(hit: Hit, state: _State, out: list[str]) -> list[str]:
        state.held += out
        if len(state.held) < hit.number("group"):
            return []
        group, state.held = state.held, []
        hit.draw.shuffle(group)
        return group


def _repeat_due(window: Window, offset: float, opened: float) -> int | None:
    """Return the repeat that is on now, or that began while the socket was open."""
    repeat = window.repeat_at(offset)
    if repeat is None:
        return None
    return repeat if window.begin_of(repeat) > opened or window.active(offset) else None


def _possible(kind: str, state: _State) -> bool:
    """Tell whether a socket has what a fault needs: something to repeat, something to end."""
    return {"burst": bool(state.last), "unsubscribed": bool(state.symbols)}.get(kind, True)


def _renamed(text: str, symbol: str, channel: Channel, state: _State) -> str:
    """Return a message under the name of a market that this socket has not heard of."""
    slashed = "/" in symbol
    known = [s for s in (*channel.venue.market.symbols, _NOBODY) if ":" not in s]
    names = [s if slashed else s.replace("/", "") for s in known]
    other = next(name for name in names if name not in state.symbols or name == names[-1])
    return text.replace(f'"{symbol}"', f'"{other}"').replace(f'"{symbol.lower()}@', f'"{other.lower()}@')


def _transport(channel: Channel) -> Any:
    request = getattr(channel.socket, "_req", None)
    return None if request is None else request.transport


async def _play_dead(channel: Channel) -> None:
    """Read nothing and say nothing until the client has left."""
    while True:
        transport = _transport(channel)
        if transport is None or transport.is_closing():
            raise ChannelClosedError
        await asyncio.sleep(_LOOK_S)


def _write_half_a_frame(channel: Channel, text: str) -> None:
    """Write a text frame's head with its true length (RFC 6455, section 5.2), and half of its payload."""
    payload = text.encode()
    head = b"\x81" + (bytes([len(payload)]) if len(payload) < 126 else struct.pack("!BH", 126, len(payload) & 0xFFFF))
    transport = _transport(channel)
    if transport is not None:
        transport.write(head + payload[: len(payload) // 2])
