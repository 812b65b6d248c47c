"""Orders that try a limit first and go to market after a time-out, against the same orders sent to market at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.backtest.engine import simulate
from workbench.errors import ConfigError, DataError
from workbench.typing import Bars, FloatArray, IntArray, Panel

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution

_BP = 1e4


@dataclass(frozen=True)
class HybridSaving:
    """What limit-first orders cost beside market orders, in basis points of the value traded; a cost is positive.

    Parameters
    ----------
    n_orders
        Orders that both ways filled whole.
    share_limit, share_at_once, share_late
        Shares of the orders that the limit filled, that were marketable when sent, and that the time-out sent to
        market; they sum to 1.
    market, hybrid
        Mean implementation shortfall: average fill price against the close of the decision, fees left out.
    saved, saved_se
        ``market − hybrid`` and the standard error of that mean, by a bootstrap over whole days.
    saved_with_fees, saved_with_fees_se
        The same with fees, of which a limit pays the maker's.
    limit, late
        Mean shortfall of the orders that the limit filled, and of those that had to go to market later.
    drift_limit, drift_late
        Mean move of the price in the direction of the order, from the decision to the last open at which it could
        be filled, over the same two groups: negative where the market came to the limit, positive where it ran away.
    """

    n_orders: int
    share_limit: float
    share_at_once: float
    share_late: float
    market: float
    hybrid: float
    saved: float
    saved_se: float
    saved_with_fees: float
    saved_with_fees_se: float
    limit: float
    late: float
    drift_limit: float
    drift_late: float

    @property
    def slippage_cut(self) -> float:
        """Return the share of the market orders' shortfall that is saved, fees left out; above 1 where it turns."""
        return self.saved / self.market if self.market != 0.0 else float("nan")


def hybrid_saving(
    positions: Panel,
    bars: Bars,
    *,
    execution: Execution,
    rng: np.random.Generator,
    initial_cash: float = 1.0,
    replicates: int = 1_000,
) -> HybridSaving:
    """Send the same targets twice, limit first and at market, and compare what the fills cost.

    Both ways are judged on every order, filled by the limit or not: the mean over filled limits alone is a selection,
    since a limit is filled when the market comes to it and missed when it runs away.

    Parameters
    ----------
    positions
        Targets, (n_bars, n_assets), ordered when they change; those that change again within ``execution.wait`` bars
        are left out.
    bars
        Fine bars with open, high, low and close: a limit fills only if a bar trades through it.
    execution
        The limit-first way, ``order="limit"`` and ``then="market"``; the other way is the same with market orders.
    rng
        Draws the days of the bootstrap.
    initial_cash
        Cash at the start.
    replicates
        Draws of the bootstrap, usually 1,000.

    Raises
    ------
    ConfigError
        When ``execution`` does not order by limit first, then market.
    DataError
        When no order was filled whole both ways.

    Notes
    -----
    Shortfall of an order = side · (average price / decision close − 1) (Perold 1988), decision close being that of the
    bar that set the target. Days are drawn with replacement, since orders of a day share its moves.

    References
    ----------
    Perold, A. (1988). The implementation shortfall: paper versus reality. Journal of Portfolio Management 14(3).
    """
    if execution.order != "limit" or execution.then != "market":
        raise ConfigError(
            f"execution orders {execution.order!r}, then {execution.then!r}; compare order='limit', then='market'"
        )
    at_market = replace(execution, order="market", offset_bps=0.0)
    by_market, by_limit = (
        _filled(positions, bars, way, initial_cash, execution.wait) for way in (at_market, execution)
    )
    both = by_market.index.intersection(by_limit.index)
    if len(both) == 0:
        raise DataError(f"no order of {len(positions)} rows was filled both ways; give longer bars or a shorter wait")
    market, hybrid = by_market.loc[both], by_limit.loc[both]
    limit, late = hybrid["maker"] > 0.5, (hybrid["maker"] <= 0.5) & (hybrid["bars"] > 1)
    saved = (market["shortfall"] - hybrid["shortfall"]).to_numpy()
    with_fees = saved + (market["fee"] - hybrid["fee"]).to_numpy()
    days = pd.DatetimeIndex(both.get_level_values("time")).floor("D").to_numpy()
    return HybridSaving(
        n_orders=len(both),
        share_limit=float(limit.mean()),
        share_at_once=float((~limit & ~late).mean()),
        share_late=float(late.mean()),
        market=float(market["shortfall"].mean()),
        hybrid=float(hybrid["shortfall"].mean()),
        saved=float(saved.mean()),
        saved_se=day_bootstrap_error(saved, days, rng, replicates),
        saved_with_fees=float(with_fees.mean()),
        saved_with_fees_se=day_bootstrap_error(with_fees, days, rng, replicates),
        limit=_mean(hybrid["shortfall"][limit]),
        late=_mean(hybrid["shortfall"][late]),
        drift_limit=_mean(hybrid["drift"][limit]),
        drift_late=_mean(hybrid["drift"][late]),
    )


def day_bootstrap_error(values: FloatArray, days: np.ndarray, rng: np.random.Generator, replicates: int) -> float:
    """Return the standard error of a mean whose values hang together within a day, by drawing days."""
    _, day = np.unique(days, return_inverse=True)
    sums, counts = np.bincount(day, weights=values), np.bincount(day)
    drawn = rng.integers(0, len(sums), (replicates, len(sums)))
    return float(np.std(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), ddof=1))


def _mean(values: pd.Series) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _filled(positions: Panel, bars: Bars, execution: Execution, cash: float, wait: int) -> pd.DataFrame:
    """Return one row an order, by symbol and time of decision, of those that had ``wait`` bars to themselves."""
    result = simulate(positions, bars, rebalance="on_change", initial_cash=cash, execution=execution)
    times = pd.DatetimeIndex(result.equity.index)
    tables = []
    for symbol in positions.columns:
        targets = positions[symbol].reindex(times).to_numpy(dtype=np.float64)
        decided = _decisions(targets, wait)
        fills = result.fills[result.fills["symbol"] == symbol]
        closes, opens = (bars[field][symbol].reindex(times).to_numpy(dtype=np.float64) for field in ("close", "open"))
        table = _orders(fills, times, decided, closes, opens, wait)
        tables.append(table.assign(symbol=symbol).set_index(["symbol", "time"]))
    return pd.concat(tables)


def _decisions(targets: FloatArray, wait: int) -> IntArray:
    """Return the rows at which a target changes and then stands for more than ``wait`` rows."""
    known = np.flatnonzero(~np.isnan(targets))
    changes = known[np.diff(targets[known], prepend=np.nan) != 0]
    following = np.append(changes[1:], len(targets))
    return changes[following - changes > wait + 1]


def _orders(
    fills: pd.DataFrame, times: pd.DatetimeIndex, decided: IntArray, closes: FloatArray, opens: FloatArray, wait: int
) -> pd.DataFrame:
    """Gather the fills of each decision: shortfall, fee, share filled as maker, bars taken, drift of the market."""
    bar = times.get_indexer(pd.DatetimeIndex(fills["time"]))
    order = np.searchsorted(decided, bar, side="left") - 1
    mine = (order >= 0) & (bar - np.append(decided, 0)[order] <= wait + 1)
    order, bar, fills = order[mine], bar[mine], fills[mine]
    n = len(decided)
    units, value = fills["units"].to_numpy(), fills["value"].to_numpy()
    maker = np.where(fills["liquidity"].to_numpy() == "maker", np.abs(value), 0.0)
    total, paid, fee, made = (
        np.bincount(order, weights=w, minlength=n) for w in (units, value, fills["fee"].to_numpy(), maker)
    )
    took = np.zeros(n)
    np.maximum.at(took, order, (bar - decided[order]).astype(float))
    last = np.minimum(decided + 1 + wait, len(opens) - 1)
    whole = (total != 0) & (paid * total > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        side, decision = np.sign(total), closes[decided]
        table = pd.DataFrame(
            {
                "time": times[decided],
                "shortfall": side * (paid / total / decision - 1.0) * _BP,
                "fee": fee / np.abs(paid) * _BP,
                "maker": made / np.abs(paid),
                "bars": took,
                "drift": side * (opens[last] / decision - 1.0) * _BP,
            }
        )
    return table[whole]
