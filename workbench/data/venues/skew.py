"""How far this machine's clock is from a venue's: measured, kept for all processes, bounded for signed calls."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.venues.budget import file_name
from workbench.errors import VenueError
from workbench.ops import atomic_write

if TYPE_CHECKING:
    from workbench.data.venues.ccxt_venue import CcxtVenue

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


def measure_skew(venue: CcxtVenue, tries: int = 3) -> Skew:
    """Ask a venue for its time and compare it with the middle of the request; the quickest of three tries counts.

    The result is kept beside bans and breakers, where `venue_states` shows it. Above 1.5 s a warning is logged.
    """
    best = min((_compared(venue) for _ in range(tries)), key=lambda skew: skew.uncertainty)
    write_skew(venue.folder, venue.guard.venue, best)
    if abs(best.seconds) - best.uncertainty >= WARN_S:
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
