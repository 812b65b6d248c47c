"""The whole thing as a user starts it: the sample nightly, and the pages in a real browser."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.config import load_settings

ROOT = Path(__file__).resolve().parents[2]
Report = Callable[[str, str, str], None]
pytestmark = pytest.mark.benchmark
LOADED_PAGES = ("backtest", "train", "risk_center", "data", "features")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the shipped notebooks and experiments."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "experiments").mkdir()
    for path in (ROOT / "experiments").glob("*.yaml"):
        shutil.copy(path, folder / "experiments")
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_HOME", str(folder))
    patch.setenv("WORKBENCH_NOTEBOOKS", str(ROOT / "notebooks"))
    yield folder
    patch.undo()


@pytest.mark.timeout(900)
def test_the_sample_nightly(home: Path, report: Report) -> None:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "workbench", "nightly", "--json"], capture_output=True, check=False)
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr[-2000:]
    jobs = json.loads(done.stdout)["jobs"]
    largest = max(job["peak_rss"] for job in jobs)
    report("the sample nightly", f"{took:.0f} s, {sum(j['status'] == 'ok' for j in jobs)} jobs", "<= 240 s")
    report("the sample nightly, largest process", f"{largest / 2**20:.0f} MB", "<= 2048 MB")


def test_first_page_and_later_pages(home: Path, report: Report) -> None:
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("no Chromium on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert load_settings().home == home
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        began = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "-m", "workbench", "app", "--port", str(port)], stdout=subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            server.stdout.readline()
            times = {}
            for name in ("live_chart", *LOADED_PAGES):
                page.goto(f"http://127.0.0.1:{port}/{name}")
                page.wait_for_selector("canvas", timeout=60_000)
                times[name] = time.perf_counter() - began
                began = time.perf_counter()
        finally:
            server.terminate()
            server.wait(30)
            browser.close()
    report("first page with its chart drawn", f"{times['live_chart']:.1f} s after the command", "<= 6 s")
    report("later pages", ", ".join(f"{name} {times[name]:.1f} s" for name in LOADED_PAGES), "<= 3 s")
