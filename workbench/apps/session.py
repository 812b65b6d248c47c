"""One visit to a page: the notebook's cells run in order, and what they made servable is put into the shell.

Panel's own notebook handler would run the report cells too and leave a blank page when a cell fails. Here cells tagged
``report`` and ``check`` are left out, since their output is hidden in the app, and a failing cell becomes an error
panel that names the cell, what went wrong and the cure.
"""

from __future__ import annotations

import ast
import html
import json
import traceback
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from workbench.apps.shell import Page, template, variables
from workbench.errors import WorkbenchError
from workbench.ops import get_logger

SKIPPED = ("report", "check")

_log = get_logger("apps")
_compiled: dict[str, tuple[tuple[float, int], list[Cell]]] = {}


@dataclass(frozen=True)
class Cell:
    """One compiled code cell."""

    number: int
    tag: str
    code: CodeType


def run_page(doc: Any, page: Page, pages: Sequence[Page]) -> None:
    """Fill a Bokeh document with a notebook's page; a failure becomes an error panel, never a blank page."""
    doc.title = page.title
    module = ModuleType(f"bokeh_app_{uuid.uuid4().hex}")
    doc.modules.add(module)
    body, cell = "", None
    try:
        for cell in cells_of(page):
            exec(cell.code, module.__dict__)  # noqa: S102 - running the notebook is the page's purpose
        if not doc.roots:
            body = error_panel("This page shows nothing.", f"{page.path.name} has no cell that ends in .servable()", "")
    except (Exception, SystemExit) as err:  # noqa: BLE001 - whatever a notebook raises is shown and logged
        doc.clear()
        _log.warning("page failed", page=page.stem, error=f"{type(err).__name__}: {err}")
        where = f" in cell {cell.number} ({cell.tag or 'untagged'})" if cell else ""
        body = error_panel(f"{page.path.name} failed{where}.", *describe(err))
    doc.title = page.title
    doc.template = template("page.j2")
    doc.template_variables.update(variables(pages, page, body=body))


def cells_of(page: Page) -> list[Cell]:
    """Return the cells that the app runs, compiled once per version of the file."""
    stat = page.path.stat()
    version = (stat.st_mtime, stat.st_size)
    known = _compiled.get(str(page.path))
    if known is None or known[0] != version:
        known = (version, _compile(page))
        _compiled[str(page.path)] = known
    return known[1]


def _compile(page: Page) -> list[Cell]:
    cells = json.loads(page.path.read_text(encoding="utf-8"))["cells"]
    compiled = []
    for number, cell in enumerate((c for c in cells if c["cell_type"] == "code"), start=1):
        tags = cell.get("metadata", {}).get("tags", [])
        source = "".join(cell["source"])
        if any(t in SKIPPED for t in tags) or not source.strip():
            continue
        name = f"{page.path.name}, cell {number}"
        compiled.append(Cell(number, tags[0] if tags else "", compile(ast.parse(source, name), name, "exec")))
    return compiled


def describe(err: BaseException) -> tuple[str, str]:
    """Return what went wrong in one line, and the traceback where the error is not one that we raise on purpose."""
    if isinstance(err, WorkbenchError):
        return str(err), ""
    return f"{type(err).__name__}: {err}", "".join(traceback.format_exception(err)[-6:])


def error_panel(headline: str, what: str, details: str) -> str:
    """Return the HTML of an error panel: what failed, why, the cure, and details to copy."""
    more = f"<details><summary>Details</summary><pre>{html.escape(details)}</pre></details>" if details else ""
    return (
        f'<section class="wb-error" role="alert"><h2>✗ {html.escape(headline)}</h2><p>{html.escape(what)}</p>{more}'
        '<p class="wb-cure">Mend it and reload this page, or '
        '<a href="?">open it without the address\'s parameters</a>.</p></section>'
    )
