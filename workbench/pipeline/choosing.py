"""The ``walkforward`` notebook's run: the best of a grid chosen in each training part, judged on the bars after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.backtest import SWEEP_RULES, WalkForward, WalkForwardSweep, walk_forward_sweep
from workbench.config import Settings, WalkForwardParameters
from workbench.pipeline.evidence import Traded, gather
from workbench.pipeline.judge import believed, count_trial
from workbench.pipeline.keeping import Findings, ended, keep
from workbench.pipeline.lockbox import UsableBars, open_data
from workbench.pipeline.record import describe_dataset
from workbench.pipeline.ruled import Accounts, Terms, trade_baselines, trade_targets
from workbench.pipeline.rulesweep import rule_and_grid
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Chosen:
    """Everything one walk-forward choice computed before it is counted and judged."""

    parameters: WalkForwardParameters
    opened: UsableBars
    terms: Terms
    configurations: list[dict[str, Any]]
    result: WalkForwardSweep
    accounts: Accounts
    baselines: dict[str, Traded]


def run_walkforward(
    parameters: WalkForwardParameters, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> RunRecord:
    """Choose a grid's best configuration inside each fold, judge the choices outside, count the procedure as a trial.

    What is judged is one account a symbol that trades the choices one after the other over all test parts, the change
    from one choice to the next included.

    Same arguments, result and errors as `workbench.pipeline.run_sweep`. The trial is the procedure (rule, grid, folds,
    objective): what it chose inside a fold never saw the bars it is judged on, so the cells are no trials of their own.
    """
    tell = progress or (lambda _share, _words: None)
    chosen = evaluate_choices(parameters, settings, now, tell)
    name = f"{parameters.rule} on {', '.join(parameters.symbols)}"
    return keep(parameters, settings, name, now, lambda run: choice_findings(chosen, settings, now, run, tell), tell)


def evaluate_choices(
    parameters: WalkForwardParameters,
    settings: Settings,
    now: datetime,
    progress: Progress,
    opened: UsableBars | None = None,
) -> Chosen:
    """Load the bars (or take those ``opened``) and choose in every fold; nothing is counted or kept yet."""
    function, configurations = rule_and_grid(parameters.rule, parameters.grid)
    terms = Terms.of(parameters)
    progress(0.0, "loading bars")
    opened = opened or open_data(parameters, settings, now)
    splitter = WalkForward(parameters.train_size, parameters.test_size, parameters.expanding, parameters.embargo)
    result = walk_forward_sweep(
        opened.dataset.bars,
        function,
        configurations,
        splitter,
        objective=parameters.objective,
        stateless=parameters.stateless,
        rebalance=terms.rebalance,
        capital=terms.capital,
        backend=settings.sweep_backend,
        address=settings.dask_address or None,
        folder=settings.sweeps_dir,
        progress=lambda share, words: progress(0.05 + 0.65 * share, words),
        **terms.costs(),
    )
    progress(0.7, "simulating the choices and the baselines")
    targets = result.targets
    bars = opened.dataset.bars
    tested = bars.loc[targets.index[0] : targets.index[-1]]
    accounts, baselines = trade_targets(bars, targets, terms), trade_baselines(tested, terms, bars)
    return Chosen(parameters, opened, terms, configurations, result, accounts, baselines)


def choice_findings(
    chosen: Chosen, settings: Settings, now: datetime, run_id: str, progress: Progress, trial: Json | None = None
) -> Findings:
    """Count the procedure (unless a recorded ``trial`` is given), judge it and gather what a record holds."""
    from workbench.tracking import check_gates

    parameters, accounts = chosen.parameters, chosen.accounts
    net = accounts.returns
    progress(0.72, "counting the trial")
    trials = pd.DataFrame()
    if trial is None:
        trial, trials = count_trial(_identity(chosen), net, chosen.opened.dataset, settings, now)
        trial = trial | chosen.opened.opening(run_id, settings, now)
    evidence = gather(accounts, chosen.baselines, chosen.opened.dataset.bars, parameters, progress)
    metrics = accounts.summary(parameters.confidence) | believed(net, trial) | evidence.metrics
    metrics |= _choices(chosen.result.selection) | chosen.opened.metrics(net, trial)
    baselines = {name: a.summary(parameters.confidence) for name, a in chosen.baselines.items()}
    returns = {"strategy": net, **{name: a.returns for name, a in chosen.baselines.items()}}
    return Findings(
        name=f"{parameters.rule} on {', '.join(parameters.symbols)}",
        dataset=describe_dataset(chosen.opened.dataset),
        metrics=metrics,
        frames={
            "returns": pd.DataFrame(returns),
            "positions": accounts.positions,
            "fills": accounts.rows("fills"),
            "trades": accounts.rows("trades"),
            "costs": accounts.costs,
            "selection": chosen.result.selection,
            "trials": trials,
            **evidence.frames,
        },
        baselines=baselines,
        trial=trial,
        verdict=check_gates(metrics, baselines).as_dict(),
        environment={"seed": parameters.seed, **ended(accounts.stale)},
    )


def _choices(selection: pd.DataFrame) -> dict[str, float]:
    """Return what became of the choices: their objective inside and outside, and how often the choice changed."""
    inside, outside = selection["in_sample"], selection["out_of_sample"]
    return {
        "n_folds": float(len(selection)),
        "mean_in_sample": float(inside.mean()),
        "mean_out_of_sample": float(outside.mean()),
        "share_of_folds_above_zero": float((outside > 0).mean()),
    }


def _identity(chosen: Chosen) -> Json:
    parameters, known = chosen.parameters, SWEEP_RULES[chosen.parameters.rule]
    identity: dict[str, Any] = {
        "procedure": "walk-forward choice",
        "rule": f"{parameters.rule} {known.version}",
        "cells": [known.complete(**c) for c in chosen.configurations],
        "range": [parameters.start, chosen.opened.end or parameters.end],
        "folds": [parameters.train_size, parameters.test_size, parameters.expanding, parameters.embargo],
        "objective": parameters.objective,
        "flat_start": not parameters.stateless,
        "costs_bps": [chosen.terms.fee_bps, chosen.terms.slippage_bps],
        "rebalance": chosen.terms.rebalance,
    }
    if chosen.terms.execution is not None:
        identity |= {"execution": chosen.terms.execution.describe(), "capital": chosen.terms.capital}
    return identity
