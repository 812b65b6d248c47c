"""How often each error is tried, how long is waited, and what the user is told in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt
import numpy as np
import pytest
import requests

from workbench.data.venues.answers import BadAnswerError
from workbench.data.venues.breaker import BreakerState
from workbench.data.venues.guard import Guard
from workbench.data.venues.open import open_venue
from workbench.data.venues.retries import Rule, Verdict, judge, retry_after
from workbench.data.venues.vocabulary import VenueDownError
from workbench.errors import VenueError

COUNTS = {
    "RateLimitExceeded": 5,
    "DDoSProtection": 5,
    "RequestTimeout": 4,
    "OnMaintenance": 2,
    "ExchangeNotAvailable": 4,
    "ChecksumError": 3,
    "InvalidNonce": 2,
    "NetworkError": 4,
    "NullResponse": 3,
    "BadResponse": 3,
    "OperationFailed": 3,
    "CancelPending": 3,  # an OperationFailed without a row of its own
    "RestrictedLocation": 1,
    "BadSymbol": 1,
    "BadRequest": 1,
    "ArgumentsRequired": 1,
    "NotSupported": 1,
    "PermissionDenied": 1,
    "AccountNotEnabled": 1,
    "AuthenticationError": 1,
    "ExchangeError": 1,
    "InvalidOrder": 1,  # an ExchangeError without a row of its own
}
REFUSALS = ("BadSymbol", "BadRequest", "ArgumentsRequired", "NotSupported", "PermissionDenied", "AccountNotEnabled")
BAD = ("NullResponse", "BadResponse")


class Failing:
    def __init__(self, error: Callable[[], Exception]) -> None:
        self.error, self.calls = error, 0

    def __call__(self) -> Any:
        self.calls += 1
        raise self.error()


@pytest.fixture
def guard(tmp_path: Path, step_clock: Any) -> Guard:
    return Guard("testing", tmp_path, step_clock, np.random.default_rng(1))


@pytest.mark.parametrize(("name", "tries"), COUNTS.items())
def test_each_class_is_tried_exactly_so_often(guard: Guard, name: str, tries: int) -> None:
    ask = Failing(lambda: getattr(ccxt, name)("secret sauce"))
    with pytest.raises(VenueError) as raised:
        guard.call(ask)
    assert ask.calls == tries
    if name in REFUSALS:
        assert not isinstance(raised.value, VenueDownError)
        assert guard.breaker.state() == BreakerState()
    elif name in BAD:
        assert isinstance(raised.value, BadAnswerError)
    elif name not in ("ExchangeError", "InvalidOrder", "AuthenticationError"):
        assert isinstance(raised.value, VenueDownError)
        assert raised.value.venue == "testing"


@pytest.mark.parametrize(
    ("cause", "tries"),
    [
        (requests.exceptions.SSLError("handshake"), 4),
        (requests.exceptions.ChunkedEncodingError("torn"), 4),
        (requests.exceptions.TooManyRedirects("loop"), 1),
    ],
)
def test_the_cause_tells_what_the_most_general_error_is(guard: Guard, cause: Exception, tries: int) -> None:
    def ask() -> None:
        nonlocal calls
        calls += 1
        raise ccxt.ExchangeError("binance GET") from cause

    calls = 0
    with pytest.raises(VenueDownError):
        guard.call(ask)
    assert calls == tries


def test_a_fault_of_our_own_goes_straight_through(guard: Guard) -> None:
    ask = Failing(lambda: ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        guard.call(ask)
    assert ask.calls == 1


def test_waits_are_full_jitter_under_a_doubling_bound(tmp_path: Path, step_clock: Any) -> None:
    waits = []
    for seed in range(300):
        retrier = Guard("t", tmp_path, step_clock, np.random.default_rng(seed)).retrier
        waits.append([retrier.wait(Verdict(Rule(9, 1.0, 5.0), ""), n) for n in (1, 2, 3, 4, 9)])
    found = np.array(waits)
    assert (found.max(axis=0) <= [1, 2, 4, 5, 5]).all()
    assert (found.max(axis=0) >= [0.95, 1.9, 3.8, 4.75, 4.75]).all()
    assert (found.min(axis=0) <= [0.05, 0.1, 0.2, 0.25, 0.25]).all()
    assert (found.std(axis=0) / found.mean(axis=0) > 0.5).all()  # an even draw from 0 has 0.577


def test_waits_after_retry_after_are_never_shorter_and_spread(tmp_path: Path, step_clock: Any) -> None:
    retrier = Guard("t", tmp_path, step_clock, np.random.default_rng(0)).retrier
    waits = [retrier.wait(Verdict(Rule(5), "", wait=4.0), 1) for _ in range(200)]
    assert min(waits) >= 4.0
    assert (max(waits) - min(waits)) / 4.0 > 0.2


def test_the_deadline_bounds_all_tries_together(tmp_path: Path, step_clock: Any) -> None:
    guard = Guard("t", tmp_path, step_clock, np.random.default_rng(3), deadline_s=2.0)

    def slow() -> None:
        step_clock.time += 1.5
        raise ccxt.RequestTimeout("late")

    started = step_clock.now()
    with pytest.raises(VenueDownError):
        guard.call(slow)
    assert step_clock.now() - started <= 2.0 + 1.5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("1.5", 1.5),
        ("soon", 0.0),
        ("", 0.0),
        (None, 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("1e9", 3 * 86400.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("Tue, 99 Nov 2023 22:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read(text: str | None, seconds: float) -> None:
    assert retry_after(text, 1_700_000_000.0) == seconds


@pytest.mark.parametrize("status", [400, 401, 404, 405, 410, 422])
def test_a_bare_4xx_is_not_tried_again(status: int) -> None:
    verdict = judge(ccxt.ExchangeNotAvailable("x"), status)
    assert verdict is not None
    assert verdict.rule.tries == 1


# The same through unmodified ccxt and a real socket.


@pytest.fixture
def venue(settings: Any, scripted_server: Any, step_clock: Any) -> Any:
    venue = open_venue("binance", settings, at=scripted_server.url, clock=step_clock, seed=0)
    venue.markets()
    return venue


def fetch(venue: Any) -> Any:
    return venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 2)


@pytest.mark.parametrize(
    ("status", "requests_sent"), [(500, 4), (502, 4), (503, 4), (504, 4), (429, 5), (403, 1), (451, 1), (418, 1)]
)
def test_status_codes_are_tried_exactly_so_often(
    venue: Any, scripted_server: Any, answer_of: Any, status: int, requests_sent: int
) -> None:
    scripted_server.say(answer_of({"error": "no"}, status))
    with pytest.raises(VenueDownError) as raised:
        fetch(venue)
    assert len(scripted_server.pages) == requests_sent
    hint = {403: "firewall", 451: "region", 418: "banned"}.get(status, "cannot be asked")
    assert hint in str(raised.value)


def test_resets_are_tried_and_then_a_good_answer_counts(venue: Any, scripted_server: Any, answer_of: Any) -> None:
    row = [1_699_000_020_000, "1", "2", "0.5", "1.5", "3", 0, "0", 0, "0", "0", "0"]
    scripted_server.say(answer_of(reset=True), answer_of([row], cut=10), answer_of([row]))
    assert fetch(venue).tolist() == [[1_699_000_020_000, 1, 2, 0.5, 1.5, 3]]
    assert len(scripted_server.pages) == 3


@pytest.mark.parametrize("code", ["-1121", "-1100"])
def test_a_symbol_or_request_that_the_venue_refuses_is_asked_for_once(
    venue: Any, scripted_server: Any, answer_of: Any, code: str
) -> None:
    scripted_server.say(answer_of({"code": int(code), "msg": "Invalid symbol."}, 400))
    with pytest.raises(VenueError, match="refused") as raised:
        fetch(venue)
    assert not isinstance(raised.value, VenueDownError)
    assert len(scripted_server.pages) == 1


@pytest.mark.parametrize("header", ["2", "Tue, 14 Nov 2023 22:13:25 GMT"])
def test_429_waits_as_long_as_it_is_asked_to(
    venue: Any, scripted_server: Any, answer_of: Any, step_clock: Any, header: str
) -> None:
    row = [1_699_000_020_000, "1", "2", "0.5", "1.5", "3", 0, "0", 0, "0", "0", "0"]
    started = step_clock.now()
    scripted_server.say(answer_of({}, 429, {"Retry-After": header}), answer_of([row]))
    assert len(fetch(venue)) == 1
    asked = 2 if header == "2" else 1_700_000_005 - started
    assert asked <= step_clock.now() - started <= asked * 1.25 + 1
    assert len(scripted_server.pages) == 2


@pytest.mark.parametrize("header", ["1e9", "86400"])
def test_a_long_retry_after_gives_up_and_says_until_when(
    venue: Any, scripted_server: Any, answer_of: Any, step_clock: Any, header: str
) -> None:
    scripted_server.say(answer_of({}, 429, {"Retry-After": header}))
    with pytest.raises(VenueDownError) as raised:
        fetch(venue)
    assert len(scripted_server.pages) == 1
    assert raised.value.until == pytest.approx(step_clock.now() + min(float(header), 3 * 86400), abs=1)
    with pytest.raises(VenueDownError):
        fetch(venue)
    assert len(scripted_server.pages) == 1  # nobody asks before


def test_a_server_that_is_not_there_is_down(settings: Any, step_clock: Any) -> None:
    venue = open_venue("binance", settings, at="http://127.0.0.1:9", clock=step_clock, seed=0)
    with pytest.raises(VenueDownError):
        venue.markets()
