"""The nightly as a whole: order, index, lock, and what is left after the worst."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from workbench.config import Settings, load_settings
from workbench.errors import ConfigError, WorkbenchError
from workbench.ops.locks import file_lock
from workbench.reports import NightlyResult, run_nightly
from workbench.reports.board import close_unfinished
from workbench.reports.nightly import new_folder

FIXTURES = Path(__file__).parent / "notebooks"
CAST = {"data": "ok", "train": "raises", "backtest": "grows", "risk_center": "ok"}


def _home(folder: Path, cast: dict[str, str]) -> Settings:
    """A home whose notebooks are fixture notebooks under the house's names."""
    notebooks = folder / "notebooks"
    notebooks.mkdir(parents=True)
    for name, defect in cast.items():
        (notebooks / f"{name}.ipynb").write_bytes((FIXTURES / f"{defect}.ipynb").read_bytes())
    (folder / "experiments").mkdir()
    for name in cast:
        (folder / "experiments" / f"my_{name}.yaml").write_text(f"notebook: {name}\ntitle: My {name} & more\n")
    return load_settings({"WORKBENCH_HOME": str(folder)})


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[NightlyResult, list[str], Settings]:
    settings = _home(tmp_path_factory.mktemp("night"), CAST)
    lines: list[str] = []
    moment = datetime.fromisoformat("2026-01-31T02:00:00+00:00")
    result = run_nightly(settings, now=moment, progress=lines.append)
    return result, lines, settings


@pytest.mark.slow
def test_one_failing_job_leaves_the_others_whole(night: tuple[NightlyResult, list[str], Settings]) -> None:
    result, _, _ = night
    assert {j.name: j.status for j in result.jobs} == {
        "my_data": "ok",
        "my_train": "failed",
        "my_backtest": "ok",
        "my_risk_center": "ok",
    }
    assert result.exit_code == 1
    for job in result.jobs:
        assert job.html_path is not None
        assert job.html_path.is_file()


@pytest.mark.slow
def test_the_risk_center_waits_for_the_others(night: tuple[NightlyResult, list[str], Settings]) -> None:
    _, lines, _ = night
    assert lines[-2] == "started  my_risk_center"
    assert lines[0] == "started  my_data"


@pytest.mark.slow
def test_the_index_tells_it_all(night: tuple[NightlyResult, list[str], Settings]) -> None:
    result, _, settings = night
    page = result.index.read_text()
    assert "3 done, 1 failed" in page
    assert 'href="my_data/report.html"' in page
    assert "ZeroDivisionError: division by zero" in page
    assert "My train &amp; more" in page
    assert "not financial advice" in page.lower()
    assert "http" not in page.replace("http-equiv", "")
    assert (settings.runs_dir / "latest").resolve() == result.folder
    assert result.folder.name == "2026-01-31T02-00-00Z"
    state = json.loads((result.folder / "results.json").read_text())
    assert [j["status"] for j in state["jobs"]] == ["ok", "failed", "ok", "ok"]
    assert state["jobs"][0]["notebook_path"] == "my_data/data.ipynb"
    assert len(state["jobs"][0]["sha256"]) == 64


@pytest.mark.slow
def test_the_summary_fits_one_screen(night: tuple[NightlyResult, list[str], Settings]) -> None:
    result, _, _ = night
    text = result.summary()
    assert len(text.splitlines()) <= 24
    assert "failed    my_train" in text
    assert text.splitlines()[-1].startswith("report: file:///")
    assert json.dumps(result.to_json())


@pytest.mark.slow
def test_the_page_links_back_to_the_index(night: tuple[NightlyResult, list[str], Settings]) -> None:
    result, _, _ = night
    path = result.jobs[0].html_path
    assert path is not None
    assert 'href="../index.html"' in path.read_text()


_NIGHT = """
import sys
from datetime import UTC, datetime
from workbench.config import load_settings
from workbench.reports import run_nightly
run_nightly(load_settings({"WORKBENCH_HOME": sys.argv[1]}), n_jobs=2, now=datetime.now(UTC))
"""


@pytest.mark.slow
def test_a_killed_nightly_is_shown_as_incomplete_and_the_next_one_works(tmp_path: Path, now: datetime) -> None:
    settings = _home(tmp_path / "home", {"data": "ok", "backtest": "hangs", "risk_center": "ok"})
    process = subprocess.Popen([sys.executable, "-c", _NIGHT, str(settings.home)])
    _wait_for_status(settings, "my_data", "ok")
    _wait_for_status(settings, "my_backtest", "running")
    with pytest.raises(WorkbenchError, match=rf"is held by process {process.pid} .*the nightly"):
        run_nightly(settings, now=now)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (killed,) = [p.parent for p in settings.runs_dir.glob("*/results.json")]
    whole = (killed / "my_data" / "report.html").read_bytes()

    second = run_nightly(settings, [settings.experiments_dir / "my_data.yaml"], now=now)

    assert second.exit_code == 0
    state = {j["name"]: j["status"] for j in json.loads((killed / "results.json").read_text())["jobs"]}
    assert state == {"my_data": "ok", "my_backtest": "incomplete", "my_risk_center": "incomplete"}
    assert "incomplete" in (killed / "index.html").read_text()
    assert (killed / "my_data" / "report.html").read_bytes() == whole
    assert (settings.runs_dir / "latest").resolve() == second.folder


def test_two_nightlies_of_one_second_have_folders_of_their_own(tmp_path: Path, now: datetime) -> None:
    names = [new_folder(tmp_path / "runs", now).name for _ in range(3)]
    assert names == ["2026-01-31T02-00-00Z", "2026-01-31T02-00-00Z-2", "2026-01-31T02-00-00Z-3"]


def test_a_second_nightly_is_told_who_runs(tmp_path: Path, now: datetime) -> None:
    settings = _home(tmp_path / "home", {"data": "ok"})
    with (
        file_lock(settings.runs_dir / ".nightly.lock", "the nightly", timeout=0),
        pytest.raises(WorkbenchError, match=f"held by process {os.getpid()}"),
    ):
        _in_a_thread(lambda: run_nightly(settings, now=now))
    assert not [p for p in settings.runs_dir.iterdir() if p.is_dir()]


def test_nothing_starts_when_one_experiment_is_wrong(tmp_path: Path, now: datetime) -> None:
    settings = _home(tmp_path / "home", {"data": "ok"})
    (settings.experiments_dir / "zzz.yaml").write_text("notebook: backtest\nparameters: {horizon: 0}\n")
    with pytest.raises(ConfigError, match=r"zzz.yaml"):
        run_nightly(settings, now=now)
    assert not settings.runs_dir.exists()


def test_arguments_are_checked(settings: Settings, now: datetime) -> None:
    with pytest.raises(ConfigError, match="n_jobs must be 1 or more, got 0"):
        run_nightly(settings, n_jobs=0, now=now)
    with pytest.raises(ConfigError, match="now must carry a time zone"):
        run_nightly(settings, now=now.replace(tzinfo=None))


def test_only_nightlies_that_stopped_half_way_are_closed(tmp_path: Path) -> None:
    texts = dict.fromkeys(("title", "error", "cell", "html_path", "notebook_path", "sha256"), "")
    job = {"name": "a", "seconds": 0, "peak_rss": 0, "headline": {}, **texts}
    for name, status in (("done", "ok"), ("cut", "running")):
        (tmp_path / name).mkdir()
        state = {"started": "2026-01-31T02:00:00+00:00", "seconds": None, "jobs": [job | {"status": status}]}
        (tmp_path / name / "results.json").write_text(json.dumps(state))
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "results.json").write_text("[1, 2]")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "results.json").write_text('{"jobs": [')
    assert close_unfinished(tmp_path) == [tmp_path / "cut"]
    closed = json.loads((tmp_path / "cut" / "results.json").read_text())["jobs"][0]
    assert closed["status"] == "incomplete"
    assert closed["error"] == "the nightly was ended before this job was done"
    assert close_unfinished(tmp_path) == []


def _wait_for_status(settings: Settings, name: str, status: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for path in settings.runs_dir.glob("*/results.json"):
            if any(j["name"] == name and j["status"] == status for j in json.loads(path.read_text())["jobs"]):
                return
        time.sleep(0.2)
    pytest.fail(f"{name} never became {status}")


def _in_a_thread(function: object) -> None:
    """Call in another thread, as a lock of this thread may be taken again by it; raise what it raised."""
    assert callable(function)
    caught: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except WorkbenchError as err:
            caught.append(err)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]
