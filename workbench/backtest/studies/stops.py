"""The same targets under several sets of exits, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from workbench.backtest.engine import simulate
from workbench.backtest.market import Rebalance
from workbench.typing import Bars, Panel

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution

STOPPED = ("stop", "trailing", "stop_limit")


def compare_stops(
    positions: Panel,
    bars: Bars,
    executions: Mapping[str, Execution],
    *,
    max_leverage: float = 1.0,
    rebalance: Rebalance = "on_change",
) -> pd.DataFrame:
    """Trade the same targets under several executions and return one row each.

    Parameters
    ----------
    positions, bars, max_leverage, rebalance
        As in `workbench.backtest.simulate`.
    executions
        Name to `Execution`, for instance fixed stops, widened stops, none.

    Returns
    -------
    DataFrame
        Columns ``total_return``, ``sharpe_ratio``, ``max_drawdown``, ``n_trades``, ``n_stopped`` (fills of a stop),
        ``loss_at_stop`` (mean return of the round trips that a stop ended), ``worst_trade``, ``total_fee`` and
        ``total_slippage`` (fractions of the initial cash).
    """
    rows = {}
    for name, execution in executions.items():
        result = simulate(positions, bars, rebalance=rebalance, max_leverage=max_leverage, execution=execution)
        summary = result.summary()
        ended = result.trades["exit_reason"].isin(STOPPED)
        rows[name] = {key: summary[key] for key in ("total_return", "sharpe_ratio", "max_drawdown", "n_trades")} | {
            "n_stopped": int(result.fills["reason"].isin(STOPPED).sum()),
            "loss_at_stop": float(result.trades.loc[ended, "return"].mean()),
            "worst_trade": float(result.trades["return"].min()),
            "total_fee": summary["total_fee"],
            "total_slippage": summary["total_slippage"],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("execution")
