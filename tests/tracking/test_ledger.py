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
    floor = 1 / 499
    assert first == Trial(1, 1, True, NOW.isoformat(), 0.0)
    assert put(ledger, "b") == Trial(2, 2, True, NOW.isoformat(), floor)
    assert put(ledger, "a", days=1) == Trial(1, 2, False, NOW.isoformat(), floor)
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
    for key, sharpe in (("b", 0.2), ("c", float("nan")), ("d", 0.7), ("a", 0.3)):
        last = put(ledger, key, sharpe)
    assert ledger.sharpe_variance(SPX) == pytest.approx(np.var([0.3, 0.2, 0.7], ddof=1))
    assert last.sharpe_variance == ledger.sharpe_variance(SPX)
    assert ledger.sharpe_variance(SPX, up_to=2) == pytest.approx(np.var([0.3, 0.2], ddof=1))
    assert ledger.sharpe_variance(SPX, up_to=1) is None
    assert ledger.count(SPX) == 4


def test_equal_trials_neither_hide_the_spread_nor_shrink_it(tmp_path: Path) -> None:
    """Two equal trials still deflate, by the sampling variance; one re-seeded ten times counts its value once."""
    ledger = TrialsLedger(tmp_path / "trials.db")
    put(ledger, "a", 0.3)
    assert put(ledger, "b", 0.3).sharpe_variance == 1 / 499
    assert put(ledger, "b2", 0.301).sharpe_variance == 1 / 499  # correlated: a sample variance of 5e-7
    put(ledger, "c", 0.7)
    spread = ledger.sharpe_variance(SPX)
    assert spread == pytest.approx(np.var([0.3, 0.301, 0.7], ddof=1))
    for seed in range(10):
        assert put(ledger, f"seed-{seed}", 0.7 + 1e-14 * seed).sharpe_variance == spread
    assert ledger.count(SPX) == 14


def test_the_floor_is_the_sampling_variance_at_the_median_length(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    sharpes = [r.mean() / r.std(ddof=1) for r in rng.normal(size=(4000, 101))]
    assert np.var(sharpes, ddof=1) == pytest.approx(1 / 100, rel=0.06)  # what the floor stands for
    ledger = TrialsLedger(tmp_path / "trials.db")
    for key, n_obs in (("a", 3), ("b", 101), ("c", 5000)):
        ledger.record(SPX, key, {}, 0.01, n_obs, "c", NOW)
    assert ledger.sharpe_variance(SPX) == 1 / 100
    assert ledger.sharpe_variance(SPX, up_to=2) == 1 / 51


def test_a_sweep_is_one_transaction(tmp_path: Path) -> None:
    ledger = TrialsLedger(tmp_path / "trials.db")
    put(ledger, "h3", 0.5)
    rows = [(f"h{k}", {"k": k}, 0.001 * k, 500) for k in range(1000)]
    trials = ledger.record_many(SPX, rows, "c", NOW)
    assert {t.n_trials for t in trials} == {1000}
    assert [t.number for t in trials[:5]] == [2, 3, 4, 1, 5]
    assert [t.is_new for t in trials[2:5]] == [True, False, True]
    assert {t.sharpe_variance for t in trials} == {ledger.sharpe_variance(SPX)}
    assert ledger.record_many(SPX, [], "c", NOW) == []
    with pytest.raises(ConfigError, match="n_obs must be 0 or more"):
        ledger.record_many(SPX, [("new", {}, 0.1, 9), ("bad", {}, 0.1, -1)], "c", NOW)
    assert ledger.count(SPX) == 1000


def test_a_series_under_another_name_is_counted_with_it(tmp_path: Path) -> None:
    ledger = TrialsLedger(tmp_path / "trials.db")

    def tried(dataset: str, key: str, series: str, days: int = 0, sharpe: float = 0.1) -> Trial:
        return ledger.record(dataset, key, {}, sharpe, 500, "c", NOW + timedelta(days=days), series=series)

    tried("sample:1d:SPX", "a", "prices", sharpe=0.2)
    tried("sample:1d:SPX", "b", "prices", sharpe=0.6)
    again = tried("mine:1d:COPY", "a", "prices", days=1, sharpe=0.2)
    assert (again.number, again.n_trials, again.is_new) == (1, 2, False)
    assert again.first_seen == NOW.isoformat()
    assert again.sharpe_variance == pytest.approx(np.var([0.2, 0.6], ddof=1))
    assert tried("mine:1d:COPY", "c", "prices").n_trials == 3
    assert ledger.count("sample:1d:SPX") == ledger.count("mine:1d:COPY") == 3
    assert ledger.sharpe_variance("sample:1d:SPX") == ledger.sharpe_variance("mine:1d:COPY")
    assert ledger.sharpe_variance("sample:1d:SPX", up_to=2) == pytest.approx(np.var([0.2, 0.6], ddof=1))
    assert tried("other:1d:X", "a", "other prices").n_trials == 1
    assert tried("nameless:1d:X", "a", "").n_trials == 1
    assert tried("nameless:1d:Y", "z", "").n_trials == 1


FIRST_VERSION = """
CREATE TABLE trials (
    dataset TEXT NOT NULL, number INTEGER NOT NULL, config_hash TEXT NOT NULL, config TEXT NOT NULL,
    first_seen TEXT NOT NULL, PRIMARY KEY (dataset, number), UNIQUE (dataset, config_hash)
) STRICT;
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL, number INTEGER NOT NULL, sharpe REAL,
    n_obs INTEGER NOT NULL, content_hash TEXT NOT NULL, evaluated TEXT NOT NULL,
    FOREIGN KEY (dataset, number) REFERENCES trials (dataset, number)
) STRICT;
CREATE TRIGGER evaluations_DELETE BEFORE DELETE ON evaluations
BEGIN SELECT RAISE(ABORT, 'the trials ledger is append-only'); END;
INSERT INTO trials VALUES ('d', 1, 'old', '{}', '2024-01-01T00:00:00+00:00');
INSERT INTO evaluations VALUES (1, 'd', 1, 0.1, 500, 'c', '2024-01-01T00:00:00+00:00');
"""


def test_a_file_of_the_first_version_is_read_as_it_is_and_upgraded_when_written(tmp_path: Path) -> None:
    ledger = TrialsLedger(tmp_path / "trials.db")
    with sqlite3.connect(ledger.path) as db:
        db.executescript(FIRST_VERSION)
    before = ledger.path.read_bytes()
    assert (ledger.count("d"), ledger.sharpe_variance("d"), len(ledger.trials("d"))) == (1, None, 1)
    assert ledger.path.read_bytes() == before
    assert ledger.record("d", "new", {}, 0.2, 500, "c", NOW, series="s").n_trials == 2
    assert ledger.record("e", "third", {}, 0.2, 500, "c", NOW, series="s").n_trials == 3
    assert list(ledger.trials("d")["config_hash"]) == ["old", "new"]
    with sqlite3.connect(ledger.path) as db, pytest.raises(sqlite3.Error, match="append-only"):
        db.execute("DELETE FROM evaluations")


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
