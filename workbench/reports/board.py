"""The state of a nightly on disk: ``results.json`` for programs and ``index.html`` for people, always whole."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.config import Job, Settings
from workbench.errors import WorkbenchError
from workbench.ops import atomic_write
from workbench.reports.index import render_index
from workbench.reports.runner import JobResult
from workbench.reports.select import Selection

OPEN = ("waiting", "running")


class Board:
    """Results of one nightly; every change is written at once, so that a crash leaves what was known.

    Safe to use from the threads of several jobs.
    """

    def __init__(self, folder: Path, settings: Settings, started: str, jobs: list[JobResult]) -> None:
        self.folder = folder
        self._settings = settings
        self._started = started
        self._seconds: float | None = None
        self._jobs = {job.name: job for job in jobs}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path, settings: Settings, selection: Selection, now: datetime) -> Board:
        """Write down what is going to be run."""
        waiting = [JobResult(j.name, j.notebook, j.title or j.name, "waiting") for j in selection.jobs]
        skipped = [
            JobResult(j.name, j.notebook, j.title or j.name, "skipped", error=why) for j, why in selection.skipped
        ]
        board = cls(folder, settings, now.isoformat(timespec="seconds"), [*waiting, *skipped])
        board._write()
        return board

    def begin(self, job: Job) -> None:
        """Note that a job runs."""
        with self._lock:
            self._jobs[job.name] = replace(self._jobs[job.name], status="running")
            self._write()

    def end(self, result: JobResult) -> None:
        """Note what became of a job."""
        with self._lock:
            self._jobs[result.name] = result
            self._write()

    def finish(self, seconds: float) -> None:
        """Note that the nightly came to its end."""
        with self._lock:
            self._seconds = seconds
            self._write()

    def results(self) -> tuple[JobResult, ...]:
        """Return one result per job, in the order of the index."""
        return tuple(self._jobs.values())

    def _write(self) -> None:
        jobs = [_row(job, self.folder, self._settings) for job in self._jobs.values()]
        write_board(self.folder, {"started": self._started, "seconds": self._seconds, "jobs": jobs})


def write_board(folder: Path, state: dict[str, Any]) -> None:
    """Write ``results.json`` and ``index.html``."""
    atomic_write(folder / "results.json", json.dumps(state, indent=1))
    atomic_write(folder / "index.html", render_index(state))


def close_unfinished(runs: Path) -> list[Path]:
    """Mark the jobs of nightlies that were killed as incomplete; return their folders.

    Call it under the nightly's lock: no other nightly may be running.
    """
    closed = []
    for path in sorted(runs.glob("*/results.json")):
        if path.parent.is_symlink():
            continue
        try:
            state = json.loads(path.read_bytes())
            open_jobs = [job for job in state["jobs"] if job["status"] in OPEN]
        except (ValueError, KeyError, TypeError):
            continue  # not a nightly of ours
        if not open_jobs:
            continue
        for job in open_jobs:
            job["status"] = "incomplete"
            job["error"] = "the nightly was ended before this job was done"
        write_board(path.parent, state)
        closed.append(path.parent)
    return closed


def _row(job: JobResult, folder: Path, settings: Settings) -> dict[str, Any]:
    """Return a job as plain values, paths relative to the folder, with the headline of its run."""
    row = job.to_json()
    for key in ("notebook_path", "html_path"):
        value = getattr(job, key)
        row[key] = value.relative_to(folder).as_posix() if value is not None else ""
    return row | {"headline": _headline(job, settings) if job.computed else {}}


def _headline(job: JobResult, settings: Settings) -> dict[str, Any]:
    from workbench.tracking import read_record

    try:
        record = read_record(job.run_id, settings)
    except WorkbenchError:
        return {}  # the job failed before its record was whole; its error is shown instead
    return {
        "metrics": {k: v for k, v in record.metrics.items() if isinstance(v, int | float)},
        "passed": record.verdict.get("passed"),
        "gates": [g["text"] for g in record.verdict.get("gates", []) if not g["passed"]],
        "trial": record.trial.get("number"),
        "n_trials": record.trial.get("n_trials"),
        "is_new": record.trial.get("is_new"),
        "dataset": record.dataset.get("name", ""),
    }
