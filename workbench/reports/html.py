"""An executed notebook as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEMPLATES = Path(__file__).parent / "templates"
DISCLAIMER = "Research output. Not financial advice."
_HIDDEN_TAGS = ("injected-parameters", "papermill-error-cell-tag")
_FETCHES = re.compile(r"<script\b[^>]*\bsrc=[^>]*>\s*</script>|<link\b[^>]*\bhref=[^>]*>", re.IGNORECASE)
"""Tags in an output that would fetch another file."""


@dataclass(frozen=True)
class Banner:
    """The notice on top of a report whose notebook did not finish."""

    status: str
    error: str
    cell: str = ""
    traceback: str = ""


def render_notebook(
    notebook: NotebookNode,
    *,
    title: str,
    parameters: Mapping[str, Any],
    name: str = "",
    started: str = "",
    banner: Banner | None = None,
    index: str = "",
) -> str:
    """Render an executed notebook with the report template.

    Code and printed text are hidden behind the switch "Show code"; charts and tables are shown; colours follow the
    reader's dark or light setting. Scripts are those inside the notebook (BokehJS once, by the setup cell).

    Parameters
    ----------
    notebook : NotebookNode
        Executed notebook; not changed.
    title : str
        Of the job; the notebook's own heading stands above it.
    parameters : mapping
        Shown under the title.
    name : str
        Of the job, such as ``sample_index-SPX``.
    started : str
        ISO time of the run.
    banner : Banner, optional
        Why and where the notebook stopped.
    index : str, optional
        Address of the index page to link to.

    Returns
    -------
    str
        A complete HTML document.
    """
    from nbconvert.exporters.html import HTMLExporter

    exporter = HTMLExporter(
        extra_template_basedirs=[str(TEMPLATES)],
        template_name="report",
        exclude_anchor_links=True,
        embed_images=True,
        mathjax_url="",
        require_js_url="",
        jquery_url="",
        mermaid_js_url="",
    )
    shown, intro = _introduced(_shown(notebook, banner is not None))
    report = {
        "title": title,
        "name": name,
        "parameters": {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in parameters.items()},
        "started": started.replace("T", " ").removesuffix("+00:00"),
        "banner": banner,
        "index": index,
        "disclaimer": DISCLAIMER,
        "css": _css(),
        **intro,
    }
    page, _ = exporter.from_notebook_node(shown, resources={"report": report})
    return page


def _introduced(notebook: NotebookNode) -> tuple[NotebookNode, dict[str, str]]:
    """Take the opening markdown apart: its heading, the question (first paragraph) and the rest, shown on demand."""
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        return notebook, {"kind": "", "question": "", "about": ""}
    heading, _, text = first.source.partition("\n")
    question, _, about = text.strip().partition("\n\n")
    notebook.cells = notebook.cells[1:]
    return notebook, {"kind": heading.removeprefix("# ").strip(), "question": question, "about": about}


def _shown(notebook: NotebookNode, stopped: bool) -> NotebookNode:
    """Return a copy without papermill's own cells, without tags that fetch files, and up to the cell that stopped."""
    import copy

    from nbformat.v4 import new_markdown_cell

    shown = copy.copy(notebook)
    shown.cells = [_offline(c) for c in notebook.cells if not set(c.metadata.get("tags", [])) & set(_HIDDEN_TAGS)]
    if stopped:
        ran = [n for n, c in enumerate(shown.cells) if c.metadata.get("papermill", {}).get("start_time")]
        code = [n for n in ran if shown.cells[n].cell_type == "code"]
        end = code[-1] + 1 if code else 0
        left = sum(c.cell_type == "code" for c in shown.cells[end:])
        note = [new_markdown_cell(f"*{left} further code cells were not run.*")] if left else []
        shown.cells = [*shown.cells[:end], *note]
    return shown


def _offline(cell: NotebookNode) -> NotebookNode:
    import copy

    pages = [o for o in cell.get("outputs", []) if "text/html" in o.get("data", {})]
    if not any(_FETCHES.search(o.data["text/html"]) for o in pages):
        return cell
    cell = copy.deepcopy(cell)
    for output in cell.outputs:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = _FETCHES.sub("", output.data["text/html"])
    return cell


def _css() -> str:
    from workbench.charts import theme_css

    own = (TEMPLATES / "report" / "report.css").read_text(encoding="utf-8")
    return theme_css("auto") + _syntax_css() + own


def _syntax_css() -> str:
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]  # nbconvert brings it, untyped

    light = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
