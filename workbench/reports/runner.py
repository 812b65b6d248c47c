"""Run one notebook as a job: its own process tree, a time limit, and results that appear whole or not at all."""

from __future__ import annotations

import html
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.config import Job, Settings
from workbench.errors import ConfigError
from workbench.ops import atomic_write
from workbench.reports.processes import MEMORY_LIMIT, Outcome, supervise

STATUSES = ("ok", "failed", "timeout", "skipped", "cancelled", "incomplete")
_GRACE_S = 60.0
"""Seconds a job may take beyond its limit to write its error page before it is killed from outside."""
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class JobResult:
    """What became of one job.

    ``status`` is one of `STATUSES`; ``error`` is one line, empty when all is well; ``cell`` names the one that stopped;
    ``peak_rss`` is the largest resident memory of one of its processes in bytes; paths are None where nothing was made.
    """

    name: str
    notebook: str
    title: str
    status: str
    seconds: float = 0.0
    notebook_path: Path | None = None
    sha256: str = ""
    html_path: Path | None = None
    error: str = ""
    cell: str = ""
    traceback: str = ""
    run_id: str = ""
    computed: bool = False
    """Whether ``run_id`` names a run that this job made, rather than one it read."""
    peak_rss: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain values, paths as text."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def run_job(
    job: Job, out_dir: Path | str, settings: Settings, *, now: datetime, cancel: threading.Event | None = None
) -> JobResult:
    """Execute a job's notebook in a process of its own and render it.

    ``out_dir/<job name>/`` gets the executed notebook (read-only) and ``report.html``; on failure the page begins with
    the cell and the traceback. Nothing is raised for what happens inside the notebook.

    Parameters
    ----------
    job : Job
        Name, notebook, checked parameters and time limit (seconds).
    out_dir : path
        Folder of the nightly.
    settings : Settings
        Folders and addresses, passed on to the job through the environment.
    now : datetime
        UTC time that the run carries.
    cancel : threading.Event, optional
        Set it to end the job at once; its status is then ``cancelled``.

    Returns
    -------
    JobResult

    Raises
    ------
    ConfigError
        When the notebook's file does not exist.
    """
    source = notebook_file(job, settings)
    folder = Path(out_dir) / job.name
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="wb-"))  # short: socket paths of kernels lie in it
    try:
        mark = uuid.uuid4().hex
        spec = _spec(job, source, folder, work, mark, now)
        atomic_write(work / "spec.json", json.dumps(spec))
        outcome = supervise(
            [sys.executable, "-m", "workbench.reports.child", str(work / "spec.json")],
            job_environment(settings, work, now),
            cwd=str(settings.home),
            mark=mark,
            limit_s=job.timeout_s + _GRACE_S,
            cancel=cancel,
        )
        result = _collect(job, folder, work, outcome)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if outcome.over_memory:
        result = replace(result, error=f"used more than {MEMORY_LIMIT / 2**30:.0f} GiB of memory and was ended")
    return replace(result, seconds=time.monotonic() - began, peak_rss=outcome.peak_rss)


def notebook_file(job: Job, settings: Settings) -> Path:
    """Return the file of a job's notebook."""
    source = settings.notebooks_dir / f"{job.notebook}.ipynb"
    if not source.is_file():
        raise ConfigError(
            f"job {job.name!r}: notebook {str(source)!r} does not exist; set WORKBENCH_NOTEBOOKS to its folder"
        )
    return source


def _same_code() -> dict[str, str]:
    """Make the job import the workbench that started it, where that is a checkout and not an installed package."""
    root = Path(__file__).resolve().parents[2]
    if "site-packages" in root.parts:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))}


def job_environment(settings: Settings, work: Path, now: datetime) -> dict[str, str]:
    """Return the environment of a job: its settings, one thread per library, no telemetry, no IPython profile."""
    return {
        **os.environ,
        **dict.fromkeys(_ONE_THREAD, "1"),
        **_same_code(),
        "WORKBENCH_HOME": str(settings.home),
        "WORKBENCH_DATA": str(settings.data_dir),
        "WORKBENCH_EXPERIMENTS": str(settings.experiments_dir),
        "WORKBENCH_NOTEBOOKS": str(settings.notebooks_dir),
        "WORKBENCH_MLFLOW_URI": settings.mlflow_uri,
        "WORKBENCH_MODE": "job",
        "WORKBENCH_NOW": now.isoformat(),
        "WORKBENCH_RESULT_PATH": str(work / "run.json"),
        "JUPYTER_RUNTIME_DIR": str(work),
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(work / "ipython"),
        "MPLBACKEND": "agg",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def _spec(job: Job, source: Path, folder: Path, work: Path, mark: str, now: datetime) -> dict[str, Any]:
    return {
        "name": job.name,
        "title": job.title or job.name,
        "source": str(source),
        "parameters": job.parameters.model_dump(),
        "folder": str(folder.resolve()),
        "work": str(work),
        "limit_s": float(job.timeout_s),
        "mark": mark,
        "started": now.isoformat(timespec="seconds"),
        "index": "../index.html" if (folder.parent / "results.json").is_file() else "",
    }


def _collect(job: Job, folder: Path, work: Path, outcome: Outcome) -> JobResult:
    """Read what the child left, or say how it ended without leaving anything."""
    run_id, computed = _run_of(work)
    title = job.title or job.name
    base = JobResult(job.name, job.notebook, title, "failed", run_id=run_id, computed=computed)
    if (work / "result.json").is_file():
        left = json.loads((work / "result.json").read_text(encoding="utf-8"))
        return replace(
            base,
            status=left["status"],
            error=left["error"],
            cell=left["cell"],
            traceback=left["traceback"],
            notebook_path=folder / left["notebook"],
            sha256=left["sha256"],
            html_path=folder / left["html"],
        )
    if outcome.cancelled:
        return replace(base, status="cancelled", error="cancelled before it was done")
    if outcome.timed_out:
        status, error = "timeout", f"did not end within {job.timeout_s} s and {_GRACE_S:.0f} s of grace; killed"
    else:
        last = outcome.tail.strip().splitlines()
        status = "failed"
        error = f"the job's process ended with code {outcome.returncode}" + (f": {last[-1][:300]}" if last else "")
    page = atomic_write(folder / "report.html", _plain_page(job, error, outcome.tail))
    return replace(base, status=status, error=error, traceback=outcome.tail, html_path=page)


def _run_of(work: Path) -> tuple[str, bool]:
    """Return the run that the notebook published (`workbench.notebook.run` does) and whether it was made by it."""
    path = work / "run.json"
    if not path.is_file():
        return "", False
    published = json.loads(path.read_text(encoding="utf-8"))
    return str(published["run_id"]), bool(published["computed"])


def _plain_page(job: Job, error: str, tail: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{html.escape(job.name)} failed</title>'
        '<body style="font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem">'
        f'<h1>{html.escape(job.title or job.name)}</h1><p class="banner"><strong>{html.escape(error)}</strong></p>'
        f"<pre>{html.escape(tail)}</pre></body></html>"
    )
