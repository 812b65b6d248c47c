"""How far this machine's clock is from a venue's: measured, kept for all processes, bounded for signed calls."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.data.venues.answers import AheadRowError
from workbench.data.venues.budget import file_name
from workbench.errors import VenueError, WorkbenchError
from workbench.ops import atomic_write

if TYPE_CHECKING:
    from workbench.data.venues.ccxt_venue import CcxtVenue

T = TypeVar("T")

WARN_S, REFUSE_S = 1.5, 5.0
"""Above the first it is said, above the second signed calls are refused: venues would reject them, or worse, not."""


@dataclass(frozen=True)
class Skew:
    """Venue's clock minus ours.

    Parameters
    ----------
    seconds : float
        Above 0 where the venue is ahead.
    uncertainty : float
        Half the round trip of the best try: the truth is within this of ``seconds``.
    measured : float
        When, seconds since 1970 UTC.
    """

    seconds: float
    uncertainty: float
    measured: float


class _AheadError(WorkbenchError):
    """Rows lie ahead of a clock that may be wrong; they are kept, and judged again by the venue's."""

    def __init__(self, rows: Any) -> None:
        super().__init__("rows lie ahead of our clock")
        self.rows = rows


def ask_dated(venue: CcxtVenue, read: Callable[[], Any], frame: Callable[[Any, float], T]) -> T:
    """Ask for rows with times; where some lie ahead of our clock, the venue's own is asked before they are refused.

    A replay venue's clock runs at its own speed, so it is asked each time.

    Parameters
    ----------
    read : callable
        Makes one request and returns its rows.
    frame : callable
        Makes a frame of the rows and of the latest possible time in milliseconds; raises `AheadRowError` beyond it.
    """

    def once() -> T:
        rows = read()
        try:
            return frame(rows, venue.latest_ms())
        except AheadRowError:
            if venue.skew_known() and not venue.at:
                raise
            raise _AheadError(rows) from None

    try:
        return venue.ask(once)
    except _AheadError as err:
        measure_skew(venue, warn=not venue.at)
        with contextlib.suppress(AheadRowError):
            return frame(err.rows, venue.latest_ms())
    return venue.ask(lambda: frame(read(), venue.latest_ms()))


def measure_skew(venue: CcxtVenue, tries: int = 3, *, warn: bool = True) -> Skew:
    """Ask a venue for its time and compare it with the middle of the request; the quickest of three tries counts.

    The result is kept beside bans and breakers, where `venue_states` shows it. Above 1.5 s a warning is logged; a
    replay venue needs none, it may live in another year.
    """
    best = min((_compared(venue) for _ in range(tries)), key=lambda skew: skew.uncertainty)
    write_skew(venue.folder, venue.guard.venue, best)
    if warn and abs(best.seconds) - best.uncertainty >= WARN_S:
        from workbench.ops import get_logger

        get_logger("data").warning(
            "the clock of this machine differs from the venue's; let it be set by a time server",
            venue=venue.name,
            seconds=round(best.seconds, 2),
        )
    return best


def check_skew(venue: CcxtVenue) -> Skew:
    """Measure the skew before a signed call.

    Raises
    ------
    VenueError
        When the clocks differ by 5 s or more.
    """
    skew = measure_skew(venue)
    if abs(skew.seconds) - skew.uncertainty >= REFUSE_S:
        raise VenueError(
            f"the clock of this machine is {abs(skew.seconds):.1f} s {'behind' if skew.seconds > 0 else 'ahead of'} "
            f"{venue.name}'s; signed calls are refused from {REFUSE_S:g} s on: let a time server set it"
        )
    return skew


def _compared(venue: CcxtVenue) -> Skew:
    asked = venue.clock.now()
    told = venue.server_time()
    answered = venue.clock.now()
    return Skew(told - (asked + answered) / 2, max(answered - asked, 0.0) / 2, answered)


def read_skew(folder: Path, venue: str) -> Skew | None:
    """Return the skew that was measured last, None where none was or the file is damaged."""
    try:
        told = {k: float(v) for k, v in json.loads(_path(folder, venue).read_bytes()).items()}
        return Skew(**told) if all(map(math.isfinite, told.values())) else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_skew(folder: Path, venue: str, skew: Skew) -> None:
    """Keep a measured skew for all processes."""
    atomic_write(_path(folder, venue), json.dumps(skew.__dict__))


def _path(folder: Path, venue: str) -> Path:
    return Path(folder) / f"skew-{file_name(venue)}.json"
