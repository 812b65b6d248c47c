"""The page of a finished training: loss, calibration, forecasts and what they were worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import panel as pn

from workbench import charts
from workbench.apps import parts
from workbench.apps.backtests import BacktestPage
from workbench.apps.parts import Tile
from workbench.charts.tables import write_metric

if TYPE_CHECKING:
    from workbench.config import Settings
    from workbench.tracking import RunRecord

_TILES = (
    ("accuracy", "Accuracy, out of sample"),
    ("directional_accuracy", "Direction right"),
    ("log_loss", "Log loss, nats"),
    ("brier", "Brier score"),
    ("ece", "Calibration error"),
    ("sharpe_ratio", "Sharpe ratio, annual"),
    ("deflated_sharpe_ratio", "Deflated Sharpe ratio"),
)


class TrainingPage(BacktestPage):
    """State of the page: the training run that is shown.

    Parameters
    ----------
    record : RunRecord or None
        None shows how to make one.
    settings : Settings, optional
    """

    def _first_screen(self) -> list[Tile]:
        metrics = self.record.metrics if self.record else {}
        return [Tile(name, write_metric(key, metrics[key])) for key, name in _TILES if key in metrics]

    def _empty(self) -> Any:
        return parts.empty_state("No model has been trained yet.", "workbench run train")

    def _pages(self) -> list[tuple[str, Any]]:
        return [
            ("Learning", self._learning),
            ("Forecasts", self._forecasts),
            ("Worth", self._overview),
            ("Lineage", self._lineage),
        ]

    def _learning(self) -> Sequence[Any]:
        record, built = self.record, []
        if record.has("training"):
            history = record.frame("training")
            built.append(
                parts.card(parts.chart(charts.training_chart(history, height=380)), *self._other_curves(history))
            )
        if record.has("reliability"):
            built.append(parts.card(parts.chart(charts.reliability_chart(record.frame("reliability"), height=380))))
        if not built:
            return [parts.empty_state("This run left no training curves.", "workbench run train")]
        return [parts.beside(*built, weights=(1,) * len(built))]

    def _other_curves(self, history: Any) -> list[Any]:
        return [
            parts.chart(charts.training_detail_chart(history, c))
            for c in ("learning_rate", "grad_norm")
            if c in history
        ]

    def _forecasts(self) -> Sequence[Any]:
        if not self.record.has("forecasts"):
            return [parts.empty_state("This run left no forecasts.", "workbench run train")]
        forecasts = self.record.frame("forecasts")
        symbols = list(dict.fromkeys(forecasts.reset_index()["symbol"]))
        return [
            pn.Column(
                *[parts.card(parts.chart(charts.probability_chart(forecasts, symbol=s))) for s in symbols[:6]],
                sizing_mode="stretch_width",
                margin=0,
            )
        ]


def train_page(record: RunRecord | None, settings: Settings | None = None) -> Any:
    """Return the page of finished trainings, opened on ``record``; None shows how to make a first one."""
    return TrainingPage(record, settings).view()
