"""A stream for code that has no event loop of its own: pages, notebooks, scripts."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.data.live.buffer import UpdateBuffer
from workbench.data.live.conflation import Conflated
from workbench.data.live.updates import BarUpdate, Stream, StreamStatus
from workbench.errors import VenueError

if TYPE_CHECKING:
    from workbench.typing import Bars

T = TypeVar("T")
_CLOSING_S = 10.0


class StreamThread:
    """A stream read by a thread of its own, at most ``rate`` batches a second.

    Made by `run_in_thread`. A page either gives ``on_update``, which is called in the stream's thread, or calls `take`
    now and then; all methods may be called from any thread.
    """

    def __init__(
        self, stream: Stream, on_update: Callable[[list[BarUpdate]], None] | None = None, *, rate: float = 4.0
    ) -> None:
        self.stream = stream
        self._on_update, self._rate = on_update, rate
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_quietly)
        self._buffer, self._lock = UpdateBuffer(), threading.Lock()
        self._ready, self._finished = threading.Event(), threading.Event()
        self._work: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        """What ended the stream, where it was no close and no end."""
        self._thread = threading.Thread(target=self._run, name=f"stream {stream.source}", daemon=True)
        self._thread.start()

    @property
    def status(self) -> StreamStatus:
        """How the stream is doing now."""
        try:
            return self.call(lambda: self.stream.status)
        except VenueError:  # it has ended
            return self.stream.status

    @property
    def ready(self) -> bool:
        """Whether the stream has started (or failed to), so that `history` answers at once."""
        return self._ready.is_set()

    def history(self, n: int = 500, timeout: float = 60.0) -> Bars:
        """Wait until the stream has started, and return its newest ``n`` final bars.

        Raises
        ------
        DataError
            When none is known yet.
        WorkbenchError
            What kept the stream from starting.
        """
        if not self._ready.wait(timeout):
            raise VenueError(f"{self.stream.source} did not start within {timeout:g} s; see its status")
        if self.error is not None:
            raise self.error
        return self.call(lambda: self.stream.history(n)) if self.running else self.stream.history(n)

    def take(self) -> list[BarUpdate]:
        """Return what came since the last call, where there is no ``on_update``: final bars, then unclosed states.

        Raises
        ------
        WorkbenchError
            What ended the stream, once everything before was taken.
        """
        with self._lock:
            updates = self._buffer.take()
        if not updates and self.error is not None:
            raise self.error
        return updates

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the stream's thread and return its result: ``thread.call(stream.pause)``."""

        async def called() -> T:
            return function()

        return self._from_thread(called())

    @property
    def running(self) -> bool:
        """Whether updates may still come."""
        return not self._finished.is_set()

    def close(self) -> None:
        """End the stream, its connections and its thread; does nothing the second time."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._cancel)
            if threading.current_thread() is not self._thread:  # closed by its own on_update: it ends by itself
                self._thread.join(_CLOSING_S)

    def __enter__(self) -> StreamThread:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _from_thread(self, work: Coroutine[Any, Any, T]) -> T:
        closed = VenueError(f"the stream {self.stream.source} is closed")
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as err:
            work.close()
            raise closed from err
        while not concurrent.futures.wait([future], timeout=0.1).done:
            if self._finished.is_set():  # its loop stopped before it came to this
                raise closed
        return future.result()

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._work = self._loop.create_task(self._read())
            self._loop.run_until_complete(self._work)
        except asyncio.CancelledError:
            pass  # closed
        except Exception as err:  # noqa: BLE001 - handed to whoever asks next
            self.error = err
        finally:
            self._finished.set()
            self._ready.set()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _read(self) -> None:
        batches = Conflated(self.stream, self._rate)
        try:
            await self.stream.start()
            self._ready.set()
            async for batch in batches:
                if self._on_update is not None:
                    self._on_update(batch)
                else:
                    with self._lock:
                        self._buffer.put_all(batch)
        finally:
            await batches.close()


def run_in_thread(
    stream: Stream, on_update: Callable[[list[BarUpdate]], None] | None = None, *, rate: float = 4.0
) -> StreamThread:
    """Read a stream in a thread of its own, for pages and scripts.

    Parameters
    ----------
    stream : Stream
        Not started yet: it belongs to the thread from now on.
    on_update : callable, optional
        Gets each batch, at most ``rate`` a second, in the stream's thread; keep it short. Where it is left out, call
        `StreamThread.take` from time to time.
    rate : float
        Most batches a second.
    """
    return StreamThread(stream, on_update, rate=rate)


def _log_quietly(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a callback of a library raised: ccxt's receive loop raises on garbage, and the watchdog sees to it."""
    from workbench.ops import get_logger

    error = context.get("exception")
    get_logger("data").info("stream_callback", message=str(context.get("message")), error=repr(error)[:300])
