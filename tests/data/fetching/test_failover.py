"""When a venue fails the next goes on with whole bars, and every bar knows where it came from."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.data.bars import symbol_frame
from workbench.data.fetching.fetch import fetch
from workbench.data.fetching.known_empty import known_empty
from workbench.data.fetching.report import FetchReport
from workbench.data.replay import ReplayClock, open_faults, replay_of_bars, replay_venue
from workbench.data.sources.synthetic import synthetic_market
from workbench.data.store.barstore import open_store
from workbench.errors import DataError, VenueError

_spec = importlib.util.spec_from_file_location("memory_venue_of_failover", Path(__file__).with_name("memory_venue.py"))
assert _spec is not None
assert _spec.loader is not None
memory: Any = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = memory
_spec.loader.exec_module(memory)

NOW = "2020-02-10 00:00:30"
SYMBOL = "BTC/USDT"


@pytest.fixture
def clock() -> Any:
    return memory.StillClock(NOW)


@pytest.fixture
def pair(clock: Any) -> tuple[Any, Any]:
    """Two venues whose bars all differ."""
    return memory.MemoryVenue(clock), memory.MemoryVenue(clock, "kraken", salt=3)


def bring(settings: Settings, venues: Any, clock: Any, **options: Any) -> FetchReport:
    asked = {"symbols": SYMBOL, "timeframe": "1m", "since": "2020-02-09", "until": "2020-02-10", **options}
    return fetch(venues, settings=settings, clock=clock, **asked)


def stored(settings: Settings, source: str = "binance") -> tuple[np.ndarray, np.ndarray]:
    """Rows as venues give them, and the venue of each."""
    store = open_store(settings)
    frame = symbol_frame(store.read(source, SYMBOL, "1m"), SYMBOL)
    origin = store.provenance(source, SYMBOL, "1m")["source"].astype(str).to_numpy()
    return np.column_stack([pd.DatetimeIndex(frame.index).as_unit("ms").asi8, frame.to_numpy()]), origin


def check_whole(settings: Settings, *venues: Any) -> dict[str, int]:
    """Each stored bar is, in all five values, the bar of the venue that it is said to come from."""
    rows, origin = stored(settings)
    for venue in venues:
        mine = rows[origin == venue.name]
        true = venue.truth("1m", int(rows[0, 0]), int(rows[-1, 0]) + 60_000)
        np.testing.assert_array_equal(mine, true[np.isin(true[:, 0], mine[:, 0])])
    return {v.name: int((origin == v.name).sum()) for v in venues}


def test_the_next_venue_goes_on_with_whole_bars(settings: Settings, clock: Any, pair: tuple[Any, Any]) -> None:
    first, second = pair
    first.faults = {2: memory.down("binance", until=clock.now() + 3600)}
    report = bring(settings, [first, second], clock)
    assert check_whole(settings, first, second) == {"binance": 998, "kraken": 442}
    assert (report.added, report.complete) == (1440, True)
    assert report.series[0].shares == {"binance": 998, "kraken": 442}
    moved = report.failovers()
    assert moved[["left", "took_over"]].to_numpy().tolist() == [["binance", "kraken"]]
    assert moved["seconds"][0] == 0.0  # the clock of the test stands still
    # The second venue is asked from the first bar that is missing: the page before is not compared with its own.
    assert second.asked[0][2] == memory.ms("2020-02-09") + 998 * 60_000
    assert report.revisions().empty
    assert len(first.asked) == 3  # not asked again while it is down


def test_the_first_venue_goes_on_when_it_is_back(settings: Settings, clock: Any, pair: tuple[Any, Any]) -> None:
    first, second = pair
    first.faults = {1: memory.down("binance", until=clock.now() + 20)}
    answer = second.fetch_bars

    def slowly(*words: Any) -> np.ndarray:
        clock.sleep(15)
        return answer(*words)

    second.fetch_bars = slowly
    report = bring(settings, [first, second], clock, chunk_bars=100, since="2020-02-08")
    shares = check_whole(settings, first, second)
    assert shares["kraken"] == 2 * 499  # two pages; then the first venue's rest is over
    assert shares["binance"] == 2880 - 2 * 499
    assert report.failovers()["took_over"].tolist() == ["kraken", "binance"]
    assert report.failovers()["reason"].tolist()[1] == "binance answers again"


def test_without_another_venue_what_came_is_kept(settings: Settings, clock: Any, pair: tuple[Any, Any]) -> None:
    first, _ = pair
    first.faults = {1: memory.down("binance")}
    report = bring(settings, [first], clock)
    assert (report.complete, report.added) == (False, 499)
    assert report.gaps()["cause"].tolist() == ["venue_down"]
    assert report.gaps()["bars"].tolist() == [941]
    assert "not complete: binance is down: 503 five times in a minute; run it again" in str(report)
    assert known_empty(settings, "binance", SYMBOL, "1m").empty  # nothing is known of what could not be asked
    before, _ = stored(settings)
    clock.sleep(60)
    again = bring(settings, [first], clock)
    assert (again.complete, again.added) == (True, 941)
    np.testing.assert_array_equal(stored(settings)[0][:499], before)


def test_all_venues_down_is_not_complete(settings: Settings, clock: Any, pair: tuple[Any, Any]) -> None:
    for venue in pair:
        venue.always = memory.down(venue.name, until=clock.now() + 60)
    report = bring(settings, list(pair), clock)
    assert (report.complete, report.added, report.requests) == (False, 0, 2)


def test_a_refusal_moves_on_as_well(settings: Settings, clock: Any, pair: tuple[Any, Any]) -> None:
    first, second = pair
    first.always = VenueError("binance does not serve this region (451); ask another venue")
    report = bring(settings, [first, second], clock)
    assert check_whole(settings, first, second) == {"binance": 0, "kraken": 1440}
    assert report.complete


@pytest.mark.parametrize("lacks", ["symbol", "timeframe"])
def test_a_like_symbol_or_length_never_stands_in(settings: Settings, clock: Any, lacks: str) -> None:
    first = memory.MemoryVenue(clock)
    other = {"symbols": ("BTC/USD",)} if lacks == "symbol" else {"lengths": ("5m", "1d")}
    second = memory.MemoryVenue(clock, "coinbase", salt=3, **other)
    first.faults = {1: memory.down("binance", until=clock.now() + 3600)}
    report = bring(settings, [first, second], clock)
    assert (report.complete, report.added, second.asked) == (False, 499, [])
    said = "coinbase has no symbol 'BTC/USDT'. It has BTC/USD: another market, never taken in its place"
    assert any((said if lacks == "symbol" else "coinbase has no 1m bars") in note for note in report.notes)


def test_no_venue_of_the_list_has_the_symbol(settings: Settings, clock: Any, pair: tuple[Any, Any]) -> None:
    with pytest.raises(DataError, match="binance has no symbol 'SOL/USDT'"):
        bring(settings, list(pair), clock, symbols="SOL/USDT")
    assert not pair[0].asked
    assert not pair[1].asked


def test_overlap_with_a_bar_of_another_venue_is_no_revision(
    settings: Settings, clock: Any, pair: tuple[Any, Any]
) -> None:
    first, second = pair
    first.always = memory.down("binance", until=clock.now() + 60)
    bring(settings, [first, second], clock, until="2020-02-09 12:00")
    clock.sleep(120)
    first.always = None
    report = bring(settings, [first, second], clock)
    assert check_whole(settings, first, second) == {"binance": 720, "kraken": 720}
    assert report.revisions().empty
    assert report.failovers().empty


def test_holes_known_of_one_venue_are_still_asked_of_another(
    settings: Settings, clock: Any, pair: tuple[Any, Any]
) -> None:
    first, second = pair
    first.holes = [(memory.ms("2020-02-09 05:00"), memory.ms("2020-02-09 06:00"))]
    bring(settings, [first], clock)
    report = fetch([second], SYMBOL, "1m", "2020-02-09", "2020-02-10", settings=settings, clock=clock, source="binance")
    assert check_whole(settings, first, second) == {"binance": 1380, "kraken": 60}
    assert report.gaps().empty


def test_from_a_real_outage_to_the_first_bar_of_the_next_venue(settings: Settings) -> None:
    """Unmodified ccxt against a replay venue whose Binance answers 503 from some time on: Kraken goes on."""
    bars, _ = synthetic_market("regimes(seed=7, n_bars=700)", [SYMBOL], "1h")
    now = (pd.Timestamp(bars.index[-1]) + pd.Timedelta(minutes=5)).timestamp()  # the last bar still runs
    clock = ReplayClock(now, frozen=True)  # waits of the retries step it and take no time
    faults = open_faults("503@60s on api.binance.com/api/v3/klines", start=now)
    middle = bars.index[300]
    with replay_venue(replay_of_bars(bars, "1h"), clock, faults) as running:
        asked = {"settings": settings, "clock": clock, "at": running.base_url}
        fetch("binance,kraken", SYMBOL, "1h", bars.index[0], middle, **asked)
        clock.step(90)
        report = fetch("binance,kraken", SYMBOL, "1h", bars.index[0], **asked)
        hits = running.venue.requests.count("api.binance.com", "/api/v3/klines")
        again = fetch("binance,kraken", SYMBOL, "1h", bars.index[0], **asked)
    assert report.complete
    assert report.series[0].shares == {"binance": 300, "kraken": 399}
    assert report.failovers()["took_over"].tolist() == ["kraken"]
    assert report.failovers()["seconds"][0] <= 1.0  # of the venues' own clock, without the machine's
    assert hits == 1 + 4  # one page, and the tries of the retry table
    assert (again.requests, again.added) == (0, 0)
    frame = symbol_frame(open_store(settings).read("replay-binance", SYMBOL, "1h"), SYMBOL)
    np.testing.assert_allclose(frame, symbol_frame(bars, SYMBOL).iloc[:699], rtol=0, atol=5e-9)
