"""What one host may be asked by all processes of the machine together: budgets and bans."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.data.venues.budget import DEFAULT_BAN_S, LONGEST_BAN_S, Bans, Budget, host_of
from workbench.data.venues.clock import SystemClock
from workbench.data.venues.open import open_venue, venue_states
from workbench.data.venues.vocabulary import VenueDownError
from workbench.errors import WorkbenchError

TAKER = """
import sys, time
from pathlib import Path
from workbench.data.venues.budget import Budget
from workbench.data.venues.clock import SystemClock
budget = Budget(Path(sys.argv[1]), SystemClock(), rates=((20, 1000), (60, 6000)))
ends = time.time() + 3
while time.time() < ends:
    try:
        budget.take("api.example.com", 2, max(ends - time.time(), 0))
    except Exception:
        break
    print(time.time_ns())
"""

ASKER = """
import sys
from workbench.config import load_settings
from workbench.data.venues.open import open_venue
from workbench.data.venues.vocabulary import VenueDownError
venue = open_venue("binance", load_settings(), at=sys.argv[1])
down = 0
for _ in range(20):
    try:
        venue.markets()
    except VenueDownError as error:
        down += error.until > 0
print(down)
"""


def run_together(code: str, *arguments: str, n: int = 4) -> list[str]:
    started = [
        subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True) for _ in range(n)
    ]
    return [process.communicate(timeout=200)[0] for process in started]


def test_four_processes_together_stay_within_the_budget(tmp_path: Path) -> None:
    printed = sum(len(out.split()) for out in run_together(TAKER, str(tmp_path)))
    rows = sqlite3.connect(tmp_path / "budget-api.example.com.db").execute("select item_timestamp from rate_bucket")
    taken = np.sort([r[0] for r in rows])
    assert len(taken) == 2 * printed > 0  # whoever passed has taken its two units
    assert max(int(((taken > t - 1000) & (taken <= t)).sum()) for t in taken) <= 20
    assert max(int(((taken > t - 6000) & (taken <= t)).sum()) for t in taken) <= 60


def test_a_banned_host_is_asked_by_no_process(
    settings: Any, scripted_server: Any, answer_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = open_venue("binance", settings, at=scripted_server.url, seed=0)
    venue.markets()
    scripted_server.say(answer_of({}, 418, {"Retry-After": "600"}))
    with pytest.raises(VenueDownError, match="banned") as raised:
        venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
    assert raised.value.until == pytest.approx(time.time() + 600, abs=120)
    seen = len(scripted_server.asked)
    assert run_together(ASKER, scripted_server.url) == ["20\n"] * 4
    assert len(scripted_server.asked) == seen  # not one request, from any process
    table = venue_states(settings, at=scripted_server.url).set_index("venue")
    assert table.loc["binance", "state"] == "banned"
    assert table.loc["binance", "until"].timestamp() == pytest.approx(raised.value.until)


def test_a_ban_ends(settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any) -> None:
    venue = open_venue("binance", settings, at=scripted_server.url, clock=step_clock, seed=0)
    venue.markets()
    scripted_server.say(answer_of({}, 418, {"Retry-After": "300"}))
    with pytest.raises(VenueDownError):
        venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
    scripted_server.say(answer_of([]))
    for pause in (100, 199):
        step_clock.sleep(pause)
        with pytest.raises(VenueDownError, match="must not be asked"):
            venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
    assert len(scripted_server.pages) == 1
    step_clock.sleep(2)
    venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
    assert len(scripted_server.pages) == 2


def test_another_host_is_not_concerned(tmp_path: Path, step_clock: Any) -> None:
    bans = Bans(tmp_path, step_clock)
    bans.set("api.binance.com", 418, 60)
    assert bans.active("fapi.binance.com") is None
    assert bans.active("api.binance.com").hard  # type: ignore[union-attr]


def test_the_longer_ban_stays_and_no_ban_is_for_ever(tmp_path: Path, step_clock: Any) -> None:
    bans = Bans(tmp_path, step_clock)
    first = bans.set("h", 418, 1e9)
    assert first.until == step_clock.now() + LONGEST_BAN_S
    assert bans.set("h", 429, 5) == first
    assert Bans(tmp_path, step_clock).active("h") == first


@pytest.mark.parametrize(
    "text",
    ["{", "", "[]", "\0" * 40, *(f'{{"until": {t}, "status": 418, "since": 1}}' for t in ("NaN", "1e400", "1e300"))],
)
def test_a_damaged_ban_file_bans_and_not_for_ever(
    tmp_path: Path, step_clock: Any, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bans = Bans(tmp_path, step_clock)
    bans.set("h", 418, 60)
    (tmp_path / "ban-h.json").write_text(text)
    assert Bans(tmp_path, step_clock).active("h") is not None
    assert "a ban could not be read" in capsys.readouterr().err
    step_clock.sleep(DEFAULT_BAN_S - 1)
    assert Bans(tmp_path, step_clock).active("h") is not None  # another process: the same ban, not one of its own
    step_clock.sleep(2)
    assert Bans(tmp_path, step_clock).active("h") is None


def test_a_clock_set_back_does_not_make_a_ban_longer(tmp_path: Path, step_clock: Any) -> None:
    Bans(tmp_path, step_clock).set("h", 418, 600)
    step_clock.time -= 50 * 365 * 86_400
    ban = Bans(tmp_path, step_clock).active("h")
    assert ban is not None
    assert ban.until == step_clock.now() + 600


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.binance.com/api/v3/klines?x=1", "api.binance.com"),
        ("http://127.0.0.1:8787/api.kraken.com/0/public/OHLC", "127.0.0.1:8787/api.kraken.com"),
        ("http://localhost:1/a/b", "localhost:1/a"),
    ],
)
def test_a_host_is_counted_under_its_own_name(url: str, host: str) -> None:
    assert host_of(url) == host


def test_waiting_is_on_the_clock_given_and_impatience_is_an_error(tmp_path: Path, step_clock: Any) -> None:
    budget = Budget(tmp_path, step_clock, rates=((2, 1000), (4, 60_000)))
    waited = [budget.take("h", 1, 10.0) for _ in range(4)]
    assert waited[:2] == [0, 0]
    assert 0.9 <= waited[2] <= 1.1
    with pytest.raises(VenueDownError, match="used up") as raised:
        budget.take("h", 1, 10.0)
    assert raised.value.until == pytest.approx(step_clock.now() + 59, abs=1.5)
    assert budget.used("h") == 1.0
    step_clock.sleep(61)
    assert budget.used("h") == 0.0
    assert budget.take("h", 1, 0.0) == 0


def test_a_clock_set_back_does_not_block_the_budget(tmp_path: Path, step_clock: Any) -> None:
    budget = Budget(tmp_path, step_clock, rates=((2, 1000), (4, 60_000)))
    for _ in range(2):
        budget.take("h", 1, 0.0)
    step_clock.time -= 3600
    assert budget.take("h", 1, 5.0) <= 1.1


def test_a_request_heavier_than_the_burst_still_passes(tmp_path: Path, step_clock: Any) -> None:
    assert Budget(tmp_path, step_clock).take("api.binance.com", 10_000, 5.0) == 0


@pytest.mark.parametrize("damage", [b"garbage" * 2_000, b"short", b"\0" * 8_192])
def test_a_damaged_budget_is_set_aside_and_begun_anew(
    tmp_path: Path, step_clock: Any, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "budget-h.db").write_bytes(damage)
    budget = Budget(tmp_path, step_clock, rates=((2, 1000), (4, 60_000)))
    assert budget.take("h", 1, 0.0) == 0
    assert "a rate budget could not be read" in capsys.readouterr().err
    assert (tmp_path / "damaged-budget-h.db").read_bytes() == damage
    assert Budget(tmp_path, step_clock, rates=((2, 1000), (4, 60_000))).used("h") == 0.25


def test_a_budget_that_cannot_be_written_is_one_line(tmp_path: Path, step_clock: Any) -> None:
    (tmp_path / "budget-h.db").mkdir()
    with pytest.raises(WorkbenchError, match="cannot keep the rate budget of h .* free space") as raised:
        Budget(tmp_path, step_clock).take("h", 1, 0.0)
    assert "\n" not in str(raised.value)
    (tmp_path / "file").write_text("no folder")
    assert Bans(tmp_path / "file", step_clock).active("h") is None


def test_a_replay_venue_has_a_budget_of_its_own(tmp_path: Path) -> None:
    budget = Budget(tmp_path, SystemClock())
    for _ in range(1000):  # five minutes' worth of a real venue
        budget.take("127.0.0.1:5/api.binance.com", 1, 60.0)
    assert budget.used("api.binance.com") == 0
    assert json.dumps(sorted(p.name for p in tmp_path.glob("*.db"))) == '["budget-127.0.0.1_5_api.binance.com.db"]'
