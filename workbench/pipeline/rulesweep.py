"""The ``sweep`` notebook's run: every cell of a grid a counted trial, and the odds that the best of them is luck."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.backtest import SWEEP_RULES, Sweep, grid, sweep
from workbench.config import Settings, SweepParameters, did_you_mean, parse_grid
from workbench.data import Dataset
from workbench.errors import ConfigError
from workbench.pipeline.evidence import Evidence, Traded, gather
from workbench.pipeline.judge import believed
from workbench.pipeline.keeping import Findings, ended, keep
from workbench.pipeline.lockbox import UsableBars, open_data
from workbench.pipeline.record import describe_dataset
from workbench.pipeline.ruled import Accounts, PositionFunction, Terms, trade_baselines, trade_rule
from workbench.pipeline.trialcount import count_cells
from workbench.risk import periods_per_year
from workbench.typing import FloatArray, Json

if TYPE_CHECKING:
    from workbench.backtest.statistics import Overfitting
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]
MOST_CELLS = 1_000_000
_LEAST_BUCKETS, _RESAMPLES = 50, 500


@dataclass(frozen=True)
class Swept:
    """Everything one sweep computed before it is counted and judged."""

    parameters: SweepParameters
    opened: UsableBars
    terms: Terms
    configurations: list[dict[str, Any]]
    result: Sweep
    best: int
    accounts: Accounts
    baselines: dict[str, Traded]

    @property
    def dataset(self) -> Dataset:
        """The bars that were swept."""
        return self.opened.dataset


def run_sweep(
    parameters: SweepParameters, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> RunRecord:
    """Sweep a rule's grid, count every cell as a trial, judge the best cell and keep the record.

    Parameters
    ----------
    parameters : SweepParameters
        Checked parameters of the ``sweep`` notebook.
    settings : Settings
        Where bars, records, the ledger and finished parts of sweeps lie, and where sweeps run.
    now : datetime
        Start of the run, UTC.
    progress : callable, optional
        Called with the share done (0 to 1) and a few words.

    Returns
    -------
    RunRecord
        The cells with their statistics, the best cell's returns, fills and evidence, the overfitting statistics.

    Raises
    ------
    ConfigError, DataError
        For a rule, argument, symbol or range that cannot be run; nothing is counted then. Cells finished before an
        interruption are kept and not computed again.
    """
    tell = progress or (lambda _share, _words: None)
    swept = evaluate_sweep(parameters, settings, now, tell)
    name = f"{parameters.rule} on {', '.join(parameters.symbols)}"
    return keep(parameters, settings, name, now, lambda run: sweep_findings(swept, settings, now, run, tell), tell)


def evaluate_sweep(
    parameters: SweepParameters,
    settings: Settings,
    now: datetime,
    progress: Progress,
    opened: UsableBars | None = None,
) -> Swept:
    """Load the bars (or take those ``opened``), run all cells and the best one in full; nothing is counted yet."""
    function, configurations = rule_and_grid(parameters.rule, parameters.grid)
    terms = Terms.of(parameters)
    progress(0.0, "loading bars")
    opened = opened or open_data(parameters, settings, now)
    bars = opened.dataset.bars
    result = sweep(
        bars,
        function,
        configurations,
        rebalance=terms.rebalance,
        capital=terms.capital,
        blocks=parameters.blocks,
        backend=settings.sweep_backend,
        address=settings.dask_address or None,
        folder=settings.sweeps_dir,
        progress=lambda share, words: progress(0.05 + 0.6 * share, words),
        **terms.costs(),
    )
    best = best_cell(result.portfolio, parameters.objective, len(bars) / periods_per_year(pd.DatetimeIndex(bars.index)))
    progress(0.66, "simulating the best cell and the baselines")
    return Swept(
        parameters=parameters,
        opened=opened,
        terms=terms,
        configurations=configurations,
        result=result,
        best=best,
        accounts=trade_rule(bars, function, configurations[best], terms),
        baselines=trade_baselines(bars, terms),
    )


def sweep_findings(
    swept: Swept, settings: Settings, now: datetime, run_id: str, progress: Progress, trial: Json | None = None
) -> Findings:
    """Count the cells (unless a recorded ``trial`` is given), judge the best one and gather what a record holds."""
    from workbench.tracking import check_gates

    parameters, accounts = swept.parameters, swept.accounts
    progress(0.7, "counting the trials")
    trials = pd.DataFrame()
    if trial is None:
        trial, trials = count_cells(swept.dataset, identities(swept), swept.result, swept.best, settings, now)
        trial = trial | swept.opened.opening(run_id, settings, now)
    net = accounts.returns
    progress(0.75, "asking how much of it is luck")
    overfit = swept.result.overfitting() if _has_choice(swept) else None
    evidence = gather(accounts, swept.baselines, swept.dataset.bars, parameters, progress)
    metrics = accounts.summary(parameters.confidence) | believed(net, trial) | evidence.metrics
    metrics |= _overfit(overfit, metrics) | _superiority(swept) | swept.opened.metrics(net, trial)
    baselines = {name: a.summary(parameters.confidence) for name, a in swept.baselines.items()}
    cells = _cells(swept, trial)
    frames = _frames(swept, evidence, cells, overfit) | {"trials": trials}
    stable = _stability(swept, cells)
    return Findings(
        name=f"{parameters.rule} on {', '.join(parameters.symbols)}",
        dataset=describe_dataset(swept.dataset),
        metrics=metrics | stable,
        frames=frames,
        baselines=baselines,
        trial=trial,
        verdict=check_gates(metrics, baselines).as_dict(),
        environment={
            "seed": parameters.seed,
            "best": ", ".join(f"{k} {v}" for k, v in swept.configurations[swept.best].items()),
            **ended(accounts.stale),
        },
    )


def rule_and_grid(rule: str, lines: Sequence[str]) -> tuple[PositionFunction, list[dict[str, Any]]]:
    """Return a rule by its name and the configurations of a grid that it can take.

    Combinations that the rule's own conditions refuse (a fast average that is not faster) are left out.
    """
    if rule not in SWEEP_RULES:
        raise ConfigError(f"unknown rule {rule!r}.{did_you_mean(rule, SWEEP_RULES)}")
    known = SWEEP_RULES[rule]
    values = parse_grid(lines)
    for name in values:
        if name not in known.arguments:
            raise ConfigError(f"rule {rule!r} has no argument {name!r}.{did_you_mean(name, known.arguments)}")
    total = math.prod(len(v) for v in values.values())
    if total > MOST_CELLS:
        raise ConfigError(f"the grid has {total:,} cells, more than {MOST_CELLS:,}; widen its steps")
    cells = [cell for cell in grid(**values) if known.accepts(**cell)]
    if not cells:
        raise ConfigError(f"rule {rule!r} accepts none of the grid's {total:,} combinations; see its arguments' bounds")
    return known.function, cells


def best_cell(portfolio: pd.DataFrame, objective: str, years: float = 1.0) -> int:
    """Return the row with the highest objective, over so many years; one without it is never the best beside others."""
    values = portfolio[objective] if objective in portfolio else _calmar(portfolio, years)
    return int(np.argmax(np.where(np.isnan(values), -np.inf, values)))


def _calmar(portfolio: pd.DataFrame, years: float) -> FloatArray:
    """Annual return over the largest fall: the total return would rank cells otherwise."""
    fall = portfolio["max_drawdown"].to_numpy()
    annual = (1.0 + portfolio["total_return"].to_numpy()) ** (1.0 / years) - 1.0
    return np.divide(annual, fall, where=fall > 0, out=np.full(len(fall), np.nan))


def identities(swept: Swept) -> list[Json]:
    """Return what makes each cell a trial of its own: rule and its code, arguments, costs and range."""
    known = SWEEP_RULES[swept.parameters.rule]
    terms, parameters = swept.terms, swept.parameters
    common: dict[str, Any] = {
        "range": [parameters.start, swept.opened.end or parameters.end],
        "costs_bps": [terms.fee_bps, terms.slippage_bps],
        "rebalance": terms.rebalance,
    }
    if terms.execution is not None:
        common |= {"execution": terms.execution.describe(), "capital": terms.capital}
    rule = f"{parameters.rule} {known.version}"
    return [{"rule": rule, "arguments": known.complete(**c), **common} for c in swept.configurations]


def _cells(swept: Swept, trial: Json) -> pd.DataFrame:
    """Return one row per configuration; the best ones with an interval and a deflated Sharpe ratio."""
    from workbench.backtest.statistics import sharpe_interval

    parameters, portfolio = swept.parameters, swept.result.portfolio
    cells = pd.DataFrame(swept.configurations)
    statistics = ("sharpe_ratio", "total_return", "max_drawdown", "n_trades", "turnover")
    cells = cells.assign(**{name: portfolio[name].to_numpy() for name in statistics})
    order = np.argsort(-np.nan_to_num(portfolio["sharpe_ratio"].to_numpy(), nan=-np.inf), kind="stable")
    cells = cells.assign(low=np.nan, high=np.nan, deflated_sharpe_ratio=np.nan)
    function = SWEEP_RULES[parameters.rule].function
    for row in sorted({*order[: parameters.keep_cells].tolist(), swept.best}):
        own = trade_rule(swept.dataset.bars, function, swept.configurations[row], swept.terms)
        net = own.returns
        if not net.std() > 0:
            continue
        low, high = sharpe_interval(
            net, confidence=parameters.confidence, replicates=parameters.replicates, seed=parameters.seed
        )
        cells.loc[row, ["low", "high"]] = low, high
        cells.loc[row, "deflated_sharpe_ratio"] = believed(net, trial)["deflated_sharpe_ratio"]
    return cells


def _has_choice(swept: Swept) -> bool:
    """Say whether there is something to overfit: two cells, over blocks of two bars."""
    return len(swept.configurations) > 1 and swept.result.block_length > 1


def _overfit(overfit: Overfitting | None, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the sweep's own overfitting figures; of its PBO and that of all the data set's trials the higher."""
    if overfit is None:
        return {}
    known = [v for v in (overfit.pbo, metrics["probability_of_backtest_overfitting"]) if not math.isnan(v)]
    return {
        "probability_of_backtest_overfitting": max(known, default=math.nan),
        "sweep_overfitting": overfit.pbo,
        "probability_of_loss": overfit.probability_of_loss,
        "degradation_slope": overfit.slope,
    }


def _superiority(swept: Swept) -> dict[str, float]:
    """Return Hansen's p-value that no cell beats buying and holding, and how many do, on returns in short."""
    from workbench.backtest.statistics import superior_ability
    from workbench.tracking import sketches_of

    cells, times = swept.result.sketch, swept.result.sketch_times
    held = swept.baselines["buy_and_hold"].returns
    beside = sketches_of(pd.DatetimeIndex(held.index), held.to_numpy()[None, :])[0].sums
    beside = beside[~np.isnan(beside)]
    if len(beside) != len(times) or len(times) < _LEAST_BUCKETS or len(cells) < 2:
        return {}
    found = superior_ability(cells.T, beside, replicates=_RESAMPLES, seed=swept.parameters.seed)
    return {"superior_ability_p_value": found.p_value, "n_superior": float(len(found.superior))}


def _stability(swept: Swept, cells: pd.DataFrame) -> dict[str, float]:
    from workbench.backtest.statistics import surface_stability

    names = list(swept.configurations[0])
    found = surface_stability(cells[names], cells["sharpe_ratio"].to_numpy(), winner=swept.best)
    return {"plateau_score": found.score, "plateau_share": found.share, "is_plateau": float(found.verdict == "plateau")}


def _frames(
    swept: Swept, evidence: Evidence, cells: pd.DataFrame, overfit: Overfitting | None
) -> dict[str, pd.DataFrame]:
    accounts = swept.accounts
    pbo, degradation = pd.DataFrame(columns=["logit"]), pd.DataFrame(columns=["in_sample", "out_of_sample"])
    if overfit is not None:
        pbo = pd.DataFrame({"logit": overfit.logits})
        degradation = pd.DataFrame({"in_sample": overfit.in_sample, "out_of_sample": overfit.out_of_sample})
    returns = {"strategy": accounts.returns, **{name: a.returns for name, a in swept.baselines.items()}}
    return {
        "returns": pd.DataFrame(returns),
        "positions": accounts.positions,
        "fills": accounts.rows("fills"),
        "trades": accounts.rows("trades"),
        "costs": accounts.costs,
        "cells": cells,
        "pbo": pbo,
        "degradation": degradation,
        **evidence.frames,
    }
