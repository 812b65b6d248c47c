"""One trial of a search: judged on validation folds that lie wholly before the bars kept for the test."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.backtest.validation import rows_of
from workbench.backtest.walkforward import run_fold, times_of
from workbench.config import BacktestParameters, Settings
from workbench.data import Dataset, content_hash
from workbench.errors import DataError
from workbench.features import FeatureCache, design_matrix, find_leaks
from workbench.pipeline.identity import trial_configuration
from workbench.pipeline.judge import per_bar_sharpe
from workbench.pipeline.plan import plan_backtest
from workbench.pipeline.portfolio import trade_forecast
from workbench.risk import periods_per_year
from workbench.typing import Json

Report = Callable[[int, float], bool]
"""Told the number of folds done and the score so far; says whether to stop."""


@dataclass(frozen=True, eq=False)
class Validated:
    """What a trial found on its validation folds.

    Parameters
    ----------
    score : float
        Annual Sharpe ratio, after costs, of the returns of all folds that were run; 0 where nothing was traded.
    returns : Series
        Net simple return of each validation bar.
    n_folds : int
        Folds that were run.
    pruned : bool
        Whether it was stopped before the last fold.
    """

    score: float
    returns: pd.Series
    n_folds: int
    pruned: bool


def inner_part(dataset: Dataset, holdout: float) -> tuple[Dataset, pd.Timestamp]:
    """Return the bars before the test part, and the test part's first bar.

    Raises
    ------
    DataError
        When there are too few bars for both parts.
    """
    times = pd.DatetimeIndex(dataset.bars.index)
    cut = int(len(times) * (1.0 - holdout))
    if not 2 <= cut < len(times):
        raise DataError(f"{len(times)} bars cannot be parted at {1 - holdout:.0%}; give more bars or another holdout")
    bars = dataset.bars.iloc[:cut]
    return dataclasses.replace(dataset, bars=bars, content_hash=content_hash(bars)), times[cut]


def configuration_of(parameters: BacktestParameters, test_start: pd.Timestamp) -> Json:
    """Return what makes a trial of a search one: its configuration, judged on bars before the test alone."""
    return trial_configuration(parameters, plan_backtest(parameters), test_start.isoformat()) | {
        "judged_on": "validation folds"
    }


def prove_causal(parameters: BacktestParameters, inner: Dataset) -> None:
    """Raise LookAheadError where a feature changes once later bars are removed."""
    for leak in find_leaks(inner.bars, parameters.features, seed=parameters.seed).values():
        raise leak


def validate(parameters: BacktestParameters, inner: Dataset, settings: Settings, report: Report) -> Validated:
    """Fit and trade every validation fold, and say after each how good the trial is so far.

    Parameters
    ----------
    inner : Dataset
        Bars before the test part: no later bar is seen, by features and labels either.
    report
        Stops the trial where it returns true; told nothing but the returns of folds that are done.

    Raises
    ------
    ConfigError, DataError
        For a configuration that cannot be run on these bars, such as folds longer than they are.
    """
    plan = plan_backtest(parameters)
    cache = FeatureCache(settings.features_dir)
    design = design_matrix(inner.bars, parameters.features, parameters.horizon, parameters.neutral_band, cache=cache)
    row_times, t1 = times_of(design), design.t1.where(design.known)
    by_time = design.t1.groupby(row_times).max()
    folds = plan.splitter.split(by_time.index, by_time.to_numpy())
    forecasts: list[pd.DataFrame] = []
    returns = pd.Series(dtype="float64")
    for fold in folds:
        train, test = rows_of(fold, row_times, t1)
        read = np.arange(int(row_times.searchsorted(fold.window_start)), int(test[-1]) + 1)
        run = run_fold(design, fold.number, read, train, test, plan.factory(parameters.seed))
        forecasts.append(run.proba)
        panel = pd.concat(forecasts)["forecast"].unstack("symbol")
        returns = trade_forecast(panel, inner.bars, plan).returns
        stop = report(len(forecasts), score_of(returns))
        if stop and len(forecasts) < len(folds):
            return Validated(score_of(returns), returns, len(forecasts), True)
    return Validated(score_of(returns), returns, len(folds), False)


def score_of(returns: pd.Series) -> float:
    """Return the annual Sharpe ratio of net returns; 0 where nothing moved."""
    per_bar = per_bar_sharpe(returns)
    return per_bar * math.sqrt(periods_per_year(pd.DatetimeIndex(returns.index))) if per_bar else 0.0
