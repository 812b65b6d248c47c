"""One rule, one configuration, in full: every fill of each symbol's account, and what doing nothing clever earned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from workbench import risk
from workbench.backtest import BacktestResult, simulate
from workbench.pipeline.evidence import Result, Traded, paid_share
from workbench.pipeline.room import traded_by_symbol
from workbench.typing import Bars, FloatArray, Panel

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution
    from workbench.backtest.market import Rebalance

PositionFunction = Callable[..., FloatArray]
BASELINES = ("zero", "persistence", "buy_and_hold", "equal_weight")


@dataclass(frozen=True)
class Terms:
    """How orders of a rule are sent and what they cost."""

    fee_bps: float
    slippage_bps: float
    rebalance: Rebalance
    capital: float
    max_leverage: float
    execution: Execution | None

    @classmethod
    def of(cls, parameters: Any) -> Terms:
        """Take the terms out of the parameters of a notebook."""
        from workbench.pipeline.plan import execution_of

        return cls(
            fee_bps=parameters.fee_bps,
            slippage_bps=parameters.slippage_bps,
            rebalance=cast("Rebalance", parameters.rebalance),
            capital=parameters.capital,
            max_leverage=parameters.max_leverage,
            execution=execution_of(parameters),
        )

    def costs(self) -> dict[str, Any]:
        """Return the arguments of `simulate` and `sweep` that say what a fill costs."""
        if self.execution is None:
            return {"fee_bps": self.fee_bps, "slippage_bps": self.slippage_bps}
        return {"execution": self.execution}


@dataclass(frozen=True)
class Accounts:
    """One account a symbol, with equal capital, seen as one portfolio: its return is the mean of theirs.

    That is how a sweep sees a configuration, so the two agree. The shares are set back to equal at each bar without
    cost: a bookkeeping between accounts, stated on the report.
    """

    results: Mapping[str, BacktestResult]

    @property
    def returns(self) -> pd.Series:
        """Net simple return of each bar, (n_bars,)."""
        return pd.DataFrame({s: r.returns for s, r in self.results.items()}).mean(axis=1).rename("returns")

    @property
    def positions(self) -> Panel:
        """Signed fraction of the whole held in each symbol at the close, (n_bars, n_symbols)."""
        held = {s: r.positions[s] / len(self.results) for s, r in self.results.items()}
        return pd.DataFrame(held).rename_axis(columns="symbol")

    @property
    def traded(self) -> pd.Series:
        """Value traded at each bar over equity, (n_bars,)."""
        return pd.DataFrame({s: r.traded for s, r in self.results.items()}).mean(axis=1)

    @property
    def paid(self) -> pd.Series:
        """Fee and slippage at each bar over equity, (n_bars,)."""
        return pd.DataFrame({s: paid_share(r) for s, r in self.results.items()}).mean(axis=1)

    @property
    def by_symbol(self) -> Panel:
        """Value traded of each symbol at each bar over the whole's equity, (n_bars, n_symbols)."""
        parts = [traded_by_symbol(r) for r in self.results.values()]
        return pd.concat(parts, axis=1) / len(self.results)

    @property
    def costs(self) -> pd.DataFrame:
        """What the mean account paid at each bar, by kind, in units of the cash that each began with."""
        parts = [r.costs for r in self.results.values()]
        return sum(parts[1:], parts[0]) / len(parts)

    @property
    def stale(self) -> dict[str, pd.Timestamp]:
        """Time of the last price of each symbol that is held at the end but no longer trades."""
        return {str(symbol): last for r in self.results.values() for symbol, last in r.stale.items()}

    def rows(self, name: str) -> pd.DataFrame:
        """Return all accounts' ``fills`` or ``trades`` in the order of time."""
        tables = [table for r in self.results.values() if len(table := getattr(r, name))]
        if not tables:
            return getattr(next(iter(self.results.values())), name)
        by = "time" if name == "fills" else "entry_time"
        return pd.concat(tables, ignore_index=True).sort_values(by, kind="stable", ignore_index=True)

    def summary(self, confidence: float) -> dict[str, float]:
        """Return all measures of the whole, and counts and costs as `BacktestResult.summary` does."""
        paid = self.costs.sum() / next(iter(self.results.values())).initial_cash
        measures = risk.summary(self.returns, self.positions, confidence=confidence, traded=self.traded)
        return measures | {
            "n_bars": float(len(self.returns)),
            "n_fills": float(len(self.rows("fills"))),
            "n_trades": float(len(self.rows("trades"))),
            "n_liquidations": float((self.rows("fills")["reason"] == "liquidation").sum()),
            **{f"total_{kind}": float(value) for kind, value in paid.items()},
            "final_equity": float(sum(r.equity.iloc[-1] for r in self.results.values())),
        }


def trade_rule(bars: Bars, function: PositionFunction, configuration: Mapping[str, Any], terms: Terms) -> Accounts:
    """Simulate one configuration of a rule on each symbol, with every fill."""
    close = pd.DataFrame(bars["close"])
    targets = np.asarray(function(close.to_numpy(dtype=np.float64), **configuration), dtype=np.float64)
    return trade_targets(bars, pd.DataFrame(targets, index=close.index, columns=close.columns), terms)


def trade_targets(bars: Bars, targets: Panel, terms: Terms, rebalance: Rebalance | None = None) -> Accounts:
    """Simulate each symbol's targets, fractions of an account of its own."""
    return Accounts(
        {
            str(symbol): simulate(
                targets[[symbol]],
                bars,
                initial_cash=terms.capital,
                max_leverage=terms.max_leverage,
                rebalance=rebalance or terms.rebalance,
                **terms.costs(),
            )
            for symbol in targets.columns
        }
    )


def trade_baselines(bars: Bars, terms: Terms, history: Bars | None = None) -> dict[str, Traded]:
    """Simulate doing nothing, repeating the last move, holding, and holding equal shares, at the same costs.

    ``history`` holds the bars and those before them, for what an execution measures over the past.
    """
    from dataclasses import replace

    plain = replace(terms, execution=terms.execution.without_exits() if terms.execution else None)
    close = pd.DataFrame(bars["close"])
    ones = close.where(close.isna(), 1.0)
    last_move = close.apply(lambda own: np.sign(own.dropna().diff())).reindex_like(close)
    whole = bars if history is None else history
    return {
        "zero": trade_targets(whole, ones * 0.0, plain, "on_change"),
        "persistence": trade_targets(whole, last_move, plain, terms.rebalance),
        "buy_and_hold": Result(_held(whole, ones, plain, "on_change")),
        "equal_weight": Result(_held(whole, ones, plain, "every_bar")),
    }


def _held(bars: Bars, ones: Panel, terms: Terms, rebalance: Rebalance) -> BacktestResult:
    """Hold all symbols in one account, equal at the start: left to drift, or traded back to equal shares."""
    shares = ones / len(ones.columns)
    return simulate(
        shares, bars, initial_cash=terms.capital, max_leverage=terms.max_leverage, rebalance=rebalance, **terms.costs()
    )
