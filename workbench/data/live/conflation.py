"""Back-pressure for pages: a few batches a second whatever the feed does, no final bar lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from workbench.data.live.buffer import UpdateBuffer
from workbench.data.live.updates import BarUpdate, Stream, StreamStatus
from workbench.errors import ConfigError

_BREATH = 256


class Conflated:
    """Batches of a stream's updates, at most ``rate`` a second: all final bars in order, then the newest unclosed.

    Iterating yields lists; each is one redraw. Of an unclosed bar a batch holds only its newest state, of symbols at
    most one each. Closing it closes the stream.
    """

    def __init__(self, stream: Stream, rate: float = 4.0) -> None:
        if not rate > 0:
            raise ConfigError(f"rate must be above 0 batches a second, got {rate:g}")
        self.stream, self.rate = stream, rate
        self._buffer, self._news = UpdateBuffer(), asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._next = 0.0

    @property
    def status(self) -> StreamStatus:
        """How the stream is doing now."""
        return self.stream.status

    def __aiter__(self) -> AsyncIterator[list[BarUpdate]]:
        return self

    async def __anext__(self) -> list[BarUpdate]:
        loop = asyncio.get_running_loop()
        if self._reader is None:
            self._reader = loop.create_task(self._read())
        while not len(self._buffer):
            if self._reader.done():
                await self._reader  # its error, where it ended by one
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        if self._next > loop.time():
            await asyncio.sleep(self._next - loop.time())
        self._next = loop.time() + 1 / self.rate
        return self._buffer.take()

    async def close(self) -> None:
        """Close the stream and stop reading it."""
        await self.stream.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            count = 0
            async for update in self.stream:
                self._buffer.put(update)
                self._news.set()
                count += 1
                if count % _BREATH == 0:  # a stream that never waits must not keep the reader from its turn
                    await asyncio.sleep(0)
        finally:
            self._news.set()


def conflate(stream: Stream, rate: float = 4.0) -> Conflated:
    """Return a stream's updates in at most ``rate`` batches a second."""
    return Conflated(stream, rate)
