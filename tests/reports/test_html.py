"""Reports as single files: what they show, what they hide, and that they ask nobody for anything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from workbench.charts import drawdown_chart, equity_chart, html_fragment, metrics_table
from workbench.charts.render import bokeh_scripts
from workbench.reports import Banner, render_notebook
from workbench.reports.index import render_index

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
CHROMIUM = os.environ.get("WORKBENCH_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def code(source: str, *outputs: Any, tag: str = "report", started: bool = True) -> nbformat.NotebookNode:
    cell = new_code_cell(source, metadata={"tags": [tag], "papermill": {"start_time": "now" if started else None}})
    cell.outputs = list(outputs)
    return cell


def shown(html: str) -> nbformat.NotebookNode:
    return new_output("display_data", data={"text/html": html, "text/plain": "<chart>"})


def notebook(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    opening = new_markdown_cell("# Backtest\n\nDoes it earn anything?\n\n**Inputs**: bars.\n\nTiming: next open.")
    return new_notebook(cells=[opening, *cells])


def render(*cells: nbformat.NotebookNode, **changed: Any) -> str:
    return render_notebook(notebook(*cells), **{"title": "A title", "parameters": {"horizon": 5}, **changed})


def test_the_head_of_a_report() -> None:
    page = render(name="momentum-SPX", started="2026-01-31T02:00:00+00:00", index="../index.html")
    head = page[page.index("<body") : page.index("<main>")]
    assert "<title>A title</title>" in page
    assert "<h1>A title</h1>" in head
    assert "Backtest · momentum-SPX" in head
    assert "2026-01-31 02:00:00 UTC" in head
    assert "Does it earn anything?" in head
    assert "About this report" in head
    assert "<dt>horizon</dt><dd>5</dd>" in head
    assert 'href="../index.html"' in head
    assert "Not financial advice" in head


def test_text_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    page = render(
        code("x = 1", new_output("stream", name="stdout", text=evil)),
        title=evil, name=evil, parameters={evil: evil, "symbols": [evil]}, banner=Banner("failed", evil, evil, evil),
    )  # fmt: skip
    assert evil not in page
    assert page.count("&lt;script&gt;alert(1)") >= 6


def test_papermill_s_own_cells_are_left_out() -> None:
    page = render(
        code("horizon = 99", tag="injected-parameters"),
        new_markdown_cell("gone", metadata={"tags": ["papermill-error-cell-tag"]}),
    )
    assert "99" not in page[page.index("<main>") :]
    assert "gone" not in page


def test_tags_that_fetch_files_are_cut() -> None:
    html = (
        '<script src="https://cdn.example/x.js"></script><link rel="stylesheet" href="https://cdn.example/x.css">'
        '<script src="static/x.js" type="module"></script><b>kept</b><script>let kept = "<b>";</script>'
    )
    page = render(code("chart", shown(html)))
    assert "cdn.example" not in page
    assert "static/x.js" not in page
    assert "<b>kept</b>" in page
    assert 'let kept = "<b>";' in page


def test_a_stopped_report_ends_where_it_stopped() -> None:
    page = render(
        code("first()", new_output("stream", text="one")),
        code("second()", new_output("error", ename="ValueError", evalue="no", traceback=["Traceback line"])),
        new_markdown_cell("## Never reached"),
        code("third()", started=False),
        banner=Banner("failed", "ValueError: no", "code cell 2 (report): second()", "\x1b[31mTraceback line\x1b[0m"),
    )
    head = page[: page.index("<main>")]
    assert "ValueError: no" in head
    assert "code cell 2 (report): second()" in head
    assert "Traceback line" in head
    assert "\x1b" not in page
    assert "1 further code cells were not run" in page
    assert "Never reached" not in page


def test_a_timeout_is_named() -> None:
    assert "Out of time" in render(banner=Banner("timeout", "ran longer than its limit of 5 s"))


def test_no_address_of_another_machine_is_in_a_page_without_charts() -> None:
    page = render(code("1", shown("<b>1</b>")))
    assert "http://" not in page
    assert "https://" not in page


def _charts() -> str:
    rng = np.random.default_rng(1)
    index = pd.date_range("2020-01-01", periods=500, freq="B", tz="UTC", name="time")
    names = ["strategy", "zero", "persistence", "buy_and_hold"]
    returns = pd.DataFrame(rng.normal(0.0004, 0.01, (500, 4)), index=index, columns=names)
    table = metrics_table({"sharpe_ratio": 0.5, "annual_return": 0.1}, {"zero": {"sharpe_ratio": 0.0}})
    return render(
        code("import workbench as wb", shown(bokeh_scripts()), tag="setup"),
        new_markdown_cell("## Equity"),
        code("equity", shown(html_fragment(equity_chart(returns)))),
        code("drawdown", shown(html_fragment(drawdown_chart(returns)))),
        code("table", shown(table._repr_html_())),
        code("check", new_output("stream", text="✓ every bar has a net return\n"), tag="check"),
    )


@pytest.fixture
def browser() -> Any:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium; install it with 'make chromium'")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def _open(browser: Any, path: Path, scheme: str) -> tuple[Any, list[str], list[str]]:
    """Open a file with every other request blocked and noted."""
    page = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}).new_page()
    asked: list[str] = []
    errors: list[str] = []

    def decide(route: Any) -> None:
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", decide)
    page.on("console", lambda m: errors.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(path.as_uri())
    return page, asked, errors


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_opens_with_no_network(browser: Any, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(_charts())
    page, asked, errors = _open(browser, path, scheme)
    page.wait_for_function("() => window.Bokeh && Bokeh.documents.length == 2", timeout=60_000)
    page.locator("canvas").first.wait_for(timeout=60_000)
    assert page.locator("canvas").count() >= 2
    painted = page.evaluate(_PAINTED)
    assert painted > 50, "the chart's canvas holds more than one colour"
    assert page.locator("h1").inner_text() == "A title"
    assert page.get_by_text("Sharpe ratio", exact=False).first.is_visible()
    assert page.get_by_text("✓ every bar has a net return").is_visible()
    assert not page.locator(".code").first.is_visible()
    page.check("#show-code")
    assert page.get_by_text("import workbench as wb").is_visible()
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(23, 29, 35)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert asked == []
    assert errors == []


_PAINTED = """() => {
  const inside = (root) => [...root.querySelectorAll('*')].flatMap(
    (e) => [...(e.tagName == 'CANVAS' ? [e] : []), ...(e.shadowRoot ? inside(e.shadowRoot) : [])]);
  const colours = (c) => {
    if (!c.width || !c.height) return 0;
    const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();
    for (let i = 0; i < data.length; i += 4) seen.add(data[i] << 24 | data[i+1] << 16 | data[i+2] << 8 | data[i+3]);
    return seen.size;
  };
  return Math.max(...inside(document).map(colours));
}"""


@pytest.mark.browser
@pytest.mark.slow
def test_the_index_opens_with_no_network(browser: Any, tmp_path: Path) -> None:
    texts = dict.fromkeys(("title", "cell", "notebook_path", "sha256"), "")
    job = {"seconds": 12.0, "peak_rss": 2**28, **texts}
    metrics = {"annual_return": -0.021, "sharpe_ratio": -0.4, "max_drawdown": 0.2, "accuracy": float("nan")}
    trial = {"trial": 2, "n_trials": 9, "is_new": False}
    headline = {"metrics": metrics, "passed": False, "gates": ["a", "b"], **trial}
    jobs = [
        job | {"name": "good", "status": "ok", "error": "", "html_path": "good/report.html", "headline": headline},
        job | {"name": "bad", "status": "timeout", "error": "ran <long>", "html_path": "", "headline": {}},
        job | {"name": "cut", "status": "incomplete", "error": "ended", "html_path": "", "headline": {}},
    ]
    path = tmp_path / "index.html"
    path.write_text(render_index({"started": "2026-01-31T02:00:00+00:00", "seconds": 34.5, "jobs": jobs}))
    page, asked, errors = _open(browser, path, "light")
    text = page.locator("body").inner_text()
    words = ["1 done, 1 out of time, 1 incomplete", "−2.1 %", "−0.40", "refused", "by 2 gates", "2 of 9, seen before"]
    for word in [*words, "ran <long>", "12 s", "256 MB", "Not financial advice"]:
        assert word in text, word
    assert page.get_by_role("link", name="good").get_attribute("href") == "good/report.html"
    assert (asked, errors) == ([], [])
