"""Pieces that pages are made of: cards, tiles, badges, empty states, charts and tables."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import panel as pn

from workbench.charts import Table, to_bokeh

CARD = {
    "background": "var(--wb-card, #ffffff)",
    "border": "1px solid var(--wb-line, #d5dce2)",
    "border-radius": "10px",
    "padding": "10px 12px",
}
WIDE = 640
"""Pixels that a chart with a long title or a legend of five needs."""
_HERE = Path(__file__).parent
WIDGET_CSS = (_HERE / "widgets.css").read_text(encoding="utf-8")
TABS_CSS = (_HERE / "tabs.css").read_text(encoding="utf-8")
_EMPTY_CSS = (_HERE / "empty.css").read_text(encoding="utf-8")
_HINT_CSS = (
    ".hint { color: var(--wb-soft, #51606d); font-size: 12px; } @media (max-width: 1250px) { .hint { display: none; } }"
)
_TILE_CSS = f"<style>{(_HERE / 'tiles.css').read_text(encoding='utf-8')}</style>"


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
        f'<div class="v"><span>{html.escape(t.value)}</span></div>'
        f'<div class="n">{html.escape(t.note) or "&nbsp;"}</div></div>'
        for t in items
    )
    return f'{_TILE_CSS}<div class="tiles">{cells}</div>'


def badge(text: str, kind: str, title: str = "") -> str:
    """Return the HTML of a badge; ``kind`` is good, warn, bad or calm, and the text says it without colour."""
    return f'{_TILE_CSS}<span class="badge {kind}" title="{html.escape(title)}">{html.escape(text)}</span>'


def markup(text: str = "", **layout: Any) -> Any:
    """Return an HTML pane as wide as its place."""
    return pn.pane.HTML(text, sizing_mode="stretch_width", margin=layout.pop("margin", 0), **layout)


def hint(text: str) -> Any:
    """Return a quiet line at the end of a bar of controls; on narrow windows it is left out."""
    css = f"<style>{_HINT_CSS}</style>"
    return markup(f'{css}<span class="hint">{html.escape(text)}</span>', align="end", margin=(0, 0, 14, 6))


def table(item: Any, *, height: int | None = None) -> Any:
    """Return a pane with a table of `workbench.charts`; above ``height`` pixels it scrolls."""
    layout = {"max_height": height, "styles": {"overflow-y": "auto"}} if height else {}
    return markup(item._repr_html_(), **layout)


def shown(item: Any) -> Any:
    """Return a pane with a table or a chart of `workbench.charts`, whichever it is."""
    return table(item) if isinstance(item, Table) else chart(item)


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


def column(*objects: Any) -> Any:
    """Return objects below each other, as wide as their place."""
    return pn.Column(*objects, sizing_mode="stretch_width", margin=0)


def pairs(cards: Sequence[Any]) -> list[Any]:
    """Return cards two by two side by side; an odd one at the end has the whole width."""
    rows = [list(cards[i : i + 2]) for i in range(0, len(cards), 2)]
    return [beside(*row, weights=(1, 1), least=WIDE) if len(row) == 2 else row[0] for row in rows]


def redrawn(
    choices: Mapping[str, Mapping[str, Any]], draw: Callable[..., Sequence[Any]], wanted: bool = True
) -> list[Any]:
    """Return one card with selectors and what ``draw`` makes of what is chosen, drawn anew in place at each choice.

    Parameters
    ----------
    choices : mapping
        Name of each selector -> its options (words -> value); the first option is chosen first. A selector with one
        option is not shown.
    draw : callable
        Takes each choice by the name of its selector.
    wanted : bool
        False returns nothing.
    """
    if not wanted or not all(choices.values()):
        return []
    css = {"stylesheets": [WIDGET_CSS], "margin": (0, 10, 6, 0), "width": 200}
    selects = {
        key: pn.widgets.Select(
            label=key.replace("_", " ").capitalize(), options=dict(options), value=next(iter(options.values())), **css
        )
        for key, options in choices.items()
    }
    place = column()

    def show(_event: Any = None) -> None:
        place.objects = list(draw(**{key: select.value for key, select in selects.items()}))

    for select in selects.values():
        select.param.watch(show, "value")
    show()
    visible = [s for key, s in selects.items() if len(choices[key]) > 1]
    bar = [pn.FlexBox(*visible, sizing_mode="stretch_width", margin=0)] if visible else []
    return [card(*bar, place)]


def beside(*objects: Any, weights: Sequence[int], least: int = 420) -> Any:
    """Return columns side by side in the proportion of ``weights``; where one has not ``least`` pixels they stack."""
    for item, weight in zip(objects, weights, strict=True):
        item.styles = {**item.styles, "flex": f"{weight} 1 0", "min-width": f"min(100%, {least}px)"}
    css = ":host { flex-wrap: wrap; gap: 12px; align-items: flex-start; }"
    return pn.Row(*objects, stylesheets=[css], sizing_mode="stretch_width", margin=0)


def empty_state(sentence: str, command: str) -> Any:
    """Return what a page shows when there is nothing yet: one sentence and the command that fixes it."""
    text = (
        f'<style>{_EMPTY_CSS}</style><div class="empty" role="status"><div class="what">{html.escape(sentence)}</div>'
        "<div>Run this in a terminal, then reload the page:</div>"
        f"<code>{html.escape(command)}</code></div>"
    )
    return card(markup(text))


def notice(text: str, kind: str = "warn") -> str:
    """Return the HTML of a band that says something about the data of a page."""
    return (
        f'<div role="status" style="background:var(--wb-{kind}-bg,#fff0cc);color:var(--wb-{kind},#7a5200);'
        f'border-radius:8px;padding:8px 14px;margin-bottom:10px">{html.escape(text)}</div>'
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
