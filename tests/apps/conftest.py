"""A seeded run and seeded bars for the tests of charts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest

from workbench.tracking import RunRecord

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workbench_synthetic", Path(__file__).parents[1] / "synthetic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_synthetic = _load()


@pytest.fixture(scope="session")
def record() -> RunRecord:
    """One finished run with every frame."""
    return _synthetic.synthetic_record()


@pytest.fixture(scope="session")
def factor_record() -> RunRecord:
    """One finished factor report with every frame."""
    return _synthetic.synthetic_factor_record()


@pytest.fixture(scope="session")
def bars() -> pd.DataFrame:
    """1,500 business days of two symbols."""
    return _synthetic.synthetic_bars()


@pytest.fixture(scope="session")
def make_bars() -> Callable[..., pd.DataFrame]:
    """Make other seeded bars."""
    return _synthetic.synthetic_bars


@pytest.fixture(scope="session")
def make_record() -> Callable[..., RunRecord]:
    """Make other seeded records."""
    return _synthetic.synthetic_record


@dataclass
class Visit:
    """What a page asked for and said while it was open."""

    page: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return all text of the page, shadow roots included."""
        return self.page.evaluate(
            """() => {
                 const words = c => c.nodeType == 3 ? c.data : ['SCRIPT', 'STYLE'].includes(c.nodeName) ? ''
                   : (c.shadowRoot ? walk(c.shadowRoot) : '') + walk(c);
                 const walk = n => [...(n?.childNodes ?? [])].map(words).join(' ');
                 return walk(document.body) }"""
        )

    def wait_for(self, *texts: str, seconds: float = 60) -> str:
        """Wait until all texts are on the page."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            seen = self.text()
            if all(t.casefold() in seen.casefold() for t in texts):
                return seen
            self.page.wait_for_timeout(50)
        raise AssertionError(f"not seen: {[t for t in texts if t.casefold() not in seen.casefold()]} in {seen[:1500]}")

    def drawn(self) -> None:
        """Wait until a chart's canvas holds more than one colour."""
        self.page.wait_for_function(
            """() => { const find = n => [...n.querySelectorAll('*')].flatMap(e => [
                 ...(e.nodeName == 'CANVAS' ? [e] : []),
                 ...(e.shadowRoot ? find(e.shadowRoot) : [])]);
                 return find(document).some(c => { if (!c.width || !c.height) return false;
                   const d = c.getContext('2d')?.getImageData(0, 0, c.width, c.height).data; if (!d) return false;
                   const colours = new Set();
                   for (let i = 0; i < d.length; i += 4 * 97) colours.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
                   return colours.size > 3; }) }""",
            timeout=60_000,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _served(home: Path, notebooks: Path, **variables: str) -> Iterator[str]:
    """Run ``workbench app`` on a free port, and see that SIGTERM stops it cleanly."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    environment |= {
        "WORKBENCH_HOME": str(home),
        "WORKBENCH_NOTEBOOKS": str(notebooks),
        "OMP_NUM_THREADS": "1",
        **variables,
    }
    command = [sys.executable, "-m", "workbench", "app", "--port", str(port)]
    process = subprocess.Popen(
        command, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port}/" in line, line + process.stdout.read()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)[0]
    assert process.returncode == 0, told
    assert "Traceback" not in told, told


@pytest.fixture(scope="session")
def served() -> Callable[..., AbstractContextManager[str]]:
    """Serve a home's pages while a block lasts: ``with served(home, notebooks, NAME="value") as url``."""
    return _served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for the module."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed; 'apt-get install chromium' brings it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[[str], Visit]]:
    """Open an address in a fresh profile and record what it asks for."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    seen = Visit(page)
    page.on("request", lambda r: seen.requests.append(r.url))
    page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: seen.errors.append(str(e)))

    def go(url: str) -> Visit:
        page.goto(url)
        return seen

    yield go
    own = [urlsplit(u.removeprefix("blob:")) for u in seen.requests]
    outside = [u for u in own if u.scheme != "data" and u.hostname != "127.0.0.1"]
    assert not outside
    assert not seen.errors
    context.close()
