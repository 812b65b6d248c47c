"""A list of venues of which the first that can be asked is asked: who is down until when, and who took over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from workbench.config import did_you_mean
from workbench.data.timeframes import timeframe_delta
from workbench.data.venues.clock import Clock
from workbench.data.venues.vocabulary import Market, Venue, VenueDownError
from workbench.errors import DataError, VenueError

T = TypeVar("T")

_REST_S = 30.0
"""How long a venue is left alone that is down and does not say until when."""


@dataclass(frozen=True)
class Failover:
    """One change of venue; ``seconds`` from the failure to the first bar of the next venue, NaN where none came."""

    symbol: str
    left: str
    took_over: str
    reason: str
    at: float
    seconds: float = float("nan")


@dataclass
class _Line:
    venue: Venue
    down_until: float = 0.0
    reason: str = ""


@dataclass
class VenueChain:
    """Venues in the order of preference.

    Parameters
    ----------
    venues : sequence of Venue
    clock : Clock
    requests : int
        Calls made so far, those for lists of markets left out.
    """

    venues: Sequence[Venue]
    clock: Clock
    requests: int = 0
    notes: list[str] = field(default_factory=list)
    _lines: list[_Line] = field(default_factory=list)
    _offsets: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.venues:
            raise DataError("no venue named; write one such as 'binance', or several as 'binance,kraken'")
        self._lines = [_Line(v) for v in self.venues]

    def pick(self, symbol: str, timeframe: str = "") -> Venue | None:
        """Return the first venue that is up and has the symbol (and the time frame), or None.

        A venue that lacks either is passed over with a note, never replaced by a like symbol.

        Raises
        ------
        DataError
            When no venue of the list has the symbol or the time frame at all.
        """
        misses: list[DataError] = []
        for line in self._lines:
            if self.clock.now() < line.down_until:
                continue
            try:
                find_market(line.venue, symbol)
                if timeframe:
                    check_venue_timeframe(line.venue, timeframe)
            except DataError as err:
                misses.append(err)
                self.note(str(err))
            except VenueError as err:
                self.mark_down(line.venue, err)
            else:
                return line.venue
        if len(misses) == len(self._lines):
            raise misses[0]
        return None

    def ask(self, call: Callable[[], T]) -> T:
        """Make one counted call."""
        self.requests += 1
        return call()

    def mark_down(self, venue: Venue, err: VenueError) -> None:
        """Leave a venue alone: until when it says, or for half a minute."""
        line = self._line(venue)
        until = err.until if isinstance(err, VenueDownError) else 0.0
        line.down_until = until if until > self.clock.now() else self.clock.now() + _REST_S
        line.reason = str(err)

    def reason(self) -> str:
        """Return why the preferred venue that is down cannot be asked."""
        return next((li.reason for li in self._lines if li.reason and self.clock.now() < li.down_until), "")

    def down(self) -> dict[str, str]:
        """Return the reasons of all venues that are left alone now, by name."""
        return {li.venue.name: li.reason for li in self._lines if self.clock.now() < li.down_until}

    def venue_now(self, venue: Venue) -> float:
        """Return a venue's clock, seconds since 1970 UTC; asked once, then carried forward."""
        if venue.name not in self._offsets:
            self._offsets[venue.name] = self.ask(venue.server_time) - self.clock.now()
        return self.clock.now() + self._offsets[venue.name]

    def clock_known(self, venue: Venue) -> bool:
        """Tell whether a venue's clock was asked already."""
        return venue.name in self._offsets

    def note(self, text: str) -> None:
        """Remember a line for the report, once."""
        if text not in self.notes:
            self.notes.append(text)

    def _line(self, venue: Venue) -> _Line:
        return next(line for line in self._lines if line.venue is venue)


def find_market(venue: Venue, symbol: str) -> Market:
    """Return a venue's market of exactly this symbol.

    Raises
    ------
    DataError
        With the closest symbols of the venue.
    """
    markets = venue.markets()
    if symbol in markets:
        return markets[symbol]
    base = symbol.partition("/")[0]
    same = sorted(s for s in markets if s.partition("/")[0] == base)[:4]
    if same:
        hint = f" It has {', '.join(same)}: another market, never taken in its place."
    else:
        hint = did_you_mean(symbol, markets)
    if ":" in symbol and venue.name == "binance":
        hint = " Perpetuals of Binance are those of the venue 'binanceusdm'."
    raise DataError(f"{venue.name} has no symbol {symbol!r}.{hint}")


def check_venue_timeframe(venue: Venue, timeframe: str) -> None:
    """Refuse a bar length that a venue lacks, and say from which one it can be resampled.

    Raises
    ------
    DataError
    """
    lengths = venue.timeframes()
    if timeframe in lengths:
        return
    asked = timeframe_delta(timeframe)
    known = [(timeframe_delta(t), t) for t in lengths if t[-1] in "mhdw" and t[:-1].isdigit()]
    shorter = [t for delta, t in sorted(known) if delta < asked and not asked.value % delta.value]
    cure = f"; fetch {shorter[-1]} and resample it to {timeframe}" if shorter else ""
    raise DataError(f"{venue.name} has no {timeframe} bars, it has {' '.join(lengths)}{cure}")
