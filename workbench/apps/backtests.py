"""The page of finished backtests: choose a run, read its first screen, then look closer tab by tab."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import panel as pn
import param

from workbench import charts
from workbench.apps import parts
from workbench.apps.numbers import run_choices, run_line, run_tiles, verdict_badge
from workbench.apps.parts import Tile
from workbench.config import Settings, load_settings
from workbench.tracking import read_record

if TYPE_CHECKING:
    from workbench.tracking import RunRecord


class BacktestPage(param.Parameterized):
    """State of the page: the run that is shown, and whether equity is on a log scale.

    Parameters
    ----------
    record : RunRecord or None
        The run to open with; None shows how to make one.
    settings : Settings, optional
        Where other runs are looked for; default those of the environment.
    """

    run = param.Selector(default=None, objects={}, label="Run")
    log_scale = param.Boolean(default=True, label="Log scale")

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

    def _head_html(self) -> str:
        return (
            '<div style="display:flex;gap:12px;align-items:center;flex-wrap:wrap;color:var(--wb-soft,#51606d)">'
            f"{verdict_badge(self.record)}<span>{html.escape(run_line(self.record))}</span></div>"
        )

    def view(self) -> Any:
        """Return the page as one Panel object."""
        parts.load_panel()
        if self.record is None:
            return self._empty()
        self._head = parts.markup(self._head_html())
        self._tiles = parts.markup(parts.tiles(self._first_screen()))
        self._tabs = parts.LazyTabs(self._pages())
        select = pn.widgets.Select.from_param(self.param.run, width=460, stylesheets=[parts.WIDGET_CSS], margin=0)
        log = pn.widgets.Checkbox.from_param(self.param.log_scale, stylesheets=[parts.WIDGET_CSS], margin=(22, 0, 0, 8))
        bar = pn.Row(select, log, sizing_mode="stretch_width", margin=(0, 0, 10, 0))
        gap = pn.Spacer(height=10)
        return pn.Column(
            bar,
            self._head,
            gap,
            self._tiles,
            gap.clone(height=8),
            self._tabs.view,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _empty(self) -> Any:
        return parts.empty_state("No backtest has been run yet.", "workbench nightly")

    def _first_screen(self) -> list[Tile]:
        return run_tiles(self.record)

    def _pages(self) -> list[tuple[str, Any]]:
        return [
            ("Overview", self._overview),
            ("Folds", self._folds),
            ("Periods", self._periods),
            ("Trades", self._trades),
            ("Exposure and costs", self._exposure),
            ("Lineage", self._lineage),
        ]

    def _overview(self) -> Sequence[Any]:
        record = self.record
        if not record.has("returns"):
            return [parts.empty_state("This run left no returns.", "workbench nightly")]
        returns = record.frame("returns")
        pictures = parts.card(
            parts.chart(charts.equity_chart(returns, log=self.log_scale)), parts.chart(charts.drawdown_chart(returns))
        )
        numbers = parts.card(parts.table(charts.metrics_table(record.metrics, record.baselines)))
        gates = [parts.card(parts.table(charts.gates_table(record.verdict)))] if record.verdict.get("gates") else []
        return [
            parts.beside(pictures, pn.Column(numbers, sizing_mode="stretch_width", margin=0), weights=(1, 1)),
            *gates,
        ]

    def _folds(self) -> Sequence[Any]:
        if not self.record.has("folds"):
            return [parts.empty_state("This run left no folds.", "workbench nightly")]
        folds = self.record.frame("folds")
        return [
            parts.card(parts.chart(charts.folds_chart(folds))),
            parts.card(parts.table(charts.folds_table(folds), height=460)),
        ]

    def _periods(self) -> Sequence[Any]:
        if not self.record.has("returns"):
            return [parts.empty_state("This run left no returns.", "workbench nightly")]
        strategy = self.record.frame("returns")["strategy"]
        return [parts.card(parts.chart(charts.monthly_table(strategy)))]

    def _trades(self) -> Sequence[Any]:
        if not self.record.has("trades"):
            return [parts.empty_state("This run made no round trip.", "workbench nightly")]
        return [parts.card(parts.table(charts.trades_table(self.record.frame("trades"), limit=300), height=640))]

    def _exposure(self) -> Sequence[Any]:
        built = []
        if self.record.has("positions"):
            positions = self.record.frame("positions")
            built.append(
                parts.card(
                    parts.chart(charts.exposure_chart(positions, height=300)),
                    parts.table(charts.exposure_table(positions)),
                )
            )
        if self.record.has("costs"):
            built.append(parts.card(parts.chart(charts.costs_chart(self.record.frame("costs")))))
        return built or [parts.empty_state("This run left no positions.", "workbench nightly")]

    def _lineage(self) -> Sequence[Any]:
        record = self.record
        facts = [
            charts.facts_table(record.parameters, caption="Parameters"),
            charts.facts_table(record.dataset, caption="Data set"),
            charts.facts_table(record.trial, caption="Trial"),
            charts.facts_table(record.environment, caption="Environment"),
        ]
        left, *right = [parts.card(parts.table(f)) for f in facts]
        return [parts.beside(left, pn.Column(*right, sizing_mode="stretch_width", margin=0), weights=(1, 1))]


def backtest_page(record: RunRecord | None, settings: Settings | None = None) -> Any:
    """Return the page of finished backtests, opened on ``record``; None shows how to make a first one."""
    return BacktestPage(record, settings).view()
