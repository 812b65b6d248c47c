"""What a live stream knows of its symbols: their bars, their history, when each was heard, and what is unread."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque

from workbench.data.live.buffer import UpdateBuffer
from workbench.data.live.finality import BarFinality, Emitted
from workbench.data.live.options import LiveOptions
from workbench.data.live.updates import BarUpdate, Row
from workbench.data.venues.clock import Clock


class Board:
    """The symbols of one live stream.

    Parameters
    ----------
    venue : str
        Named as the source of its bars.
    symbols : tuple of str
    step_ms : int
    """

    def __init__(self, venue: str, symbols: tuple[str, ...], step_ms: int, clock: Clock, options: LiveOptions) -> None:
        self.venue, self.symbols, self.clock, self.options = venue, symbols, clock, options
        self.machines = {
            s: BarFinality(step_ms, settle=options.settle, patience=options.patience, confirm=options.confirm)
            for s in symbols
        }
        self.past: dict[str, deque[Row]] = {s: deque(maxlen=max(options.history, 1)) for s in symbols}
        self.buffer = UpdateBuffer()
        self.news = asyncio.Event()
        """Set when there is something to read, or nothing will come any more."""
        self.needs = asyncio.Event()
        """Set when a symbol needs REST."""
        self.last_message = math.nan
        self._seen: dict[str, float] = {}
        self._usual: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def counts(self) -> Counter[str]:
        """Return the sum of what all symbols counted."""
        total: Counter[str] = Counter()
        for machine in self.machines.values():
            total.update(machine.counts)
        return total

    def connecting(self, now: float) -> None:
        """Say that connections are about to be made: silence is measured from here."""
        self._seen = dict.fromkeys(self.symbols, now)
        self.connected()

    def connected(self) -> None:
        """Say that a connection was made: what it shows first only primes."""
        for machine in self.machines.values():
            machine.connected()
        self.needs.set()

    def doubt(self) -> None:
        """Say that messages may be missing: the bars in the air are confirmed by REST."""
        for machine in self.machines.values():
            machine.doubt()
        self.needs.set()

    def heard(self, symbol: str, rows: list[Row], now: float) -> None:
        """Take one message of a symbol."""
        interval = now - self._seen[symbol]
        self._usual[symbol] = 0.9 * self._usual.get(symbol, interval) + 0.1 * interval
        self._seen[symbol], self.last_message = now, self.clock.now()
        self.publish(symbol, self.machines[symbol].update(rows, now), now)

    def answered(self, symbol: str, rows: list[Row], now: float, *, trust: bool = False) -> None:
        """Take one REST answer."""
        self.publish(symbol, self.machines[symbol].repair(rows, now, trust=trust), now)

    def seen(self, symbol: str) -> float:
        """Return the loop time at which a symbol was last heard, or known to be quiet."""
        return self._seen[symbol]

    def newest_seen(self) -> float:
        """Return the loop time at which any symbol was last heard."""
        return max(self._seen.values())

    def quiet(self, symbol: str, now: float) -> None:
        """Say that a symbol is silent because nothing happens there: patience begins anew."""
        self._seen[symbol] = now

    def limit(self, symbol: str) -> float:
        """Return the longest silence of a symbol that is not looked into: three of its usual intervals, bounded."""
        usual = 3 * self._usual.get(symbol, math.inf)
        return min(max(usual, self.options.min_silence), self.options.max_silence)

    def publish(self, symbol: str, emitted: list[Emitted], now: float) -> None:
        """Hand on what a symbol's bars say, and see to what they wait for."""
        machine, received = self.machines[symbol], self.clock.now()
        for row, final, rest in emitted:
            if final:
                self.past[symbol].append(row)
            self.buffer.put(BarUpdate(symbol, *row, final, f"{self.venue}-rest" if rest else self.venue, received))
        if emitted:
            self.news.set()
        if machine.need is not None:
            self.needs.set()
        if machine.due < math.inf and symbol not in self._timers:
            self._timers[symbol] = asyncio.get_running_loop().call_at(max(machine.due, now), self._tick, symbol)

    def close(self) -> None:
        """Stop all timers and wake readers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.news.set()

    def _tick(self, symbol: str) -> None:
        del self._timers[symbol]
        now = asyncio.get_running_loop().time()
        self.publish(symbol, self.machines[symbol].tick(now), now)
