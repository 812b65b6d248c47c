"""Bar-by-bar simulation of target positions: every fill is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.backtest.execution.model import Execution as _Execution
from workbench.backtest.execution.terms import REASONS
from workbench.backtest.market import Account, Market, Rebalance, kernel_layout, open_account
from workbench.backtest.result import COSTS, BacktestResult
from workbench.backtest.trades import round_trips
from workbench.errors import ConfigError
from workbench.risk import periods_per_year
from workbench.typing import Bars, FloatArray, Panel

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution

_ROUNDING = 1e-9


def simulate(
    positions: Panel,
    bars: Bars,
    *,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    initial_cash: float = 1.0,
    max_leverage: float | None = None,
    rebalance: Rebalance = "every_bar",
    execution: Execution | Sequence[str] | None = None,
    finer: Bars | None = None,
) -> BacktestResult:
    """Trade target positions through bars as one portfolio, after costs.

    Decided at the close of bar t, filled at the open of bar t + 1: a row of ``positions`` may use everything known at
    its bar's close, and earns nothing before the next open. The decision of the last row is never filled.

    Parameters
    ----------
    positions
        Signed fractions of equity, (n_decisions, n_assets): 0.5 is half the equity long, −0.5 short, 0 flat, NaN no
        order (units are kept). Times must be times of ``bars``; a bar between them without a row is no order either.
    bars
        Bars (field, symbol) that cover the positions. A symbol that is NaN at a time does not trade then: its
        position is carried at the last price and its order is dropped (the next bar's target is tried instead).
    fee_bps, slippage_bps
        Costs of each fill in basis points of its value; slippage moves the price against the order. None for 5 and 2.
    initial_cash
        Cash at the start; results scale with it.
    max_leverage
        Cap that the sum of absolute targets of a row must keep; None for the execution's leverage, 1 without one.
    rebalance
        ``every_bar``: each open trades back to the target, so that a fixed fraction is kept and paid for.
        ``on_change``: an order goes out only when the target differs from the last one; a held position drifts.
    execution
        Everything else about fills: an `Execution` instead of the two costs, or specs beside them: spread, impact,
        kinds of orders, exits, margin, funding.
    finer
        With an execution: bars of a shorter time frame, which decide what a bar touched first where they cover it.

    Returns
    -------
    BacktestResult
        From the first to the last decision.

    Raises
    ------
    DataError, ConfigError
        When positions and bars do not fit, or a cost, cash or leverage is out of bounds.

    Notes
    -----
    Targets are fractions of the equity at the fill's open, before costs. Sells run before buys, buys from small to
    large; a buy is cut to what the cash pays for, fee included, so nothing is ever borrowed (a fully invested account
    is filled a little short of 1), but short sales add cash that can be spent. When equity falls to zero or below,
    the account is ruined: positions are closed at that price, what is owed is written off, the bar returns −1 and all
    later ones 0.
    """
    if execution is not None and not isinstance(execution, _Execution):
        specs = [execution] if isinstance(execution, str) else list(execution)
        return simulate(
            positions,
            bars,
            initial_cash=initial_cash,
            max_leverage=max_leverage,
            rebalance=rebalance,
            execution=_of_specs(specs, fee_bps, slippage_bps),
            finer=finer,
        )
    if execution is not None:
        return _simulate_full(
            positions, bars, fee_bps, slippage_bps, initial_cash, max_leverage, rebalance, execution, finer
        )
    if finer is not None:
        raise ConfigError("finer bars are read with an execution only; give one, with a stop or a limit to decide on")
    fee, slippage = 5.0 if fee_bps is None else fee_bps, 2.0 if slippage_bps is None else slippage_bps
    leverage = 1.0 if max_leverage is None else max_leverage
    account = open_account(positions, bars, fee, slippage, initial_cash, leverage, rebalance)
    from workbench.backtest.kernel import simulate_bars

    market, costs = account.market, account.costs
    equity, cash, held, fills, ruined = simulate_bars(
        account.targets, market.opens, market.closes, account.on_change, costs.fee, costs.slippage, account.cash
    )
    records = np.column_stack([fills, _closed_by_ruin(fills, ruined, len(market.symbols)), np.zeros(len(fills))])
    return to_result(account, bars, equity, cash, held, records, ruined_at=None if ruined < 0 else market.times[ruined])


def _of_specs(specs: list[str], fee_bps: float | None, slippage_bps: float | None) -> Execution:
    from workbench.backtest.execution import Execution

    fee, slippage = 5.0 if fee_bps is None else fee_bps, 2.0 if slippage_bps is None else slippage_bps
    return Execution.from_specs(specs, fee_bps=fee, slippage_bps=slippage)


def _simulate_full(
    positions: Panel,
    bars: Bars,
    fee_bps: float | None,
    slippage_bps: float | None,
    initial_cash: float,
    max_leverage: float | None,
    rebalance: Rebalance,
    execution: Execution,
    finer: Bars | None,
) -> BacktestResult:
    if fee_bps is not None or slippage_bps is not None:
        raise ConfigError("give fee_bps and slippage_bps in the execution, or leave the execution out")
    leverage = execution.leverage if max_leverage is None else max_leverage
    if leverage > execution.leverage:
        raise ConfigError(
            f"max_leverage {leverage:g} is above the execution's leverage {execution.leverage:g}; "
            "raise that one, with a maintenance_margin, or lower max_leverage"
        )
    account = open_account(positions, bars, 0.0, 0.0, initial_cash, leverage, rebalance)
    from workbench.backtest.execution import prepare_execution
    from workbench.backtest.execution.bar_kernels import simulate_execution

    market = account.market
    prepared = prepare_execution(
        bars,
        execution,
        rebalance=rebalance,
        periods_per_year=periods_per_year(market.times) if len(market.times) > 1 else 1.0,
        symbols=list(market.symbols),
        times=market.times,
        finer=finer,
    )
    equity, cash, held, fills, charges, _, ruined = simulate_execution(
        account.targets, prepared.tape, prepared.terms, account.cash, prepared.most_finer
    )
    ruined_at = None if ruined < 0 else market.times[ruined]
    return to_result(account, bars, equity, cash, held, fills, charges=charges, ruined_at=ruined_at)


def to_result(
    account: Account,
    bars: Bars,
    equity: FloatArray,
    cash: FloatArray,
    held: FloatArray,
    records: FloatArray,
    *,
    charges: FloatArray | None = None,
    ruined_at: pd.Timestamp | None = None,
) -> BacktestResult:
    """Name and index what a simulation left.

    Parameters
    ----------
    records
        (n_fills, 8): bar, asset, units, price, fee, slippage, code of the reason, 1 for a maker's fill.
    charges
        (n_bars, 3): funding, borrow, interest; none where absent.
    """
    market, initial_cash = account.market, account.cash
    bar = records[:, 0].astype(np.int64)
    fee, slippage, value = (
        np.bincount(bar, weights=w, minlength=len(equity))
        for w in (records[:, 4], records[:, 5], np.abs(records[:, 2] * records[:, 3]))
    )
    carried = np.zeros((len(equity), 3)) if charges is None else charges
    before = np.concatenate(([initial_cash], equity[:-1]))
    known = before > 0
    ratios = np.divide(
        np.column_stack([equity, value]), before[:, None], where=known[:, None], out=np.zeros((len(equity), 2))
    )
    times = market.times
    costs = np.column_stack([fee, slippage, carried])
    highs, lows = _ranges(bars, market)
    return BacktestResult(
        returns=pd.Series(np.where(known, ratios[:, 0] - 1.0, 0.0), index=times, name="returns"),
        positions=pd.DataFrame(held.T, index=times, columns=pd.Index(market.symbols, name="symbol")),
        equity=pd.Series(equity, index=times, name="equity"),
        cash=pd.Series(cash, index=times, name="cash"),
        costs=pd.DataFrame(costs, index=times, columns=list(COSTS)),
        traded=pd.Series(ratios[:, 1], index=times, name="traded"),
        fills=_fills(market, records),
        trades=round_trips(records, records[:, 6], market, highs, lows),
        initial_cash=initial_cash,
        ruined_at=ruined_at,
        stale=_stale(market, held),
    )


def _closed_by_ruin(fills: FloatArray, ruined: int, n_assets: int) -> FloatArray:
    """Return the code of each fill's reason: an order, or ruin for what was closed at its end without a cost."""
    reasons = np.zeros(len(fills))
    if ruined >= 0:
        for row in range(len(fills) - 1, max(len(fills) - 1 - n_assets, -1), -1):
            bar, asset, _, _, fee, slippage = fills[row]
            held = fills[: row + 1, 2][fills[: row + 1, 1] == asset].sum()
            if bar == ruined and fee == 0 and slippage == 0 and abs(held) <= _ROUNDING * abs(fills[row, 2]):
                reasons[row] = REASONS.index("ruin")
    return reasons


def _ranges(bars: Bars, market: Market) -> tuple[FloatArray, FloatArray]:
    """Return highs and lows in the kernel's layout; closes where the bars have none."""
    known = set(bars.columns.get_level_values(0))
    window = bars.loc[market.times[0] : market.times[-1]]

    def laid(name: str) -> FloatArray:
        if name not in known:
            return market.closes
        return np.ascontiguousarray(kernel_layout(pd.DataFrame(window[name])[list(market.symbols)]))

    return laid("high"), laid("low")


def _stale(market: Market, held: FloatArray) -> pd.Series:
    """Return the time of the last price of each asset that is held at the end but no longer trades."""
    times = {}
    for j, symbol in enumerate(market.symbols):
        traded = np.flatnonzero(~np.isnan(market.closes[j]))
        if held[j, -1] != 0 and len(traded) and traded[-1] < len(market.times) - 1:
            times[symbol] = market.times[traded[-1]]
    return pd.Series(times, dtype=market.times.dtype, name="last_price").rename_axis("symbol")


def _fills(market: Market, records: FloatArray) -> pd.DataFrame:
    units, price = records[:, 2], records[:, 3]
    return pd.DataFrame(
        {
            "time": market.times[records[:, 0].astype(np.int64)],
            "symbol": np.array(market.symbols, dtype=object)[records[:, 1].astype(np.int64)],
            "units": units,
            "price": price,
            "value": units * price,
            "fee": records[:, 4],
            "slippage": records[:, 5],
            "reason": np.array(REASONS, dtype=object)[records[:, 6].astype(np.int64)],
            "liquidity": np.array(["taker", "maker"], dtype=object)[records[:, 7].astype(np.int64)],
        }
    )
