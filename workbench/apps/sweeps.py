"""The page of finished sweeps: the surface, how much of the best cell is luck, and the best cell in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench import charts
from workbench.apps import parts, sections
from workbench.apps.numbers import run_tiles, swept_tile
from workbench.apps.runpage import RunPage
from workbench.charts.sweeps import parameters_of

if TYPE_CHECKING:
    import pandas as pd

    from workbench.apps.parts import Tile
    from workbench.config import Settings
    from workbench.tracking import RunRecord

_METRICS = {
    "Sharpe ratio": "sharpe_ratio",
    "total return": "total_return",
    "turnover": "turnover",
    "number of trades": "n_trades",
}


class SweepPage(RunPage):
    """State of the page: the sweep that is shown, and whether equity is on a log scale.

    Parameters
    ----------
    record : RunRecord or None
        The sweep to open with; None shows how to make one.
    settings : Settings, optional
        Where other sweeps are looked for; default those of the environment.
    """

    nothing = "No sweep has been run yet."
    command = "workbench run sweep"

    def _first_screen(self) -> list[Tile]:
        return [swept_tile(self.record), *run_tiles(self.record)[1:]]

    def _pages(self) -> list[tuple[str, Any]]:
        return [
            ("Surface", self._surface),
            ("Cells", self._cells),
            ("Luck", self._luck),
            ("Best cell", self._best),
            ("Costs", self._costs),
            ("Lineage", self._lineage),
        ]

    def _surface(self) -> Sequence[Any]:
        if not self.record.has("cells"):
            return self._or_empty([], "This run left no cells.")
        cells = self.record.frame("cells")
        names = parameters_of(cells)
        axes = {"x": {n: n for n in names}, "y": {n: n for n in [*names[1:], *names[:1]]}} if len(names) > 1 else {}
        surface = parts.redrawn(
            {**axes, "metric": _known(cells)}, lambda **chosen: [_surface(cells, **chosen)], bool(axes)
        )
        lines = parts.redrawn({"metric": _known(cells)}, lambda metric: [_lines(cells, metric)])
        return [*surface, *lines]

    def _cells(self) -> Sequence[Any]:
        if not self.record.has("cells"):
            return self._or_empty([], "This run left no cells.")
        cells = self.record.frame("cells")
        return parts.redrawn(
            {"best_by": _known(cells), "rows": {"10": 10, "30": 30, "100": 100}},
            lambda best_by, rows: [parts.table(charts.cells_table(cells, top=rows, metric=best_by), height=640)],
        )

    def _luck(self) -> Sequence[Any]:
        record = self.record
        overfit = [
            *sections.drawn(record, "pbo", charts.overfitting_chart),
            *sections.drawn(record, "degradation", charts.degradation_chart),
        ]
        expected = record.metrics.get("expected_max_sharpe_ratio", float("nan"))
        best = sections.drawn(record, "cells", lambda f: charts.luck_chart(f, expected))
        built = [*parts.pairs(overfit), *parts.pairs([*best, *sections.trials(record)])]
        sure = [*sections.drawn(record, "intervals", charts.intervals_chart), *sections.honesty(record)]
        return self._or_empty([*built, *parts.pairs(sure)], "This run left neither blocks nor trials.")

    def _best(self) -> Sequence[Any]:
        record = self.record
        built = [
            *sections.overview(record, log_scale=self.log_scale),
            *sections.periods(record),
            *sections.drawn(record, "positions", charts.sides_chart),
            *sections.trades(record),
        ]
        return self._or_empty(built, "This run left no returns of its best cell.")

    def _costs(self) -> Sequence[Any]:
        return self._or_empty(sections.costs(self.record), "This run left no costs.")


def sweep_page(record: RunRecord | None, settings: Settings | None = None) -> Any:
    """Return the page of finished sweeps, opened on ``record``; None shows how to make a first one."""
    return SweepPage(record, settings).view()


def _known(cells: pd.DataFrame) -> dict[str, str]:
    return {words: key for words, key in _METRICS.items() if key in cells and cells[key].notna().any()} or {
        "Sharpe ratio": "sharpe_ratio"
    }


def _surface(cells: pd.DataFrame, x: str, y: str, metric: str) -> Any:
    if x == y:
        return parts.markup(parts.notice("X and Y are the same parameter; choose two."))
    return parts.chart(charts.surface_chart(cells, x=x, y=y, metric=metric))


def _lines(cells: pd.DataFrame, metric: str) -> Any:
    return parts.chart(charts.parameters_chart(cells, metric=metric))
