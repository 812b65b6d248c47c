"""What stands between a call and a venue: breaker, bans, budget and retries, in this order, at every request."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from workbench.data.venues.answers import BadAnswerError
from workbench.data.venues.breaker import Breaker
from workbench.data.venues.budget import Bans, Budget, file_name, host_of
from workbench.data.venues.clock import Clock
from workbench.data.venues.retries import DEADLINE_S, REFUSED, Retrier, TryError, judge
from workbench.data.venues.vocabulary import VenueDownError
from workbench.errors import ConfigError, DataError, VenueError

T = TypeVar("T")

_LOOK_S = 0.5
"""While waiting, the breaker is looked at this often: another process may have opened it."""


@dataclass
class _Asking(threading.local):
    """What this thread's request is about; answers of different threads must not be taken for each other."""

    deadline: float = 0.0
    host: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


class Guard:
    """Guards all requests to one venue.

    Parameters
    ----------
    venue : str
        Name, with the address of a replay venue where there is one.
    folder : path
        Shared by all processes, ``settings.data_dir / "venues"``.
    hide : callable
        Strikes secrets out of the text of errors.
    rates : tuple of (units, milliseconds)
        Of its rate budget; usual: those of ccxt's weights.
    """

    def __init__(
        self,
        venue: str,
        folder: Path,
        clock: Clock,
        rng: np.random.Generator,
        *,
        deadline_s: float = DEADLINE_S,
        hide: Callable[[str], str] = str,
        rates: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.venue, self.clock, self.hide = venue, clock, hide
        self.breaker = Breaker(Path(folder), venue, clock)
        self.bans, self.budget = Bans(folder, clock), Budget(folder, clock, rates=rates)
        self.retrier = Retrier(clock, rng, deadline_s)
        self.asking = _Asking()

    def call(self, ask: Callable[[], T]) -> T:
        """Ask, and ask again by the retry table.

        Raises
        ------
        VenueDownError
            When the venue is banned, its breaker is open, or the tries are used up.
        BadAnswerError
            When its answers stay unusable.
        VenueError
            When it refused.
        """
        self.asking.deadline = self.clock.monotonic() + self.retrier.deadline_s
        try:
            return self.retrier.call(lambda: self._try(ask), self._sleep)
        except TryError as failed:
            raise self._final(failed) from None  # causes may quote keys and signed addresses; the log has them, hidden

    def before(self, url: str, units: int) -> None:
        """Let one request pass: no ban by its host, and budget for it."""
        self.asking.host, self.asking.status, self.asking.headers = host_of(url), 0, {}
        host = self.asking.host
        while (ban := self.bans.active(host)) is not None:
            wait = ban.until - self.clock.now()
            if ban.hard or wait > self.patience():
                raise VenueDownError(
                    f"{host} must not be asked for {wait:.0f} s more: it answered HTTP {ban.status}; "
                    "ask another venue, or wait",
                    venue=self.venue,
                    until=ban.until,
                )
            self._sleep(max(wait, 0.001))
        self.budget.take(host, units, self.patience())

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Note status and headers of the answer to this thread's request."""
        self.asking.status, self.asking.headers = status, headers

    def patience(self) -> float:
        """Return the seconds that this thread's call has left for all its tries."""
        return self.asking.deadline - self.clock.monotonic()

    def _try(self, ask: Callable[[], T]) -> T:
        self.breaker.enter()
        self.asking.status, self.asking.headers = 0, {}
        try:
            value = ask()
        except (VenueDownError, DataError):
            raise
        except Exception as err:
            verdict = judge(err, self.asking.status, self.asking.headers, self.clock.now())
            if verdict is None:
                raise
            if verdict.rule is REFUSED:  # it refused what was asked, so it is there
                self.breaker.succeeded()
            self._note(err, verdict.ban, verdict.status, verdict.rule.counts, verdict.reason)
            raise TryError(verdict) from err
        self.breaker.succeeded()
        return value

    def _note(self, err: Exception, ban: float, status: int, counts: bool, reason: str) -> None:
        from workbench.ops import get_logger

        get_logger("data").info("a venue failed", venue=self.venue, reason=reason, error=self.hide(str(err))[:300])
        if ban > 0:
            self.bans.set(self.asking.host, status, ban)
        if counts and self.breaker.failed(reason):
            raise self._down(f"{self.venue} failed too often: {reason}", self.breaker.state().until) from None

    def _sleep(self, seconds: float) -> None:
        while seconds > 0:  # counted down, not read off the clock: the last nanosecond may be below its resolution
            piece = min(seconds, _LOOK_S)
            self.clock.sleep(piece)
            seconds -= piece
            state = self.breaker.state()
            if state.state == "open":
                raise self._down(f"{self.venue} failed too often: {state.last_error}", state.until)

    def _final(self, failed: TryError) -> VenueError:
        verdict, cause = failed.verdict, failed.__cause__
        if isinstance(cause, BadAnswerError):
            return BadAnswerError(f"{self.venue}: {self.hide(str(cause))} ({verdict.rule.tries} tries)")
        if verdict.rule.down:
            asked = max(verdict.wait, verdict.ban)
            silent = not verdict.status and self.asking.host  # no answer at all, from nobody
            where = f" ({self.asking.host} did not answer; is there a network?)" if silent else ""
            return self._down(
                f"{self.venue} cannot be asked: {verdict.reason}{where}", self.clock.now() + asked if asked else 0
            )
        said = self.hide(" ".join(str(cause).split()))[:300]
        wrong = BadAnswerError if verdict.rule.counts else VenueError
        return wrong(f"{self.venue} refused: {verdict.reason}: {said}")

    def _down(self, text: str, until: float) -> VenueDownError:
        return VenueDownError(text, venue=self.venue, until=until)


def state_name(venue: str, at: str) -> str:
    """Return the name under which the state of a venue is kept: a replay venue's is apart from the real one's."""
    return f"{venue}@{file_name(_netloc(at))}" if at else venue


def _netloc(address: str) -> str:
    match = re.fullmatch(r"https?://([^/\s]+)/?", address)
    if match is None:
        raise ConfigError(f"address {address!r} of a replay venue is not like 'http://127.0.0.1:8787'")
    return match[1]
