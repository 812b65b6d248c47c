"""Fixture notebooks named after their defect, run once for all tests of a module."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workbench.config import DataParameters, Job, Settings, load_settings
from workbench.reports import JobResult, run_job

NOTEBOOKS = Path(__file__).parent / "notebooks"
NOW = datetime(2026, 1, 31, 2, tzinfo=UTC)
LIMITS = {"hangs": 20}
"""Seconds; long enough that a kernel on a busy machine has reached the cell that hangs."""


@pytest.fixture
def fixtures_home(tmp_path: Path) -> Settings:
    """An empty home whose notebooks are the fixture ones."""
    return load_settings({"WORKBENCH_HOME": str(tmp_path), "WORKBENCH_NOTEBOOKS": str(NOTEBOOKS)})


@pytest.fixture
def now() -> datetime:
    """The time of every nightly in these tests."""
    return NOW


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobResult]:
    """Every fixture notebook as a job, two at a time."""
    home = tmp_path_factory.mktemp("home")
    settings = load_settings({"WORKBENCH_HOME": str(home), "WORKBENCH_NOTEBOOKS": str(NOTEBOOKS)})
    names = sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb"))

    def one(name: str) -> JobResult:
        parameters = DataParameters(symbols=["SPX", 'A "quoted" {brace} \\ name'])
        job = Job(name, name, parameters, f"Fixture {name}", LIMITS.get(name, 60))
        return run_job(job, settings.runs_dir / "fixtures", settings, now=NOW)

    with ThreadPoolExecutor(2) as pool:
        return {r.name: r for r in pool.map(one, names)}
