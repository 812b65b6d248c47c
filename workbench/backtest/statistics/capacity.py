"""How much cost and how much money a strategy bears."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import risk
from workbench.errors import ConfigError, DataError
from workbench.risk.series import resolve_periods
from workbench.typing import FloatArray

COSTS_BPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
CAPITALS = tuple(float(10**k) for k in range(3, 11))


@dataclass(frozen=True, eq=False)
class Capacity:
    """What happens to a strategy as money is added.

    Parameters
    ----------
    curve
        One row for each capital: ``capital``, ``annual_return``, ``sharpe_ratio``, ``impact_bps`` (mean cost of what is
        traded), ``participation`` (largest share of a bar's volume).
    break_even
        Capital at which impact has eaten the mean return; 0 for a strategy that earns nothing, infinite for one that
        does not trade.
    best
        Capital with the most money earned a year, 4/9 of ``break_even``.
    """

    curve: pd.DataFrame
    break_even: float
    best: float


def break_even_bps(returns: npt.ArrayLike, traded: npt.ArrayLike, *, cost_bps: float = 0.0) -> float:
    """Return the cost of trading at which the mean return is zero, in basis points of the value traded.

    Compare it with what trading costs: an edge that dies at 3 bps does not exist for somebody who pays 7. It is the
    first number to ask of a strategy that trades much.

    Parameters
    ----------
    returns
        Simple returns as fractions, (n_bars,), after ``cost_bps``; NaN are left out.
    traded
        Value traded at each bar over the equity before it, (n_bars,), such as `BacktestResult.traded`.
    cost_bps
        Cost that the returns have paid already: fee and slippage together.

    Returns
    -------
    float
        ``cost_bps + 10⁴ · mean(r) / mean(traded)``. Below 0 when the strategy loses even for nothing; NaN when it does
        not trade.

    Notes
    -----
    The mean return falls by the turnover for each unit of cost, exactly, as long as positions stay the same. The mean
    is the plain one: the compounded return of a volatile strategy is zero at a lower cost. Libraries divide the profit
    by the number of trades instead, which says nothing when trades differ in size.

    References
    ----------
    Grinold, R. C. and Kahn, R. N. (1999). Active Portfolio Management, 2nd ed., ch. 16. McGraw-Hill.

    Examples
    --------
    >>> break_even_bps([0.002, 0.0, 0.001], [1.0, 0.0, 1.0], cost_bps=5)
    20.0
    """
    net, volume = _pair(returns, traded, "break_even_bps")
    _check_cost(cost_bps)
    if not volume.sum() > 0:
        return math.nan
    return cost_bps + 1e4 * float(net.sum() / volume.sum())


def cost_curve(
    returns: npt.ArrayLike,
    traded: npt.ArrayLike,
    *,
    cost_bps: float = 0.0,
    costs_bps: npt.ArrayLike = COSTS_BPS,
    periods_per_year: float | None = None,
) -> pd.DataFrame:
    """Return a strategy's figures under other costs, its positions being the same.

    Parameters
    ----------
    returns, traded, cost_bps
        As in `break_even_bps`.
    costs_bps
        Costs to look at, in basis points of the value traded.
    periods_per_year
        Bars in a year; inferred from the index of a Series.

    Returns
    -------
    DataFrame
        Columns ``cost_bps``, ``mean_return`` (a bar), ``annual_return``, ``sharpe_ratio``, ``total_return``.
    """
    periods = resolve_periods(returns, periods_per_year, "cost_curve")
    net, volume = _pair(returns, traded, "cost_curve")
    _check_cost(cost_bps)
    costs = np.asarray(costs_bps, dtype=np.float64)
    for cost in costs:
        _check_cost(float(cost))
    rows = [(float(cost), *_figures(net - (cost - cost_bps) / 1e4 * volume, periods)) for cost in costs]
    return pd.DataFrame(rows, columns=["cost_bps", "mean_return", "annual_return", "sharpe_ratio", "total_return"])


def capacity_curve(
    returns: npt.ArrayLike,
    traded: npt.ArrayLike,
    volume: npt.ArrayLike,
    volatility: npt.ArrayLike,
    *,
    capitals: npt.ArrayLike = CAPITALS,
    coefficient: float = 1.0,
    periods_per_year: float | None = None,
) -> Capacity:
    """Return how a strategy does with more money, by the square-root law of market impact.

    Parameters
    ----------
    returns
        Simple returns of a small account, (n_bars,), all other costs paid.
    traded
        Value traded at each bar over equity, (n_bars,) or (n_bars, n_assets), 0 or more.
    volume
        Value traded by the whole market at each bar, in the currency of ``capitals``, of the same shape.
    volatility
        Standard deviation of the asset's return a bar as known before, as a fraction, of the same shape.
    capitals
        Equity to look at.
    coefficient
        Y of the law, about 1.
    periods_per_year
        Bars in a year; inferred from the index of a Series.

    Returns
    -------
    Capacity

    Raises
    ------
    DataError
        When shapes differ, or something was traded at a bar without volume or volatility.

    Notes
    -----
    An order of value Q costs ``Y σ √(Q / V)`` of Q. With capital C the mean return is ``μ − k √C``, so that the edge is
    gone at ``(μ / k)²`` and the money earned, ``C (μ − k √C)``, is most at 4/9 of that. The law describes orders up to
    about a tenth of the volume: look at ``participation`` before believing a row. Equity is held at C throughout;
    compounding would use up the capacity.

    References
    ----------
    Almgren, R., Thum, C., Hauptmann, E. and Li, H. (2005). Direct Estimation of Equity Market Impact. Risk 18(7).
    Tóth, B. et al. (2011). Anomalous Price Impact and the Critical Nature of Liquidity. Physical Review X 1, 021006.
    """
    periods = resolve_periods(returns, periods_per_year, "capacity_curve")
    sizes, market, sigma = (_columns(v, name) for v, name in _named(traded, volume, volatility))
    net = np.asarray(returns, dtype=np.float64)
    if not (sizes.shape == market.shape == sigma.shape and net.shape == sizes.shape[:1]):
        shapes = (net.shape, sizes.shape, market.shape, sigma.shape)
        raise DataError(f"capacity_curve: returns, traded, volume and volatility must fit together, got {shapes}")
    trades = sizes > 0
    if (sizes < 0).any() or not ((market[trades] > 0).all() and (sigma[trades] >= 0).all()):
        raise DataError(
            "capacity_curve: what was traded needs a volume above 0 and a volatility; leave other bars at 0"
        )
    money = np.asarray(capitals, dtype=np.float64)
    if money.ndim != 1 or not ((money > 0) & np.isfinite(money)).all():
        raise ConfigError(f"capitals must be a list of amounts above 0, got {capitals!r:.80}")
    known = np.isfinite(net)
    share = np.divide(sizes, market, where=trades, out=np.zeros_like(sizes))
    unit = (coefficient * np.where(trades, sigma, 0.0) * sizes * np.sqrt(share)).sum(axis=1)[known]
    net, total = net[known], float(sizes[known].sum())
    rows = []
    for capital in money:
        cost = unit * math.sqrt(capital)
        _, annual, sharpe, _ = _figures(np.maximum(net - cost, -1.0), periods)
        bps = 1e4 * float(cost.sum()) / total if total else 0.0
        rows.append((float(capital), annual, sharpe, bps, float(share.max(initial=0.0)) * float(capital)))
    curve = pd.DataFrame(rows, columns=["capital", "annual_return", "sharpe_ratio", "impact_bps", "participation"])
    limit = _limit(float(net.mean()), float(unit.mean()))
    return Capacity(curve, limit, limit * 4.0 / 9.0)


def _limit(mean: float, unit: float) -> float:
    if mean <= 0:
        return 0.0
    return (mean / unit) ** 2 if unit > 0 else math.inf


def _figures(net: FloatArray, periods: float) -> tuple[float, float, float, float]:
    net = np.maximum(net, -1.0)
    return (
        float(net.mean()),
        risk.annual_return(net, periods_per_year=periods),
        risk.sharpe_ratio(net, periods_per_year=periods),
        risk.total_return(net),
    )


def _named(traded: Any, volume: Any, volatility: Any) -> tuple[tuple[Any, str], ...]:
    return (traded, "traded"), (volume, "volume"), (volatility, "volatility")


def _columns(values: Any, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in {1, 2} or len(array) < 2:
        raise DataError(f"capacity_curve: {name} must be (n_bars,) or (n_bars, n_assets), got {array.shape}")
    return array[:, None] if array.ndim == 1 else array


def _pair(returns: npt.ArrayLike, traded: npt.ArrayLike, name: str) -> tuple[FloatArray, FloatArray]:
    net, volume = np.asarray(returns, dtype=np.float64), np.asarray(traded, dtype=np.float64)
    if net.ndim != 1 or net.shape != volume.shape or len(net) < 2:
        raise DataError(
            f"{name}: returns and traded must be (n_bars,) of one length, got {net.shape} and {volume.shape}"
        )
    known = ~(np.isnan(net) | np.isnan(volume))
    if (volume[known] < 0).any():
        raise DataError(f"{name}: traded holds {volume[known].min():g}; it is a value and never below 0")
    return net[known], volume[known]


def _check_cost(cost_bps: float) -> None:
    if not 0 <= cost_bps < math.inf:
        raise ConfigError(f"a cost must be 0 basis points or more, got {cost_bps}; a rebate is not a cost")
