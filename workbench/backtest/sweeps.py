"""Many configurations through the kernel, statistics only: memory stays that of one configuration."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest.market import Costs, Market, Rebalance, check_rebalance, kernel_layout, market_of
from workbench.errors import ConfigError, DataError
from workbench.risk import periods_per_year as infer_periods_per_year
from workbench.typing import Bars, FloatArray

STATISTICS = ("total_return", "sharpe_ratio", "max_drawdown", "n_trades", "turnover")

PositionFunction = Callable[..., FloatArray]


def grid(**values: Iterable[Any]) -> list[dict[str, Any]]:
    """Return every combination of the given values as configurations.

    Examples
    --------
    >>> grid(fast=[5, 10], slow=[50])
    [{'fast': 5, 'slow': 50}, {'fast': 10, 'slow': 50}]
    """
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def sweep(
    bars: Bars,
    position_function: PositionFunction,
    configurations: Sequence[Mapping[str, Any]],
    *,
    fee_bps: float = 5.0,
    slippage_bps: float = 2.0,
    rebalance: Rebalance = "on_change",
    periods_per_year: float | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> pd.DataFrame:
    """Simulate each configuration on each symbol as a portfolio of its own and return its statistics.

    The same kernel as `simulate`, with the same timing: decided at the close of bar t, filled at the open of bar t + 1.
    Configurations run one after the other and only their statistics are kept.

    Parameters
    ----------
    bars
        Bars (field, symbol).
    position_function
        Called as ``position_function(close, **configuration)`` with closes (n_bars, n_assets) that it must not change;
        returns target fractions of equity of that shape, NaN for no order, using row t and earlier for row t. See
        `sma_crossover`.
    configurations
        Keyword arguments of each configuration, all with the same names; see `grid`.
    fee_bps, slippage_bps
        Costs of each fill in basis points of its value.
    rebalance
        ``on_change``: order only when the target differs from the last one. ``every_bar``: trade back to it at each
        open.
    periods_per_year
        Bars in a year; inferred from the bars.
    progress
        Called with the share done, 0 to 1, and a few words.

    Returns
    -------
    DataFrame
        One row per configuration and symbol, labelled by both; columns ``total_return``, ``sharpe_ratio`` (annual,
        ddof 1), ``max_drawdown``, ``n_trades`` (round trips, an open one included) and ``turnover`` (per year).

    Raises
    ------
    DataError, ConfigError
        When bars or costs are out of bounds, configurations differ in names, or targets have the wrong shape or
        exceed 1.

    Notes
    -----
    The best row of a sweep is flattered by the number of rows: see `deflated_sharpe_ratio`.
    """
    names = _names(configurations)
    costs, on_change = Costs.of_bps(fee_bps, slippage_bps), check_rebalance(rebalance)
    market = market_of(bars)
    periods = infer_periods_per_year(market.times) if periods_per_year is None else periods_per_year
    from workbench.backtest.kernel import sweep_statistics

    close = market.closes.T
    close.flags.writeable = False
    statistics = np.empty((len(configurations), len(market.symbols), len(STATISTICS)))
    for row, configuration in enumerate(configurations):
        targets = _targets(position_function(close, **configuration), market)
        widest = sweep_statistics(
            targets, market.opens, market.closes, on_change, costs.fee, costs.slippage, periods, statistics[row]
        )
        if widest > 1.0:
            raise DataError(f"targets of {dict(configuration)} reach {widest:g} of equity; keep them between −1 and 1")
        if progress:
            progress((row + 1) / len(configurations), f"{row + 1} of {len(configurations)} configurations")
    labels = [(*c.values(), symbol) for c in configurations for symbol in market.symbols]
    index = pd.MultiIndex.from_tuples(labels, names=[*names, "symbol"])
    return pd.DataFrame(statistics.reshape(-1, len(STATISTICS)), index=index, columns=list(STATISTICS))


def sma_crossover(close: FloatArray, fast: int, slow: int, short: bool = False) -> FloatArray:
    """Target 1 while the fast simple moving average of closes is above the slow one, else 0, or −1 with ``short``.

    Parameters
    ----------
    close
        Closes, (n_bars, n_assets); averages run over the bars at which an asset trades.
    fast, slow
        Windows in bars, ``1 <= fast < slow``.
    short
        Be short, not flat, below.

    Returns
    -------
    array, (n_bars, n_assets)
        NaN (no order) until the slow average is full and where the close is NaN.
    """
    if not 1 <= fast < slow:
        raise ConfigError(f"sma_crossover needs 1 <= fast < slow, got fast {fast} and slow {slow}")
    from workbench.backtest.kernel import crossover_targets

    below = -1.0 if short else 0.0
    closes = kernel_layout(close)
    targets = np.full_like(closes, np.nan)
    if not np.isnan(closes).any():
        crossover_targets(closes, fast, slow, 1.0, below, targets)
        return targets.T
    for j in range(len(closes)):
        known = ~np.isnan(closes[j])
        own = np.full((1, int(known.sum())), np.nan)
        crossover_targets(closes[j : j + 1, known], fast, slow, 1.0, below, own)
        targets[j, known] = own[0]
    return targets.T


def _names(configurations: Sequence[Mapping[str, Any]]) -> list[str]:
    if len(configurations) == 0:
        raise ConfigError("sweep needs at least one configuration")
    names = list(configurations[0])
    for configuration in configurations:
        if list(configuration) != names:
            raise ConfigError(f"all configurations need the names {names} in this order, got {list(configuration)}")
    return names


def _targets(values: FloatArray, market: Market) -> FloatArray:
    shape = (len(market.times), len(market.symbols))
    if np.shape(values) != shape:
        raise DataError(f"the position function must return the shape {shape} of the closes, got {np.shape(values)}")
    return kernel_layout(values)
