"""What is tried again, how often and how long after: a table keyed by the classes of ccxt's errors.

The loop is tenacity's, the engine of stamina. Stamina itself sleeps and measures by the machine's clock only and has
one count for all errors, so it can neither run on a replay's clock nor hold a count a class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import numpy as np

from workbench.data.venues.budget import DEFAULT_BAN_S, LONGEST_BAN_S
from workbench.data.venues.clock import Clock

T = TypeVar("T")

DEADLINE_S = 60.0
"""Longest time that one call may take with all its tries and waits."""


@dataclass(frozen=True)
class Rule:
    """How an error is met.

    Parameters
    ----------
    tries : int
        Requests in all, the first included.
    base, most : float
        The n-th wait is drawn evenly from 0 to ``min(most, base * 2 ** (n - 1))`` seconds ("full jitter").
    down : bool
        Whether the venue counts as down once the tries are used up; otherwise it refused what was asked.
    counts : bool
        Whether each failure counts towards opening the venue's breaker.
    """

    tries: int
    base: float = 0.5
    most: float = 10.0
    down: bool = True
    counts: bool = True


REFUSED = Rule(1, down=False, counts=False)
GONE = Rule(1)
RULES: dict[str, Rule] = {
    "RateLimitExceeded": Rule(5, 1.0, 30.0, counts=False),
    "DDoSProtection": Rule(5, 1.0, 30.0, counts=False),
    "RequestTimeout": Rule(4),
    "OnMaintenance": Rule(2, 2.0),
    "ExchangeNotAvailable": Rule(4),
    "ChecksumError": Rule(3),
    "InvalidNonce": Rule(2),
    "NetworkError": Rule(4),
    "NullResponse": Rule(3, down=False),
    "BadResponse": Rule(3, down=False),
    "BadRowError": Rule(3, down=False, counts=False),
    "BadAnswerError": Rule(3, down=False),
    "OperationFailed": Rule(3),
    "RestrictedLocation": GONE,
    "BadSymbol": REFUSED,
    "BadRequest": REFUSED,
    "ArgumentsRequired": REFUSED,
    "NotSupported": REFUSED,
    "PermissionDenied": REFUSED,
    "AccountSuspended": REFUSED,
    "AuthenticationError": REFUSED,
    "InvalidProxySettings": REFUSED,
    "ExchangeError": REFUSED,
    "HTTPStatusError": Rule(4),  # httpx, for venues that ccxt does not serve
    "DecodingError": Rule(4),
    "TransportError": Rule(4),
}
"""By name of class; an error is looked up by its own class first, then by its bases, most specific first."""

HINTS = {
    403: "its firewall turned this machine away; try another network, or another venue",
    451: "it does not serve this region; use another venue",
}


@dataclass(frozen=True)
class Verdict:
    """What is to be done about one failed try.

    ``wait`` is what the venue asked for in seconds, 0 where it did not say; ``ban`` is the seconds for which its host
    must not be asked by any process.
    """

    rule: Rule
    reason: str
    wait: float = 0.0
    ban: float = 0.0
    status: int = 0


class TryError(Exception):
    """One failed try and its verdict; never leaves the venues."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


def rule_of(error: BaseException) -> Rule | None:
    """Return the rule of an error, None for an error that is no venue's: a fault of our own."""
    names = [cls.__name__ for cls in type(error).__mro__]
    rule = next((RULES[name] for name in names if name in RULES), None)
    if rule is REFUSED and type(error).__name__ == "ExchangeError":
        # ccxt reports a failed TLS handshake, a redirect loop and a torn body by its most general class
        causes = {cls.__name__ for cls in type(error.__cause__).__mro__}
        if causes & {"SSLError", "ConnectionError", "ChunkedEncodingError", "ContentDecodingError"}:
            return RULES["NetworkError"]
        if "TooManyRedirects" in causes:
            return GONE
    return rule


def judge(
    error: BaseException, status: int = 0, headers: Mapping[str, str] | None = None, now: float = 0.0
) -> Verdict | None:
    """Return what to do about a failed try, None where the error is not a venue's.

    Parameters
    ----------
    error : exception
        Of ccxt, httpx or our own.
    status : int
        HTTP status of the answer, 0 where there was none.
    headers : mapping, optional
        Of the answer; ``Retry-After`` is honoured.
    now : float
        Seconds since 1970 UTC, for a ``Retry-After`` that is a date.
    """
    rule = rule_of(error)
    if rule is None:
        return None
    reason = f"{type(error).__name__}{f' (HTTP {status})' if status else ''}"
    asked = retry_after((headers or {}).get("Retry-After"), now)
    if status == 418:
        return Verdict(GONE, f"it banned this machine ({reason})", ban=asked or DEFAULT_BAN_S, status=418)
    if status in HINTS:
        return Verdict(GONE, f"{HINTS[status]} ({reason})", status=status)
    if status == 429:
        return Verdict(RULES["RateLimitExceeded"], f"too many requests ({reason})", asked, asked, status)
    if status == 503 and asked:
        return Verdict(rule, reason, asked, 0.0, status)
    if 400 <= status < 500 and status not in (408, 425) and rule.tries > 1 and not _answered_by_code(error):
        return Verdict(REFUSED, reason, status=status)
    return Verdict(rule, reason, status=status)


def retry_after(value: str | None, now: float) -> float:
    """Read a ``Retry-After``: whole seconds or an HTTP date; 0 where it is absent, garbage or over.

    Never more than the longest ban that venues document (3 days).
    """
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_BAN_S) if math.isfinite(seconds) else 0.0


class Retrier:
    """Try a call again by the verdicts of its failures, until its tries or the deadline are used up.

    Parameters
    ----------
    clock : Clock
        Waits and deadline are measured and slept on it.
    rng : numpy.random.Generator
        Draws the jitter.
    deadline_s : float
        Usual: 60.
    """

    def __init__(self, clock: Clock, rng: np.random.Generator, deadline_s: float = DEADLINE_S) -> None:
        self.clock, self.rng, self.deadline_s = clock, rng, deadline_s

    def call(self, attempt: Callable[[], T], sleep: Callable[[float], None] | None = None) -> T:
        """Call ``attempt`` until it returns; the last `TryError` is raised when it may not be tried again.

        Parameters
        ----------
        attempt : callable
            One try; a failure is a `TryError`. Anything else goes straight through.
        sleep : callable, optional
            Instead of the clock's own: it may end a wait early by raising.
        """
        import tenacity

        started = self.clock.monotonic()

        def used_up(state: tenacity.RetryCallState) -> bool:
            late = self.clock.monotonic() - started + state.upcoming_sleep >= self.deadline_s
            return late or state.attempt_number >= _verdict(state).rule.tries

        def pause(state: tenacity.RetryCallState) -> float:
            return self.wait(_verdict(state), state.attempt_number)

        loop = tenacity.Retrying(
            sleep=sleep or self.clock.sleep,
            stop=used_up,
            wait=pause,
            retry=tenacity.retry_if_exception_type(TryError),
            reraise=True,
        )
        return loop(attempt)

    def wait(self, verdict: Verdict, tried: int) -> float:
        """Return the seconds before the next try: what the venue asked for and a quarter more, or full jitter."""
        if verdict.wait > 0:
            return verdict.wait * (1 + 0.25 * float(self.rng.random()))
        most = min(verdict.rule.most, verdict.rule.base * 2 ** (tried - 1))
        return most * float(self.rng.random())


def _verdict(state: Any) -> Verdict:
    return state.outcome.exception().verdict


def _answered_by_code(error: BaseException) -> bool:
    # by the venue's own code in the body ccxt chose a class of its own; a bare status gives one of these
    return type(error).__name__ not in ("ExchangeNotAvailable", "NetworkError", "OperationFailed", "HTTPStatusError")
