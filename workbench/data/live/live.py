"""A live stream: WebSocket bars of one venue that repair themselves by REST, and REST alone where sockets fail."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.live.board import Board
from workbench.data.live.feed import ProFeed
from workbench.data.live.options import LiveOptions
from workbench.data.live.repairs import Repairs
from workbench.data.live.updates import BarUpdate, StreamStatus
from workbench.data.venues.clock import Clock, SystemClock
from workbench.errors import DataError, VenueError

if TYPE_CHECKING:
    from workbench.typing import Bars

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError)
"""What ccxt raises on messages that it cannot read."""


class StreamDownError(VenueError):
    """A connection was given up; the stream makes another. ``since`` is the loop time of what was heard last."""

    def __init__(self, message: str, since: float) -> None:
        super().__init__(message)
        self.since = since


class LiveStream:
    """Bars of several symbols of one venue, as `workbench.data.live.updates.Stream`.

    Parameters
    ----------
    venue : str
        Name in the catalogue of venues.
    symbols : sequence of str
    timeframe : str
    clock : Clock, optional
        For the times that updates and the status name; waiting goes by the event loop's clock.
    at : str
        Address of a replay venue; empty for the venue itself.
    folder : path, optional
        Shared state of venues (``settings.data_dir / "venues"``): bans and budget.
    seed : int
        Of the random back-off.

    Attributes
    ----------
    outages : deque of (float, float, str)
        Each connection given up: loop time of its last message, loop time of the finding, and why.
    """

    def __init__(
        self, venue: str, symbols: Iterable[str], timeframe: str, *, options: LiveOptions | None = None,
        clock: Clock | None = None, at: str = "", folder: Path | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        self.source, self.symbols = f"live:{venue}", tuple(symbols)
        self._options, self._clock = options or LiveOptions(), clock or SystemClock()
        self._feed = ProFeed(venue, self.symbols, timeframe, self._clock, self._options, at=at, folder=folder)
        self.timeframe = self._feed.timeframe
        self._board = Board(venue, self.symbols, self._feed.step_ms, self._clock, self._options)
        jitter = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._rest = Repairs(self._board, self._feed, self._options, jitter)
        self.outages: deque[tuple[float, float, str]] = deque(maxlen=1000)
        self._tasks: list[asyncio.Task[None]] = []
        self._poller: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._connections = self._failures = 0
        self._connected = self._suspect = self._closed = False
        self._skew, self._detail = math.nan, ""

    @property
    def status(self) -> StreamStatus:
        """How the stream is doing now."""
        counts = self._board.counts()
        counts.update(dropped=self._feed.dropped, duplicates=self._feed.duplicates)
        last = self._board.last_message
        return StreamStatus(
            state=self._state(),
            source=self.source,
            age_s=self._clock.now() - last,
            last_message=last,
            reconnects=max(self._connections - 1, 0),
            skew_s=self._skew,
            gaps_repaired=counts.pop("repaired", 0),
            detail=self._detail or self._rest.trouble,
            counts=dict(counts),
        )

    def history(self, n: int = 500) -> Bars:
        """Return the newest ``n`` final bars of each symbol known now.

        Raises
        ------
        DataError
            When none is known yet.
        """
        from workbench.data.live.frames import bars_of_rows

        return bars_of_rows({s: list(rows)[-n:] for s, rows in self._board.past.items()})

    async def start(self) -> None:
        """Connect and read the history; does nothing the second time.

        Raises
        ------
        DataError
            When the venue lacks a symbol or the time frame.
        VenueError
            When it cannot be reached by several tries.
        """
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
        await asyncio.shield(self._starting)

    def __aiter__(self) -> AsyncIterator[BarUpdate]:
        return self

    async def __anext__(self) -> BarUpdate:
        if not self._closed:
            await self.start()
        while not len(self._board.buffer):
            if self._failure is not None:
                raise self._failure
            if self._closed:
                raise StopAsyncIteration
            self._board.news.clear()
            await self._board.news.wait()
        return self._board.buffer.pop()

    async def close(self) -> None:
        """End the stream and wait until its connections and tasks are gone."""
        if self._closed:
            return
        self._closed = True
        tasks = [task for task in (*self._tasks, self._poller, self._starting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._board.close()
        await self._feed.close()

    async def _start(self) -> None:
        try:
            await self._begin()
        except (DataError, VenueError):
            await self._feed.close()
            raise
        self._detail = ""
        if self._feed.from_trades:
            for machine in self._board.machines.values():
                machine.confirm = True
        self._tasks = [self._task(work) for work in (self._sessions(), self._rest.run(), self._skews())]

    async def _begin(self) -> None:
        """Load the markets and read the history, by as many tries as the time for it allows."""
        loop, attempt = asyncio.get_running_loop(), 0
        give_up = loop.time() + self._options.start_timeout
        while True:
            try:
                await self._feed.open()
                self._skew = await self._feed.skew()
                skew = 0.0 if math.isnan(self._skew) else self._skew
                now_ms = int((self._clock.now() + skew) * 1000)  # by the venue's clock: this machine's may be wrong
                await asyncio.gather(*(self._rest.read_history(symbol, now_ms) for symbol in self.symbols))
                return
            except VenueError as err:
                self._detail, attempt = str(err), attempt + 1
                wait = self._rest.backoff(attempt)
                if loop.time() + wait > give_up:
                    raise
                await asyncio.sleep(wait)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Run one of the stream's tasks; an error that it does not handle ends the stream and reaches the reader."""
        try:
            await work
        except Exception as err:  # noqa: BLE001 - handed to the reader, never swallowed
            self._failure = err
            self._board.news.set()

    async def _sessions(self) -> None:
        """One connection after another, with back-off between; polling while none works."""
        from workbench.ops import get_logger

        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._session()
            except StreamDownError as err:
                self._connected, self._suspect, self._detail = False, False, str(err)
                self.outages.append((err.since, loop.time(), str(err)))
            lasted = loop.time() - began
            get_logger("data").info("stream_down", source=self.source, reason=self._detail, lasted=round(lasted, 1))
            self._feed.drop()
            healthy = lasted > 2 * self._options.max_silence  # one that drops at once is no better than none
            self._failures = 1 if healthy else self._failures + 1
            if self._failures >= self._options.failures_before_polling and self._poller is None:
                self._poller = self._task(self._rest.poll())
            await asyncio.sleep(self._rest.backoff(self._failures - 1))

    async def _session(self) -> None:
        """Watch all symbols over one connection until it is lost, silent or frozen."""
        loop = asyncio.get_running_loop()
        self._board.connecting(loop.time())
        works = [loop.create_task(work) for work in (self._watchdog(), *map(self._watch, self.symbols))]
        try:
            ended, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            first = next(iter(ended))
            if first.cancelled():  # by ccxt, which cancels what waits for a connection that it closes
                raise StreamDownError("connection lost: closed by ccxt", self._board.newest_seen())
            await first
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _watch(self, symbol: str) -> None:
        import ccxt

        loop = asyncio.get_running_loop()
        while True:
            try:
                rows = await self._feed.watch(symbol)
            except (ccxt.BaseError, *_UNREADABLE) as err:
                reason = f"{type(err).__name__} {err}".partition("\n")[0][:160]
                raise StreamDownError(f"connection lost: {reason}", self._board.newest_seen()) from err
            if self._feed.renewed():
                self._connections += 1
                self._board.connected()
            if not self._connected:
                self._connected, self._detail = True, ""
                if self._poller is not None:
                    self._poller.cancel()
                    self._poller = None
            if self._feed.strangers():
                self._board.doubt()
            self._board.heard(symbol, rows, loop.time())

    async def _watchdog(self) -> None:
        """Give the connection up when it does not come about, or is silent while the venue trades."""
        loop, board = asyncio.get_running_loop(), self._board
        opened = loop.time()
        while not self._feed.connected():
            if loop.time() - opened > self._options.connect_timeout:
                raise StreamDownError(f"no connection within {self._options.connect_timeout:g} s", opened)
            await asyncio.sleep(0.05)
        while True:
            if self._feed.strangers():
                board.doubt()
            late = min(self.symbols, key=lambda s: board.seen(s) + board.limit(s))
            wait = board.seen(late) + board.limit(late) - loop.time()
            if wait > 0:
                await asyncio.sleep(wait + 0.001)
            else:
                self._suspect = True
                await self._probe(late)
                self._suspect = False

    async def _probe(self, symbol: str) -> None:
        """Ask by REST whether a silent symbol was traded meanwhile: then the stream is frozen."""
        loop, board = asyncio.get_running_loop(), self._board
        heard, limit = board.seen(symbol), board.limit(symbol)
        told = f"{symbol} silent for {loop.time() - heard:.1f} s"
        try:
            since = board.machines[symbol].next_time or 0
            rows = await self._feed.fetch(symbol, since, self._feed.page_limit)
            behind = board.machines[symbol].behind(rows)
            if self._feed.from_trades:  # bars built of a part of the trades do not compare
                behind = await self._feed.newest_trade_ms(symbol) > self._feed.last_trade_ms(symbol) > 0
        except VenueError as err:
            raise StreamDownError(f"{told}, and no answer by REST: {err}", heard) from err
        if behind and board.seen(symbol) == heard:
            await asyncio.sleep(min(1.0, limit / 4))  # its message may be on the way
        if board.seen(symbol) != heard:
            return
        if behind:
            raise StreamDownError(f"{told} while it was traded: frozen stream", heard)
        board.quiet(symbol, loop.time())
        board.answered(symbol, rows, loop.time())

    async def _skews(self) -> None:
        while True:
            await asyncio.sleep(self._options.skew_every)
            with contextlib.suppress(VenueError):  # the next measurement may succeed; the old one stands
                self._skew = await self._feed.skew()

    def _state(self) -> str:
        if self._closed or self._failure is not None:
            return "closed"
        if self._poller is not None:
            return "polling"
        if math.isnan(self._board.last_message):
            return "connecting"
        if not self._connected or self._suspect:
            return "stale"
        return "repairing" if any(m.need for m in self._board.machines.values()) else "live"
