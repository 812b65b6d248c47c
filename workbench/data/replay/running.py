"""Starting and stopping a replay venue: in an event loop, in a thread, or in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.data.replay.clock import ReplayClock
from workbench.data.replay.server import Dialect, FaultPlan, ReplayServer
from workbench.data.venues.clock import Clock
from workbench.errors import VenueError

if TYPE_CHECKING:
    from workbench.data.replay.market import ReplayMarket

_START_S = 60.0
_STOP_S = 20.0


def all_dialects() -> list[Dialect]:
    """Return the dialects of all venues that the replay venue stands in for."""
    from workbench.data.replay.binance import BinanceCoinm, BinanceSpot, BinanceUsdm
    from workbench.data.replay.kraken import Kraken

    return [BinanceSpot(), BinanceUsdm(), BinanceCoinm(), Kraken()]


class ReplayVenue(ReplayServer):
    """A replay venue with all dialects: ``await start()``, ``await stop()``."""

    def __init__(
        self, market: ReplayMarket, clock: Clock | None = None, faults: FaultPlan | None = None, tick_s: float = 0.05
    ) -> None:
        super().__init__(market, clock or ReplayClock(), all_dialects(), faults, tick_s)


@dataclass(frozen=True)
class Running:
    """A venue that runs in a thread: its address, and the venue itself for its log, clock and market."""

    base_url: str
    venue: ReplayVenue

    def __str__(self) -> str:
        return self.base_url


@contextmanager
def replay_venue(
    market: ReplayMarket,
    clock: Clock | None = None,
    faults: FaultPlan | None = None,
    *,
    port: int = 0,
    tick_s: float = 0.05,
) -> Iterator[Running]:
    """Run a replay venue in a thread while the block lasts.

    Examples
    --------
    >>> with replay_venue(synthetic_replay()) as running:  # doctest: +SKIP
    ...     venue = open_venue("binance", at=running.base_url)
    """
    venue = ReplayVenue(market, clock, faults, tick_s)
    loop = asyncio.new_event_loop()
    started = threading.Event()
    failure: list[BaseException] = []

    def serve() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(venue.start(port))
        except BaseException as err:  # noqa: BLE001  # handed to the caller's thread
            failure.append(err)
            started.set()
            return
        started.set()
        loop.run_forever()

    thread = threading.Thread(target=serve, name="replay-venue", daemon=True)
    thread.start()
    try:
        if not started.wait(_START_S):
            raise VenueError(f"the replay venue did not start within {_START_S:.0f} s")
        if failure:
            raise failure[0]
        yield Running(venue.base_url, venue)
    finally:
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(_wind_up(venue), loop).result(_STOP_S)
            loop.call_soon_threadsafe(loop.stop)
        thread.join(_STOP_S)
        if not loop.is_running():
            loop.close()


@contextmanager
def replay_process(
    make_market: Callable[[], ReplayMarket],
    *,
    start: float | None = None,
    speed: float = 1.0,
    make_faults: Callable[[], FaultPlan] | None = None,
) -> Iterator[str]:
    """Run a replay venue in a child process while the block lasts, and give its address: for measurements.

    Parameters
    ----------
    make_market, make_faults : callable
        Module-level functions (or partials of them) that build the market and the faults in the child.
    start : float, optional
        Where the clock begins, in seconds since 1970 UTC.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_child, args=(theirs, make_market, start, speed, make_faults), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(_START_S):
            raise VenueError(f"the replay venue's process did not start within {_START_S:.0f} s")
        try:
            yield ours.recv()
        except EOFError:
            raise VenueError("the replay venue's process ended before it listened; its error is above") from None
    finally:
        ours.close()
        child.join(_STOP_S / 4)
        if child.is_alive():
            child.terminate()
            child.join(_STOP_S)


def _child(
    pipe: Any,
    make_market: Callable[[], ReplayMarket],
    start: float | None,
    speed: float,
    make_faults: Callable[[], FaultPlan] | None,
) -> None:
    faults = make_faults() if make_faults else None
    with replay_venue(make_market(), ReplayClock(start, speed), faults) as running:
        pipe.send(running.base_url)
        try:
            pipe.recv()  # the parent closes its end when it is done, or dies
        except (EOFError, KeyboardInterrupt):
            return


async def _wind_up(venue: ReplayVenue) -> None:
    await venue.stop()
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
