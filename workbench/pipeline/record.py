"""From what a run computed to the record that pages and reports draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workbench.backtest import Forecasts
from workbench.config import BacktestParameters, TrainParameters
from workbench.data import Dataset
from workbench.features import Design, feature_versions
from workbench.pipeline.evidence import Evidence
from workbench.pipeline.finer import describe
from workbench.pipeline.judge import Judgement
from workbench.pipeline.keeping import Findings, ended
from workbench.pipeline.lockbox import UsableBars
from workbench.pipeline.plan import Plan
from workbench.pipeline.portfolio import Portfolio
from workbench.typing import Json


@dataclass(frozen=True)
class Evaluation:
    """Everything one run computed before it is judged."""

    parameters: BacktestParameters | TrainParameters
    plan: Plan
    opened: UsableBars
    design: Design
    forecasts: Forecasts
    portfolio: Portfolio

    @property
    def dataset(self) -> Dataset:
        """The bars that were used."""
        return self.opened.dataset

    @property
    def name(self) -> str:
        """What the run is called: the model and its symbols."""
        return f"{self.plan.model.split('(')[0]} on {', '.join(self.parameters.symbols)}"


def findings_of(evaluation: Evaluation, judgement: Judgement, evidence: Evidence, model: Path | None) -> Findings:
    """Gather what the record of a backtest or training holds."""
    return Findings(
        name=evaluation.name,
        dataset=describe_dataset(evaluation.dataset),
        metrics=judgement.metrics,
        frames=_frames(evaluation, judgement) | evidence.frames,
        baselines=judgement.baselines,
        trial=judgement.trial,
        verdict=judgement.verdict,
        environment={
            "seed": evaluation.parameters.seed,
            "features": feature_versions(evaluation.parameters.features),
            **describe(evaluation.plan.finer),
            **ended(evaluation.portfolio.strategy.stale.to_dict()),
        },
        model=model,
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
        "trials": judgement.trials,
    }
    if len(forecasts.training):
        frames["training"] = forecasts.training
    return frames
