"""The lock-box: the first opening counts, later ones are shown, a seal only grows, nothing is lost or unwritten."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import ArtifactError, ConfigError, WorkbenchError
from workbench.tracking.lockbox import LockBox, Opened

NOW = datetime(2024, 3, 1, 2, tzinfo=UTC)
START = pd.Timestamp("2024-01-01", tz="UTC")
BTC = "binance:1h:BTC/USDT"

WRITER = """
import sys
from datetime import UTC, datetime
from workbench.tracking.lockbox import LockBox
box, me = LockBox(sys.argv[1]), sys.argv[2]
for i in range(int(sys.argv[3])):
    now = datetime(2024, 3, 1, tzinfo=UTC)
    box.seal("momentum", "btc", f"2024-01-{28 - i % 20:02d}", now)
    print(f"{me}-{i}", box.open("momentum", "btc", f"{me}-{i}", now).number, flush=True)
"""


@pytest.fixture
def box(tmp_path: Path) -> LockBox:
    sealed = LockBox(tmp_path / "lockbox.db")
    assert sealed.seal("momentum", BTC, START, NOW) == START
    return sealed


def test_the_first_opening_counts_and_the_second_shows_it(box: LockBox) -> None:
    first = box.open("momentum", BTC, "run-1", NOW, who="ada")
    assert (first.number, first.first_opened, first.start, first.earlier) == (1, NOW.isoformat(), START, ())
    later = NOW + timedelta(days=3)
    second = LockBox(box.path).open("momentum", BTC, "run-2", later)
    assert (second.number, second.first_opened) == (2, NOW.isoformat())
    assert second.earlier == (Opened("run-1", "ada", NOW.isoformat(), START.isoformat()),)
    assert [o.run_id for o in box.openings("momentum", BTC)] == ["run-1", "run-2"]
    assert box.overview().to_dict("records") == [
        {
            "family": "momentum", "series": BTC, "sealed_from": START, "n_openings": 2,
            "first_opened": NOW.isoformat(), "last_opened": later.isoformat(),
        }
    ]  # fmt: skip


def test_a_run_that_asks_again_is_the_same_opening(box: LockBox) -> None:
    for run in ("a", "b", "a", "b"):
        opening = box.open("momentum", BTC, run, NOW)
        assert opening.number == "ab".index(run) + 1
        assert [o.run_id for o in opening.earlier] == list("ab"[: opening.number - 1])
    assert len(box.openings("momentum", BTC)) == 2


def test_a_seal_becomes_longer_and_never_shorter(box: LockBox) -> None:
    assert box.seal("momentum", BTC, "2024-06-01", NOW) == START
    assert box.seal("momentum", BTC, START, NOW) == START
    earlier = pd.Timestamp("2023-07-01", tz="UTC")
    assert box.seal("momentum", BTC, "2023-07-01T02:00+02:00", NOW) == earlier
    assert box.sealed_from("momentum", BTC) == earlier
    assert box.seal("momentum", BTC, START, NOW) == earlier
    with sqlite3.connect(box.path) as db:
        assert db.execute("SELECT COUNT(*) FROM seals").fetchone() == (2,)


def test_families_and_series_have_boxes_of_their_own(box: LockBox) -> None:
    box.open("momentum", BTC, "run-1", NOW)
    later = pd.Timestamp("2024-02-02", tz="UTC")
    assert box.seal("carry", BTC, later, NOW) == later
    assert box.open("carry", BTC, "run-1", NOW).number == 1
    with pytest.raises(ConfigError, match="nothing of 'eth' is sealed for 'momentum'; seal a stretch before"):
        box.open("momentum", "eth", "run-1", NOW)
    assert box.sealed_from("momentum", "eth") is None
    assert box.overview()["n_openings"].tolist() == [1, 1]


def test_reading_makes_no_file(tmp_path: Path) -> None:
    box = LockBox(tmp_path / "deep" / "lockbox.db")
    assert (box.sealed_from("f", "s"), box.openings("f", "s"), len(box.overview())) == (None, (), 0)
    with pytest.raises(ConfigError, match="nothing of 's' is sealed"):
        box.open("f", "s", "run", NOW)
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM openings",
        "DELETE FROM seals",
        "UPDATE openings SET run_id = 'x'",
        "UPDATE seals SET start = '2030-01-01'",
        "INSERT OR REPLACE INTO openings SELECT id, family, series, run_id, 'x', start, opened FROM openings",
    ],
)
def test_no_row_can_be_changed_or_deleted(box: LockBox, statement: str) -> None:
    box.open("momentum", BTC, "run-1", NOW)
    with sqlite3.connect(box.path) as db:
        db.execute("PRAGMA recursive_triggers = ON")
        with pytest.raises(sqlite3.Error, match="append-only"):
            db.execute(statement)
    assert box.openings("momentum", BTC) == (Opened("run-1", "", NOW.isoformat(), START.isoformat()),)


@pytest.mark.slow
def test_many_openers_get_numbers_of_their_own(tmp_path: Path) -> None:
    path, n = tmp_path / "lockbox.db", 8
    command = [sys.executable, "-c", WRITER, str(path)]
    workers = [subprocess.Popen([*command, str(k), str(n)], stdout=subprocess.PIPE, text=True) for k in range(4)]
    said = [line.split() for worker in workers for line in worker.communicate(timeout=120)[0].splitlines()]
    assert [w.returncode for w in workers] == [0] * 4
    assert sorted(int(number) for _, number in said) == list(range(1, 4 * n + 1))
    box = LockBox(path)
    assert box.sealed_from("momentum", "btc") == pd.Timestamp("2024-01-21", tz="UTC")
    order = [o.run_id for o in box.openings("momentum", "btc")]
    assert {run: int(number) for run, number in said} == {run: place + 1 for place, run in enumerate(order)}


@pytest.mark.usefixtures("unmeasured")
def test_a_killed_opener_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "lockbox.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), "k", "100000"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    seen = [writer.stdout.readline().split()[0] for _ in range(3)]
    writer.send_signal(signal.SIGKILL)
    seen += [line.split()[0] for line in writer.stdout.read().splitlines() if " " in line]
    writer.wait()
    kept = [o.run_id for o in LockBox(path).openings("momentum", "btc")]
    assert kept[: len(seen)] == seen
    assert len(kept) - len(seen) <= 1
    assert LockBox(path).open("momentum", "btc", "next", NOW).number == len(kept) + 1


def test_a_damaged_or_locked_file_is_one_line(tmp_path: Path, box: LockBox) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"not a database" * 100)
    with pytest.raises(ArtifactError, match=r"lock-box .*damaged.db: file is not a database; .*restore it"):
        LockBox(damaged).sealed_from("f", "s")
    with sqlite3.connect(box.path) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArtifactError, match="database is locked; wait for the other writer"):
            LockBox(box.path, timeout=0.1).open("momentum", BTC, "run", NOW)
        db.rollback()
    assert box.open("momentum", BTC, "run", NOW).number == 1


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match="make the folder writable"):
        LockBox(tmp_path / "file" / "lockbox.db").seal("f", "s", START, NOW)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"family": ""}, "a lock-box needs a family, got ''"),
        ({"series": ""}, "a lock-box needs a series, got ''"),
        ({"start": "tomorrow-ish"}, "needs a time to begin at, got 'tomorrow-ish'"),
        ({"start": pd.NaT}, "needs a time to begin at, got NaT"),
        ({"now": datetime(2024, 3, 1)}, "now must carry a time zone"),  # noqa: DTZ001 - the fault under test
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path, change: dict, match: str) -> None:
    good = {"family": "f", "series": "s", "start": START, "now": NOW}
    with pytest.raises(ConfigError, match=match):
        LockBox(tmp_path / "lockbox.db").seal(**{**good, **change})
    assert not list(tmp_path.iterdir())


def test_an_opening_needs_a_run(box: LockBox) -> None:
    with pytest.raises(ConfigError, match="a lock-box needs a run_id, got ''"):
        box.open("momentum", BTC, "", NOW)
