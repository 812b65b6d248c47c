"""Cells of a sweep settled by the full bar: spread, impact, stops, limits, margin, funding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.backtest.market import Rebalance
from workbench.typing import Bars, FloatArray, IntArray

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution, Prepared


@dataclass(frozen=True, eq=False)
class FullBar:
    """Bars and execution laid out once for all configurations, in units of the cash that each account begins with."""

    prepared: Prepared
    execution: Execution
    capital: float

    @property
    def leverage(self) -> float:
        """Largest target without its sign."""
        return max(float(self.execution.leverage), 1.0)

    def account(self, targets: FloatArray, periods: float, statistics: FloatArray, returns: FloatArray) -> None:
        """Walk all accounts; fill their statistics, (n_assets, 5), and the mean of their net returns, (n_bars,)."""
        from workbench.backtest.sweep_kernels import portfolio_moments

        n_assets, n_bars = targets.shape
        own, traded, moments = np.empty(n_bars), np.empty(n_bars), np.empty(6)
        returns[:] = 0.0
        for j in range(n_assets):
            n_trades = self._walk(j, 0, n_bars, targets, own, traded)
            portfolio_moments(own, moments)
            total_return, deepest, mean, variance = moments[:4].tolist()
            sharpe = mean / variance**0.5 * periods**0.5 if variance > 0 else np.nan
            statistics[j] = total_return, sharpe, deepest, n_trades, traded.mean() * periods
            returns += own
        returns /= n_assets

    def walk(self, targets: FloatArray, parts: IntArray, returns: FloatArray, paths: FloatArray) -> None:
        """Walk each part, (n_parts, 2: first bar, stop), from a flat start; fill ``returns`` there and ``paths``."""
        from workbench.backtest.sweep_kernels import segment_paths

        n_assets, n_bars = targets.shape
        own, traded = np.empty(n_bars), np.empty(n_bars)
        for k, (first, stop) in enumerate(parts.tolist()):
            returns[first:stop] = 0.0
            for j in range(n_assets):
                self._walk(j, first, stop, targets, own, traded)
                returns[first:stop] += own[first:stop]
            returns[first:stop] /= n_assets
            segment_paths(returns, np.array([first, stop]), paths[k : k + 1])

    def identity(self) -> str:
        """Return what the numbers depend on besides the arrays."""
        return f"{self.execution!r} {self.capital!r}"

    def arrays(self) -> list[FloatArray]:
        """Return the arrays that the kernel reads."""
        return [np.asarray(values) for values in self.prepared.tape]

    def _walk(self, j: int, first: int, stop: int, targets: FloatArray, returns: FloatArray, traded: FloatArray) -> int:
        from workbench.backtest.execution import execution_returns

        return execution_returns(self.prepared, j, first, stop, targets, returns, traded)


def full_bar(
    bars: Bars, execution: Execution, rebalance: Rebalance, periods_per_year: float, capital: float
) -> FullBar:
    """Lay bars out for an execution; the errors are those of `prepare_execution`.

    The kernel's accounts begin with 1. Whatever is in units or cash (lots, minima, fixed fees, tiers, volumes) is
    divided by the capital, which is the same as beginning with it, since all else is a share of something.
    """
    from workbench.backtest.execution import prepare_execution

    prepared = prepare_execution(bars, execution, rebalance=rebalance, periods_per_year=periods_per_year)
    tape, terms, one = prepared.tape, prepared.terms, np.array([capital, 1.0, 1.0])
    tape = tape._replace(volume=tape.volume / capital, usual_volume=tape.usual_volume / capital)
    terms = terms._replace(
        lot=terms.lot / capital,
        min_notional=terms.min_notional / capital,
        fee_fixed=terms.fee_fixed / capital,
        fee_minimum=terms.fee_minimum / capital,
        tiers=terms.tiers / one,
    )
    return FullBar(replace(prepared, tape=tape, terms=terms), execution, capital)
