"""A page of finished runs of one notebook: choose a run, read its first screen, then look closer tab by tab."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import panel as pn
import param

from workbench.apps import parts, sections
from workbench.apps.numbers import run_choices, run_line, run_tiles, verdict_badge
from workbench.config import Settings, load_settings
from workbench.tracking import read_record

if TYPE_CHECKING:
    from workbench.apps.parts import Tile
    from workbench.tracking import RunRecord


class RunPage(param.Parameterized):
    """State of a page of runs: the run that is shown, and whether equity is on a log scale.

    A page of one notebook names its own tiles and tabs; the rest is here.

    Parameters
    ----------
    record : RunRecord or None
        The run to open with; None shows how to make one.
    settings : Settings, optional
        Where other runs are looked for; default those of the environment.
    """

    run = param.Selector(default=None, objects={}, label="Run")
    log_scale = param.Boolean(default=True, label="Log scale")

    nothing: ClassVar[str] = "Nothing has been run yet."
    command: ClassVar[str] = "workbench nightly"
    has_equity: ClassVar[bool] = True

    def __init__(self, record: RunRecord | None, settings: Settings | None = None) -> None:
        super().__init__()
        self.record: Any = record
        self._settings = settings or load_settings()
        if record is not None:
            self.param["run"].objects = self._runs(record)
            self.run = record.run_id
            self.param.watch(self._open, "run")
            self.param.watch(lambda _event: self._tabs.refresh(), "log_scale")

    def _runs(self, record: RunRecord) -> dict[str, str]:
        return run_choices(record, self._settings, lambda t: t[t["notebook"] == record.notebook])

    def _open(self, event: Any) -> None:
        if self.record is not None and event.new != self.record.run_id:
            self.record = read_record(event.new, self._settings)
            self._head.object = self._head_html()
            self._tiles.object = parts.tiles(self._first_screen())
            self._tabs.refresh()
            if pn.state.location:
                pn.state.location.update_query(run=event.new)

    def view(self) -> Any:
        """Return the page as one Panel object."""
        parts.load_panel()
        if self.record is None:
            return self._empty()
        self._head = parts.markup(self._head_html(), margin=(0, 0, 10, 0))
        self._tiles = parts.markup(parts.tiles(self._first_screen()), margin=(0, 0, 8, 0))
        self._tabs = parts.LazyTabs(self._pages())
        bar = pn.Row(*self._controls(), sizing_mode="stretch_width", margin=(0, 0, 10, 0))
        return pn.Column(bar, self._head, self._tiles, self._tabs.view, sizing_mode="stretch_width", margin=0)

    def _controls(self) -> list[Any]:
        css = {"stylesheets": [parts.WIDGET_CSS]}
        select = pn.widgets.Select.from_param(self.param.run, width=520, margin=0, **css)
        if not self.has_equity:
            return [select]
        return [select, pn.widgets.Checkbox.from_param(self.param.log_scale, margin=(22, 0, 0, 8), **css)]

    def _head_html(self) -> str:
        return headline(self._badge(), run_line(self.record))

    def _badge(self) -> str:
        return verdict_badge(self.record)

    def _empty(self) -> Any:
        return parts.empty_state(self.nothing, self.command)

    def _first_screen(self) -> list[Tile]:
        return run_tiles(self.record)

    def _pages(self) -> list[tuple[str, Any]]:
        return [("Lineage", self._lineage)]

    def _lineage(self) -> Sequence[Any]:
        return sections.lineage(self.record)

    def _or_empty(self, built: Sequence[Any], sentence: str) -> Sequence[Any]:
        """Return what was built, or what to say where a run left nothing of it."""
        return list(built) or [parts.empty_state(sentence, self.command)]


def headline(mark: str, line: str) -> str:
    """Return the HTML of a badge and the line that says which run is shown."""
    return (
        '<div style="display:flex;gap:12px;align-items:center;flex-wrap:wrap;color:var(--wb-soft,#51606d)">'
        f"{mark}<span>{html.escape(line)}</span></div>"
    )
