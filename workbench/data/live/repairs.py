"""The REST side of a live stream: its history, repairs before readers see more, and polling while sockets fail."""

from __future__ import annotations

import asyncio
import random

from workbench.data.live.board import Board
from workbench.data.live.feed import ProFeed
from workbench.data.live.options import LiveOptions
from workbench.data.live.updates import Row
from workbench.errors import VenueError


class Repairs:
    """Keep the bars of a board whole by REST.

    Attributes
    ----------
    trouble : str
        Why REST does not answer, empty while it does.
    """

    def __init__(self, board: Board, feed: ProFeed, options: LiveOptions, jitter: random.Random) -> None:
        self.board, self.feed, self.options, self.trouble = board, feed, options, ""
        self._random = jitter
        self._running: dict[str, asyncio.Task[None]] = {}

    def backoff(self, attempt: int) -> float:
        """Return a random time up to ``base * 2**attempt``, at most the cap: full jitter."""
        most = self.options.backoff_base * 2 ** min(attempt, 16)
        return self._random.uniform(0, min(self.options.backoff_cap, most))

    async def read_history(self, symbol: str, now_ms: int) -> None:
        """Read the last bars of a symbol and begin with them.

        Raises
        ------
        VenueError
            When the venue has none, or fails.
        """
        if self.board.machines[symbol].next_time is not None:
            return
        since = max(now_ms - (self.options.history + 2) * self.feed.step_ms, 0)
        rows: list[Row] = []
        while True:
            page = await self.feed.fetch(symbol, since, self.feed.page_limit, strict=False)
            new = [row for row in page if not rows or row.time > rows[-1].time]
            rows += new
            if not new or len(page) < min(self.feed.page_limit, 2):
                break
            if len(page) < self.feed.page_limit and rows[-1].time + self.feed.step_ms >= now_ms:
                break
            since = rows[-1].time
        if not rows:
            raise VenueError(f"{self.feed.venue} has no recent bar of {symbol}; is it still traded?")
        self.board.past[symbol].extend(self.board.machines[symbol].begin(rows))

    async def run(self) -> None:
        """Fetch what was not seen whole, for all symbols that need it at once."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self.board.needs.wait()
                    self.board.needs.clear()
                    for symbol, machine in self.board.machines.items():
                        running = self._running.get(symbol)
                        if machine.need is not None and (running is None or running.done()):
                            self._running[symbol] = group.create_task(self._repair(symbol))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def poll(self) -> None:
        """Ask for the bars of all symbols again and again; cancelled when a connection works."""
        while True:
            for symbol, machine in self.board.machines.items():
                try:
                    rows = await self.feed.fetch(symbol, machine.next_time or 0, self.feed.page_limit)
                except VenueError as err:
                    self.trouble = str(err)
                    break
                self.trouble = ""
                self.board.last_message = self.board.clock.now()
                self.board.answered(symbol, rows, asyncio.get_running_loop().time())
            await asyncio.sleep(self.options.poll_every)

    async def _repair(self, symbol: str) -> None:
        loop, machine = asyncio.get_running_loop(), self.board.machines[symbol]
        began, failed, contradicted = loop.time(), 0, 0
        holes_told = False
        while (need := machine.need) is not None:
            limit = min((need[1] - need[0]) // self.feed.step_ms + 2, self.feed.page_limit)
            try:
                strict = loop.time() - began < self.options.bad_bar_timeout
                rows = await self.feed.fetch(symbol, need[0], limit, strict=strict)
                if not holes_told and _has_hole(rows, need[0], self.feed.step_ms):
                    holes_told = True  # ask again before it is believed that the venue never had them
                    continue
            except VenueError as err:
                self.trouble = f"the repair of {symbol} waits: {err}"
                await asyncio.sleep(self.backoff(failed))
                failed += 1
                continue
            self.trouble, before = "", machine.next_time
            trust = contradicted + 1 >= self.options.repair_attempts
            self.board.answered(symbol, rows, loop.time(), trust=trust)
            if machine.next_time != before:
                began = loop.time()
            elif machine.need is not None:
                await asyncio.sleep(self.backoff(contradicted))  # REST lags behind the WebSocket: ask again
                contradicted += 1


def _has_hole(rows: list[Row], first_ms: int, step_ms: int) -> bool:
    return bool(rows) and rows[-1].time - first_ms != (len(rows) - 1) * step_ms
