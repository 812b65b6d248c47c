"""What every stream says, live, replayed or recorded: updates of bars, and how it is doing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from workbench.typing import Bars

STATES = ("connecting", "live", "stale", "repairing", "polling", "closed")
"""``connecting``: no data yet. ``live``: as it should be. ``stale``: silent or cut off. ``repairing``: bars are being
fetched by REST before readers see more. ``polling``: REST instead of the WebSocket. ``closed``: no more will come."""


class Row(NamedTuple):
    """One bar as venues send it: open time in milliseconds since 1970 UTC, prices and volume in base units."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class BarUpdate:
    """The state of one bar at a moment.

    Of one symbol the times of updates never go back, each bar is final exactly once, and nothing about it follows.

    Attributes
    ----------
    time : int
        Open of the bar in milliseconds since 1970 UTC.
    volume : float
        Traded so far in the bar, base units.
    final : bool
        The bar has closed: its successor has begun.
    source : str
        Where this bar came from: ``binance`` (WebSocket), ``binance-rest`` (repair or polling), ``replay``, …
    received : float
        Seconds since 1970 UTC on the stream's clock; in a replay the replayed moment.
    """

    symbol: str
    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    final: bool
    source: str
    received: float

    @property
    def timestamp(self) -> pd.Timestamp:
        """Open of the bar as a UTC time."""
        import pandas as pd

        return pd.Timestamp(self.time, unit="ms", tz="UTC")


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How a stream is doing.

    Attributes
    ----------
    state : str
        One of `STATES`.
    source : str
        What is read, such as ``live:binance`` or ``replay:import``.
    age_s : float
        Seconds since the last message with data, NaN before the first.
    last_message : float
        When it came, seconds since 1970 UTC on the stream's clock, NaN before the first.
    reconnects : int
        Connections made after the first.
    skew_s : float
        The venue's clock minus this machine's, NaN where it was not measured.
    gaps_repaired : int
        Bars that came by REST because the WebSocket had not shown their whole life.
    detail : str
        One line for people, empty where all is well.
    counts : mapping of str to int
        What was put aside: duplicates, disordered, revisions, dropped (garbage), absent (bars the venue never had),
        missing (bars that could not be had).
    """

    state: str
    source: str
    age_s: float
    last_message: float
    reconnects: int = 0
    skew_s: float = float("nan")
    gaps_repaired: int = 0
    detail: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


class Stream(Protocol):
    """Updates of bars, wherever they come from: ``async for update in stream``.

    Iteration starts the stream; `start` does it earlier, so that `history` is filled before the first update.
    """

    source: str
    symbols: tuple[str, ...]
    timeframe: str

    @property
    def status(self) -> StreamStatus:
        """How the stream is doing now."""
        ...

    async def start(self) -> None:
        """Connect and read the history; does nothing the second time."""
        ...

    def history(self, n: int = 500) -> Bars:
        """Return the newest ``n`` final bars known now, those before the first update included.

        Raises
        ------
        DataError
            When none is known yet.
        """
        ...

    def __aiter__(self) -> AsyncIterator[BarUpdate]: ...

    async def __anext__(self) -> BarUpdate: ...

    async def close(self) -> None:
        """End the stream and wait until its connections and tasks are gone."""
        ...
