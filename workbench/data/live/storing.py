"""A stream whose final bars also go into the bar store, with where each came from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from workbench.data.live.frames import bars_of_rows
from workbench.data.live.updates import BarUpdate, Row, Stream, StreamStatus
from workbench.errors import DataError, WorkbenchError

if TYPE_CHECKING:
    from workbench.data.store.barstore import BarStore
    from workbench.typing import Bars


class StoringStream:
    """A stream that appends its final bars to the store, as `workbench.data.live.updates.Stream`.

    Writes happen beside the stream, at most one a second and symbol. A bar that the store refuses (it holds another
    one of that time) is logged, counted in ``status.counts["not_stored"]``, and named in ``status.detail``; the
    stream goes on.

    Parameters
    ----------
    stream : Stream
    store : BarStore
    source : str
        Name of the series in the store, such as ``binance``.
    """

    def __init__(self, stream: Stream, store: BarStore, source: str, *, every: float = 1.0) -> None:
        self.stream, self.store = stream, store
        self.source, self.symbols, self.timeframe = stream.source, stream.symbols, stream.timeframe
        self._into, self._every = source, every
        self._waiting: dict[str, list[BarUpdate]] = {}
        self._writer: asyncio.Task[None] | None = None
        self._not_stored, self._refusal = 0, ""

    @property
    def status(self) -> StreamStatus:
        """How the stream is doing now, with what could not be stored."""
        from dataclasses import replace

        status = self.stream.status
        if not self._not_stored:
            return status
        counts = {**status.counts, "not_stored": self._not_stored}
        return replace(status, detail=self._refusal, counts=counts)

    async def start(self) -> None:
        """Start the stream and store its history."""
        await self.stream.start()
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_now_and_then())
            await self._store_history()

    def history(self, n: int = 500) -> Bars:
        """Return the newest ``n`` final bars known now."""
        return self.stream.history(n)

    def __aiter__(self) -> AsyncIterator[BarUpdate]:
        return self

    async def __anext__(self) -> BarUpdate:
        await self.start()
        update = await self.stream.__anext__()
        if update.final:
            self._waiting.setdefault(update.symbol, []).append(update)
        return update

    async def close(self) -> None:
        """Close the stream and store what waits."""
        await self.stream.close()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._write()

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self._write()

    async def _store_history(self) -> None:
        from workbench.data.live.frames import rows_of_bars

        try:
            known = rows_of_bars(self.stream.history())
        except DataError:  # none is known yet
            return
        for symbol, rows in known.items():
            told = [BarUpdate(symbol, *row, True, self.source.partition(":")[2], 0.0) for row in rows]
            await self._put(symbol, told)

    async def _write(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for symbol, updates in waiting.items():
            await asyncio.shield(self._put(symbol, updates))

    async def _put(self, symbol: str, updates: list[BarUpdate]) -> None:
        """Write bars; where some are refused, the others go in: halves are tried apart."""
        from workbench.ops import get_logger

        bars = bars_of_rows({symbol: [Row(u.time, u.open, u.high, u.low, u.close, u.volume) for u in updates]})
        origin = None
        if self.source.startswith("live:"):  # by REST or WebSocket: the venue's own bar
            venues = [u.source.removesuffix("-rest") for u in updates]
            origin = pd.DataFrame({"source": venues, "repaired": False}, index=bars.index)
        try:
            write = partial(self.store.write, self._into, symbol, self.timeframe, bars, provenance=origin)
            await asyncio.to_thread(write)
        except WorkbenchError as err:
            if len(updates) > 1 and not isinstance(err.__cause__, OSError):  # a full disk refuses all alike
                await self._put(symbol, updates[: len(updates) // 2])
                await self._put(symbol, updates[len(updates) // 2 :])
                return
            self._not_stored += 1
            self._refusal = str(err)
            get_logger("data").warning("bar_not_stored", symbol=symbol, error=str(err))
