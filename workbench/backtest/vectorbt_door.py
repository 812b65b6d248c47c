"""The second opinion: the same simulation by vectorbt. The only file that imports it, and only when called.

vectorbt is Apache-2.0 with Commons Clause. Both engines agree to 1e-9 on whatever both can express; vectorbt has no
ruin: it goes on with a negative account, where ours stops. docs/execution.md lists where it differs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.backtest.engine import to_result
from workbench.backtest.market import Account, Rebalance, open_account
from workbench.backtest.result import BacktestResult
from workbench.errors import ConfigError
from workbench.typing import Bars, FloatArray, Panel

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution

_UNITS = 1e6
_COSTS = frozenset({"fee_bps", "slippage_bps", "half_spread_bps", "fee_fixed", "volatility_slippage", "volume_cap"})
_INERT = frozenset({"volatility_window", "regime_window", "tier_window"})
_EXITS = ("stop_loss", "trailing_stop", "take_profit")


@dataclass(frozen=True)
class _Terms:
    """What vectorbt is told beyond prices and targets; arrays (n_assets, n_bars), NaN or inf where off."""

    fee: float
    slippage: FloatArray
    fee_fixed: float = 0.0
    most: FloatArray | None = None
    stop: float = np.nan
    trails: bool = False
    target: float = np.nan

    @property
    def exits(self) -> bool:
        return not (np.isnan(self.stop) and np.isnan(self.target))


def simulate_vectorbt(
    positions: Panel,
    bars: Bars,
    *,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    initial_cash: float = 1.0,
    max_leverage: float = 1.0,
    rebalance: Rebalance = "every_bar",
    execution: Execution | None = None,
) -> BacktestResult:
    """Simulate like `workbench.backtest.simulate`, by vectorbt's ``Portfolio.from_orders`` or ``from_signals``.

    Same arguments, result and errors, except that ``ruined_at`` is always None: compare up to the first equity at or
    below zero.

    Parameters
    ----------
    execution
        Options of the full bar. vectorbt expresses the fees (also fixed), spread, fixed and volatility-scaled
        slippage, and, where every bar has a target and a volume, the volume cap. A stop loss, trailing stop or take
        profit goes to ``from_signals``, which holds one symbol, all in or out, rebalanced on change.

    Raises
    ------
    ConfigError
        Beyond what `simulate` raises: an option that vectorbt cannot express, by name.

    Notes
    -----
    vectorbt drops orders below 1e-12 units whatever a unit is worth, so it is run on an account so large that this does
    not show, and scaled back.
    """
    account, terms = _prepare(positions, bars, fee_bps, slippage_bps, initial_cash, max_leverage, rebalance, execution)
    scale = _UNITS * float(_last_known(account.market.closes).max()) / account.cash
    portfolio = _run(account, terms, scale, bars)
    equity = portfolio.value().to_numpy() / scale
    held = portfolio.asset_value(group_by=False).to_numpy() / scale / equity[:, None]
    return to_result(
        account,
        bars,
        equity,
        np.asarray(portfolio.cash().to_numpy() / scale),
        np.ascontiguousarray(held.T),
        _records(portfolio, terms, scale),
    )


def to_vectorbt(
    positions: Panel,
    bars: Bars,
    *,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    initial_cash: float = 1.0,
    max_leverage: float = 1.0,
    rebalance: Rebalance = "every_bar",
    execution: Execution | None = None,
) -> Any:
    """Return vectorbt's own ``Portfolio`` of the same simulation, for its records, statistics and plots.

    See `simulate_vectorbt` for what ``execution`` may hold.
    """
    account, terms = _prepare(positions, bars, fee_bps, slippage_bps, initial_cash, max_leverage, rebalance, execution)
    return _run(account, terms, 1.0, bars)


def _prepare(
    positions: Panel,
    bars: Bars,
    fee_bps: float | None,
    slippage_bps: float | None,
    initial_cash: float,
    max_leverage: float,
    rebalance: Rebalance,
    execution: Execution | None,
) -> tuple[Account, _Terms]:
    if execution is not None and not (fee_bps is None and slippage_bps is None):
        raise ConfigError("fee_bps and slippage_bps stand in the execution too; give them there only")
    if execution is not None:
        fee_bps, slippage_bps = execution.fee_bps, execution.slippage_bps
    fee_bps, slippage_bps = 5.0 if fee_bps is None else fee_bps, 2.0 if slippage_bps is None else slippage_bps
    account = open_account(positions, bars, fee_bps, slippage_bps, initial_cash, max_leverage, rebalance)
    if execution is None:
        return account, _Terms(account.costs.fee, np.full_like(account.targets, account.costs.slippage))
    _refuse(execution)
    return account, _terms_of(account, bars, execution)


def _refuse(execution: Execution) -> None:
    """Name the first option that vectorbt cannot express."""
    for option in fields(execution):
        value = getattr(execution, option.name)
        if option.name not in _COSTS and option.name not in _EXITS and value != option.default:
            inert = option.name in _INERT or (option.name == "maker_fee_bps" and value == execution.fee_bps)
            if not inert:
                raise ConfigError(
                    f"vectorbt cannot express {option.name}={value!r}; leave it at {option.default!r} or use simulate"
                )
    if execution.stop_loss and execution.trailing_stop:
        raise ConfigError(f"vectorbt has one stop: leave out stop_loss={execution.stop_loss} or the trailing_stop")


def _terms_of(account: Account, bars: Bars, execution: Execution) -> _Terms:
    slippage = np.full_like(account.targets, (execution.half_spread_bps + execution.slippage_bps) / 1e4)
    if execution.volatility_slippage:
        closes = pd.DataFrame(account.market.closes.T)
        sigma = closes.pct_change(fill_method=None).rolling(execution.volatility_window).std().shift(1).fillna(0.0)
        slippage = slippage + execution.volatility_slippage * sigma.to_numpy().T
    terms: dict[str, Any] = {"fee": account.costs.fee, "slippage": slippage, "fee_fixed": execution.fee_fixed}
    if execution.volume_cap:
        if account.on_change or np.isnan(account.targets).any():
            raise ConfigError("vectorbt forgets what volume_cap leaves; give every bar a target, rebalance every_bar")
        volume = bars["volume"].loc[account.market.times, list(account.market.symbols)].to_numpy(dtype=float).T
        if not (volume > 0).all():
            raise ConfigError(f"vectorbt needs volume above 0 at every bar for volume_cap, got {np.nanmin(volume):g}")
        terms["most"] = execution.volume_cap * volume
    if any(getattr(execution, name) for name in _EXITS):
        terms |= _exits_of(account, execution)
    return _Terms(**terms)


def _exits_of(account: Account, execution: Execution) -> dict[str, Any]:
    targets = account.targets[~np.isnan(account.targets)]
    if len(account.targets) > 1 or not np.isin(targets, (0.0, 1.0)).all() or not account.on_change:
        raise ConfigError(
            "vectorbt expresses exits for one symbol with targets 0 or 1 and rebalance='on_change' only, "
            f"got {len(account.targets)} symbols with targets up to {np.abs(targets).max():g}; use simulate"
        )
    if execution.take_profit and (execution.slippage_bps or execution.half_spread_bps or execution.volatility_slippage):
        raise ConfigError("vectorbt slips at a take_profit too; leave it out, or spread and slippage at 0")
    stop = execution.stop_loss or execution.trailing_stop
    return {
        "stop": stop or np.nan,
        "trails": bool(execution.trailing_stop),
        "target": execution.take_profit or np.nan,
    }


def _run(account: Account, terms: _Terms, scale: float, bars: Bars) -> Any:
    import vectorbt as vbt

    market = account.market
    closes = _last_known(market.closes)
    marks = np.where(np.isnan(market.opens), np.column_stack([closes[:, :1], closes[:, :-1]]), market.opens)

    def frame(values: FloatArray) -> pd.DataFrame:
        return pd.DataFrame(values.T, index=market.times, columns=pd.Index(market.symbols, name="symbol"))

    shared: dict[str, Any] = {
        "price": frame(market.opens),
        "val_price": frame(marks),
        "fees": terms.fee,
        "fixed_fees": terms.fee_fixed * scale,
        "slippage": frame(terms.slippage),
        "max_size": np.inf if terms.most is None else frame(terms.most * scale),
        "init_cash": account.cash * scale,
        "cash_sharing": True,
        "group_by": True,
        "call_seq": "auto",
        "engine": "numba",
    }
    orders = _orders(account)
    if not terms.exits:
        return vbt.Portfolio.from_orders(
            frame(closes), size=frame(orders), size_type="targetpercent", direction="both", **shared
        )
    high, low = (bars[field].loc[market.times, list(market.symbols)] for field in ("high", "low"))
    return vbt.Portfolio.from_signals(
        frame(closes),
        entries=frame(orders == 1.0),
        exits=frame(orders == 0.0),
        direction="longonly",
        open=frame(market.opens),
        high=high,
        low=low,
        sl_stop=terms.stop,
        sl_trail=terms.trails,
        tp_stop=terms.target,
        stop_entry_price="fillprice",
        stop_exit_price="stopmarket",
        upon_stop_exit="close",
        **shared,
    )


def _orders(account: Account) -> FloatArray:
    """Return the target of each order at the bar that fills it, NaN where there is none."""
    orders = np.full_like(account.targets, np.nan)
    orders[:, 1:] = account.targets[:, :-1]
    orders[np.isnan(account.market.opens)] = np.nan
    if account.on_change:
        for row in orders:
            (sent,) = np.nonzero(~np.isnan(row))
            same = np.diff(row[sent], prepend=np.nan) == 0
            row[sent[same]] = np.nan
    return orders


def _last_known(closes: FloatArray) -> FloatArray:
    """Carry closes over bars without one; 1 before the first, where nothing can be held."""
    return pd.DataFrame(closes.T).ffill().fillna(1.0).to_numpy().T


def _records(portfolio: Any, terms: _Terms, scale: float) -> FloatArray:
    orders = portfolio.order_records
    bar, asset = orders["idx"], orders["col"]
    sign = np.where(orders["side"] == 0, 1.0, -1.0)
    moved = sign * terms.slippage[asset, bar]
    slip = orders["size"] * orders["price"] * np.abs(moved) / (1.0 + moved)
    records = np.column_stack(
        [bar, asset, sign * orders["size"] / scale, orders["price"], orders["fees"] / scale, slip / scale]
    )
    records = np.column_stack(
        [records, np.zeros((len(records), 2))]
    )  # vectorbt does not say why, or as what, it filled
    return np.asarray(records[np.lexsort((asset, bar))], dtype=np.float64)
