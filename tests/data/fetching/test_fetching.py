"""Fetching against a venue in memory: nothing missing, nothing twice, nothing unclosed, and not a request too many."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from workbench.config import Settings, load_settings
from workbench.data.bars import symbol_frame
from workbench.data.fetching.fetch import fetch
from workbench.data.fetching.known_empty import KnownEmpty, known_empty
from workbench.data.fetching.progress import NotebookBar, TerminalBar
from workbench.data.fetching.report import FetchReport
from workbench.data.fetching.spans import Span, step_ms
from workbench.data.store.barstore import open_store
from workbench.errors import DataError

PROGRAM = Path(__file__).with_name("memory_venue.py")
_spec = importlib.util.spec_from_file_location("memory_venue_of_fetching", PROGRAM)
assert _spec is not None
assert _spec.loader is not None
memory: Any = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = memory
_spec.loader.exec_module(memory)

NOW = "2020-02-10 07:31:30"
SYMBOL = "BTC/USDT"


@pytest.fixture
def clock() -> Any:
    return memory.StillClock(NOW)


def bring(settings: Settings, venue: Any, since: object, until: object = None, **options: Any) -> FetchReport:
    wanted = {"symbols": SYMBOL, "timeframe": "1m", **options}
    return fetch([venue], since=since, until=until, settings=settings, clock=venue.clock, **wanted)


def stored(settings: Settings, source: str = "binance", timeframe: str = "1m", symbol: str = SYMBOL) -> np.ndarray:
    """Stored bars as the venue would give them: rows of time, open, high, low, close, volume."""
    frame = symbol_frame(open_store(settings).read(source, symbol, timeframe), symbol)
    return np.column_stack([pd.DatetimeIndex(frame.index).as_unit("ms").asi8, frame.to_numpy()])


def truth(venue: Any, since: object, until: object, timeframe: str = "1m") -> np.ndarray:
    return venue.truth(timeframe, memory.ms(since), memory.ms(until))


def pages(bars: int, limit: int) -> int:
    """Requests for so many bars when pages overlap by one and one more bar shows that the last one is over."""
    return -(-bars // (limit - 1))


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_five_thousand_bars_behind_a_page_limit_of_500(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    report = bring(settings, venue, "2020-01-02", "2020-01-05 11:20")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-01-02", "2020-01-05 11:20"))
    assert (report.added, report.requests, report.complete) == (5000, pages(5000, 500), True)
    assert len(venue.asked) == report.requests == 11
    assert report.series[0].coverage == 1.0
    assert report.gaps().empty


def test_a_second_run_asks_nothing_while_the_newest_closed_bar_is_held(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock)
    bring(settings, venue, "2020-02-09")
    venue.asked.clear()
    assert bring(settings, venue, "2020-02-09").requests == 0
    clock.sleep(60)
    again = bring(settings, venue, "2020-02-09")
    assert (again.requests, again.added, len(venue.asked)) == (1, 1, 1)
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-10 07:32"))


def test_two_updates_equal_one_full_pull(settings: Settings, clock: Any, tmp_path: Path) -> None:
    other = load_settings({"WORKBENCH_HOME": str(tmp_path / "other")})
    venue = memory.MemoryVenue(clock)
    clock.time = pd.Timestamp("2020-02-08 03:00:59").timestamp()
    bring(settings, venue, "2020-02-07")
    clock.time = pd.Timestamp("2020-02-09 11:59:30").timestamp()
    bring(settings, venue, "2020-02-07")
    clock.time = pd.Timestamp(NOW).timestamp()
    bring(settings, venue, "2020-02-07")
    bring(other, venue, "2020-02-07")
    np.testing.assert_array_equal(stored(settings), stored(other))


def test_an_earlier_start_asks_for_the_earlier_span_alone(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock)
    bring(settings, venue, "2020-02-08", "2020-02-09")
    venue.asked.clear()
    report = bring(settings, venue, "2020-02-07", "2020-02-09")
    assert report.added == 1440
    assert report.requests == pages(1440, 500)
    for _, _, since, limit in venue.asked:
        assert memory.ms("2020-02-07") <= since
        assert since + (limit - 1) * 60_000 <= memory.ms("2020-02-08")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-07", "2020-02-09"))


def test_a_hole_in_the_store_is_filled_by_one_request(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock)
    bring(settings, venue, "2020-02-07", "2020-02-07 10:00")
    for hour in (12, 14, 16):  # three holes of an hour each, within one page
        bring(settings, venue, f"2020-02-07 {hour - 1}:00", f"2020-02-07 {hour}:00")
    venue.asked.clear()
    report = bring(settings, venue, "2020-02-07", "2020-02-07 16:00")
    assert (report.added, report.requests) == (180, 1)
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-07", "2020-02-07 16:00"))


def test_many_symbols_go_into_series_of_their_own(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, symbols=("BTC/USDT", "ETH/USDT"))
    report = bring(settings, venue, "2020-02-10", symbols=["ETH/USDT", "BTC/USDT", "ETH/USDT"])
    assert report.frame()["symbol"].tolist() == ["ETH/USDT", "BTC/USDT"]
    assert open_store(settings).symbols("binance", "1m") == ("BTC/USDT", "ETH/USDT")
    assert [s.added for s in report.series] == [451, 451]


def test_weeks_begin_on_mondays(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock)
    bring(settings, venue, "2020-01-01", timeframe="1w")
    times = pd.to_datetime(stored(settings, timeframe="1w")[:, 0], unit="ms")
    assert times.tolist() == pd.date_range("2020-01-06", "2020-02-03", freq="7D").tolist()


# --- the last bar ----------------------------------------------------------------------------------------------------


@hypothesis_settings(max_examples=40)
@given(
    st.integers(0, 150_000),  # seconds of this machine's clock, in milliseconds
    st.integers(-70_000, 70_000),  # the venue's clock is ahead
    st.sampled_from([0, 900, 40_000]),  # its bars come late
    st.integers(2, 7),  # page limit
    st.sampled_from([None, "2020-02-10 07:29", "2020-02-10 07:31"]),
)
def test_an_unclosed_bar_is_never_stored(
    tmp_path_factory: pytest.TempPathFactory, into: int, ahead: int, lag: int, limit: int, until: str | None
) -> None:
    home = load_settings({"WORKBENCH_HOME": str(tmp_path_factory.mktemp("home"))})
    clock = memory.StillClock("2020-02-10 07:30")
    clock.sleep(into / 1000)
    venue = memory.MemoryVenue(clock, limit=limit, skew=ahead / 1000, lag=lag / 1000)
    report = bring(home, venue, "2020-02-10 07:20", until)
    assert report.complete
    rows = stored(home)
    np.testing.assert_array_equal(rows, truth(venue, "2020-02-10 07:20", "2020-02-10 08:00")[: len(rows)])
    over = (clock.now() + ahead / 1000) * 1000
    assert rows[-1, 0] + 60_000 <= over
    assert until is None or rows[-1, 0] < memory.ms(until)
    clock.sleep(400)  # whatever was left out comes with the next run
    bring(home, venue, "2020-02-10 07:20")
    rows = stored(home)
    np.testing.assert_array_equal(rows, truth(venue, "2020-02-10 07:20", "2020-02-10 08:00")[: len(rows)])
    assert rows[-1, 0] >= memory.ms("2020-02-10 07:33")


def test_a_venue_whose_clock_is_years_behind_ends_where_its_bars_end(settings: Settings) -> None:
    """As a replay venue does: its bars end in its own present."""
    clock = memory.StillClock("2022-02-10")
    venue = memory.MemoryVenue(clock, skew=-(pd.Timestamp("2022-02-10") - pd.Timestamp(NOW)).total_seconds())
    report = bring(settings, venue, "2020-02-10")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-10", "2020-02-10 07:31"))
    assert set(report.gaps()["cause"]) == {"pending"}
    clock.sleep(60)
    assert bring(settings, venue, "2020-02-10").added == 1


# --- what venues do --------------------------------------------------------------------------------------------------


def test_a_server_that_keeps_to_a_lower_limit_than_asked(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=1000, server_limit=200)
    report = bring(settings, venue, "2020-02-07", "2020-02-08")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-07", "2020-02-08"))
    assert report.requests <= pages(1440, 200) + 1  # and its clock, once
    assert venue.times_told == 1


def test_answers_by_windows_of_time_before_a_listing_years_later(settings: Settings) -> None:
    """An empty window is no end: the daily bars say where to go on."""
    clock = memory.StillClock("2022-01-01 00:10:30")
    venue = memory.MemoryVenue(clock, listed="2021-12-30 10:17", windowed=True, limit=300)
    report = bring(settings, venue, "2016-01-01")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2021-12-30 10:17", "2022-01-01 00:10"))
    assert report.requests < 30
    assert "trades from 2021-12-30 10:17; fetched from there" in str(report)
    assert report.gaps()["cause"].tolist() == ["not_listed"]
    assert report.series[0].coverage == 1.0
    assert bring(settings, venue, "2016-01-01").requests == 0


@pytest.mark.parametrize("tells", [False, True])
def test_a_start_before_the_listing_says_from_when_the_symbol_trades(
    settings: Settings, clock: Any, tells: bool
) -> None:
    venue = memory.MemoryVenue(clock, listed="2020-02-10 05:00", tells_listing=tells)
    report = bring(settings, venue, "2018-01-01")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-10 05:00", "2020-02-10 07:31"))
    assert "BTC/USDT trades from 2020-02-10 05:00; fetched from there" in str(report)
    assert report.requests == (1 if tells else 2)  # the venue's word, or a second look
    assert bring(settings, venue, "2018-01-01").requests == 0
    assert bring(settings, venue, "2018-01-01", again=True).requests > 0


def test_a_market_that_ended(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, listed="2020-01-01", delisted="2020-01-03 12:00")
    report = bring(settings, venue, "2020-01-03")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-01-03", "2020-01-03 12:00"))
    assert report.gaps()["cause"].tolist() == ["delisted"]
    assert report.series[0].coverage == 1.0
    clock.sleep(600)
    assert bring(settings, venue, "2020-01-03").requests <= 2


def test_a_venue_that_silently_keeps_the_latest_bars_only(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, "kraken", keeps=720, limit=720)
    report = bring(settings, venue, "2020-01-05")
    rows = stored(settings, "kraken")
    np.testing.assert_array_equal(rows, truth(venue, pd.Timestamp(rows[0, 0], unit="ms"), "2020-02-10 07:31"))
    assert len(rows) == 719
    assert report.gaps()["cause"].tolist() == ["capped"]
    assert "keeps only its latest bars" in str(report)
    assert bring(settings, venue, "2020-01-05").requests == 0


def test_holes_of_the_venue_are_asked_twice_and_then_known(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    venue.holes = [
        (memory.ms("2020-02-09 01:00"), memory.ms("2020-02-09 01:05")),
        (memory.ms("2020-02-09 02:00"), memory.ms("2020-02-09 02:01")),
        (memory.ms("2020-02-09 12:00"), memory.ms("2020-02-10 01:00")),  # longer than a page
    ]
    report = bring(settings, venue, "2020-02-09")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-10 07:31"))
    gaps = report.gaps()
    assert gaps["bars"].tolist() == [5, 1, 780]
    assert set(gaps["cause"]) == {"unknown"}
    assert report.series[0].coverage == pytest.approx(1 - 786 / 1891)
    assert known_empty(settings, "binance", SYMBOL, "1m")["bars"].sum() == 786
    assert bring(settings, venue, "2020-02-09").requests == 0


def test_what_a_venue_lost_for_a_while_comes_by_itself(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    venue.holes = [
        (memory.ms("2020-02-09 01:00"), memory.ms("2020-02-09 01:05")),
        (memory.ms("2020-02-09 20:00"), memory.ms("2020-02-09 20:10")),
    ]
    bring(settings, venue, "2020-02-09", "2020-02-10")
    venue.holes.pop(0)  # the venue found them again
    clock.sleep(3000)
    assert bring(settings, venue, "2020-02-09", "2020-02-10").requests == 0
    clock.sleep(700)
    again = bring(settings, venue, "2020-02-09", "2020-02-10")
    assert again.added == 5
    assert again.gaps()["bars"].tolist() == [10]
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-10"))
    clock.sleep(100_000)
    assert bring(settings, venue, "2020-02-09", "2020-02-10").requests == 0  # found twice, an hour apart: believed
    assert bring(settings, venue, "2020-02-09", "2020-02-10", again=True).requests > 0


def test_a_hole_in_a_page_alone_is_mended_by_the_second_look(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    venue.faults[1] = lambda rows: np.delete(rows, slice(100, 200), axis=0)
    report = bring(settings, venue, "2020-02-09", "2020-02-10")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-10"))
    assert report.gaps().empty
    assert report.requests == pages(1440, 500) + 2  # the second look; and its clock, as the page was short
    assert venue.times_told == 1


@pytest.mark.parametrize("cut", [slice(0, 500), slice(250, 500), slice(0, 250), slice(499, 500), slice(0, 1)])
def test_a_page_without_its_beginning_or_end(settings: Settings, clock: Any, cut: slice) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    venue.faults[1] = lambda rows: np.delete(rows, cut, axis=0)
    report = bring(settings, venue, "2020-02-09", "2020-02-10")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-10"))
    assert report.gaps().empty


def test_pages_that_overlap_repeat_or_come_out_of_order(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    venue.faults[0] = lambda rows: np.concatenate([rows, rows[-3:]])
    venue.faults[1] = lambda rows: rows[::-1]
    venue.faults[2] = lambda rows: np.concatenate([truth(venue, "2020-02-08", "2020-02-08 00:30"), rows])
    report = bring(settings, venue, "2020-02-09", "2020-02-10")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-10"))
    assert sorted(report.refused()["kind"]) == ["duplicate"] * 3 + ["unsorted"] * 2
    assert not report.refused()["set_aside"].any()


def test_rows_that_break_the_convention_are_listed_and_not_stored(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)

    def spoil(rows: np.ndarray) -> np.ndarray:
        bad = rows.copy()
        for row, kind in zip(bad, range(len(bad)), strict=True):
            at = int(row[0])
            if at == memory.ms("2020-02-09 00:10"):
                row[2] = row[3] - 1  # high below low
            elif at == memory.ms("2020-02-09 00:20"):
                row[5] = -1
            elif at == memory.ms("2020-02-09 00:30"):
                row[4] = np.nan
            elif kind == 40:
                row[0] += 1  # off the grid
        return bad

    venue.always = spoil
    report = bring(settings, venue, "2020-02-09", "2020-02-09 03:00")
    kinds = report.refused()
    assert {"high_below_low", "negative_volume", "missing_value", "off_grid"} <= set(kinds["kind"])
    gaps = report.gaps().set_index("start")["cause"]
    assert gaps[pd.Timestamp("2020-02-09 00:10", tz="UTC")] == "refused"
    rows, true = stored(settings), truth(venue, "2020-02-09", "2020-02-09 03:00")
    assert len(rows) < len(true)
    np.testing.assert_array_equal(rows, true[np.isin(true[:, 0], rows[:, 0])])
    kept = open_store(settings).import_findings("binance", SYMBOL, "1m")
    assert {"high_below_low", "negative_volume", "missing_value"} <= set(kept["kind"])


def test_a_bad_row_on_the_first_read_alone_is_stored_from_the_second(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)

    def negative(rows: np.ndarray) -> np.ndarray:
        rows[7, 5] = -3
        return rows

    venue.faults[0] = negative
    report = bring(settings, venue, "2020-02-09", "2020-02-09 03:00")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-09 03:00"))
    assert report.refused()["kind"].tolist() == ["negative_volume"]


# --- revisions -------------------------------------------------------------------------------------------------------


def _first_row_changed(rows: np.ndarray) -> np.ndarray:
    rows[0, 4] = rows[0, 2]  # the close at the high
    return rows


def test_a_closed_bar_that_changed_between_pages_is_listed_and_the_first_read_stays(
    settings: Settings, clock: Any
) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    venue.faults[1] = _first_row_changed
    report = bring(settings, venue, "2020-02-09", "2020-02-10")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-10"))
    revision = report.revisions()
    assert revision["field"].tolist() == ["close"]
    assert revision["kept"][0] != revision["other"][0]
    assert "other values on a second read" in str(report)


def test_a_bar_that_was_not_over_at_the_first_read_is_no_revision(settings: Settings) -> None:
    """This machine's clock runs ahead: what it takes for a closed bar still changes at the venue."""
    clock = memory.StillClock("2020-02-10 07:31:30")
    venue = memory.MemoryVenue(clock, limit=12, skew=-95)  # the first page ends with the bar of 07:29, not over there
    answer = venue.fetch_bars

    def slowly(*words: Any) -> np.ndarray:
        rows = answer(*words)
        clock.sleep(90)
        return rows

    venue.fetch_bars = slowly
    report = bring(settings, venue, "2020-02-10 07:18")
    rows = stored(settings)
    np.testing.assert_array_equal(rows, truth(venue, "2020-02-10 07:18", "2020-02-10 08:00")[: len(rows)])
    assert report.revisions().empty


def test_a_stored_bar_that_changed_is_listed_and_stays(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    bring(settings, venue, "2020-02-09")
    before = stored(settings)
    clock.sleep(600)
    venue.always = _first_row_changed  # the overlap bar differs on every later read
    report = bring(settings, venue, "2020-02-09")
    revision = report.revisions()
    assert revision["time"].tolist() == [pd.Timestamp("2020-02-10 07:30", tz="UTC")]
    assert revision["note"][0] == "the bar that was taken first stays"
    np.testing.assert_array_equal(stored(settings)[: len(before)], before)


# --- stopping and going on -------------------------------------------------------------------------------------------


def test_after_a_kill_only_what_is_missing_is_asked(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    since, until, now = "2020-01-02", "2020-01-09", "2020-01-10"
    words = [sys.executable, str(PROGRAM), str(settings.home), since, until, now, str(log)]
    child = subprocess.Popen(words)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.is_file() and len(log.read_text().splitlines()) >= 11):
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    first = [tuple(map(int, line.split())) for line in log.read_text().splitlines()]
    store = open_store(settings)
    saved = stored(settings)
    venue = memory.MemoryVenue(memory.StillClock(now), limit=500)
    np.testing.assert_array_equal(saved, truth(venue, since, until)[: len(saved)])
    assert len(saved) > 0
    version = store.newest_version("binance", SYMBOL, "1m")
    report = bring(settings, venue, since, until)
    np.testing.assert_array_equal(stored(settings), truth(venue, since, until))
    assert report.added == 7 * 1440 - len(saved)
    assert min(since_ms for _, _, since_ms, _ in venue.asked) == int(saved[-1, 0])  # the last bar shows that they join
    unwritten = [r for r in first if r[0] > saved[-1, 0]]
    assert len(unwritten) <= 5 + 1  # a chunk of 2,000 bars is 4 or 5 pages
    np.testing.assert_array_equal(saved, stored_at(settings, version))


def stored_at(settings: Settings, version: int) -> np.ndarray:
    frame = symbol_frame(open_store(settings).read("binance", SYMBOL, "1m", version=version), SYMBOL)
    return np.column_stack([pd.DatetimeIndex(frame.index).as_unit("ms").asi8, frame.to_numpy()])


def test_a_stop_by_hand_keeps_what_came(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    answer = venue.fetch_bars

    def stop_at_the_fourth(*words: Any) -> np.ndarray:
        if len(venue.asked) == 3:
            raise KeyboardInterrupt
        return answer(*words)

    venue.fetch_bars = stop_at_the_fourth
    with pytest.raises(KeyboardInterrupt):
        bring(settings, venue, "2020-02-07", "2020-02-09")
    saved = stored(settings)
    assert len(saved) == 3 * 499
    venue.fetch_bars = answer
    report = bring(settings, venue, "2020-02-07", "2020-02-09")
    assert report.added == 2880 - len(saved)
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-07", "2020-02-09"))


def test_a_full_disk_is_one_line_and_what_is_saved_stays(settings: Settings, clock: Any) -> None:
    """A limit on file size stands for the full disk."""
    venue = memory.MemoryVenue(clock)
    bring(settings, venue, "2020-02-07", "2020-02-08")
    before = stored(settings)
    code = (
        "import os, resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.argv.pop(0);"
        "import workbench.data.fetching.fetch, deltalake, pyarrow.parquet;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from workbench.errors import WorkbenchError\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except WorkbenchError as err:\n    print(err); sys.stdout.flush(); os._exit(7)\n"
        "os._exit(0)"
    )
    words = [str(settings.home), "2020-02-07", "2020-02-09", NOW, "/dev/null"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(PROGRAM), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert "cannot write" in done.stdout
    assert "free space" in done.stdout
    assert len(done.stdout.strip().splitlines()) == 1
    np.testing.assert_array_equal(stored(settings), before)
    bring(settings, venue, "2020-02-07", "2020-02-09")
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-07", "2020-02-09"))


def test_a_torn_or_damaged_memory_of_holes_only_costs_a_request(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock, limit=500)
    venue.holes = [(memory.ms("2020-02-09 01:00"), memory.ms("2020-02-09 01:05"))]
    bring(settings, venue, "2020-02-09", "2020-02-10")
    (path,) = (settings.data_dir / "venues" / "empty").rglob("*.jsonl")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole.replace(b"15812", b"15813", 1), b"", b"\xff\x00 {}\n"):
        path.write_bytes(damaged)
        report = bring(settings, venue, "2020-02-09", "2020-02-10")
        assert report.requests == 2  # the hole, and a second look
        assert report.gaps()["bars"].tolist() == [5]
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-09", "2020-02-10"))


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"symbols": "BTC/USD"}, "binance has no symbol 'BTC/USD'. It has BTC/USDT: another market, never taken"),
        ({"symbols": "BTX/USDT"}, "Did you mean 'BTC/USDT'"),
        ({"symbols": "BTC/USDT:USDT"}, "binanceusdm"),
        ({"symbols": []}, "no symbol named"),
        ({"symbols": "BTC USDT"}, "symbol 'BTC USDT' is not valid"),
        ({"timeframe": "2h"}, "binance has no 2h bars, it has 1m 5m 1h 1d 1w; fetch 1h and resample it to 2h"),
        ({"timeframe": "1q"}, "1q"),
        ({"since": "2020-02-10", "until": "2020-02-09"}, "is not before until"),
        ({"since": "2031-01-01"}, "lies in the future; it is 2020-02-10 07:31 UTC"),
        ({"since": "1600-01-01", "until": "1700-01-01"}, "lies before 2009-01-03, when nothing traded yet"),
        ({"since": ""}, "since is missing"),
        ({"since": "yesterday-ish"}, "is not a date"),
        ({"source": "My Source"}, "My Source"),
        ({"venues": "binnace"}, "Did you mean 'binance'"),
        ({"venues": ""}, "no venue named"),
        ({"venues": "binance,binance"}, "named twice"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_asked(
    settings: Settings, clock: Any, change: dict[str, Any], says: str
) -> None:
    venue = memory.MemoryVenue(clock)
    asked = {"venues": [venue], "symbols": SYMBOL, "timeframe": "1m", "since": "2020-02-09", **change}
    with pytest.raises(DataError) as caught:
        fetch(**asked, settings=settings, clock=clock)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert venue.asked == []


def test_an_end_in_the_future_is_clamped_with_a_note(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock)
    report = bring(settings, venue, "2020-02-10", "2021-01-01")
    assert any("until 2021-01-01 lies in the future" in note for note in report.notes)
    np.testing.assert_array_equal(stored(settings), truth(venue, "2020-02-10", "2020-02-10 07:31"))


def test_a_start_centuries_ago_is_clamped_with_a_note(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock)
    report = bring(settings, venue, "1600-01-01", timeframe="1d")
    assert any("since 1600-01-01 lies before the first coin" in note for note in report.notes)
    assert report.series[0].asked.start == memory.ms("2009-01-03")


# --- the report ------------------------------------------------------------------------------------------------------


def test_the_report_by_month_and_year(settings: Settings, clock: Any) -> None:
    venue = memory.MemoryVenue(clock)
    venue.holes = [(memory.ms("2020-01-10"), memory.ms("2020-01-11"))]
    report = bring(settings, venue, "2020-01-01", timeframe="1h")
    shares = report.periods()[SYMBOL]
    assert shares.index.tolist() == ["2020-01", "2020-02"]
    assert shares.tolist() == pytest.approx([30 / 31, 1.0])
    row = report.frame().iloc[0]
    assert (row["bars"], row["missing"], row["venues"]) == (40 * 24 + 7 - 24, 24, "binance 100.0%")
    assert "<table" in report._repr_html_()
    assert "24 bar(s), asked twice, the venue has no bar" in str(report)


def test_progress_is_told_in_bars(settings: Settings, clock: Any) -> None:
    venue, told = memory.MemoryVenue(clock), []

    class Recorder:
        def begin(self, label: str, bars: int) -> None:
            told.append((label, bars))

        def advance(self, bars: int) -> None:
            told.append(bars)

        def note(self, text: str) -> None:
            told.append(text)

        def end(self) -> None:
            told.append("end")

    venue.holes = [(memory.ms("2020-02-10 01:00"), memory.ms("2020-02-10 01:07"))]
    bring(settings, venue, "2020-02-10", progress=Recorder())
    assert told[0] == ("BTC/USDT 1m", 451)
    assert sum(n for n in told if isinstance(n, int)) == 451
    assert told[-1] == "end"


def test_every_step_of_the_grid_has_a_length_in_milliseconds() -> None:
    assert [step_ms(t) for t in ("1m", "1h", "1w")] == [60_000, 3_600_000, 604_800_000]


def test_many_answers_are_gathered_without_losing_one(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "BTC.jsonl"
    known = KnownEmpty(path)
    for k in range(300):
        known.add("binance", "unknown", 1000.0 + k, [Span(10 * k, 10 * k + 1)])
    known.add("kraken", "capped", 5000.0, [Span(0, 7)])
    gathered = KnownEmpty(path)
    assert len(path.read_text().splitlines()) == 2
    assert gathered.empty("binance") == known.empty("binance")
    assert gathered.empty("kraken") == [Span(0, 7)]
    assert gathered.empty("binance", now=1300.0) == known.empty("binance", now=1300.0)
    assert KnownEmpty(path).causes([Span(0, 12)], "pending") == [
        (Span(0, 7), "capped"), (Span(7, 10), "pending"), (Span(10, 11), "unknown"), (Span(11, 12), "pending"),
    ]  # fmt: skip


@pytest.mark.parametrize("bar", [lambda: TerminalBar(2), NotebookBar])
def test_bars_of_progress_write_to_standard_error_alone(
    bar: Any, settings: Settings, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = bar()
    with progress if isinstance(progress, TerminalBar) else nullcontext():
        venue = memory.MemoryVenue(clock, symbols=("BTC/USDT", "ETH/USDT"))
        bring(settings, venue, "2020-02-10", symbols=["BTC/USDT", "ETH/USDT"], progress=progress)
        progress.begin("one more", 10)
        progress.note("kraken goes on in place of binance")
        progress.end()
    shown = capsys.readouterr()
    assert shown.out == "" or isinstance(progress, NotebookBar)  # tqdm's notes go where notebooks show them
    assert "ETH/USDT 1m" in shown.err
    assert "451" in shown.err
    assert "kraken goes on in place of binance" in shown.err + shown.out
