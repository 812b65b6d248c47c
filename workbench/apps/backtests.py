"""The page of finished backtests: choose a run, read its first screen, then look closer tab by tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.apps import sections
from workbench.apps.runpage import RunPage

if TYPE_CHECKING:
    from workbench.config import Settings
    from workbench.tracking import RunRecord


class BacktestPage(RunPage):
    """State of the page: the backtest that is shown, and whether equity is on a log scale.

    Parameters
    ----------
    record : RunRecord or None
        The run to open with; None shows how to make one.
    settings : Settings, optional
        Where other runs are looked for; default those of the environment.
    """

    nothing = "No backtest has been run yet."
    command = "workbench run backtest"

    def _pages(self) -> list[tuple[str, Any]]:
        return [
            ("Overview", self._overview),
            ("Luck", self._luck),
            ("Periods", self._periods),
            ("Holdings", self._holdings),
            ("Trades", self._trades),
            ("Costs and capacity", self._costs),
            ("Folds", self._folds),
            ("Lineage", self._lineage),
        ]

    def _overview(self) -> Sequence[Any]:
        return self._or_empty(sections.overview(self.record, log_scale=self.log_scale), "This run left no returns.")

    def _luck(self) -> Sequence[Any]:
        return self._or_empty(sections.luck(self.record), "This run left no intervals, nulls or trials.")

    def _periods(self) -> Sequence[Any]:
        return self._or_empty(sections.periods(self.record), "This run left no returns.")

    def _holdings(self) -> Sequence[Any]:
        return self._or_empty(sections.holdings(self.record), "This run left no positions.")

    def _trades(self) -> Sequence[Any]:
        return self._or_empty(sections.trades(self.record), "This run made no round trip.")

    def _costs(self) -> Sequence[Any]:
        return self._or_empty(sections.costs(self.record), "This run left no costs.")

    def _folds(self) -> Sequence[Any]:
        return self._or_empty(sections.folds(self.record), "This run left no folds.")


def backtest_page(record: RunRecord | None, settings: Settings | None = None) -> Any:
    """Return the page of finished backtests, opened on ``record``; None shows how to make a first one."""
    return BacktestPage(record, settings).view()
