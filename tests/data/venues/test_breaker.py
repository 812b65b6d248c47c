"""The circuit breaker against a plain model, across processes, and on damaged files."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.venues.breaker import FAILURES, OPEN_S, SUCCESSES, WINDOW_S, Breaker, BreakerState
from workbench.data.venues.vocabulary import VenueDownError


class Time:
    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    monotonic = now

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Model:
    """The rules in words of one process: five failures in a minute open, half a minute later a probe, two close."""

    def __init__(self) -> None:
        self.state, self.failures, self.opened, self.good = "closed", [], 0.0, 0

    def now_is(self, now: float) -> None:
        if self.state == "open" and now >= self.opened + OPEN_S:
            self.state, self.good = "half-open", 0

    def fail(self, now: float) -> None:
        if self.state == "open":
            return
        self.failures = [*[t for t in self.failures if now - t < WINDOW_S], now]
        if self.state == "half-open" or len(self.failures) >= FAILURES:
            self.state, self.opened, self.failures = "open", now, self.failures[-FAILURES:]

    def succeed(self) -> None:
        if self.state == "half-open":
            self.good += 1
            if self.good == SUCCESSES:
                self.state, self.failures = "closed", []


@settings(max_examples=60)
@given(
    steps=st.lists(st.tuples(st.sampled_from("fs"), st.sampled_from([0.0, 1.0, 10.0, 14.0, 29.0, 31.0])), max_size=25)
)
def test_it_does_what_its_rules_say(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, float]]) -> None:
    clock, model = Time(), Model()
    breaker = Breaker(tmp_path_factory.mktemp("b"), "v", clock)
    for what, pause in steps:
        clock.sleep(pause)
        model.now_is(clock.now())
        assert breaker.state().state == model.state
        entered = model.state != "open"
        if entered:
            breaker.enter()
        else:
            with pytest.raises(VenueDownError) as down:
                breaker.enter()
            assert down.value.until == model.opened + OPEN_S
        if what == "f":
            opened = breaker.failed("boom")
            model.fail(clock.now())
            assert opened == (model.state == "open")
        elif entered:
            breaker.succeeded()
            model.succeed()
        assert breaker.state().state == model.state


def test_failures_spread_wider_than_the_window_do_not_open_it(tmp_path: Path) -> None:
    clock = Time()
    breaker = Breaker(tmp_path, "v", clock)
    for _ in range(40):
        assert not breaker.failed("slow trickle")
        clock.sleep(WINDOW_S / 4 + 0.1)


def test_another_object_sees_the_state_at_once(tmp_path: Path) -> None:
    clock = Time()
    one, two = (Breaker(tmp_path, "v", clock) for _ in range(2))
    two.enter()
    for _ in range(FAILURES):
        one.failed("HTTP 502")
    with pytest.raises(VenueDownError, match="HTTP 502"):
        two.enter()
    assert two.state().until == clock.now() + OPEN_S


def test_one_process_probes_at_a_time(tmp_path: Path) -> None:
    clock = Time()
    breaker = Breaker(tmp_path, "v", clock)
    for _ in range(FAILURES):
        breaker.failed("x")
    clock.sleep(OPEN_S)
    breaker.enter()
    code = (
        "import sys; from pathlib import Path\n"
        "from workbench.data.venues.breaker import Breaker\n"
        "from workbench.data.venues.vocabulary import VenueDownError\n"
        "class Time:\n    def now(self): return float(sys.argv[2])\n"
        "try: Breaker(Path(sys.argv[1]), 'v', Time()).enter(); print('probes')\n"
        "except VenueDownError: print('waits')\n"
    )

    def other(now: float) -> str:
        run = [sys.executable, "-c", code, str(tmp_path), str(now)]
        return subprocess.run(run, capture_output=True, text=True, check=True, timeout=120).stdout.strip()

    assert other(clock.now()) == "waits"
    assert other(clock.now() + OPEN_S) == "probes"  # the first prober died: its turn ends


def test_a_failed_probe_opens_it_again_for_as_long(tmp_path: Path) -> None:
    clock = Time()
    breaker = Breaker(tmp_path, "v", clock)
    for _ in range(FAILURES):
        breaker.failed("x")
    clock.sleep(OPEN_S)
    breaker.enter()
    assert breaker.failed("still dead")
    assert breaker.state().until == clock.now() + OPEN_S


def test_a_clock_set_back_does_not_hold_it_open(tmp_path: Path) -> None:
    clock = Time()
    breaker = Breaker(tmp_path, "v", clock)
    for _ in range(FAILURES):
        breaker.failed("x")
    clock.sleep(-3600)
    breaker.enter()
    assert breaker.state().state == "half-open"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"state": "ajar", "failures": []}',
        '{"failures": ["x"]}',
        '{"foreign": 1, "failures": []}',
        '{"state": "open", "failures": [], "opened": "yesterday"}',
        '{"state": "open", "failures": [], "opened": NaN}',
        '{"state": "half-open", "failures": [], "probing_since": 1e400}',
    ],
)
def test_a_damaged_file_is_begun_anew(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    breaker = Breaker(tmp_path, "v", Time())
    breaker.path.write_text(text)
    assert breaker.state() == BreakerState()
    assert "a breaker could not be read" in capsys.readouterr().err
    for _ in range(FAILURES):
        breaker.failed("x")
    assert json.loads(breaker.path.read_text())["state"] == "open"


def test_threads_lose_no_failure(tmp_path: Path) -> None:
    clock = Time()
    breakers = [Breaker(tmp_path, "v", clock) for _ in range(4)]
    threads = [threading.Thread(target=b.failed, args=("x",)) for b in breakers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Breaker(tmp_path, "v", clock).state().failures) == 4


def test_through_a_venue_it_opens_stops_asking_and_closes(
    settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    from workbench.data.venues.open import open_venue, venue_states

    def state() -> str:
        table = venue_states(settings, at=scripted_server.url, clock=step_clock).set_index("venue")
        return str(table.loc["binance", "state"])

    venue = open_venue("binance", settings, at=scripted_server.url, clock=step_clock, seed=0)
    venue.markets()
    scripted_server.say(answer_of({}, 502))
    for _ in range(2):
        with pytest.raises(VenueDownError):
            venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
    assert len(scripted_server.pages) == 5  # four tries, then the fifth failure opens it
    assert state() == "open"
    with pytest.raises(VenueDownError) as down:
        venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
    assert len(scripted_server.pages) == 5
    assert down.value.until <= step_clock.now() + 30
    step_clock.sleep(30)
    assert state() == "half-open"
    scripted_server.say(answer_of([]))
    for expected in ("half-open", "closed"):
        assert len(venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)) == 0
        assert state() == expected
