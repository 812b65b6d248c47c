"""What stands beside a run's measures: how sure they are, what they cost, when they were earned, and what luck earns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from workbench.typing import Bars, Panel

if TYPE_CHECKING:
    from workbench.pipeline.record import Evaluation

Progress = Callable[[float, str], None]


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


@dataclass(frozen=True)
class Evidence:
    """Further metrics and frames of a record."""

    metrics: dict[str, float] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)


def gather(
    traded: Traded, baselines: Mapping[str, Traded], bars: Bars, parameters: Any, progress: Progress
) -> Evidence:
    """Return the evidence on one traded strategy beside its baselines."""
    progress(0.76, "bounding the measures")
    return Evidence(frames={"account": account_of(traded)})


def gather_backtest(evaluation: Evaluation, progress: Progress) -> Evidence:
    """Return the evidence on a model's walk-forward backtest."""
    results = dict(evaluation.portfolio.results)
    strategy = results.pop("strategy")
    return gather(strategy, results, evaluation.dataset.bars, evaluation.parameters, progress)


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
