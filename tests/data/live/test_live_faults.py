"""Live streams by unmodified ccxt.pro against the replay venue, with everything that sockets do wrong."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workbench.data.live import BarUpdate, LiveOptions, LiveStream, StreamStatus
from workbench.data.replay.building import synthetic_replay
from workbench.data.replay.clock import ReplayClock
from workbench.data.replay.faults import Faults, open_faults
from workbench.data.replay.running import Running, replay_venue
from workbench.data.venues.budget import Bans, host_of
from workbench.data.venues.clock import SystemClock
from workbench.errors import VenueError

SPEED = 300.0
START = 1_700_000_000.0
SYMBOLS = ("BTC/USDT", "ETH/USDT")
BAR_MS = 60_000
SAFETY_S = 120.0
UNHURRIED = 60 * SPEED
"""Silence of a minute of this machine: where a test is not about it, a busy machine must not look like one."""
SLOW = pytest.mark.slow


@dataclass(frozen=True)
class Watched:
    """What a reader of a live stream saw."""

    updates: list[BarUpdate]
    status: StreamStatus
    states: list[str]
    outages: list[tuple[float, float, str]]


def options(**changed: Any) -> LiveOptions:
    return LiveOptions(**{"history": 50, "max_silence": 600.0, "min_silence": 300.0, **changed}).at_speed(SPEED)


async def watch(
    url: str, venue: str = "binance", *, bars: int = 24, symbols: Sequence[str] = SYMBOLS, **changed: Any
) -> Watched:
    """Read a stream until each symbol has had ``bars`` final bars and the stream is well."""
    stream = LiveStream(venue, symbols, "1m", options=options(**changed), at=url)
    updates: list[BarUpdate] = []
    states: list[str] = []
    finals: dict[str, int] = defaultdict(int)
    try:
        async with asyncio.timeout(SAFETY_S):
            async for update in stream:
                updates.append(update)
                if states[-1:] != [stream.status.state]:
                    states.append(stream.status.state)
                finals[update.symbol] += update.final
                if len(finals) == len(symbols) and min(finals.values()) >= bars:
                    break
        return Watched(updates, stream.status, states, list(stream.outages))
    finally:
        await stream.close()


def check(seen: Watched, running: Running, symbols: Sequence[str] = SYMBOLS) -> None:
    """0 missing, 0 twice, 0 wrong: final bars are the venue's own, one after the other; times never go back."""
    for symbol in symbols:
        mine = [u for u in seen.updates if u.symbol == symbol]
        finals = [u for u in mine if u.final]
        first, last = finals[0].time, finals[-1].time
        assert [u.time for u in finals] == list(range(first, last + 1, BAR_MS))
        truth = running.venue.market.bars(symbol, "1m", first, last + BAR_MS)
        for update, row in zip(finals, truth.tolist(), strict=True):
            got = (update.time, update.open, update.high, update.low, update.close, update.volume)
            assert got == pytest.approx(tuple(row), rel=1e-12)
        done = -1
        for update in mine:
            assert update.time > done
            done = update.time if update.final else done


def run(faults: str, venue: str = "binance", **changed: Any) -> tuple[Watched, Faults | None]:
    """Watch a stream while faults happen, and check its bars."""
    plan = open_faults(faults, start=START) if faults else None
    with replay_venue(synthetic_replay(), ReplayClock(START, SPEED), plan) as running:
        seen = asyncio.run(watch(running.base_url, venue, **changed))
        check(seen, running)
    return seen, plan


@pytest.mark.parametrize("venue", ["binance", "kraken"])
def test_a_stream_without_faults_takes_only_its_first_bars_from_rest(venue: str) -> None:
    seen, _ = run("", venue, bars=12, min_silence=UNHURRIED, max_silence=UNHURRIED)
    by_rest = [u for u in seen.updates if u.final and u.source.endswith("-rest")]
    assert by_rest  # the bar that was under way when the connection began
    assert seen.status.reconnects == 0
    assert "live" in seen.states
    assert any(not u.final for u in seen.updates)
    assert abs(seen.status.skew_s) > 1e6  # measured: the replayed year is not this one


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("close-1000", marks=SLOW),
        pytest.param("close-1001", marks=SLOW),
        "close-1006",
        pytest.param("close-1012", marks=SLOW),
        pytest.param("partial", marks=SLOW),
    ],
)
def test_a_connection_that_is_cut_is_made_again_and_the_gap_repaired(fault: str) -> None:
    seen, plan = run(f"{fault}@600s every 600s", bars=30)
    assert plan is not None
    assert plan.counts[fault] >= 2
    assert seen.status.reconnects >= 2
    assert seen.status.gaps_repaired >= 2 * len(SYMBOLS)
    assert len(seen.outages) >= 2


@pytest.mark.parametrize(
    "fault", ["frozen", pytest.param("half-open", marks=SLOW), pytest.param("ws-truncated", marks=SLOW)]
)
def test_a_stream_that_falls_silent_is_found_and_left(fault: str) -> None:
    seen, plan = run(f"{fault}@600s for 900s", bars=36)
    assert plan is not None
    assert plan.counts[fault] >= 1
    assert any("frozen stream" in why for _, _, why in seen.outages)
    assert seen.status.reconnects >= 1
    found = [end - since for since, end, why in seen.outages if "frozen" in why]
    assert min(found) >= options().min_silence


@pytest.mark.parametrize("venue", ["binance", pytest.param("kraken", marks=SLOW)])
def test_one_subscription_that_the_venue_ended_is_found_by_its_own_silence(venue: str) -> None:
    seen, plan = run("unsubscribed@600s x1", venue, bars=26)
    assert plan is not None
    assert plan.counts["unsubscribed"] == 1
    assert seen.status.reconnects >= 1


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        ("ws-reorder", "disordered"),
        ("wrong-symbol", "dropped"),
        pytest.param("ws-duplicate", "duplicates", marks=SLOW),
        pytest.param("burst@600s every 900s", "duplicates", marks=SLOW),
    ],
)
def test_messages_that_are_not_what_they_should_be_are_put_aside_and_counted(fault: str, counted: str) -> None:
    seen, _ = run(fault, bars=20, min_silence=UNHURRIED, max_silence=UNHURRIED)
    assert seen.status.counts[counted] > 0
    assert seen.status.reconnects == 0


@pytest.mark.slow
def test_unanswered_pings_alone_do_not_end_a_stream_that_brings_data() -> None:
    seen, _ = run("no-pong", bars=16, min_silence=UNHURRIED, max_silence=UNHURRIED)
    assert seen.status.reconnects == 0


def test_where_sockets_do_not_work_bars_come_by_rest_and_sockets_again_later() -> None:
    seen, _ = run("frozen@300s for 1500s", bars=50, failures_before_polling=2)
    assert "live" in seen.states[seen.states.index("polling") :]
    assert any(u.final and u.source == "binance" for u in seen.updates)


@pytest.mark.slow
def test_bars_built_of_trades_are_the_venues_own_when_final() -> None:
    seen, _ = run("close-1001@600s every 600s", bars=20, from_trades=True)
    assert all(u.source == "binance-rest" for u in seen.updates if u.final)
    assert any(u.source == "binance" for u in seen.updates)


@pytest.mark.slow
def test_rest_that_fails_delays_a_repair_and_does_not_spoil_it() -> None:
    faults = "close-1006@600s every 900s; 503@600s for 200s every 900s on klines; nan@1500s for 300s"
    seen, plan = run(faults, bars=48)
    assert plan is not None
    assert plan.counts["503"] >= 1
    assert seen.status.reconnects >= 2


async def started(stream: LiveStream) -> None:
    try:
        await stream.start()
    finally:
        await stream.close()


def test_a_venue_that_bans_is_asked_once_and_left_alone_by_all(tmp_path: Path) -> None:
    with replay_venue(synthetic_replay(), ReplayClock(START), open_faults("418 for 1h", start=START)) as running:
        for _ in range(3):
            patient = LiveOptions(start_timeout=0.3, backoff_base=0.01)
            stream = LiveStream("binance", SYMBOLS, "1m", options=patient, at=running.base_url, folder=tmp_path)
            with pytest.raises(VenueError, match="left alone"):
                asyncio.run(started(stream))
        asked = running.venue.requests.count("api.binance.com")
    assert asked == 1
    ban = Bans(tmp_path, SystemClock()).active(host_of(f"{running.base_url}/api.binance.com"))
    assert ban is not None
    assert ban.hard


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(int(os.environ.get("WORKBENCH_SOAK_SEEDS", "12"))))
def test_any_mix_of_socket_faults_leaves_the_bars_whole(seed: int) -> None:
    seen, plan = run(f"random(rate=4000/day, seed={seed}, kinds=ws)", bars=70)
    assert plan is not None
    print(
        f"seed {seed}: {dict(plan.counts)}, {seen.status.reconnects} reconnects, {seen.status.gaps_repaired} repaired"
    )
