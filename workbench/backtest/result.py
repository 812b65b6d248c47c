"""What a backtest hands over."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from workbench import risk


@dataclass(frozen=True)
class BacktestResult:
    """A finished backtest, indexed by the bars' open times.

    Parameters
    ----------
    returns
        Net simple return of each bar, close to close, (n_bars,).
    positions
        Signed fraction of equity held at each close, after the bar's fills, (n_bars, n_assets).
    equity, cash
        Account value and cash at each close, (n_bars,).
    costs
        Columns ``fee`` and ``slippage``: paid at each bar, in units of cash.
    traded
        Value traded at each bar over the equity before it, (n_bars,).
    fills
        One row per fill: ``time`` (open of its bar), ``symbol``, ``units`` (signed), ``price`` (slippage included),
        ``value`` (units · price), ``fee``, ``slippage`` (cost against the open).
    trades
        One row per round trip: ``symbol``, ``entry_time``, ``exit_time`` (NaT while open), ``side`` (long or short),
        ``entry_price``, ``exit_price`` (averages; the last mark while open), ``units`` (bought or sold short in total),
        ``pnl`` (after fees), ``return`` (pnl over what was put in), ``bars`` (held).
    initial_cash
        Cash at the start.
    ruined_at
        Bar at which equity fell to zero or below; None if it never did.
    """

    returns: pd.Series
    positions: pd.DataFrame
    equity: pd.Series
    cash: pd.Series
    costs: pd.DataFrame
    traded: pd.Series
    fills: pd.DataFrame
    trades: pd.DataFrame
    initial_cash: float
    ruined_at: pd.Timestamp | None = None

    def summary(self, confidence: float = 0.95, periods_per_year: float | None = None) -> dict[str, float]:
        """Return all risk measures, and counts and costs, under machine keys.

        Beside `workbench.risk.summary`: ``n_bars``, ``n_fills``, ``n_trades`` (round trips, open ones included),
        ``total_fee`` and ``total_slippage`` as fractions of the initial cash, and ``final_equity``. ``turnover``
        counts the fills themselves.
        """
        measures = risk.summary(
            self.returns, self.positions, confidence=confidence, periods_per_year=periods_per_year, traded=self.traded
        )
        return measures | {
            "n_bars": float(len(self.returns)),
            "n_fills": float(len(self.fills)),
            "n_trades": float(len(self.trades)),
            "total_fee": float(self.costs["fee"].sum()) / self.initial_cash,
            "total_slippage": float(self.costs["slippage"].sum()) / self.initial_cash,
            "final_equity": float(self.equity.iloc[-1]),
        }
