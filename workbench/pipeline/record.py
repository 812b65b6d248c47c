"""From what a run computed to the record that pages and reports draw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from workbench.backtest import Forecasts
from workbench.config import BacktestParameters, TrainParameters
from workbench.data import Dataset
from workbench.features import Design, feature_versions
from workbench.pipeline.judge import Judgement
from workbench.pipeline.plan import Plan
from workbench.pipeline.portfolio import Portfolio
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.tracking import RunRecord


@dataclass(frozen=True)
class Evaluation:
    """Everything one run computed before it is judged."""

    parameters: BacktestParameters | TrainParameters
    plan: Plan
    dataset: Dataset
    design: Design
    forecasts: Forecasts
    portfolio: Portfolio

    @property
    def name(self) -> str:
        """What the run is called: the model and its symbols."""
        return f"{self.plan.model.split('(')[0]} on {', '.join(self.parameters.symbols)}"


def make_record(
    evaluation: Evaluation, judgement: Judgement, run_id: str, environment: Json, started: datetime, finished: datetime
) -> RunRecord:
    """Gather one run into a `RunRecord`."""
    from workbench.tracking import RunRecord

    return RunRecord(
        run_id=run_id,
        notebook=evaluation.parameters.notebook,
        name=evaluation.name,
        started=started.isoformat(),
        finished=finished.isoformat(),
        parameters=dict(evaluation.parameters.flat()),
        dataset=describe_dataset(evaluation.dataset),
        metrics=judgement.metrics,
        baselines=judgement.baselines,
        trial=judgement.trial,
        verdict=judgement.verdict,
        environment=environment | {"features": feature_versions(evaluation.parameters.features)},
        frames=_frames(evaluation, judgement),
    )


def describe_dataset(dataset: Dataset) -> Json:
    """Return what a record says of its data: name, version, hash, symbols and span."""
    times = dataset.bars.index
    return {
        "name": dataset.name,
        "version": dataset.version,
        "content_hash": dataset.content_hash,
        "source": dataset.source,
        "symbols": list(dataset.symbols),
        "timeframe": dataset.timeframe,
        "n_bars": len(times),
        "first": times[0].isoformat(),
        "last": times[-1].isoformat(),
    }


def _frames(evaluation: Evaluation, judgement: Judgement) -> dict[str, pd.DataFrame]:
    forecasts, design, strategy = evaluation.forecasts, evaluation.design, evaluation.portfolio.strategy
    proba = forecasts.proba
    outcome = {"label": design.y.loc[proba.index], "forward_return": design.forward.loc[proba.index]}
    frames = {
        "returns": evaluation.portfolio.returns,
        "positions": strategy.positions,
        "fills": strategy.fills,
        "trades": strategy.trades,
        "costs": strategy.costs,
        "folds": forecasts.folds,
        "forecasts": proba.assign(**outcome).reset_index(),
        "reliability": judgement.reliability,
    }
    if len(forecasts.training):
        frames["training"] = forecasts.training
    return frames
