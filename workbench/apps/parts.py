"""Pieces that pages are made of: cards, tiles, badges, empty states, charts and tables."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import panel as pn

from workbench.charts import to_bokeh

CARD = {
    "background": "var(--wb-card, #ffffff)",
    "border": "1px solid var(--wb-line, #d5dce2)",
    "border-radius": "10px",
    "padding": "10px 12px",
}
WIDGET_CSS = """
:host { color: var(--wb-ink, #1d252d); font-size: 13px; }
label { color: var(--wb-soft, #51606d); font-size: 12px; }
.bk-input, select.bk-input { background-color: var(--wb-card, #fff); color: var(--wb-ink, #1d252d); border-color: var(--wb-line, #b9c3cb);
  min-height: 30px; }
.bk-btn { min-height: 30px; min-width: 30px; }
.bk-btn-default { background: var(--wb-card, #fff); color: var(--wb-ink, #1d252d); border-color: var(--wb-line, #b9c3cb); }
.bk-btn-default:hover { background: var(--wb-bg, #f3f5f7); border-color: var(--wb-accent, #00796b); }
.bk-btn-default.bk-active { background: var(--wb-accent, #00796b); color: var(--wb-accent-ink, #fff); border-color: var(--wb-accent, #00796b); }
.bk-btn-primary { background: var(--wb-accent, #00796b); color: var(--wb-accent-ink, #fff); border-color: var(--wb-accent, #00796b); }
.bk-btn:focus-visible, .bk-input:focus-visible { outline: 2px solid var(--wb-focus, #2f7fc1); outline-offset: 1px; }
"""
TABS_CSS = """
:host { color: var(--wb-ink, #1d252d); }
.bk-header { border-bottom: 1px solid var(--wb-line, #d5dce2); }
.bk-tab { color: var(--wb-soft, #51606d); font-size: 14px; padding: 7px 14px; border: 0; background: transparent; min-height: 32px; }
.bk-tab.bk-active { color: var(--wb-ink, #1d252d); background: transparent; font-weight: 650; border: 0;
  box-shadow: inset 0 -3px 0 var(--wb-accent, #00796b); }
.bk-tab:focus-visible { outline: 2px solid var(--wb-focus, #2f7fc1); outline-offset: -2px; }
"""
_TILE_CSS = """<style>
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:10px}
.tile{background:var(--wb-card,#fff);border:1px solid var(--wb-line,#d5dce2);border-radius:10px;padding:9px 13px;min-width:0}
.tile .k{color:var(--wb-soft,#51606d);font-size:12px;line-height:1.3}
.tile .v{color:var(--wb-ink,#1d252d);font-size:20px;font-weight:650;font-variant-numeric:tabular-nums;line-height:1.35;white-space:nowrap}
.tile .n{color:var(--wb-soft,#51606d);font-size:11.5px;line-height:1.3}
.badge{display:inline-block;font-weight:700;font-size:13px;padding:4px 12px;border-radius:99px;white-space:nowrap}
.good{background:var(--wb-good-bg,#d9f0ec);color:var(--wb-good,#00695c)}
.warn{background:var(--wb-warn-bg,#fff0cc);color:var(--wb-warn,#7a5200)}
.bad{background:var(--wb-bad-bg,#fde3d2);color:var(--wb-bad,#a34500)}
.calm{background:var(--wb-bg,#f3f5f7);color:var(--wb-soft,#51606d);border:1px solid var(--wb-line,#d5dce2)}
</style>"""


@dataclass(frozen=True)
class Tile:
    """One number with its name, its unit in the text, and a note."""

    name: str
    value: str
    note: str = ""
    title: str = ""


def load_panel() -> None:
    """Load Panel's browser part when pages are shown in a notebook; on the server there is nothing to do."""
    if pn.state.curdoc is None and not pn.extension._loaded:
        pn.extension(inline=True)


def tiles(items: Sequence[Tile]) -> str:
    """Return the HTML of a row of tiles."""
    cells = "".join(
        f'<div class="tile" title="{html.escape(t.title)}"><div class="k">{html.escape(t.name)}</div>'
        f'<div class="v">{html.escape(t.value)}</div><div class="n">{html.escape(t.note) or "&nbsp;"}</div></div>'
        for t in items
    )
    return f'{_TILE_CSS}<div class="tiles">{cells}</div>'


def badge(text: str, kind: str, title: str = "") -> str:
    """Return the HTML of a badge; ``kind`` is good, warn, bad or calm, and the text says it without colour."""
    return f'{_TILE_CSS}<span class="badge {kind}" title="{html.escape(title)}">{html.escape(text)}</span>'


def markup(text: str = "", **layout: Any) -> Any:
    """Return an HTML pane as wide as its place."""
    return pn.pane.HTML(text, sizing_mode="stretch_width", margin=0, **layout)


def table(item: Any, *, height: int | None = None) -> Any:
    """Return a pane with a table of `workbench.charts`; above ``height`` pixels it scrolls."""
    layout = {"max_height": height, "styles": {"overflow-y": "auto"}} if height else {}
    return markup(item._repr_html_(), **layout)


def chart(item: Any) -> Any:
    """Return a pane with a chart of `workbench.charts`."""
    return pn.pane.Bokeh(to_bokeh(item), sizing_mode="stretch_width", margin=0)


def card(*objects: Any, **layout: Any) -> Any:
    """Return a bordered column."""
    return pn.Column(
        *objects,
        styles=CARD,
        sizing_mode=layout.pop("sizing_mode", "stretch_width"),
        margin=layout.pop("margin", (0, 0, 12, 0)),
        **layout,
    )


def beside(*objects: Any, weights: Sequence[int]) -> Any:
    """Return columns side by side in the proportion of ``weights``; below 900 px they stack."""
    template = " ".join(f"minmax(0, {w}fr)" for w in weights)
    css = f":host {{ display: grid; grid-template-columns: {template}; gap: 12px; align-items: start; }} "
    css += "@media (max-width: 900px) { :host { grid-template-columns: minmax(0, 1fr); } }"
    return pn.FlexBox(*objects, stylesheets=[css], sizing_mode="stretch_width", margin=0)


def empty_state(sentence: str, command: str) -> Any:
    """Return what a page shows when there is nothing yet: one sentence and the command that fixes it."""
    text = (
        f'<div role="status" style="padding:34px 26px;max-width:760px"><div style="font-size:17px;font-weight:650;'
        f'color:var(--wb-ink,#1d252d);margin-bottom:10px">{html.escape(sentence)}</div>'
        '<div style="color:var(--wb-soft,#51606d);margin-bottom:8px">Run this in a terminal, then reload the page:</div>'
        '<code style="display:inline-block;background:var(--wb-bg,#f3f5f7);color:var(--wb-ink,#1d252d);border:1px solid var(--wb-line,#d5dce2);'
        f'border-radius:6px;padding:8px 14px;font-size:14px;user-select:all">{html.escape(command)}</code></div>'
    )
    return card(markup(text))


def notice(text: str, kind: str = "warn") -> str:
    """Return the HTML of a band that says something about the data of a page."""
    return (
        f'<div role="status" style="background:var(--wb-{kind}-bg,#fff0cc);color:var(--wb-{kind},#7a5200);border-radius:8px;'
        f'padding:8px 14px;margin-bottom:10px">{html.escape(text)}</div>'
    )


class LazyTabs:
    """Tabs that build a page only when it is first opened, and again after `refresh`.

    Parameters
    ----------
    builders : list of (title, function)
        Each function returns the Panel objects of its tab.
    """

    def __init__(self, builders: Sequence[tuple[str, Callable[[], Sequence[Any]]]]) -> None:
        self._builders = [b for _, b in builders]
        self._columns = [pn.Column(sizing_mode="stretch_width", margin=(12, 0, 0, 0)) for _ in builders]
        self._built: set[int] = set()
        pairs = [(title, column) for (title, _), column in zip(builders, self._columns, strict=True)]
        self.view = pn.Tabs(*pairs, dynamic=True, sizing_mode="stretch_width", stylesheets=[TABS_CSS], margin=0)
        self.view.param.watch(lambda event: self._build(event.new), "active")
        self._build(0)

    def _build(self, position: int) -> None:
        if position not in self._built:
            self._columns[position].objects = list(self._builders[position]())
            self._built.add(position)

    def refresh(self) -> None:
        """Forget what was built and build the open tab anew, in place."""
        self._built.clear()
        self._build(self.view.active)
