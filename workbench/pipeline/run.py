"""The one pipeline: bars → features → walk-forward forecasts → positions → net returns → measures, gates → record.

Everything a report or page shows is computed here once and kept in a `RunRecord`; timing is decide on close t, fill at
open t+1, throughout.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from workbench.backtest import walk_forward_forecasts
from workbench.config import BacktestParameters, Settings, TrainParameters
from workbench.data import Dataset, load_dataset
from workbench.features import Design, FeatureCache, design_matrix, find_leaks
from workbench.pipeline.artifacts import save_final_model
from workbench.pipeline.evidence import gather_backtest
from workbench.pipeline.finer import finer_bars
from workbench.pipeline.judge import judge
from workbench.pipeline.keeping import Findings, keep
from workbench.pipeline.lockbox import UsableBars, open_data
from workbench.pipeline.plan import Plan, plan_backtest, plan_training
from workbench.pipeline.portfolio import trade
from workbench.pipeline.record import Evaluation, findings_of
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
        For a parameter, symbol or data range that cannot be run; nothing is recorded then.
    LookAheadError
        When a feature changes once later bars of this very data set are removed.
    """
    return _run(parameters, settings, now, progress or _silent, evaluate_backtest)


def run_training(
    parameters: TrainParameters, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> RunRecord:
    """Train one LSTM on the earlier bars and judge it on the later ones, with the default rule and costs.

    Same arguments, result and errors as `run_backtest`; the record also holds the epochs' losses.
    """
    return _run(parameters, settings, now, progress or _silent, evaluate_training)


def load_experiment_data(parameters: Experiment, settings: Settings) -> Dataset:
    """Load the bars that an experiment's parameters name."""
    return load_dataset(
        parameters.source, parameters.symbols, parameters.timeframe, parameters.start, parameters.end, settings=settings
    )


def _silent(share: float, words: str) -> None:
    """Report to nobody."""


def _run(
    parameters: Experiment,
    settings: Settings,
    now: datetime,
    progress: Progress,
    evaluate: Callable[..., Evaluation],
) -> RunRecord:
    began = time.perf_counter()
    evaluation = evaluate(parameters, settings, now, progress)

    def find(run_id: str) -> Findings:
        return backtest_findings(evaluation, settings, now, run_id, progress)

    return keep(parameters, settings, evaluation.name, now, find, progress, began)


def evaluate_backtest(
    parameters: BacktestParameters, settings: Settings, now: datetime, progress: Progress
) -> Evaluation:
    """Compute all that a backtest is judged by; nothing is counted or kept yet."""
    plan = plan_backtest(parameters)
    return evaluate(parameters, settings, lambda _: plan, open_data(parameters, settings, now), progress)


def evaluate_training(parameters: TrainParameters, settings: Settings, now: datetime, progress: Progress) -> Evaluation:
    """Compute all that a training is judged by; nothing is counted or kept yet."""
    opened = open_data(parameters, settings, now)
    return evaluate(parameters, settings, lambda design: plan_training(parameters, design), opened, progress)


def evaluate(
    parameters: Experiment,
    settings: Settings,
    make_plan: Callable[[Design], Plan],
    opened: UsableBars,
    progress: Progress,
) -> Evaluation:
    """Compute all that a run is judged by on bars that are open to it."""
    dataset = opened.dataset
    progress(0.05, "computing features")
    cache = FeatureCache(settings.features_dir)
    design = design_matrix(dataset.bars, parameters.features, parameters.horizon, parameters.neutral_band, cache=cache)
    progress(0.08, "proving that no feature looks ahead")
    for leak in find_leaks(dataset.bars, parameters.features, seed=parameters.seed).values():
        raise leak
    plan = make_plan(design)
    plan = replace(plan, finer=finer_bars(plan.execution, parameters, dataset, settings))
    forecasts = walk_forward_forecasts(
        design,
        plan.factory,
        plan.splitter,
        seed=parameters.seed,
        progress=lambda share, words: progress(0.1 + 0.6 * share, words),
    )
    progress(0.7, "simulating fills and baselines")
    portfolio = trade(forecasts, design, dataset.bars, plan)
    return Evaluation(parameters, plan, opened, design, forecasts, portfolio)


def backtest_findings(
    evaluation: Evaluation,
    settings: Settings,
    now: datetime,
    run_id: str,
    progress: Progress,
    trial: Json | None = None,
) -> Findings:
    """Count the trial (unless a recorded ``trial`` is given), judge the run and gather what its record holds."""
    parameters = evaluation.parameters
    progress(0.72, "asking how much of it is luck")
    evidence = gather_backtest(evaluation, progress)
    progress(0.85, "counting the trial and judging")
    judgement = judge(evaluation, evidence, settings, now, run_id, trial)
    folder = None
    if parameters.register_model and trial is None:
        progress(0.9, "fitting the final model")
        folder = save_final_model(evaluation, settings, run_id)
    return findings_of(evaluation, judgement, evidence, folder)
