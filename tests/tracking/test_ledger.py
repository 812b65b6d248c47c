"""The trials ledger: counted once, never lowered, whole after a kill, right with many writers."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import ArtifactError, ConfigError, WorkbenchError
from workbench.tracking import Trial, TrialsLedger

NOW = datetime(2024, 3, 1, 2, tzinfo=UTC)
SPX = "sample:1d:SPX"

WRITER = """
import sys
from datetime import UTC, datetime
from workbench.tracking import TrialsLedger
ledger, me = TrialsLedger(sys.argv[1]), sys.argv[2]
for i in range(int(sys.argv[3])):
    for key in (f"own-{me}-{i}", f"shared-{i}"):
        ledger.record("d", key, {"i": i}, 0.1 * i, 100, "c", datetime(2024, 3, 1, tzinfo=UTC))
        print(key, flush=True)
"""


def put(ledger: TrialsLedger, key: str, sharpe: float = 0.05, dataset: str = SPX, days: int = 0) -> Trial:
    """Record one evaluation."""
    return ledger.record(dataset, key, {"model": key}, sharpe, 500, f"content-{days}", NOW + timedelta(days=days))


def test_the_same_configuration_is_the_same_trial(tmp_path: Path) -> None:
    ledger = TrialsLedger(tmp_path / "trials.db")
    first = put(ledger, "a")
    assert first == Trial(1, 1, True, NOW.isoformat())
    assert put(ledger, "b") == Trial(2, 2, True, NOW.isoformat())
    assert put(ledger, "a", days=1) == Trial(1, 2, False, NOW.isoformat())
    assert put(ledger, "a", dataset="other") == Trial(1, 1, True, NOW.isoformat())
    table = TrialsLedger(tmp_path / "trials.db").trials(SPX)
    assert list(table["n_evaluations"]) == [2, 1]
    assert table["last_seen"][0] == (NOW + timedelta(days=1)).isoformat()
    assert table["content_hash"][0] == "content-1"
    assert ledger.datasets() == {"other": 1, SPX: 2}


def test_variance_is_over_distinct_trials_by_their_latest_sharpe(tmp_path: Path) -> None:
    ledger = TrialsLedger(tmp_path / "trials.db")
    assert ledger.sharpe_variance(SPX) is None
    put(ledger, "a", 0.9)
    assert ledger.sharpe_variance(SPX) is None
    for key, sharpe in (("b", 0.02), ("c", float("nan")), ("d", 0.07), ("a", 0.03)):
        put(ledger, key, sharpe)
    assert ledger.sharpe_variance(SPX) == pytest.approx(np.var([0.03, 0.02, 0.07], ddof=1))
    assert ledger.sharpe_variance(SPX, up_to=2) == pytest.approx(np.var([0.03, 0.02], ddof=1))
    assert ledger.sharpe_variance(SPX, up_to=1) is None
    assert ledger.count(SPX) == 4


def test_reading_makes_no_file(tmp_path: Path) -> None:
    ledger = TrialsLedger(tmp_path / "deep" / "trials.db")
    assert (ledger.count(SPX), ledger.datasets(), len(ledger.trials(SPX))) == (0, {}, 0)
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM trials",
        "DELETE FROM evaluations WHERE id = 1",
        "UPDATE trials SET config_hash = 'x'",
        "UPDATE evaluations SET sharpe = 0",
        "INSERT OR REPLACE INTO trials SELECT dataset, number, config_hash, 'x', first_seen FROM trials",
    ],
)
def test_no_row_can_be_changed_or_deleted(tmp_path: Path, statement: str) -> None:
    ledger = TrialsLedger(tmp_path / "trials.db")
    put(ledger, "a")
    with sqlite3.connect(ledger.path) as db:
        db.execute("PRAGMA recursive_triggers = ON")
        with pytest.raises(sqlite3.Error, match="append-only"):
            db.execute(statement)
    assert ledger.trials(SPX)["config"][0] == '{"model": "a"}'


def test_eight_writers_lose_and_repeat_nothing(tmp_path: Path) -> None:
    path, n = tmp_path / "trials.db", 10
    command = [sys.executable, "-c", WRITER, str(path)]
    workers = [subprocess.Popen([*command, str(k), str(n)], stdout=subprocess.DEVNULL) for k in range(8)]
    assert [w.wait(timeout=120) for w in workers] == [0] * 8
    table = TrialsLedger(path).trials("d")
    assert list(table["number"]) == list(range(1, 9 * n + 1))
    assert table["n_evaluations"].sum() == 16 * n
    shared = table[table["config_hash"].str.startswith("shared")]
    assert list(shared["n_evaluations"]) == [8] * n


@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.1])
@pytest.mark.usefixtures("unmeasured")
def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path, after_s: float) -> None:
    path = tmp_path / "trials.db"
    command = [sys.executable, "-c", WRITER, str(path), "k", "100000"]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    seen = [writer.stdout.readline().strip()]
    time.sleep(after_s)
    writer.send_signal(signal.SIGKILL)
    seen += writer.stdout.read().split()
    writer.wait()
    ledger = TrialsLedger(path)
    kept = list(ledger.trials("d")["config_hash"])
    assert set(seen) <= set(kept)
    assert len(kept) - len(set(seen)) <= 1
    assert put(ledger, "next", dataset="d").number == len(kept) + 1


def test_a_damaged_ledger_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "trials.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ArtifactError, match=r"trials ledger .*trials.db: file is not a database; .*restore it"):
        TrialsLedger(path).count(SPX)


def test_a_locked_ledger_says_so(tmp_path: Path) -> None:
    ledger = TrialsLedger(tmp_path / "trials.db", timeout=0.1)
    put(ledger, "a")
    with sqlite3.connect(ledger.path) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArtifactError, match="database is locked; wait for the other writer"):
            put(ledger, "b")
        assert ledger.count(SPX) == 1
        db.rollback()
    assert put(ledger, "b").number == 2


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match="make the folder writable"):
        put(TrialsLedger(tmp_path / "file" / "trials.db"), "a")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dataset": ""}, "needs a dataset"),
        ({"n_obs": -1}, "n_obs must be 0 or more, got -1"),
        ({"now": datetime(2024, 3, 1)}, "now must carry a time zone"),  # noqa: DTZ001 - the fault under test
        ({"config": {"x": object()}}, r"config\.x holds a object"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path, change: dict, match: str) -> None:
    good = {
        "dataset": "d",
        "config_hash": "h",
        "config": {},
        "sharpe": 0.1,
        "n_obs": 1,
        "content_hash": "c",
        "now": NOW,
    }
    with pytest.raises((ConfigError, ArtifactError), match=match):
        TrialsLedger(tmp_path / "trials.db").record(**{**good, **change})
    assert not list(tmp_path.iterdir())
