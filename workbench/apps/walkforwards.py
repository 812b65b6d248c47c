"""The page of finished walk-forward choices: what was chosen in each fold, and what the choices earned after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench import charts
from workbench.apps import parts, sections
from workbench.apps.numbers import chosen_tile, run_tiles
from workbench.apps.runpage import RunPage

if TYPE_CHECKING:
    from workbench.apps.parts import Tile
    from workbench.config import Settings
    from workbench.tracking import RunRecord


class WalkForwardPage(RunPage):
    """State of the page: the walk-forward that is shown, and whether equity is on a log scale.

    Parameters
    ----------
    record : RunRecord or None
        The run to open with; None shows how to make one.
    settings : Settings, optional
        Where other runs are looked for; default those of the environment.
    """

    nothing = "No walk-forward has been run yet."
    command = "workbench run walkforward"

    def _first_screen(self) -> list[Tile]:
        return [chosen_tile(self.record), *run_tiles(self.record)[1:]]

    def _pages(self) -> list[tuple[str, Any]]:
        return [
            ("Choices", self._choices),
            ("Overview", self._overview),
            ("Luck", self._luck),
            ("Periods", self._periods),
            ("Costs", self._costs),
            ("Lineage", self._lineage),
        ]

    def _choices(self) -> Sequence[Any]:
        objective = str(self.record.parameters.get("objective", "sharpe_ratio"))
        built = parts.pairs([
            *sections.drawn(self.record, "selection", lambda f: charts.fold_sharpe_chart(f, objective=objective)),
            *sections.drawn(self.record, "selection", charts.selection_chart),
        ])  # fmt: skip
        built += sections.drawn(self.record, "selection", lambda f: charts.selection_table(f, objective=objective))
        return self._or_empty(built, "This run left no choices.")

    def _overview(self) -> Sequence[Any]:
        return self._or_empty(sections.overview(self.record, log_scale=self.log_scale), "This run left no returns.")

    def _luck(self) -> Sequence[Any]:
        return self._or_empty(sections.luck(self.record), "This run left no intervals or trials.")

    def _periods(self) -> Sequence[Any]:
        return self._or_empty(sections.periods(self.record), "This run left no returns.")

    def _costs(self) -> Sequence[Any]:
        return self._or_empty(sections.costs(self.record), "This run left no costs.")


def walkforward_page(record: RunRecord | None, settings: Settings | None = None) -> Any:
    """Return the page of walk-forward choices, opened on ``record``; None shows how to make a first one."""
    return WalkForwardPage(record, settings).view()
