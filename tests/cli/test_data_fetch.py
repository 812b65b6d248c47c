"""``workbench data fetch`` as a user types it, against the replay venue."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from workbench.cli import main
from workbench.config import Settings
from workbench.data.bars import symbol_frame
from workbench.data.fetching import fetch as fetching
from workbench.data.replay import ReplayClock, open_faults, replay_of_bars, replay_venue
from workbench.data.replay.running import Running
from workbench.data.sources.synthetic import synthetic_market
from workbench.data.store.barstore import open_store

LINE = "data fetch binance BTC/USDT 1h --since 2020-01-01"
HOURS = 1500


@pytest.fixture(scope="module")
def fetch_market() -> pd.DataFrame:
    """1,500 hours of two symbols from 2020 on."""
    return synthetic_market(f"regimes(seed=7, n_bars={HOURS})", ["BTC/USDT", "ETH/USDT"], "1h")[0]


@pytest.fixture
def fetch_clock(fetch_market: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> ReplayClock:
    """A clock five minutes into the last bar, for the venue and for whoever asks it."""
    clock = ReplayClock((fetch_market.index[-1] + pd.Timedelta(minutes=5)).timestamp(), frozen=True)
    monkeypatch.setattr(fetching, "SystemClock", lambda: clock)
    monkeypatch.setattr("workbench.data.fetching.crosscheck.SystemClock", lambda: clock)
    monkeypatch.setattr("workbench.data.fetching.records.SystemClock", lambda: clock)
    return clock


@pytest.fixture
def fetch_venue(
    settings: Settings, fetch_market: pd.DataFrame, fetch_clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    """The replay venue in the place of all venues."""
    with replay_venue(replay_of_bars(fetch_market, "1h"), fetch_clock) as running:
        monkeypatch.setenv("WORKBENCH_VENUES_AT", running.base_url)
        yield running


def test_the_users_line(
    fetch_venue: Running, settings: Settings, fetch_market: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(LINE.split()) == 0
    shown = capsys.readouterr()
    assert (
        f"BTC/USDT 1h (replay-binance): {HOURS - 1:,} bars, {HOURS - 1:,} new, coverage 100.00%; 2 request(s)"
        in shown.out
    )
    assert "2020-01  100.0%" in shown.out
    assert "no gap" in shown.out
    assert shown.err == ""
    bars = symbol_frame(open_store(settings).read("replay-binance", "BTC/USDT", "1h"), "BTC/USDT")
    true = symbol_frame(fetch_market, "BTC/USDT").iloc[:-1]
    assert bars.index.tolist() == true.index.tolist()
    np.testing.assert_allclose(bars, true, rtol=0, atol=5e-9)  # venues write eight decimals
    asked = fetch_venue.venue.requests.count("api.binance.com", "/api/v3/klines")
    assert asked == 2
    assert main(LINE.split()) == 0
    assert "0 new, coverage 100.00%; 0 request(s)" in capsys.readouterr().out
    assert fetch_venue.venue.requests.count("api.binance.com", "/api/v3/klines") == asked


def test_the_line_as_one_json_document(fetch_venue: Running, capsys: pytest.CaptureFixture[str]) -> None:
    line = "data fetch binance BTC/USDT ETH/USDT 4h --since 2019-12-01 --until 2020-02-01 --check kraken --json"
    code = main(line.split())
    told = json.loads(capsys.readouterr().out)
    assert [s["symbol"] for s in told["series"]] == ["BTC/USDT", "ETH/USDT"]
    assert [s["bars"] for s in told["series"]] == [186, 186]
    assert [g["cause"] for g in told["gaps"]] == ["not_listed", "not_listed"]
    assert told["coverage"][0]["BTC/USDT"] == 1.0
    assert [(c["against"], c["common"], c["alarm"]) for c in told["checks"]] == [("kraken", 186, False)] * 2
    assert (code, told["complete"], told["failures"]) == (0, True, [])


def test_a_perpetual_brings_its_funding_and_on_request_its_mark_price(
    fetch_venue: Running, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "data fetch binanceusdm BTC/USDT:USDT 1h --since 2020-02-10 --mark --open-interest --trades"
    assert main([*line.split(), "--until", "2020-02-10T12:00", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {r["kind"] for r in told["records"]} == {"funding", "open_interest", "trades"}
    assert all(r["added"] > 0 for r in told["records"])
    assert told["mark"]["series"][0]["source"] == "replay-binanceusdm-mark"
    assert [s["bars"] for s in (*told["series"], *told["mark"]["series"])] == [12, 12]


def test_an_outage_is_exit_code_one_and_says_what_to_do(
    settings: Settings, fetch_market: pd.DataFrame, fetch_clock: ReplayClock, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = open_faults("503@0s on api/v3/klines", start=fetch_clock.now() - 1)
    with replay_venue(replay_of_bars(fetch_market, "1h"), fetch_clock, faults) as running:
        assert main([*LINE.split(), "--at", running.base_url]) == 1
        shown = capsys.readouterr().out
        assert "not complete" in shown
        assert "run it again to go on where it stopped" in shown
        assert "venue_down" in shown
        assert main(["data", "fetch", "binance,kraken", *LINE.split()[3:], "--at", running.base_url, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["series"][0]["venues"] == "kraken 100.0%"
        assert told["gaps"][0]["cause"] == "capped"  # Kraken keeps its latest bars only, and says so


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("binnace BTC/USDT 1h --since 2020-01-01", "Did you mean 'binance'"),
        ("binance BTC/USDX 1h --since 2020-01-01", "BTC/USDX"),
        ("binance BTC/USDT 1q --since 2020-01-01", "1q"),
        ("binance 1h BTC/USDT --since 2020-01-01", "BTC/USDT"),
        ("binance BTC/USDT --since 2020-01-01", "fetch needs a venue, a symbol and a time frame"),
        ("binance BTC/USDT 10h --since 2020-01-01", "resample it"),
        ("binance BTC/USDT 1h --since 2020-02-01 --until 2020-01-01", "is not before until"),
        ("binance BTC/USDT 1h --since 2199-01-01", "lies in the future"),
        ("binance BTC/USDT 1h --since 2020-01-01 --check binance", "against itself"),
        ("binance BTC/USDT 1h --since 2020-01-01 --check krakn", "Did you mean 'kraken'"),
        ("binance BTC/USDT 1h", "--since"),
        ("binance BTC/USDT 1h --since 2020-01-01 --funding", "binance has no funding; ask a venue with perpetuals"),
        ("binance BTC/USDT 1h --since 2020-01-01 --mark", "binance has no mark price"),
        (
            "binanceusdm BTC/USDT:USDT 1m --since 2020-01-01 --open-interest",
            "no open interest of 1m, it has 5m 15m",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    fetch_venue: Running, words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "fetch", *words.split()]) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert shown.out == ""
    assert fetch_venue.venue.requests.count("api.binance.com", "/api/v3/klines") == 0


def test_venues_lists_all_with_their_state(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "venues", "--json"]) == 0
    told = {row["venue"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"binance", "binanceusdm", "kraken", "coinbase", "okx", "bybit"} <= told.keys()
    assert told["kraken"]["state"] == "closed"
    assert {"until", "last_error", "budget_used", "clock_skew"} <= told["kraken"].keys()


def test_venues_as_a_table_says_who_answers(
    settings: Settings, fetch_venue: Running, fetch_clock: ReplayClock, capsys: pytest.CaptureFixture[str]
) -> None:
    from workbench.data.venues.open import open_venue
    from workbench.data.venues.skew import measure_skew

    measure_skew(open_venue("binance", clock=ReplayClock(fetch_clock.now() - 90, frozen=True)), warn=False)
    assert main(["data", "venues"]) == 0
    shown = capsys.readouterr().out
    assert f"a replay venue at {fetch_venue.base_url} stands in for all of them" in shown
    assert re.search(r"binance +closed .* 0\.0% +\+\d\d\.\d+ s", shown)


def test_a_report_says_that_a_replay_venue_answered_and_its_bars_lie_apart(
    settings: Settings, fetch_venue: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "data fetch binanceusdm BTC/USDT:USDT 1h --since 2020-02-10 --until 2020-02-11 --mark"
    assert main(line.split()) == 0
    shown = capsys.readouterr().out
    assert shown.count("a replay venue at 127.0.0.1:") == 1
    assert "answers for binanceusdm: practice data, not the market's" in shown
    assert open_store(settings).sources() == ("replay-binanceusdm", "replay-binanceusdm-mark")
    assert "funding (replay-binanceusdm)" in shown


def test_without_a_network_one_line_asks_for_it(
    settings: Settings, fetch_clock: ReplayClock, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:  # bound and not listening: nobody answers there
        closed.bind(("127.0.0.1", 0))
        at = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert main([*LINE.split(), "--at", at]) == 1
    assert "did not answer; is there a network?" in capsys.readouterr().out


@pytest.mark.slow
def test_ctrl_c_keeps_what_came_and_says_how_to_go_on(settings: Settings) -> None:
    """A real process, a real signal, minute bars from a slow venue."""
    bars, _ = synthetic_market("regimes(seed=7, n_bars=40000)", ["BTC/USDT"], "1m")
    end = (bars.index[-1] - pd.Timedelta(minutes=1)).timestamp()
    clock = ReplayClock(end)
    faults = open_faults("slow(seconds=0.4)@0s on klines", start=end - 1)
    with replay_venue(replay_of_bars(bars, "1m"), clock, faults) as running:
        words = ["data", "fetch", "binance", "BTC/USDT", "1m", "--since", "2020-01-01", "--at", running.base_url]
        child = subprocess.Popen(
            [sys.executable, "-m", "workbench", *words], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        deadline = time.monotonic() + 120
        while running.venue.requests.count("api.binance.com", "/api/v3/klines") < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=120)
    assert child.returncode == 130, told
    assert "what was fetched is kept, and the same line goes on where it stopped" in told
    assert "Traceback" not in told
    kept = open_store(settings).read("replay-binance", "BTC/USDT", "1m")
    assert len(kept) >= 3 * 999
    assert (np.diff(kept.index.as_unit("ms").asi8) == 60_000).all()
