"""Days of fetching under faults: two venues, one clock that only waiting moves, and afterwards every bar is right."""

from __future__ import annotations

import itertools
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.config import Settings
from workbench.data.fetching.fetch import fetch
from workbench.data.replay import FAULTS, Faults, FaultSchedule, ReplayClock, ReplayMarket, replay_venue
from workbench.data.replay.fault_windows import Window
from workbench.data.replay.feeds import Feed, SyntheticFeed
from workbench.data.replay.grid import quantized
from workbench.data.replay.running import Running
from workbench.data.store.barstore import open_store
from workbench.data.venues.budget import LONGEST_BAN_S
from workbench.data.venues.catalogue import venue_info
from workbench.data.venues.ccxt_venue import CcxtVenue
from workbench.data.venues.open import venues_folder
from workbench.typing import FloatArray

HOUR, DAY, MINUTE = 3600.0, 86400.0, 60.0
START = 1_772_000_000.0 // HOUR * HOUR + 7.0  # seven seconds after a full hour of 2026
SYMBOL = "BTC/USDT"
STEPS = {"1m": 60_000, "1h": 3_600_000}
ANSWER_S = 0.3
"""How long silent and dripping answers are waited for; the machine's own seconds, so a few."""
REST = [kind.name for kind in FAULTS.values() if kind.side != "socket"]
HOSTS = {"binance": "api.binance.com", "kraken": "api.kraken.com"}
Simulate = Callable[..., "Figures"]


class Nearby:
    """Another venue's bars of the same coin: prices some hundredths of a percent away, a third of the volume."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.timeframe, self.first_ms, self.end_ms = feed.timeframe, feed.first_ms, feed.end_ms
        self.price_decimals, self.amount_decimals = feed.price_decimals, feed.amount_decimals

    def bars(self, start_ms: int, end_ms: int) -> FloatArray:
        """Return bars that open in [start_ms, end_ms)."""
        rows = self._feed.bars(start_ms, end_ms).copy()
        rows[:, 1:5] = quantized(rows[:, 1:5] * 1.0003, self.price_decimals)
        rows[:, 5] = quantized(rows[:, 5] / 3, self.amount_decimals)
        return rows


@dataclass
class Figures:
    """What came of some simulated days."""

    expected: int = 0
    stored: int = 0
    wrong: int = 0
    twice: int = 0
    requests: int = 0
    in_bans: int = 0
    bans: int = 0
    before_repair: int = 0
    by_venue: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Hold what is promised."""
        assert self.stored >= 0.999 * self.expected, self
        assert (self.wrong, self.twice, self.in_bans) == (0, 0, 0), self


@pytest.fixture(scope="module")
def two_markets() -> dict[str, ReplayMarket]:
    """The market of each venue."""
    feed = SyntheticFeed("regimes(seed=7)", SYMBOL)
    return {"binance": ReplayMarket({SYMBOL: feed}), "kraken": ReplayMarket({SYMBOL: Nearby(feed)})}


@pytest.fixture
def simulate(two_markets: dict[str, ReplayMarket], settings: Settings, tmp_path: Path) -> Simulate:
    """Fetch every so often for some hours while faults happen, repair afterwards, and compare every bar."""
    numbers = itertools.count()

    def run(
        on_binance: FaultSchedule,
        on_kraken: FaultSchedule | None = None,
        *,
        hours: float,
        every: float = HOUR,
        forgetful: bool = False,
        afterwards: Callable[[_Days], None] | None = None,
    ) -> Figures:
        own = replace(settings, data_dir=tmp_path / f"days-{next(numbers)}")
        clock = ReplayClock(START, frozen=True)
        plans = {"binance": Faults(on_binance, START), "kraken": Faults(on_kraken or FaultSchedule(), START)}
        with ExitStack() as stack:
            running = {
                name: stack.enter_context(replay_venue(two_markets[name], clock, plans[name], tick_s=0.5))
                for name in HOSTS
            }
            days = _Days(own, clock, running, START + hours * HOUR)
            days.live(every, forgetful)
            figures = Figures()
            days.count(figures, before_repair=True)
            _judge_bans(running, plans, figures)
            days.repair()
            if afterwards is not None:
                afterwards(days)
            days.count(figures)
            figures.struck = plans["binance"].counts + plans["kraken"].counts
            figures.requests = sum(r.venue.requests.total for r in running.values())
        return figures

    return run


class _Days:
    """A machine that keeps minute and hourly bars up to date."""

    def __init__(self, settings: Settings, clock: ReplayClock, running: dict[str, Running], end: float) -> None:
        self.settings, self.clock, self.running, self.end = settings, clock, running, end
        self.store = open_store(settings)
        self.since = {"1m": START - 2 * HOUR, "1h": START - 2 * DAY}

    def venues(self, answer_s: float) -> list[CcxtVenue]:
        return [
            CcxtVenue(
                venue_info(name),
                folder=venues_folder(self.settings),
                clock=self.clock,
                rng=np.random.default_rng(1),
                at=running.base_url,
                answer_s=answer_s,
            )
            for name, running in self.running.items()
        ]

    def live(self, every: float, forgetful: bool = False) -> None:
        """Fetch what is new, again and again, until the end; ``forgetful``: bans and breakers are thrown away."""
        venues = self.venues(ANSWER_S)
        due = START
        while due < self.end:
            self.clock.set(max(due, self.clock.now()))
            for timeframe in STEPS:
                self.bring(venues, timeframe, None)
                if forgetful:
                    shutil.rmtree(venues_folder(self.settings))
                    venues = self.venues(ANSWER_S)
            due += every

    def repair(self) -> None:
        """Ask for all that is missing when the faults are over and every ban has ended."""
        for running in self.running.values():
            running.venue.faults = None
        self.clock.set(max(self.clock.now(), self.end))
        self.clock.step(LONGEST_BAN_S + HOUR)
        for timeframe in STEPS:
            self.bring(self.venues(60.0), timeframe, self.end, again=True)

    def bring(self, venues: list[CcxtVenue], timeframe: str, until: float | None, again: bool = False) -> None:
        fetch(
            venues, SYMBOL, timeframe, _time(self.since[timeframe]), None if until is None else _time(until),
            settings=self.settings, store=self.store, clock=self.clock, again=again,
        )  # fmt: skip

    def count(self, figures: Figures, before_repair: bool = False) -> None:
        """Compare every stored bar with the truth of the venue that it says it came from."""
        for timeframe, step in STEPS.items():
            first = -(-int(self.since[timeframe] * 1000) // step) * step
            times = np.arange(first, int(self.end * 1000) // step * step, step)
            frame = self.store.read("replay-binance", SYMBOL, timeframe, _time(first / 1000), _time(self.end))
            held = frame.index.as_unit("ms").asi8
            inside = held < times[-1] + step
            if before_repair:
                figures.before_repair += int(inside.sum())
                continue
            sources = self.store.provenance("replay-binance", SYMBOL, timeframe, _time(first / 1000), _time(self.end))[
                "source"
            ]
            figures.expected += len(times)
            figures.stored += len(np.intersect1d(held, times))
            figures.twice += len(held) - len(np.unique(held))
            figures.by_venue.update(sources.astype(str).tolist())
            figures.wrong += self._wrong(timeframe, first, held, frame.to_numpy(), sources.astype(str).to_numpy())

    def _wrong(self, timeframe: str, first: int, held: Any, values: FloatArray, sources: Any) -> int:
        wrong = 0
        for name, running in self.running.items():
            truth = running.venue.market.bars(SYMBOL, timeframe, first, int(self.end * 1000))
            known = {int(row[0]): row[1:] for row in truth}
            for time, row in zip(held[sources == name], values[sources == name], strict=True):
                wrong += int(int(time) not in known or not np.allclose(known[int(time)], row, rtol=0, atol=5e-9))
        return wrong + int((~np.isin(sources, list(self.running))).sum())


def _judge_bans(running: dict[str, Running], plans: dict[str, Faults], figures: Figures) -> None:
    """Count requests that came while a venue had asked for none: after a 418, and a 429 that said plainly how long."""
    for name, one in running.items():
        free, calls = 0.0, [c for c in one.venue.requests.calls if c.host == HOSTS[name]]
        for call in calls:
            figures.in_bans += call.time < free
            if call.status in (418, 429):
                wait = _asked_wait(
                    plans[name].schedule.windows, str(call.status), call.time - START, call.host + call.path
                )
                figures.bans += wait > 0
                free = max(free, call.time + wait)


def _asked_wait(windows: tuple[Window, ...], kind: str, offset: float, where: str) -> float:
    for window in windows:
        if window.kind == kind and window.active(offset) and window.touches(where):
            asked = window.options.get("retry_after", "left")
            left = window.end_of(window.repeat_at(offset) or 0) - offset
            return float(max(1, math.ceil(left))) if asked in ("left", "date") else 0.0
    return 0.0


def _time(seconds: float) -> Any:
    import pandas as pd

    return pd.Timestamp(seconds, unit="s", tz="UTC")


def _alone(kind: str) -> FaultSchedule:
    """One fault from half an hour on for two hours, and again for ten minutes later, on the first venue."""
    options = {"slow": "(seconds=0.1)", "big": "(mb=60)", "gzip-bomb": "(mb=60)", "timeout": "(hold=1)"}.get(kind, "")
    if kind == "skew":
        options = "(seconds=5, drift=60)"
    where = "on api.binance.com"
    return FaultSchedule.parse(f"{kind}{options}@30m for 2h {where}; {kind}{options}@230m for 20m {where}", seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", REST)
def test_a_few_hours_under_each_fault_alone(simulate: Simulate, kind: str) -> None:
    figures = simulate(_alone(kind), hours=6)
    figures.check()
    assert figures.stored == figures.expected
    assert kind == "skew" or figures.struck[kind] > 0
    assert (figures.bans > 0) == (kind in ("418", "429"))


def test_what_is_wrong_missing_or_asked_in_a_ban_is_found(simulate: Simulate) -> None:
    """The judge itself: one bar spoiled, one gone, and a machine that forgets its bans."""

    def spoil(days: _Days) -> None:
        held = days.store.read("replay-binance", SYMBOL, "1h").copy()
        held.iloc[3] *= 1.001
        bars, gone = held.drop(index=held.index[5]), held.index[5]
        origin = days.store.provenance("replay-binance", SYMBOL, "1h").drop(index=gone)
        days.store.write("replay-binance", SYMBOL, "1h", bars, mode="replace", provenance=origin)

    figures = simulate(FaultSchedule(), hours=1, afterwards=spoil)
    assert (figures.wrong, figures.stored) == (1, figures.expected - 1)
    figures = simulate(_alone("418"), hours=3, forgetful=True)
    assert figures.in_bans > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["418", "429(date)"])
def test_each_ban_costs_one_request(simulate: Simulate, kind: str) -> None:
    """A ban of seven minutes every twenty, a machine that asks every three: one request meets it, none comes after."""
    where = f"on {HOSTS['binance']}"
    figures = simulate(FaultSchedule.parse(f"{kind}@10m for 7m every 20m {where}"), hours=1, every=3 * MINUTE)
    figures.check()
    assert figures.stored == figures.expected
    assert (figures.struck.total(), figures.bans, figures.in_bans) == (3, 3, 0)
    assert figures.by_venue["kraken"] > 0


def random_pair(seed: int, hours: float) -> tuple[FaultSchedule, FaultSchedule]:
    """Return random faults of both venues: about half of all hours have one at the first, a sixth at the second."""
    span = hours * HOUR
    return (
        FaultSchedule.random(seed, span, 24, "rest", on=HOSTS["binance"], stretch=8),
        FaultSchedule.random(seed + 10_000, span, 8, "rest", on=HOSTS["kraken"], stretch=8),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_half_a_day_under_random_faults(simulate: Simulate, seed: int) -> None:
    figures = simulate(*random_pair(seed, 12), hours=12)
    figures.check()
    assert sum(figures.struck.values()) > 0


@pytest.fixture(scope="module")
def soaked() -> Iterator[list[Figures]]:
    """Figures of all runs, added up and printed at the end."""
    runs: list[Figures] = []
    yield runs
    total = Figures()
    for figures, name in itertools.product(runs, vars(total)):
        setattr(total, name, getattr(total, name) + getattr(figures, name))
    print(f"\n{len(runs)} schedules: {total}")


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(50))
def test_seven_days_under_random_faults(simulate: Simulate, soaked: list[Figures], seed: int) -> None:
    figures = simulate(*random_pair(seed, 7 * 24), hours=7 * 24)
    print(f"\nseven days, seed {seed}: {figures}", flush=True)
    soaked.append(figures)
    figures.check()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 104))
def test_a_day_of_asking_every_minute(simulate: Simulate, soaked: list[Figures], seed: int) -> None:
    figures = simulate(*random_pair(seed, 24), hours=24, every=MINUTE)
    print(f"\nevery minute of a day, seed {seed}: {figures}", flush=True)
    soaked.append(figures)
    figures.check()
