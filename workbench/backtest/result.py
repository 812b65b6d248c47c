"""What a backtest hands over."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from workbench import risk

COSTS = ("fee", "slippage", "funding", "borrow", "interest")
"""What is paid, by kind, in the order of `BacktestResult.costs`."""


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
        Columns ``fee``, ``slippage``, ``funding``, ``borrow`` and ``interest``: paid at each bar, in units of cash;
        funding below 0 was received.
    traded
        Value traded at each bar over the equity before it, (n_bars,).
    fills
        One row per fill: ``time`` (open of its bar), ``symbol``, ``units`` (signed), ``price`` (slippage included),
        ``value`` (units · price), ``fee``, ``slippage`` (cost against the open or the level), ``reason`` (see
        `workbench.backtest.execution.REASONS`), ``liquidity`` (taker or maker).
    trades
        One row per round trip: ``symbol``, ``entry_time``, ``exit_time`` (NaT while open), ``side`` (long or short),
        ``entry_price``, ``exit_price`` (averages; the last mark while open), ``units`` (bought or sold short in total),
        ``pnl`` (after fees), ``return`` (pnl over what was put in), ``bars`` (held), ``mae`` and ``mfe`` (largest fall
        below and rise above the entry price while open, fractions of it), ``exit_reason`` (empty while open).
    initial_cash
        Cash at the start.
    ruined_at
        Bar at which equity fell to zero or below; None if it never did.
    stale
        Time of the last price of each asset that is held at the end but no longer trades: such a position is marked to
        that price.
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
    stale: pd.Series = field(default_factory=lambda: pd.Series(dtype="datetime64[ns, UTC]"))

    def summary(self, confidence: float = 0.95, periods_per_year: float | None = None) -> dict[str, float]:
        """Return all risk measures, and counts and costs, under machine keys.

        Beside `workbench.risk.summary`: ``n_bars``, ``n_fills``, ``n_trades`` (round trips, open ones included),
        ``n_liquidations`` (fills), ``total_fee``, ``total_slippage``, ``total_funding``, ``total_borrow`` and
        ``total_interest`` as fractions of the initial cash, and ``final_equity``. ``turnover`` counts the fills
        themselves.
        """
        measures = risk.summary(
            self.returns, self.positions, confidence=confidence, periods_per_year=periods_per_year, traded=self.traded
        )
        return measures | {
            "n_bars": float(len(self.returns)),
            "n_fills": float(len(self.fills)),
            "n_trades": float(len(self.trades)),
            "n_liquidations": float((self.fills["reason"] == "liquidation").sum()),
            **{f"total_{kind}": float(self.costs[kind].sum()) / self.initial_cash for kind in COSTS},
            "final_equity": float(self.equity.iloc[-1]),
        }
