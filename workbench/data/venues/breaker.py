"""A circuit breaker per venue whose state all processes share: closed, open, half-open.

Written here and not taken from pybreaker: that counts failures in a row and not within a window, closes after the first
success, keeps its state in one process or in Redis, and reads the machine's clock.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from workbench.data.venues.budget import file_name
from workbench.data.venues.clock import Clock
from workbench.data.venues.vocabulary import VenueDownError
from workbench.ops import atomic_write, file_lock

FAILURES, WINDOW_S = 5, 60.0
"""So many failures within so many seconds open it."""
OPEN_S = 30.0
"""Seconds before one process may probe; a probe that tells nothing for as long is given to another."""
SUCCESSES = 2
"""Probes in a row that close it."""


@dataclass(frozen=True)
class BreakerState:
    """What the file of a breaker says; times are seconds since 1970 UTC."""

    state: str = "closed"  # closed, open or half-open
    failures: tuple[float, ...] = ()
    opened: float = 0.0
    successes: int = 0
    prober: int = 0
    probing_since: float = 0.0
    last_error: str = ""
    last_failure: float = 0.0

    @property
    def until(self) -> float:
        """When the venue may be asked again, 0 where it may be now."""
        return self.opened + OPEN_S if self.state == "open" else 0.0


@dataclass
class Breaker:
    """The breaker of one venue.

    Parameters
    ----------
    folder : path
        Shared by all processes, ``settings.data_dir / "venues"``.
    venue : str
        Name of the venue, with the address of a replay venue where there is one.
    """

    folder: Path
    venue: str
    clock: Clock
    _seen: tuple[int, int, BreakerState] | None = field(default=None, init=False, repr=False)

    @property
    def path(self) -> Path:
        """The file of its state."""
        return Path(self.folder) / f"breaker-{file_name(self.venue)}.json"

    def state(self) -> BreakerState:
        """Return the state now; an open breaker whose time is over is half-open."""
        state = self._read()
        now = self.clock.now()
        over = now >= state.until or state.opened > now + 1  # opened in the future: the clock was set back
        return replace(state, state="half-open") if state.state == "open" and over else state

    def enter(self) -> None:
        """Ask to send a request: passes while closed, and for the one prober while half-open.

        Raises
        ------
        VenueDownError
            While it is open, or another process probes.
        """
        if self._read().state == "closed":
            return
        with self._changing() as state:
            if state.state == "closed":
                return
            now = self.clock.now()
            if state.state == "open":
                raise self._down(state, state.until)
            probed = state.prober not in (0, os.getpid()) and 0 <= now - state.probing_since < OPEN_S
            if probed:
                raise self._down(state, state.probing_since + OPEN_S)
            self._write(replace(state, prober=os.getpid(), probing_since=now))

    def succeeded(self) -> None:
        """Note a good answer: two of them close a half-open breaker."""
        if self._read().state == "closed":
            return
        with self._changing() as state:
            if state.state == "half-open":
                good = state.successes + 1
                closed = BreakerState(last_error=state.last_error, last_failure=state.last_failure)
                self._write(closed if good >= SUCCESSES else replace(state, successes=good, prober=0))

    def failed(self, error: str) -> bool:
        """Note a failure and tell whether the breaker is open now."""
        with self._changing() as state:
            now = self.clock.now()
            recent = (*(t for t in state.failures if 0 <= now - t < WINDOW_S), now)
            opens = state.state != "closed" or len(recent) >= FAILURES
            if state.state == "open":  # a request that was under way when it opened: the wait is not begun again
                self._write(replace(state, last_error=error, last_failure=now))
            elif opens:
                self._write(BreakerState("open", recent[-FAILURES:], opened=now, last_error=error, last_failure=now))
            else:
                self._write(replace(state, failures=recent, last_error=error, last_failure=now))
        return opens

    def _down(self, state: BreakerState, until: float) -> VenueDownError:
        seconds = max(until - self.clock.now(), 0.0)
        return VenueDownError(
            f"{self.venue} is left alone for {seconds:.0f} s more after repeated failures ({state.last_error}); "
            "ask another venue, or wait",
            venue=self.venue,
            until=until,
        )

    @contextmanager
    def _changing(self) -> Iterator[BreakerState]:
        with file_lock(self.path.with_suffix(".lock"), f"the breaker of {self.venue}"):
            yield self.state()

    def _read(self) -> BreakerState:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return BreakerState()
        if self._seen is None or self._seen[:2] != (found.st_mtime_ns, found.st_ino):
            self._seen = (found.st_mtime_ns, found.st_ino, _loaded(self.path))
        return self._seen[2]

    def _write(self, state: BreakerState) -> None:
        atomic_write(self.path, json.dumps(asdict(state)))


def _loaded(path: Path) -> BreakerState:
    try:
        text = json.loads(path.read_bytes())
        state = BreakerState(**{**text, "failures": tuple(float(t) for t in text["failures"])})
        times = (state.opened, state.probing_since, state.last_failure, *state.failures)
        if state.state not in ("closed", "open", "half-open") or not all(map(math.isfinite, times)):
            raise ValueError(state.state)
    except (OSError, ValueError, KeyError, TypeError):  # damaged: begin anew, the next failures are counted again
        from workbench.ops import get_logger

        get_logger("data").warning("a breaker could not be read and begins anew", file=str(path))
        return BreakerState()
    return state
