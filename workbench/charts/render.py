"""From a chart to a Bokeh model, to a piece of HTML, and into a notebook: all without asking any other machine."""

from __future__ import annotations

import html
from typing import Any

from workbench.charts.figure import holoviews
from workbench.charts.theme import theme_css


def to_bokeh(chart: Any) -> Any:
    """Return the Bokeh model of a chart: HoloViews objects are rendered, Bokeh models pass through."""
    from bokeh.models import Model

    if isinstance(chart, Model):
        return chart
    hv = holoviews()
    return hv.render(chart, backend="bokeh")


def html_fragment(chart: Any) -> str:
    """Return a ``<div>`` and the script that fills it; the page must hold BokehJS (see `bokeh_scripts`)."""
    from bokeh.embed import components

    script, div = components(to_bokeh(chart))
    return f"{div}\n{script}"


def bokeh_scripts() -> str:
    """Return BokehJS and the light colours inline, to stand once in a page that shows charts (1.3 MB)."""
    from importlib.resources import files

    # Not bokeh.resources: once Panel is imported, it adds scripts of its own there, by address.
    code = (files("bokeh") / "server" / "static" / "js" / "bokeh.min.js").read_text(encoding="utf-8")
    return f'<script>{code}\nBokeh.set_log_level("warn");</script>\n<style>{theme_css("light")}</style>'


def html_page(charts: list[Any], *, title: str, mode: str = "auto") -> str:
    """Return one self-contained page with the charts below each other; it opens with no network."""
    body = "\n".join(f"<section>{html_fragment(c)}</section>" for c in charts)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"{bokeh_scripts()}<style>{theme_css(mode)}body{{background:var(--chart-paper)}}</style></head><body>{body}</body></html>"
    )


def enable_notebook() -> None:
    """Let charts show themselves in a notebook, with BokehJS written into the notebook once (1.3 MB, no CDN).

    Call it in the setup cell. Afterwards a cell that ends in a chart shows it, in JupyterLab and in the executed
    notebook that becomes the report. Outside IPython it does nothing.
    """
    shell = _shell()
    if shell is None:
        return
    from bokeh.models import LayoutDOM
    from IPython.display import HTML, display

    holoviews()
    from holoviews.core import Dimensioned

    for kind in (Dimensioned, LayoutDOM):
        shell.display_formatter.mimebundle_formatter.for_type(kind, _mimebundle)
    display(HTML(bokeh_scripts()))


def _shell() -> Any:
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    return get_ipython()


def _mimebundle(chart: Any, **_choices: Any) -> tuple[dict[str, str], dict[str, str]]:
    return {"text/html": html_fragment(chart), "text/plain": f"<chart {type(chart).__name__}>"}, {}
