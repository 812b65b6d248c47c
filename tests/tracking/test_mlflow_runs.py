"""Runs in a real MLflow store on sqlite: buffered, marked, logged again, never in the way of a finished record."""

from __future__ import annotations

import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.config import Settings
from workbench.errors import ConfigError, TrackingError
from workbench.tracking import (
    RunRecord,
    Tracker,
    attach_artifacts,
    list_runs,
    log_record,
    mlflow_environment,
    read_record,
    relog,
    start_run,
    write_record,
)
from workbench.tracking.store import open_store

Make = Callable[..., RunRecord]
NOW = datetime(2024, 3, 1, 2, tzinfo=UTC)

RUNNER = """
import sys, time
from workbench.config import load_settings
from workbench.tracking import start_run
settings = load_settings({"WORKBENCH_HOME": sys.argv[1]})
with start_run(settings, "shared", sys.argv[2]) as tracker:
    tracker.log_params({"job": sys.argv[2]})
    tracker.log_metrics({"loss": 0.5})
    print(tracker.run_id, flush=True)
    if sys.argv[3:] == ["wait"]:
        time.sleep(60)
print(tracker.problem)
"""


def fetch(settings: Settings, run_id: str) -> Any:
    """Read a run back from MLflow."""
    return open_store(settings).get_run(run_id)


def fail_after_a_metric(tracker: Tracker) -> None:
    """What an experiment does that runs out of bars."""
    tracker.log_metric("loss", 0.5)
    raise ZeroDivisionError("no bars")


def test_a_finished_run_has_all_that_was_logged(store: Settings, tmp_path: Path) -> None:
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "chart.html").write_text("<p>chart</p>")
    with start_run(store, "momentum", "SPX", now=NOW) as tracker:
        tracker.log_params({"model": "logistic", "seed": 7})
        tracker.log_params({f"p{i}": i for i in range(150)})
        for epoch in range(2500):
            tracker.log_metric("loss", 1 / (epoch + 1), step=epoch)
        tracker.set_tags({"colour": "red"})
        tracker.log_artifacts(tmp_path / "charts", "charts")
    assert tracker.problem == ""
    run = fetch(store, tracker.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "SPX")
    assert run.info.start_time == NOW.timestamp() * 1000
    assert run.info.start_time <= run.info.end_time < run.info.start_time + 60_000
    assert run.data.params | {"model": "logistic", "seed": "7", "p149": "149"} == run.data.params
    assert run.data.tags["colour"] == "red"
    history = open_store(store).get_metric_history(tracker.run_id, "loss")
    assert [m.step for m in history] == list(range(2500))
    assert history[-1].value == pytest.approx(1 / 2500)
    saved = store.artifacts_dir / "momentum" / tracker.run_id / "artifacts" / "charts" / "chart.html"
    assert saved.read_text() == "<p>chart</p>"


def test_a_failing_run_is_marked_and_keeps_what_it_logged(store: Settings) -> None:
    with pytest.raises(ZeroDivisionError), start_run(store, "momentum", "SPX") as tracker:
        fail_after_a_metric(tracker)
    run = fetch(store, tracker.run_id)
    assert run.info.status == "FAILED"
    assert run.data.metrics == {"loss": 0.5}
    assert run.data.tags["workbench.error"] == "ZeroDivisionError: no bars"


def test_mlflow_is_not_loaded_before_it_is_needed(store: Settings) -> None:
    code = (
        "import sys; from workbench.config import load_settings; from workbench.tracking import start_run\n"
        "with start_run(load_settings(), 'x', 'y') as t:\n"
        "    t.log_params({'a': 1}); t.log_metric('m', 1.0); print('mlflow' in sys.modules)\n"
        "print('mlflow' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue False\n"
    assert done.stderr == ""


def test_a_parameter_has_one_value(store: Settings) -> None:
    with start_run(store, "x", "y") as tracker:
        tracker.log_params({"seed": 7})
        tracker.log_params({"seed": 7})
        with pytest.raises(TrackingError, match="parameter 'seed' is logged already as '7', got '8'"):
            tracker.log_params({"seed": 8})
        with pytest.raises(TrackingError, match="artifact .* does not exist"):
            tracker.log_artifact("missing.png")


def test_a_record_is_logged_once_however_often(store: Settings, make_record: Make) -> None:
    with start_run(store, "nightly", "SPX") as tracker:
        record = make_record(tracker.run_id)
        write_record(record, store)
        assert log_record(record, store) == record.run_id
    before = fetch(store, record.run_id)
    assert relog(record.run_id, store) == record.run_id
    run = fetch(store, record.run_id)
    assert run.data.metrics == pytest.approx(before.data.metrics, nan_ok=True)
    assert (run.data.params, run.data.tags) == (before.data.params, before.data.tags)
    assert run.data.metrics["sharpe_ratio"] == 0.7
    assert math.isnan(run.data.metrics["calmar_ratio"])
    assert run.data.metrics["zero/sharpe_ratio"] == 0.0
    stated = {"dataset": "sample:1d:SPX", "dataset_version": "3", "dataset_hash": "c0ffee", "git": "abc", "seed": "7"}
    counted = {"trial": "1", "n_trials": "4", "new_trial": "True", "passed": "False"}
    tags = {f"workbench.{k}": v for k, v in (stated | counted).items()}
    assert run.data.tags | tags == run.data.tags
    assert [d.dataset.digest for d in run.inputs.dataset_inputs] == ["c0ffee"]
    saved = store.artifacts_dir / "nightly" / record.run_id / "artifacts" / "record"
    assert {p.name for p in saved.iterdir()} == {"run.json", "returns.parquet", "positions.parquet", "folds.parquet"}


def test_listing_shows_the_runs_latest_first(store: Settings, make_record: Make, tmp_path: Path) -> None:
    assert list_runs(store).empty
    for k, name in enumerate(("one", "two")):
        with start_run(store, "nightly", name, now=NOW + timedelta(hours=k)) as tracker:
            record = make_record(tracker.run_id, metrics={"sharpe_ratio": float(k)}, verdict={"passed": bool(k)})
            write_record(record, store)
            log_record(record, store)
    table = list_runs(store)
    assert list(table["name"]) == ["two", "one"]
    assert list(table["passed"]) == [True, False]
    assert list(table["sharpe_ratio"]) == [1.0, 0.0]
    assert table["started"][1] == pd.Timestamp(NOW)
    assert set(table["dataset"]) == {"sample:1d:SPX"}
    report = tmp_path / "report.html"
    report.write_text("<p>report</p>")
    attach_artifacts(table["run_id"][0], [report], store)
    assert (store.artifacts_dir / "nightly" / table["run_id"][0] / "artifacts" / "report" / "report.html").is_file()
    with pytest.raises(TrackingError, match="run nobody is not in MLflow"):
        attach_artifacts("nobody", [report], store)
    with pytest.raises(TrackingError, match=r"artifact .*nothing.html does not exist"):
        attach_artifacts(table["run_id"][0], [tmp_path / "nothing.html"], store)


def test_with_mlflow_down_the_record_is_kept_and_logged_later(store: Settings, make_record: Make) -> None:
    database = store.experiments_dir / "mlflow.db"
    good = database.read_bytes()
    database.write_bytes(b"garbage" * 1000)
    with start_run(store, "nightly", "SPX") as tracker:
        tracker.log_metric("loss", 0.5)
        record = make_record(tracker.run_id)
        write_record(record, store)
        with pytest.raises(TrackingError, match=rf"run {tracker.run_id} is not in MLflow yet.*relog: .*not a database"):
            log_record(record, store)
    assert "not a database" in tracker.problem
    assert read_record(tracker.run_id, store).metrics["sharpe_ratio"] == 0.7
    database.write_bytes(good)
    mlflow_id = relog(tracker.run_id, store)
    assert mlflow_id != tracker.run_id
    assert relog(tracker.run_id, store) == mlflow_id
    assert list(list_runs(store)["run_id"]) == [tracker.run_id]
    assert fetch(store, mlflow_id).info.status == "FINISHED"


def test_a_locked_store_delays_but_loses_nothing(store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_MLFLOW_URI", store.mlflow_uri.replace("timeout=30", "timeout=0.1"))
    from workbench.config import load_settings

    impatient = load_settings()
    with start_run(impatient, "nightly", "SPX") as tracker:
        run_id = tracker.run_id
        tracker.log_metric("loss", 0.5)
        with closing(sqlite3.connect(store.experiments_dir / "mlflow.db", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            assert not tracker.flush()
            assert "locked; wait for the other writer" in tracker.problem
            db.execute("ROLLBACK")
        tracker.log_metric("loss", 0.4, step=1)
    assert tracker.problem == ""
    assert fetch(store, run_id).data.metrics == {"loss": 0.4}


def test_an_experiment_in_the_bin_is_brought_back(store: Settings) -> None:
    with start_run(store, "nightly", "one") as tracker:
        first = fetch(store, tracker.run_id).info.experiment_id
    open_store(store).delete_experiment(first)
    with start_run(store, "nightly", "two") as tracker:
        tracker.log_metric("loss", 0.5)
    assert tracker.problem == ""
    assert fetch(store, tracker.run_id).info.experiment_id == first


def test_the_store_is_in_wal_mode_and_the_file_store_is_refused(
    store: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(store.experiments_dir / "mlflow.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    from workbench.config import load_settings

    for uri in ("file:///tmp/mlruns", "./mlruns", "sqlite:///:memory:"):
        monkeypatch.setenv("WORKBENCH_MLFLOW_URI", uri)
        with pytest.raises(ConfigError, match=r"sqlite:///experiments/mlflow.db"):
            open_store(load_settings())


def test_a_password_in_the_address_is_not_shown(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_MLFLOW_URI", "nosuchdb://ann:hunter2@127.0.0.1/mlflow")
    from workbench.config import load_settings

    with pytest.raises(TrackingError, match=r"nosuchdb://ann:\[redacted\]@127.0.0.1") as caught:
        open_store(load_settings())
    assert "hunter2" not in str(caught.value)


def test_mlflow_calls_nobody(store: Settings) -> None:
    """Every connection beyond loopback is refused and reported by a wrapped socket."""
    code = (
        "import socket, sys\n"
        "real = socket.socket.connect\n"
        "def connect(self, address):\n"
        "    if self.family != socket.AF_UNIX: print('CALL', address)\n"
        "    raise OSError('cut')\n"
        "socket.socket.connect = connect\n"
        "socket.getaddrinfo = lambda *a, **k: print('LOOKUP', a) or []\n"
        "from workbench.config import load_settings\n"
        "from workbench.tracking import start_run, list_runs\n"
        "with start_run(load_settings(), 'x', 'y') as t: t.log_metric('m', 1.0)\n"
        "print(len(list_runs(load_settings())))\n"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_CURRENT_TEST", *mlflow_environment())}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean)
    assert done.stdout == "1\n"


@pytest.mark.slow
def test_four_processes_share_a_store_that_is_not_there_yet(settings: Settings) -> None:
    command = [sys.executable, "-c", RUNNER, str(settings.home)]
    workers = [subprocess.Popen([*command, f"job{k}"], stdout=subprocess.PIPE, text=True) for k in range(4)]
    outputs = [w.communicate(timeout=120)[0].split("\n") for w in workers]
    assert [w.returncode for w in workers] == [0] * 4
    assert [o[1] for o in outputs] == [""] * 4
    table = list_runs(settings)
    assert set(table["status"]) == {"FINISHED"}
    assert set(table["run_id"]) == {o[0] for o in outputs}
    assert set(table["experiment"]) == {"shared"}


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
def test_a_killed_run_is_noticed_by_the_next(store: Settings) -> None:
    command = [sys.executable, "-c", RUNNER, str(store.home), "killed", "wait"]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    run_id = worker.stdout.readline().strip()
    with start_run(store, "shared", "meanwhile") as tracker:
        assert tracker.run_id
    assert fetch(store, run_id).info.status == "RUNNING"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert socket.gethostname() in fetch(store, run_id).data.tags["workbench.process"]
    with start_run(store, "shared", "next") as tracker:
        assert tracker.run_id
    statuses = list_runs(store).set_index("name")["status"].to_dict()
    assert statuses == {"killed": "KILLED", "meanwhile": "FINISHED", "next": "FINISHED"}


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
def test_a_kill_while_the_store_is_made_leaves_the_next_run_whole(settings: Settings) -> None:
    command = [sys.executable, "-c", RUNNER, str(settings.home), "first"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not any(p.stat().st_size for p in settings.experiments_dir.glob(".mlflow.db.*.part")):
        assert time.monotonic() < until
        time.sleep(0.005)
    worker.send_signal(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL
    assert not (settings.experiments_dir / "mlflow.db").exists()
    with start_run(settings, "shared", "second") as tracker:
        tracker.log_metric("loss", 0.5)
    assert tracker.problem == ""
    assert "second" in set(list_runs(settings)["name"])
