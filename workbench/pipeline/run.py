"""The one pipeline: bars → features → walk-forward forecasts → positions → net returns → measures, gates → record.

Everything a report or page shows is computed here once and kept in a `RunRecord`; timing is decide on close t, fill at
open t+1, throughout.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.backtest import walk_forward_forecasts
from workbench.config import BacktestParameters, Settings, TrainParameters
from workbench.data import Dataset, load_dataset
from workbench.errors import TrackingError
from workbench.features import Design, FeatureCache, design_matrix, find_leaks
from workbench.ops import describe_environment, get_logger
from workbench.pipeline.artifacts import save_final_model
from workbench.pipeline.judge import judge
from workbench.pipeline.plan import Plan, plan_backtest, plan_training
from workbench.pipeline.portfolio import trade
from workbench.pipeline.record import Evaluation, make_record

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
        For a parameter, symbol or data range that cannot be run; nothing is recorded then.
    LookAheadError
        When a feature changes once later bars of this very data set are removed.
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


def load_experiment_data(parameters: Experiment, settings: Settings) -> Dataset:
    """Load the bars that an experiment's parameters name."""
    return load_dataset(
        parameters.source, parameters.symbols, parameters.timeframe, parameters.start, parameters.end, settings=settings
    )


def _silent(share: float, words: str) -> None:
    """Report to nobody."""


def _run(
    parameters: Experiment, settings: Settings, make_plan: Callable[[Design], Plan], now: datetime, progress: Progress
) -> RunRecord:
    began = time.perf_counter()
    evaluation = _evaluate(parameters, settings, make_plan, progress)
    record = _keep(evaluation, settings, now, began, progress)
    progress(1.0, "done")
    return record


def _evaluate(
    parameters: Experiment, settings: Settings, make_plan: Callable[[Design], Plan], progress: Progress
) -> Evaluation:
    progress(0.0, "loading bars")
    dataset = load_experiment_data(parameters, settings)
    progress(0.05, "computing features")
    cache = FeatureCache(settings.features_dir)
    design = design_matrix(dataset.bars, parameters.features, parameters.horizon, parameters.neutral_band, cache=cache)
    progress(0.08, "proving that no feature looks ahead")
    for leak in find_leaks(dataset.bars, parameters.features, seed=parameters.seed).values():
        raise leak
    plan = make_plan(design)
    forecasts = walk_forward_forecasts(
        design,
        plan.factory,
        plan.splitter,
        seed=parameters.seed,
        progress=lambda share, words: progress(0.1 + 0.7 * share, words),
    )
    progress(0.8, "simulating fills and baselines")
    portfolio = trade(forecasts, design, dataset.bars, plan)
    return Evaluation(parameters, plan, dataset, design, forecasts, portfolio)


def _keep(evaluation: Evaluation, settings: Settings, now: datetime, began: float, progress: Progress) -> RunRecord:
    """Count the trial, judge, write the record first and then log it: MLflow being down loses nothing."""
    from workbench.tracking import start_run, write_record

    parameters = evaluation.parameters
    experiment = parameters.experiment or parameters.notebook
    with start_run(settings, experiment, evaluation.name, now) as tracker:
        progress(0.85, "counting the trial and judging")
        judgement = judge(evaluation, settings, now)
        folder = None
        if parameters.register_model:
            progress(0.9, "fitting the final model")
            folder = save_final_model(evaluation, settings, tracker.run_id)
        environment = describe_environment(settings.home) | {"seed": parameters.seed}
        finished = now + timedelta(seconds=time.perf_counter() - began)
        record = make_record(evaluation, judgement, tracker.run_id, environment, now, finished)
        progress(0.95, "keeping the record")
        write_record(record, settings)
        _log(record, folder, experiment, settings)
    return record


def _log(record: RunRecord, folder: Path | None, experiment: str, settings: Settings) -> None:
    """Log the written record; a tracking store that is down costs a warning, not the run."""
    from workbench import tracking

    try:
        tracking.log_record(record, settings)
        if folder is not None:
            tracking.register_model(settings, experiment, record.run_id, folder)
    except TrackingError as err:
        get_logger("pipeline").warning("the run is kept but not in MLflow", run_id=record.run_id, reason=str(err))
