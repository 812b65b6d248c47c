"""The nightly: every experiment as a job, a folder with their reports, an index of it all."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from workbench.config import Job, Settings
from workbench.errors import ConfigError, WorkbenchError
from workbench.ops.locks import file_lock
from workbench.reports.board import Board, close_unfinished
from workbench.reports.runner import JobResult, run_job
from workbench.reports.select import LAST, Selection, select_jobs

Progress = Callable[[str], None]


@dataclass(frozen=True)
class NightlyResult:
    """What became of a nightly: its folder, index page and one result per job."""

    folder: Path
    index: Path
    jobs: tuple[JobResult, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 when every job is ok or was skipped for a stated reason, else 1."""
        return 0 if all(job.status in {"ok", "skipped"} for job in self.jobs) else 1

    def to_json(self) -> dict[str, Any]:
        """Return plain values, paths as text."""
        return {
            "folder": str(self.folder),
            "index": str(self.index),
            "seconds": self.seconds,
            "exit_code": self.exit_code,
            "jobs": [job.to_json() for job in self.jobs],
        }

    def summary(self) -> str:
        """Return one screen of text: a line per job, then where the index lies."""
        width = max([len(j.name) for j in self.jobs], default=0)
        lines = [_line(job, width) for job in self.jobs]
        bad = sum(job.status not in {"ok", "skipped"} for job in self.jobs)
        tail = f"{len(self.jobs)} job{'' if len(self.jobs) == 1 else 's'} in {self.seconds:.0f} s, " + (
            "all well" if not bad else f"{bad} not ok"
        )
        return "\n".join([*lines, "", tail, f"report: {self.index.as_uri()}"])


def run_nightly(
    settings: Settings,
    files: Sequence[Path | str] | None = None,
    n_jobs: int = 2,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> NightlyResult:
    """Run experiments as notebook jobs and write their reports and an index.

    Everything goes to ``runs/<UTC stamp>/``: one folder per job, ``index.html`` and ``results.json``, both kept up to
    date while the nightly runs; ``runs/latest`` points to the last one that came to its end. A job that fails leaves
    the others whole. After a ``kill -9`` the next nightly marks what was left as incomplete.

    Parameters
    ----------
    settings : Settings
        Folders and addresses.
    files : sequence of path, optional
        Experiment files; default all of ``experiments/*.yaml`` that are not marked ``nightly: false``.
    n_jobs : int
        Jobs at a time.
    now : datetime
        UTC time that names the folder and that the runs carry.
    progress : callable, optional
        Called with one line of text as jobs begin and end.

    Returns
    -------
    NightlyResult

    Raises
    ------
    ConfigError
        When an experiment is wrong; nothing was started then.
    WorkbenchError
        When another nightly is running, or the folder cannot be written.
    """
    if n_jobs < 1:
        raise ConfigError(f"n_jobs must be 1 or more, got {n_jobs}")
    if now.tzinfo is None:
        raise ConfigError(f"now must carry a time zone, got {now.isoformat()}; use datetime.now(UTC)")
    selection = select_jobs(settings, files)
    began = time.monotonic()
    with file_lock(settings.runs_dir / ".nightly.lock", "the nightly", timeout=0):
        close_unfinished(settings.runs_dir)
        folder = new_folder(settings.runs_dir, now)
        board = Board.open(folder, settings, selection, now)
        _run_all(selection, board, settings, n_jobs, now, progress or _silent)
        _attach(board, settings)
        seconds = time.monotonic() - began
        board.finish(seconds)
        _point_latest(settings.runs_dir, folder)
    return NightlyResult(folder, folder / "index.html", board.results(), seconds)


def _silent(line: str) -> None:
    """Report to nobody."""


def new_folder(runs: Path, now: datetime) -> Path:
    """Make a folder named by the UTC second, with a number behind it when that one is taken."""
    stamp = now.strftime("%Y-%m-%dT%H-%M-%SZ")
    for name in (stamp, *(f"{stamp}-{n}" for n in range(2, 1000))):
        try:
            (runs / name).mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as err:
            raise WorkbenchError(f"cannot make {runs / name}: {err.strerror}; make the folder writable") from err
        return runs / name
    raise WorkbenchError(f"{runs} holds a thousand nightlies of {stamp}; remove some")


def _run_all(
    selection: Selection, board: Board, settings: Settings, n_jobs: int, now: datetime, progress: Progress
) -> None:
    """Run the jobs, those that read the others' runs after them."""
    cancel, began = threading.Event(), time.monotonic()

    def one(job: Job) -> JobResult:
        progress(f"started  {job.name}")
        board.begin(job)
        started = now + timedelta(seconds=time.monotonic() - began)  # so that the latest run is the one that ran last
        result = run_job(job, board.folder, settings, now=started, cancel=cancel)
        board.end(result)
        progress(_line(result, 0))
        return result

    with ThreadPoolExecutor(n_jobs, thread_name_prefix="job") as pool:
        try:
            for late in (False, True):
                futures = [pool.submit(one, job) for job in selection.jobs if (job.notebook in LAST) is late]
                for future in as_completed(futures):
                    future.result()
        except BaseException:
            cancel.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _attach(board: Board, settings: Settings) -> None:
    """Attach each executed notebook and page to the MLflow run that the notebook made."""
    for result in board.results():
        if not result.computed or result.notebook_path is None or result.html_path is None:
            continue
        from workbench.tracking import attach_artifacts

        try:
            attach_artifacts(result.run_id, [result.notebook_path, result.html_path], settings)
        except WorkbenchError as err:
            board.end(replace(result, error=f"its report is not attached to the MLflow run: {err}"))


def _point_latest(runs: Path, folder: Path) -> None:
    """Let ``runs/latest`` name the folder, without a moment in which it names none."""
    link = runs / f".latest.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name, target_is_directory=True)
    latest = runs / "latest"
    if latest.is_dir() and not latest.is_symlink():
        shutil.rmtree(latest)
    link.replace(latest)


def _line(job: JobResult, width: int) -> str:
    text = f"{job.status:<10}{job.name:<{width}}  {job.seconds:6.1f} s"
    if job.status == "skipped":
        return f"{job.status:<10}{job.name:<{width}}  {job.error}"
    return f"{text}  {job.error}" + (f" [{job.cell}]" if job.cell else "") if job.error else text
