"""One notebook as a job: what comes back, and that nothing stays behind, whatever the notebook does."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import nbformat
import psutil
import pytest

from workbench.config import DataParameters, Job, Settings
from workbench.errors import ConfigError
from workbench.reports import JobResult, run_job
from workbench.reports.processes import MARK_VARIABLE, supervise

pytestmark = pytest.mark.slow


Members = Callable[[], list[psutil.Process]]


@pytest.fixture
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    """Find the running processes of jobs whose home lies in this test run's temporary folder."""
    base = str(tmp_path_factory.getbasetemp())

    def find() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                env = process.environ()
                ours = MARK_VARIABLE in env and env.get("WORKBENCH_HOME", "").startswith(base)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    return find


def test_a_good_notebook(results: dict[str, JobResult]) -> None:
    result = results["ok"]
    assert (result.status, result.error, result.cell) == ("ok", "", "")
    assert result.run_id == 'run-of-SPX-A "quoted" {brace} \\ name'
    assert result.computed is False
    assert result.notebook_path is not None
    assert result.html_path is not None
    executed = nbformat.read(result.notebook_path, as_version=4)
    tags = [t for c in executed.cells for t in c.metadata.get("tags", [])]
    assert "injected-parameters" in tags
    assert "app" not in tags
    page = result.html_path.read_text()
    assert "A notebook that works" in page
    assert "SPX, A &quot;quoted&quot; {brace} \\ name" in page or 'SPX, A "quoted" {brace} \\ name' in page
    assert "This report is not complete" not in page


def test_the_kernel_is_this_interpreter_s(results: dict[str, JobResult]) -> None:
    path = results["ok"].notebook_path
    assert path is not None
    printed = "".join(o.get("text", "") for c in nbformat.read(path, as_version=4).cells for o in c.get("outputs", []))
    assert f"printed by {sys.executable}" in printed


def test_the_executed_notebook_is_read_only_and_hashed(results: dict[str, JobResult]) -> None:
    for result in results.values():
        assert result.notebook_path is not None
        assert result.notebook_path.stat().st_mode & 0o222 == 0
        assert hashlib.sha256(result.notebook_path.read_bytes()).hexdigest() == result.sha256


def test_folders_hold_results_only(results: dict[str, JobResult]) -> None:
    for result in results.values():
        assert result.html_path is not None
        assert sorted(p.name for p in result.html_path.parent.iterdir()) == sorted(
            [f"{result.name}.ipynb", "report.html"]
        )


@pytest.mark.parametrize(
    ("name", "status", "error", "cell"),
    [
        ("raises", "failed", "ZeroDivisionError: division by zero", "code cell 3 (run): print"),
        ("does_not_compile", "failed", "SyntaxError: invalid syntax", "code cell 3 (run): for this"),
        ("kills_kernel", "failed", "JobError: the kernel was killed by SIGKILL", "code cell 3 (run): import os"),
        ("hangs", "timeout", "ran longer than its limit of 20 s", "code cell 3 (run): import subprocess"),
        ("floods", "failed", "JobError: the cell printed more than 20 million characters", "code cell 3 (run): line ="),
    ],
)
def test_each_defect_ends_in_one_clear_line(
    results: dict[str, JobResult], name: str, status: str, error: str, cell: str
) -> None:
    result = results[name]
    assert result.status == status
    assert result.error.startswith(error)
    assert "\n" not in result.error
    assert result.cell.startswith(cell)
    assert result.html_path is not None
    page = result.html_path.read_text()
    head = page[page.index("<body") : page.index("<main>")]
    assert 'class="banner"' in head
    assert cell.partition(":")[0] in head
    assert "The app cell" not in page


def test_the_traceback_is_on_top_of_the_page(results: dict[str, JobResult]) -> None:
    path = results["raises"].html_path
    assert path is not None
    page = path.read_text()
    assert page.index("ratio") < page.index("<main>")
    assert "1 further code cells were not run" in page


def test_words_before_the_end_are_kept(results: dict[str, JobResult]) -> None:
    path = results["kills_kernel"].notebook_path
    assert path is not None
    outputs = [o for c in nbformat.read(path, as_version=4).cells for o in c.get("outputs", [])]
    assert "last words" in "".join(o.get("text", "") for o in outputs)
    assert any(o.output_type == "error" and "SIGKILL" in o.evalue for o in outputs)


def test_much_text_is_cut_and_the_job_goes_on(results: dict[str, JobResult]) -> None:
    result = results["talks"]
    assert result.status == "ok"
    assert result.notebook_path is not None
    assert result.notebook_path.stat().st_size < 400_000
    text = result.notebook_path.read_text()
    assert "cut here: the cell printed more than 200,000 characters" in text
    assert "still alive" in text


def test_memory_is_noted(results: dict[str, JobResult]) -> None:
    assert results["grows"].peak_rss > 300_000_000
    assert 50_000_000 < results["ok"].peak_rss < results["grows"].peak_rss


def test_a_time_limit_is_kept(results: dict[str, JobResult]) -> None:
    assert results["hangs"].seconds < 90


def test_nothing_stays_behind(results: dict[str, JobResult], members: Members) -> None:
    assert results["hangs"].status == "timeout"  # it had started a daemon in a session of its own
    assert members() == []


def test_a_missing_notebook_is_refused(settings: Settings, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(ConfigError, match="notebook .* does not exist; set WORKBENCH_NOTEBOOKS"):
        run_job(Job("nothing", "nothing", DataParameters()), tmp_path, settings, now=now)


def test_a_job_can_be_cancelled(fixtures_home: Settings, now: datetime, members: Members) -> None:
    cancel = threading.Event()
    threading.Timer(2.5, cancel.set).start()
    job = Job("hangs", "hangs", DataParameters(), timeout_s=300)
    result = run_job(job, fixtures_home.runs_dir / "one", fixtures_home, now=now, cancel=cancel)
    assert (result.status, result.error) == ("cancelled", "cancelled before it was done")
    assert result.seconds < 60
    assert members() == []


_RUNNER = """
import sys
from datetime import UTC, datetime
from workbench.config import DataParameters, Job, load_settings
from workbench.reports import run_job
settings = load_settings({"WORKBENCH_HOME": sys.argv[1], "WORKBENCH_NOTEBOOKS": sys.argv[2]})
job = Job("hangs", "hangs", DataParameters(), timeout_s=300)
run_job(job, settings.runs_dir / "one", settings, now=datetime.now(UTC))
"""


def test_jobs_die_with_a_killed_runner(fixtures_home: Settings, members: Members) -> None:
    folders = [str(fixtures_home.home), str(fixtures_home.notebooks_dir)]
    runner = subprocess.Popen([sys.executable, "-c", _RUNNER, *folders])
    _wait_for(lambda: any("time.sleep(600)" in " ".join(p.cmdline()) for p in members()), 90)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    _wait_for(lambda: not members(), 60)


def test_a_process_over_its_memory_is_killed(tmp_path: Path) -> None:
    code = "x = b'x' * 400_000_000\nimport time\ntime.sleep(60)"
    outcome = supervise(
        [sys.executable, "-c", code], dict(os.environ), cwd=str(tmp_path), mark="memory-test", limit_s=60,
        memory_limit=200_000_000,
    )  # fmt: skip
    assert outcome.over_memory
    assert outcome.seconds < 60


def test_the_last_lines_of_a_crash_are_kept(tmp_path: Path) -> None:
    code = "import sys\nfor n in range(5000): print(n, file=sys.stderr)\nsys.exit(9)"
    outcome = supervise([sys.executable, "-c", code], dict(os.environ), cwd=str(tmp_path), mark="tail-test", limit_s=60)
    assert outcome.returncode == 9
    assert outcome.tail.splitlines()[-1] == "4999"
    assert len(outcome.tail.splitlines()) <= 200


def _wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)
