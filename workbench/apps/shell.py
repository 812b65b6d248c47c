"""The frame around every page: navigation, clock, dark and light, and the line that this is no advice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workbench.charts import theme_css
from workbench.errors import ConfigError

_HERE = Path(__file__).parent
GROUPS = {
    "Watch": ("live_chart", "risk_center"),
    "Backtests": ("backtest", "sweep", "walkforward", "compare", "truth"),
    "Models and data": ("train", "features", "data"),
}
OTHER = "More"
"""Group of the notebooks that no group names."""
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='3' fill='%2310202b'/%3E"
    "%3Cpath d='M4 3v10M8 5v8M12 2v9' stroke='%233cc0ae' stroke-width='2'/%3E%3C/svg%3E"
)


@dataclass(frozen=True)
class Page:
    """A notebook as a page: its stem is its address, its first markdown cell its title and summary."""

    stem: str
    title: str
    summary: str
    path: Path

    @property
    def group(self) -> str:
        """The heading below which navigation and index list the page."""
        return next((name for name, stems in GROUPS.items() if self.stem in stems), OTHER)


def find_pages(folder: Path) -> tuple[Page, ...]:
    """Return the notebooks of a folder as pages, known ones first in the order of the rail.

    Raises
    ------
    ConfigError
        When there is no notebook in the folder.
    """
    paths = sorted(p for p in folder.glob("*.ipynb") if not p.name.startswith("."))
    if not paths:
        raise ConfigError(f"there is no notebook in {folder}; set WORKBENCH_NOTEBOOKS to a folder with *.ipynb files")
    rank = {stem: i for i, stem in enumerate(s for stems in GROUPS.values() for s in stems)}
    return tuple(sorted((_page(p) for p in paths), key=lambda p: (rank.get(p.stem, len(rank)), p.stem)))


def _page(path: Path) -> Page:
    title, summary = path.stem.replace("_", " ").capitalize(), ""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        first = next(c for c in cells if c["cell_type"] == "markdown")
        lines = [line.strip() for line in "".join(first["source"]).splitlines()]
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return Page(path.stem, title, "This notebook cannot be read; the page says why.", path)
    if lines and lines[0].startswith("# "):
        title, lines = lines[0][2:].strip(), lines[1:]
    summary = " ".join(next(_paragraphs(lines), []))
    return Page(path.stem, title, _plain(summary), path)


def _paragraphs(lines: Sequence[str]) -> Any:
    block: list[str] = []
    for line in [*lines, ""]:
        if line:
            block.append(line)
        elif block:
            yield block
            block = []


def _plain(text: str, limit: int = 180) -> str:
    text = text.replace("**", "").replace("`", "").replace("*", "")
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " …"


@cache
def style_sheet() -> str:
    """Return the CSS of the shell and of the charts."""
    return theme_css("auto") + (_HERE / "shell.css").read_text(encoding="utf-8")


@cache
def script() -> str:
    """Return the JavaScript of the shell."""
    return (_HERE / "shell.js").read_text(encoding="utf-8")


@cache
def template(name: str) -> str:
    """Return the source of a template: ``page.j2`` or ``index.j2``."""
    return (_HERE / name).read_text(encoding="utf-8")


def variables(pages: Sequence[Page], current: Page | None = None, folder: str = "", body: str = "") -> dict[str, Any]:
    """Return what the templates fill in, under the one name ``wb``."""
    return {
        "wb": {
            "css": style_sheet(),
            "js": script(),
            "icon": ICON,
            "pages": pages,
            "stem": current.stem if current else "",
            "title": current.title if current else "",
            "folder": folder,
            "body": body,
        }
    }


def index_html(pages: Sequence[Page], folder: Path) -> str:
    """Return the page at ``/``: one card per notebook."""
    from jinja2 import Environment

    environment = Environment(autoescape=False)  # noqa: S701 - the template escapes each text itself, CSS and JS are ours
    return environment.from_string(template("index.j2")).render(**variables(pages, folder=folder.name))
