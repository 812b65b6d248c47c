"""A headless Chromium walks every page of a real server: what a person sees, and that nothing leaves the machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from workbench.config import load_settings
from workbench.tracking import RunRecord, write_record

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "live_chart": ("SPX, last price", "Replay clock", "Play"),
    "risk_center": ("NORMAL", "Expected shortfall", "Open positions"),
    "backtest": ("not promotable", "Trials on this data", "5 + 2 bp", "max drawdown"),
    "train": ("Accuracy, out of sample", "Learning"),
    "features": ("2 of 5 features found", "Rank IC", "Most like"),
    "data": ("Series shown", "22,020", "1999-01-04"),
}
NOTEBOOKS = sorted(f"/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb"))

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory,
    record: RunRecord,
    make_record: Callable[..., RunRecord],
    factor_record: RunRecord,
) -> Path:
    """A home with two backtests, one training and one factor report."""
    folder = tmp_path_factory.mktemp("home")
    settings = load_settings({"WORKBENCH_HOME": str(folder)})
    write_record(record, settings)
    write_record(make_record("ffb2c3d4e5f60718293a4b5c6d7e8f90", seed=9), settings)
    write_record(make_record("00b2c3d4e5f60718293a4b5c6d7e8f90", notebook="train"), settings)
    write_record(factor_record, settings)
    return folder


@pytest.fixture(scope="module")
def address(home: Path, served: Any) -> Iterator[str]:
    """The project's own notebooks, served."""
    with served(home, ROOT / "notebooks") as url:
        yield url


_MODELS = "[...Bokeh.documents[0]._all_models.values()]"
_N_BARS = f"() => {_MODELS}.find(m => m.type == 'ColumnDataSource' && m.data.i).data.i.length"
_NEWEST = f"() => {_MODELS}.find(m => m.type == 'ColumnDataSource' && m.data.i).data.i.at(-1)"
_RANGES = f"() => {{ const r = {_MODELS}.find(m => m.type == 'Range1d'); return [r.start, r.end]; }}"


def ranges(seen: Any) -> list[float]:
    """Return start and end of the x range of the live chart."""
    return seen.page.evaluate(_RANGES)


def n_bars(seen: Any) -> int:
    """Return how many bars the browser holds of the live chart."""
    return seen.page.evaluate(_N_BARS)


def drag_back(seen: Any) -> None:
    """Drag the chart to earlier bars; again where a slow machine let the button rest so long that it was a press."""
    left = seen.page.locator("#wb-content").bounding_box()["x"]
    for _attempt in range(5):
        start, newest = ranges(seen)[0], seen.page.evaluate(_NEWEST)
        seen.page.mouse.move(left + 500, 500)
        seen.page.mouse.down()
        seen.page.mouse.move(left + 900, 500, steps=6)
        seen.page.mouse.up()
        now = ranges(seen)
        if now[0] < start and now[1] < newest:
            return
    raise AssertionError(f"five drags moved nothing: the view starts at {now[0]}, before at {start}")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("stem", list(PAGES))
def test_every_page_shows_its_chart_and_its_numbers(
    address: str, visit: Callable[[str], Any], stem: str, theme: str, tmp_path: Path
) -> None:
    seen = visit(f"{address}/{stem}?theme={theme}")
    text = seen.wait_for(*PAGES[stem], "Not financial advice")
    assert "failed in cell" not in text
    seen.drawn()
    assert seen.page.evaluate("document.documentElement.dataset.theme") == theme
    links = seen.page.eval_on_selector_all("nav a", "links => links.map(a => a.getAttribute('href'))")
    assert sorted(links) == NOTEBOOKS
    picture = tmp_path / f"{stem}_{theme}.png"
    seen.page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 20_000


def test_the_index_leads_to_every_page(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(f"{address}/")
    seen.wait_for("Risk center", "Not financial advice")
    assert seen.page.locator(".wb-card").count() == len(NOTEBOOKS)
    seen.page.locator(".wb-card", has_text="Risk center").click()
    seen.wait_for("NORMAL")
    seen.page.locator("nav a", has_text="Data").click()
    seen.wait_for("Series shown")


def test_dark_and_light_is_remembered_and_repaints_charts(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(f"{address}/backtest")
    seen.wait_for("Overview")
    seen.drawn()
    before = seen.page.evaluate("document.documentElement.dataset.theme")
    corner = {"x": 230, "y": 330, "width": 60, "height": 200}
    first = seen.page.screenshot(clip=corner)
    seen.page.click("#wb-theme")
    after = seen.page.evaluate("document.documentElement.dataset.theme")
    assert {before, after} == {"dark", "light"}
    seen.page.wait_for_timeout(400)
    assert seen.page.screenshot(clip=corner) != first
    visit(f"{address}/train").wait_for("Learning")
    assert seen.page.evaluate("document.documentElement.dataset.theme") == after


def test_the_live_chart_advances_and_leaves_the_users_view_alone(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(f"{address}/live_chart?window=120&speed=10&start=2010-01-04")
    seen.wait_for("paused")
    seen.drawn()
    bars, (_, end) = n_bars(seen), ranges(seen)
    seen.page.get_by_role("button", name="Play").click()
    seen.page.wait_for_function(f"() => ({_N_BARS})() >= {bars + 5}", timeout=60_000)
    assert ranges(seen)[1] > end  # at the right edge the view follows
    drag_back(seen)
    held, now = ranges(seen), n_bars(seen)
    seen.page.wait_for_function(f"() => ({_N_BARS})() >= {now + 5}", timeout=60_000)
    assert ranges(seen) == held  # once moved it stays
    seen.page.get_by_role("button", name="Latest").click()
    seen.page.wait_for_function(f"() => ({_RANGES})()[1] > {held[1]}", timeout=60_000)
    seen.page.get_by_role("button", name="Pause").click()
    seen.wait_for("paused")
    for step in range(5):
        seen.page.mouse.move(700 + step, 420)
    seen.wait_for("open:", "close:")  # the tooltip of the bar under the pointer
    bars = n_bars(seen)
    seen.page.locator("h1").click()
    seen.page.keyboard.press(".")
    seen.page.wait_for_function(f"() => ({_N_BARS})() == {bars + 1}", timeout=60_000)
    seen.page.keyboard.press(" ")
    seen.wait_for("playing")
    seen.page.keyboard.press(" ")
    seen.wait_for("paused")


def test_another_symbol_loads_in_place(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(f"{address}/live_chart")
    seen.wait_for("SPX, last price")
    seen.page.get_by_label("Symbol").select_option("AAPL")
    seen.wait_for("AAPL, last price")
    seen.page.wait_for_function("() => location.search.includes('symbol=AAPL')")
    seen.drawn()


def test_another_run_is_shown_and_its_address_kept(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(f"{address}/backtest?run=a1b2c3d4")
    seen.wait_for("run a1b2c3d4")
    labels = seen.page.get_by_label("Run").locator("option").all_inner_texts()
    seen.page.get_by_label("Run").select_option(label=next(t for t in labels if "ffb2c3d4" in t))
    seen.wait_for("run ffb2c3d4")
    seen.page.wait_for_function("() => location.search.includes('run=ffb2c3d4')")


def test_tabs_of_a_backtest_open(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(f"{address}/backtest")
    for tab, told in [("Folds", "purged"), ("Trades", "round trips"), ("Lineage", "lock hash")]:
        seen.page.get_by_text(tab, exact=True).first.click()
        seen.wait_for(told)
    seen.page.get_by_text("Periods", exact=True).first.click()  # a chart alone: its words are pixels
    deadline = time.monotonic() + 60
    while "lock hash" in seen.text().casefold() and time.monotonic() < deadline:
        seen.page.wait_for_timeout(50)
    assert "lock hash" not in seen.text().casefold()
    seen.drawn()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("symbol=DOGE", "DOGE"),
        ("windw=60", "Did you mean 'window'?"),
        ("window=3", "greater than or equal to 20"),
        ("window=many", "must give a whole number, got 'many'"),
    ],
)
def test_a_wrong_address_is_told_on_the_page(address: str, visit: Callable[[str], Any], query: str, told: str) -> None:
    visit(f"{address}/live_chart?{query}").wait_for("failed in cell", told, "open it without the address's parameters")


def test_an_empty_home_says_what_to_run(visit: Callable[[str], Any], served: Any, tmp_path: Path) -> None:
    with served(tmp_path, ROOT / "notebooks") as url:
        for stem in ("backtest", "risk_center", "train", "features"):
            visit(f"{url}/{stem}").wait_for("Run this in a terminal", "workbench ")


def test_the_server_answers_on_loopback_to_its_own_pages_only(address: str) -> None:
    port = urlsplit(address).port
    assert port is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=2).close()
    handshake = (
        "GET /live_chart/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://evil.example\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(handshake.encode())
        assert b" 403 " in connection.recv(100)


def test_a_taken_port_is_one_line_and_exit_code_2(address: str, home: Path) -> None:
    command = [sys.executable, "-m", "workbench", "app", "--port", str(urlsplit(address).port)]
    environment = {**os.environ, "WORKBENCH_HOME": str(home), "WORKBENCH_NOTEBOOKS": str(ROOT / "notebooks")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.benchmark
def test_time_to_the_first_and_later_charts(
    home: Path, visit: Callable[[str], Any], served: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    with served(home, ROOT / "notebooks") as url:
        seen = visit(f"{url}/live_chart")
        seen.drawn()
        times = {"command to first chart": time.perf_counter() - began}
        for stem in ("backtest", "risk_center", "train", "data"):
            began = time.perf_counter()
            visit(f"{url}/{stem}").drawn()
            times[stem] = time.perf_counter() - began
    with capsys.disabled():
        print("".join(f"\n  {name:24} {seconds:5.2f} s" for name, seconds in times.items()))
    assert len(times) == 5
