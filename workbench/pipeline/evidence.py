"""What stands beside a run's measures: how sure they are, when they were earned, at what cost, and what luck earns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from workbench.config import BacktestParameters
from workbench.pipeline.luck import nulls_of, paths_of
from workbench.pipeline.room import capacity_of, traded_by_symbol
from workbench.pipeline.states import crises_of, regimes_of
from workbench.typing import Bars, Panel

if TYPE_CHECKING:
    from workbench.backtest import BacktestResult
    from workbench.pipeline.record import Evaluation

Progress = Callable[[float, str], None]
_RELATIVE = ("alpha", "alpha_t", "beta", "information_ratio", "tracking_error")


class Traded(Protocol):
    """What is read of a simulation: a `BacktestResult`, or accounts seen as one."""

    @property
    def returns(self) -> pd.Series:
        """Net simple return of each bar."""

    @property
    def positions(self) -> Panel:
        """Signed fraction of equity held in each symbol at the close."""

    @property
    def traded(self) -> pd.Series:
        """Value traded at each bar over equity."""

    @property
    def paid(self) -> pd.Series:
        """Fee and slippage at each bar over equity."""

    @property
    def by_symbol(self) -> Panel:
        """Value traded of each symbol at each bar over equity."""

    def summary(self, confidence: float) -> dict[str, float]:
        """Return all measures, counts and costs."""


@dataclass(frozen=True)
class Result:
    """A `BacktestResult` as a strategy that is judged."""

    result: BacktestResult

    @property
    def returns(self) -> pd.Series:
        """Net simple return of each bar."""
        return self.result.returns

    @property
    def positions(self) -> Panel:
        """Signed fraction of equity held in each symbol at the close."""
        return self.result.positions

    @property
    def traded(self) -> pd.Series:
        """Value traded at each bar over equity."""
        return self.result.traded

    @property
    def paid(self) -> pd.Series:
        """Fee and slippage at each bar over the equity before it."""
        return paid_share(self.result)

    @property
    def by_symbol(self) -> Panel:
        """Value traded of each symbol at each bar over the equity before it."""
        return traded_by_symbol(self.result)

    def summary(self, confidence: float) -> dict[str, float]:
        """Return all measures, counts and costs."""
        return self.result.summary(confidence)


def paid_share(result: BacktestResult) -> pd.Series:
    """Return fee and slippage at each bar over the equity before it; 0 where nothing is left."""
    before = result.equity.shift(1, fill_value=result.initial_cash)
    return (result.costs[["fee", "slippage"]].sum(axis=1) / before.where(before > 0)).fillna(0.0)


@dataclass(frozen=True)
class Evidence:
    """Further metrics and frames of a record."""

    metrics: dict[str, float] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)


def gather(
    traded: Traded,
    baselines: Mapping[str, Traded],
    bars: Bars,
    parameters: Any,
    progress: Progress,
) -> Evidence:
    """Return the evidence on one traded strategy beside its baselines.

    Parameters
    ----------
    traded
        The strategy, over the bars it is judged on.
    baselines
        ``buy_and_hold`` among them: what beta, crises and market states are measured by.
    bars
        Bars that cover the strategy's, for the states of the market and what the market could take.
    parameters
        Names ``confidence``, ``replicates`` and ``seed``.
    """
    from workbench.backtest.statistics import against_benchmark, break_even_bps, cost_curve, headline_intervals

    net, turned, market = traded.returns, traded.traded, baselines["buy_and_hold"].returns
    progress(0.76, "bounding the measures")
    intervals = headline_intervals(
        net, confidence=parameters.confidence, replicates=parameters.replicates, seed=parameters.seed
    )
    progress(0.8, "asking what cost and capital it bears")
    total = float(turned.sum())
    cost = float(traded.paid.sum()) / total * 1e4 if total > 0 else 0.0
    capacity, room = capacity_of(net, traded.by_symbol, bars)
    relative = against_benchmark(net, market) if len(net) > 2 else None
    metrics = {
        "cost_bps": cost,
        "break_even_bps": break_even_bps(net, turned, cost_bps=cost),
        **room,
        **({name: float(getattr(relative, name)) for name in _RELATIVE} if relative else {}),
    }
    frames = {
        "account": account_of(traded),
        "intervals": intervals,
        "cost_curve": cost_curve(net, turned, cost_bps=cost),
        "capacity": capacity,
        "regimes": regimes_of(net, bars),
        "crises": crises_of(net, market),
    }
    return Evidence(metrics, frames)


def gather_backtest(evaluation: Evaluation, progress: Progress) -> Evidence:
    """Return the evidence on a model's walk-forward backtest: also what luck earns, and the paths of other splits."""
    results = {name: Result(r) for name, r in evaluation.portfolio.results.items()}
    strategy = results.pop("strategy")
    parameters = evaluation.parameters
    evidence = gather(strategy, results, evaluation.dataset.bars, _defaults(parameters), progress)
    if isinstance(parameters, BacktestParameters) and parameters.null_draws:
        progress(0.82, "drawing what luck earns")
        evidence.frames["nulls"], evidence.frames["null_draws"] = nulls_of(
            evaluation, evidence.metrics["cost_bps"], parameters.null_draws
        )
    if isinstance(parameters, BacktestParameters) and parameters.cpcv_groups:
        evidence.frames["paths"] = paths_of(evaluation, parameters.cpcv_groups, progress)
    return evidence


def account_of(traded: Traded) -> pd.DataFrame:
    """Return wealth, value traded and exposure at each bar: equity (1 at the start), traded, gross, net."""
    positions = traded.positions
    return pd.DataFrame(
        {
            "equity": (1 + traded.returns).cumprod(),
            "traded": traded.traded,
            "gross": positions.abs().sum(axis=1),
            "net": positions.sum(axis=1),
        }
    )


def _defaults(parameters: Any) -> Any:
    """Return the parameters, or the backtest's defaults for a notebook that has no such parameters of its own."""
    if hasattr(parameters, "replicates"):
        return parameters
    return BacktestParameters().model_copy(update={"seed": parameters.seed})
