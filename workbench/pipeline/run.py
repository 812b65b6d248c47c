"""The one pipeline: bars → features → walk-forward forecasts → positions → net returns → measures, gates → record.

Everything a report or page shows is computed here once and kept in a `RunRecord`; timing is decide on close t, fill at
open t+1, throughout.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.backtest import Forecasts, walk_forward_forecasts
from workbench.config import BacktestParameters, Settings, TrainParameters
from workbench.data import Dataset, load_dataset
from workbench.features import Design, design_matrix
from workbench.pipeline.artifacts import save_final_model
from workbench.pipeline.judge import Judgement, judge
from workbench.pipeline.plan import Plan, plan_backtest, plan_training
from workbench.pipeline.portfolio import Portfolio, trade
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]
Experiment = BacktestParameters | TrainParameters


def run_backtest(
    parameters: BacktestParameters, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> RunRecord:
    """Backtest one experiment walk-forward, count it as a trial, log it to MLflow and keep its record.

    Parameters
    ----------
    parameters : BacktestParameters
        Checked parameters of the ``backtest`` notebook.
    settings : Settings
        Where bars, records, the ledger and MLflow lie.
    now : datetime
        Start of the run, UTC.
    progress : callable, optional
        Called with the share done (0 to 1) and a few words.

    Returns
    -------
    RunRecord
        Net returns of the strategy and its baselines, positions, fills, folds, forecasts, measures and the verdict.

    Raises
    ------
    ConfigError, DataError
        For a parameter, symbol or data range that cannot be run.
    """
    plan = plan_backtest(parameters)
    return _run(parameters, settings, lambda _: plan, now, progress or _silent)


def run_training(
    parameters: TrainParameters, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> RunRecord:
    """Train one LSTM on the earlier bars and judge it on the later ones, with the default rule and costs.

    Same arguments, result and errors as `run_backtest`; the record also holds the epochs' losses.
    """
    return _run(parameters, settings, lambda design: plan_training(parameters, design), now, progress or _silent)


def _silent(share: float, words: str) -> None:
    """Report to nobody."""


def _run(
    parameters: Experiment, settings: Settings, make_plan: Callable[[Design], Plan], now: datetime, progress: Progress
) -> RunRecord:
    from workbench.tracking import start_run

    began = time.perf_counter()
    progress(0.0, "loading bars")
    dataset = load_experiment_data(parameters, settings)
    progress(0.05, "computing features")
    design = design_matrix(dataset.bars, parameters.features, parameters.horizon, parameters.neutral_band)
    plan = make_plan(design)
    forecasts = walk_forward_forecasts(
        design, plan.factory, plan.splitter, seed=parameters.seed, progress=lambda s, w: progress(0.1 + 0.7 * s, w)
    )
    progress(0.8, "simulating fills and baselines")
    portfolio = trade(forecasts, design, dataset.bars, plan)
    experiment = parameters.experiment or parameters.notebook
    name = f"{plan.model.split('(')[0]} on {', '.join(parameters.symbols)}"
    with start_run(settings, experiment, name) as tracker:
        progress(0.85, "counting the trial and judging")
        judgement = judge(parameters, settings, dataset, design, forecasts, portfolio, plan, now)
        folder = None
        if parameters.register_model:
            progress(0.9, "fitting the final model")
            folder = save_final_model(parameters, settings, design, plan, tracker.run_id, dataset)
        finished = now + timedelta(seconds=time.perf_counter() - began)
        environment = describe_environment(settings.home) | {"seed": parameters.seed}
        record = _record(
            parameters, dataset, forecasts, design, portfolio, judgement, tracker.run_id, name, environment, now, finished
        )
        progress(0.95, "keeping the record")
        write_record(record, settings)
        tracker.log_record(record)
    if folder is not None:
        register_model(settings, experiment, record.run_id, folder)
    progress(1.0, "done")
    return record


def load_experiment_data(parameters: Any, settings: Settings) -> Dataset:
    """Load the bars that market parameters name."""
    return load_dataset(
        parameters.source, parameters.symbols, parameters.timeframe, parameters.start, parameters.end, settings=settings
    )


def _record(
    parameters: Experiment, dataset: Dataset, forecasts: Forecasts, design: Design, portfolio: Portfolio, judgement: Judgement,
    run_id: str, name: str, environment: Json, started: datetime, finished: datetime,
) -> RunRecord:  # fmt: skip
    from workbench.tracking import RunRecord

    times = dataset.bars.index
    return RunRecord(
        run_id=run_id,
        notebook=parameters.notebook,
        name=name,
        started=started.isoformat(),
        finished=finished.isoformat(),
        parameters=parameters.flat(),
        dataset={
            "name": dataset.name,
            "version": dataset.version,
            "content_hash": dataset.content_hash,
            "source": dataset.source,
            "symbols": list(dataset.symbols),
            "timeframe": dataset.timeframe,
            "n_bars": len(times),
            "first": times[0].isoformat(),
            "last": times[-1].isoformat(),
        },
        metrics=judgement.metrics,
        baselines=judgement.baselines,
        trial=judgement.trial,
        verdict=judgement.verdict,
        environment=environment,
        frames=_frames(forecasts, design, portfolio, judgement),
    )


def _frames(forecasts: Forecasts, design: Design, portfolio: Portfolio, judgement: Judgement) -> dict[str, pd.DataFrame]:
    strategy = portfolio.strategy
    proba = forecasts.proba
    outcome = {"label": design.y.loc[proba.index], "forward_return": design.forward.loc[proba.index]}
    return {
        "returns": portfolio.returns,
        "positions": strategy.positions,
        "fills": strategy.fills,
        "trades": strategy.trades,
        "costs": strategy.costs,
        "folds": forecasts.folds,
        "forecasts": proba.assign(**outcome).reset_index(),
        "training": forecasts.training,
        "reliability": judgement.reliability,
    }
