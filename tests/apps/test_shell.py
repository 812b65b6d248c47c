"""Pages are found, described and framed; a notebook that fails says so on its page."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from workbench import apps
from workbench.apps.server import refuse_taken
from workbench.apps.session import cells_of, run_page
from workbench.apps.shell import Page, find_pages, index_html
from workbench.errors import ConfigError


def write_notebook(folder: Path, stem: str, *cells: tuple[str, str], title: str = "# Title\n\nOne line.") -> Path:
    """Write a notebook of (tag, source) code cells below a markdown heading."""
    markdown: dict[str, Any] = {"cell_type": "markdown", "metadata": {}, "source": title, "id": "head"}
    code = [
        {
            "cell_type": "code", "metadata": {"tags": [tag] if tag else []}, "source": source, "id": f"c{i}",
            "outputs": [], "execution_count": None,
        }
        for i, (tag, source) in enumerate(cells)
    ]  # fmt: skip
    path = folder / f"{stem}.ipynb"
    path.write_text(json.dumps({"cells": [markdown, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def visit(page: Page) -> tuple[Any, str]:
    """Run a page as the server does and return its document and its HTML body."""
    from functools import partial

    from panel.io.application import Application
    from panel.io.handlers import FunctionHandler
    from panel.io.session import generate_session

    application = Application(FunctionHandler(partial(run_page, page=page, pages=(page,))))
    doc = generate_session(application).document
    return doc, doc.template_variables["wb"]["body"]


def page_of(folder: Path, stem: str, *cells: tuple[str, str]) -> Page:
    write_notebook(folder, stem, *cells)
    return next(p for p in find_pages(folder) if p.stem == stem)


def test_public_names_are_sorted_and_reachable() -> None:
    assert apps.__all__ == sorted(apps.__all__)
    assert all(callable(getattr(apps, name)) for name in apps.__all__)


def test_pages_are_described_by_their_first_cell(tmp_path: Path) -> None:
    write_notebook(tmp_path, "zebra", title="# Zebra\n\n**Bold** question\nover two lines?\n\nMore.")
    write_notebook(tmp_path, "backtest")
    pages = find_pages(tmp_path)
    assert [p.stem for p in pages] == ["backtest", "zebra"]
    assert (pages[1].title, pages[1].summary) == ("Zebra", "Bold question over two lines?")


def test_an_unreadable_notebook_still_gets_a_card(tmp_path: Path) -> None:
    (tmp_path / "torn.ipynb").write_text('{"cells": [')
    page = find_pages(tmp_path)[0]
    assert "cannot be read" in page.summary
    _, body = visit(page)
    assert "torn.ipynb failed" in body


def test_no_notebook_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WORKBENCH_NOTEBOOKS"):
        find_pages(tmp_path)


def test_the_index_escapes_titles_and_links_every_page(tmp_path: Path) -> None:
    write_notebook(tmp_path, "odd", title="# <b>x</b>\n\n<script>alert(1)</script>")
    page = index_html(find_pages(tmp_path), tmp_path)
    assert 'href="/odd"' in page
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
    assert "Not financial advice" in page


def test_templates_name_no_other_machine() -> None:
    from workbench.apps import shell

    text = shell.style_sheet() + shell.script() + shell.template("page.j2") + shell.template("index.j2")
    assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text)
    assert "@import" not in text


def test_only_the_servable_object_shows(tmp_path: Path) -> None:
    page = page_of(
        tmp_path, "three", ("setup", "import panel as pn"), ("report", "raise RuntimeError('hidden in the app')"),
        ("check", "assert False"), ("app", "pn.pane.HTML('here').servable()"),
    )  # fmt: skip
    doc, body = visit(page)
    assert body == ""
    assert len([r for r in doc.roots if type(r).__name__ == "HTML"]) == 1
    assert [c.tag for c in cells_of(page)] == ["setup", "app"]


def test_the_page_knows_that_it_is_served(tmp_path: Path) -> None:
    page = page_of(tmp_path, "name", ("app", "import panel as pn\npn.pane.HTML(__name__).servable()"))
    doc, _ = visit(page)
    assert next(r for r in doc.roots if type(r).__name__ == "HTML").text.startswith("bokeh_app_")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "from workbench.errors import DataError\nraise DataError('no bars of <X>; import a file')",
            "no bars of &lt;X&gt;",
        ),
        ("def broken(", "SyntaxError"),
        ("import no_such_library", "no_such_library"),
        ("x = 1", "no cell that ends in .servable()"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_failing_cell_becomes_an_error_panel(tmp_path: Path, source: str, told: str) -> None:
    _, body = visit(page_of(tmp_path, "bad", ("app", source)))
    assert told in body
    assert 'role="alert"' in body
    assert "bad.ipynb" in body


def test_a_mended_notebook_works_without_a_new_server(tmp_path: Path) -> None:
    page = page_of(tmp_path, "mended", ("app", "1 / 0"))
    assert "division" in visit(page)[1]
    write_notebook(tmp_path, "mended", ("app", "import panel as pn\npn.pane.HTML('well again').servable()"))
    assert visit(page)[1] == ""


@pytest.mark.parametrize("port", [0, -1, 70000])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match="between 1 and 65535"):
        refuse_taken(port)


def test_a_taken_port_names_the_cure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} on 127.0.0.1 cannot be used.*--port"):
            refuse_taken(port)
