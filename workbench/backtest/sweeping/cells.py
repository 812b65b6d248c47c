"""What every cell of a sweep needs, checked once, and the loop over the configurations of one part of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.backtest.market import Costs, Market, Rebalance, check_rebalance, kernel_layout, market_of
from workbench.backtest.sweeping.rules import SweepRule, compiled_rule
from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.risk import periods_per_year as infer_periods_per_year
from workbench.typing import Bars, FloatArray, IntArray

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution
    from workbench.backtest.sweeping.full_bar import FullBar

STATISTICS = ("total_return", "sharpe_ratio", "max_drawdown", "n_trades", "turnover")
PORTFOLIO = (*STATISTICS, "sharpe_per_bar", "skewness", "kurtosis", "n_obs")
_ROUNDING = 1e-9
WEEKLY_FROM = 512
"""Days from which a sketch has weeks, not days."""

PositionFunction = Callable[..., FloatArray]
Configurations = Sequence[Mapping[str, Any]]
Arrays = dict[str, FloatArray]


@dataclass(frozen=True)
class Cells:
    """Prices, rule, costs and the stretches that are summed up: the same for every cell, and cheap to send to a worker.

    Arrays lie as in the kernel, (n_assets, n_bars).
    """

    opens: FloatArray
    closes: FloatArray
    function: PositionFunction
    on_change: bool
    costs: Costs
    periods: float
    full_bar: FullBar | None = None
    whole: bool = True
    block_edges: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    sketch_edges: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of assets and bars."""
        return self.closes.shape[0], self.closes.shape[1]


def open_cells(
    bars: Bars,
    function: PositionFunction,
    configurations: Configurations,
    *,
    fee_bps: float | None,
    slippage_bps: float | None,
    rebalance: Rebalance,
    periods_per_year: float | None,
    execution: Execution | None,
    capital: float,
) -> tuple[Cells, Market]:
    """Check the arguments of a sweep once and lay the bars out for the kernel."""
    if execution is not None and (fee_bps is not None or slippage_bps is not None):
        raise ConfigError("give fee_bps and slippage_bps in the execution, or leave the execution out")
    if not 0 < capital < np.inf:
        raise ConfigError(f"capital must be above 0, got {capital}")
    costs = Costs.of_bps(5.0 if fee_bps is None else fee_bps, 2.0 if slippage_bps is None else slippage_bps)
    on_change = check_rebalance(rebalance)
    market = market_of(bars)
    check_configurations(function, configurations)
    cells = Cells(
        opens=market.opens,
        closes=market.closes,
        function=function,
        on_change=on_change,
        costs=costs,
        periods=infer_periods_per_year(market.times) if periods_per_year is None else periods_per_year,
        whole=not np.isnan(market.closes).any(),
    )
    if execution is not None:
        from workbench.backtest.sweeping.full_bar import full_bar

        cells = replace(cells, full_bar=full_bar(bars, execution, rebalance, cells.periods, float(capital)))
    return cells, market


def check_configurations(function: PositionFunction, configurations: Configurations) -> None:
    """Check that configurations have one set of names, which the function takes, and values that a known rule takes.

    Raises
    ------
    ConfigError
        Naming the first configuration or argument that is wrong.
    """
    if len(configurations) == 0:
        raise ConfigError("sweep needs at least one configuration")
    names = list(configurations[0])
    for configuration in configurations:
        if list(configuration) != names:
            raise ConfigError(f"all configurations need the names {names} in this order, got {list(configuration)}")
    rule = compiled_rule(function)
    if rule is not None:
        for configuration in configurations:
            rule.prepare(**rule.complete(**configuration))
        return
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin or a compiled function that does not tell
        return
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return
    for name in names:
        if name not in known:
            raise ConfigError(f"the position function takes no argument {name!r}.{did_you_mean(name, list(known)[1:])}")


def block_edges(n_bars: int, blocks: int) -> IntArray:
    """Return where equal blocks begin and the last one ends; the first bars that do not fill one are left out.

    Raises
    ------
    ConfigError
        When there are fewer than 2 blocks.
    """
    if isinstance(blocks, bool) or blocks < 2:
        raise ConfigError(f"blocks must be at least 2, got {blocks}")
    length = n_bars // blocks
    return n_bars - length * np.arange(blocks, -1, -1, dtype=np.int64)


def sketch_edges(times: pd.DatetimeIndex) -> IntArray:
    """Return where days begin, or weeks for spans of more than 512 days, counted from 1970-01-01; and the end."""
    stamps = times.tz_localize("UTC") if times.tz is None else times.tz_convert("UTC")
    day = np.asarray(stamps.floor("D").as_unit("s").asi8 // 86_400, dtype=np.int64)
    bucket = day if day[-1] - day[0] < WEEKLY_FROM else day // 7
    return np.append(np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1)), len(times)).astype(np.int64)


def statistics_of(cells: Cells, configurations: Configurations) -> Arrays:
    """Compute the statistics of some configurations; memory is that of one of them.

    Returns
    -------
    dict of arrays
        ``table`` (n, n_assets, 5), ``portfolio`` (n, 9), ``blocks`` (n, n_blocks, 2) and ``sketch`` (n, n_buckets).
    """
    from workbench.backtest.sweep_kernels import portfolio_moments, segment_moments, segment_sums

    n_assets, n_bars = cells.shape
    n = len(configurations)
    table = np.empty((n, n_assets, len(STATISTICS)))
    portfolio = np.empty((n, len(PORTFOLIO)))
    blocks = np.empty((n, len(cells.block_edges) - 1, 2))
    sketch = np.empty((n, len(cells.sketch_edges) - 1))
    returns, moments = np.empty(n_bars), np.empty(6)
    worker = Worker(cells)
    for row, configuration in enumerate(configurations):
        worker.account(configuration, table[row], returns)
        portfolio_moments(returns, moments)
        portfolio[row] = _portfolio_row(moments, table[row], n_bars, cells.periods)
        segment_moments(returns, cells.block_edges, blocks[row])
        segment_sums(returns, cells.sketch_edges, sketch[row])
    return {"table": table, "portfolio": portfolio, "blocks": blocks, "sketch": sketch}


class Worker:
    """The buffers of one worker, used for one configuration after the other."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.rule: SweepRule | None = compiled_rule(cells.function)
        self.targets = np.empty(cells.shape)
        self.last = self.targets
        self.allowed = cells.full_bar.leverage if cells.full_bar else 1.0
        self.state = np.zeros((cells.shape[0], 9))
        self.close = cells.closes.T
        self.close.flags.writeable = False

    def fill(self, configuration: Mapping[str, Any]) -> FloatArray:
        """Return the targets of a configuration, (n_assets, n_bars); the next call overwrites them."""
        self.last = self._filled(configuration)
        return self.last

    def _filled(self, configuration: Mapping[str, Any]) -> FloatArray:
        if self.rule is not None:
            self.rule.fill(self.cells.closes, self.targets, self.cells.whole, **configuration)
            return self.targets
        values = self.cells.function(self.close, **configuration)
        if np.shape(values) != self.close.shape:
            raise DataError(
                f"the position function must return the shape {self.close.shape} of the closes, got {np.shape(values)}"
            )
        targets = kernel_layout(values)
        check_widest(targets, configuration, self.allowed)
        return targets

    def account(self, configuration: Mapping[str, Any], statistics: FloatArray, returns: FloatArray) -> None:
        """Walk all accounts of a configuration; fill their statistics and the portfolio's returns."""
        from workbench.backtest.sweep_kernels import sweep_accounts

        cells, targets = self.cells, self.fill(configuration)
        if cells.full_bar is not None:
            cells.full_bar.account(targets, cells.periods, statistics, returns)
            return
        sweep_accounts(
            targets,
            cells.opens,
            cells.closes,
            cells.on_change,
            cells.costs.fee,
            cells.costs.slippage,
            cells.periods,
            self.state,
            statistics,
            returns,
        )

    def walk(self, configuration: Mapping[str, Any], parts: IntArray, returns: FloatArray, paths: FloatArray) -> None:
        """Walk each part, (n_parts, 2: first bar, stop), from a flat start; fill ``returns`` there and ``paths``."""
        from workbench.backtest.sweep_kernels import walk_parts

        cells, targets = self.cells, self.fill(configuration)
        if cells.full_bar is not None:
            cells.full_bar.walk(targets, parts, returns, paths)
            return
        costs = cells.costs
        walk_parts(
            targets,
            cells.opens,
            cells.closes,
            cells.on_change,
            costs.fee,
            costs.slippage,
            parts,
            self.state,
            returns,
            paths,
        )


def check_widest(targets: FloatArray, configuration: Mapping[str, Any], allowed: float) -> None:
    """Refuse targets, (n_assets, n_bars), beyond what an account may hold."""
    from workbench.backtest.sweep_kernels import widest_target

    widest = widest_target(targets)
    if widest > allowed * (1 + _ROUNDING):
        bounds = f"between −{allowed:g} and {allowed:g}"
        raise DataError(f"targets of {dict(configuration)} reach {widest:g} of equity; keep them {bounds}")


def _portfolio_row(moments: FloatArray, table: FloatArray, n_bars: int, periods: float) -> list[float]:
    total_return, deepest, mean, variance, skewness, kurtosis = moments.tolist()
    sharpe = mean / variance**0.5 if variance > 0 else np.nan
    n_trades, turnover = float(table[:, 3].sum()), float(table[:, 4].mean())
    annual = sharpe * periods**0.5
    return [total_return, annual, deepest, n_trades, turnover, sharpe, skewness, kurtosis, float(n_bars)]
