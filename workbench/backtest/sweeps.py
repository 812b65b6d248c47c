"""Many configurations through the kernel, statistics only: memory stays that of one configuration a worker."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.backtest.market import Market, Rebalance
from workbench.backtest.scale import KeptParts, choose_backend, fan_out
from workbench.backtest.sweeping.cells import (
    PORTFOLIO,
    STATISTICS,
    Configurations,
    PositionFunction,
    block_edges,
    open_cells,
    sketch_edges,
    statistics_of,
)
from workbench.backtest.sweeping.identity import cells_key
from workbench.backtest.sweeping.result import Sweep
from workbench.backtest.sweeping.rules import sma_crossover
from workbench.typing import Bars, FloatArray

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution

__all__ = ["PORTFOLIO", "STATISTICS", "PositionFunction", "grid", "sma_crossover", "sweep"]


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
    configurations: Configurations,
    *,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    rebalance: Rebalance = "on_change",
    periods_per_year: float | None = None,
    execution: Execution | None = None,
    capital: float = 1.0,
    blocks: int = 16,
    backend: str = "threads",
    n_jobs: int | None = None,
    address: str | None = None,
    folder: Path | str | None = None,
    chunk: int | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancel: Event | None = None,
) -> Sweep:
    """Simulate each configuration on each symbol as a portfolio of its own and return statistics.

    The same kernel as `simulate`, with the same timing: decided at the close of bar t, filled at the open of bar t + 1.
    Only statistics are kept, so that a thousand configurations need the memory of one; `simulate` the few that matter.

    Parameters
    ----------
    bars
        Bars (field, symbol).
    position_function
        A rule of `SWEEP_RULES` (``sma_crossover``, …: compiled), or a function of one's own: called as
        ``position_function(close, **configuration)`` with closes (n_bars, n_assets) that it must not change, from
        several threads at once unless ``n_jobs=1``; returns target fractions of equity of that shape, NaN for no
        order, using row t and earlier for row t.
    configurations
        Keyword arguments of each configuration, all with the same names; see `grid`.
    fee_bps, slippage_bps
        Costs of each fill in basis points of its value; None for 5 and 2.
    rebalance
        ``on_change``: order only when the target differs from the last one. ``every_bar``: trade back to it at each
        open.
    periods_per_year
        Bars in a year; inferred from the bars.
    execution
        Everything else about fills: spread, impact, stops, limits, margin, funding; instead of the two costs. Targets
        may then reach its leverage.
    capital
        Cash that each account begins with; it matters to an execution with lots, fixed fees, impact or a volume cap.
    blocks
        Consecutive blocks whose sums are kept for the probability of backtest overfitting; even, 16 is usual.
    backend, n_jobs, address
        Where to run: ``threads``, ``processes`` or ``dask``, how many workers (None: all cores), and the address of a
        Dask scheduler (None: a cluster made here); see `workbench.backtest.scale.choose_backend`. The numbers are the
        same bit for bit.
    folder
        Where finished parts are kept by content, so that the same sweep, started again after a kill or with more
        configurations, goes on instead of beginning anew; None keeps nothing.
    chunk
        Configurations a part; None chooses.
    progress
        Called with the share done, 0 to 1, and a few words.
    cancel
        An event that stops the sweep with `SweepCancelledError` once it is set; finished parts stay in the folder.

    Returns
    -------
    Sweep

    Raises
    ------
    DataError, ConfigError
        When bars or costs are out of bounds, configurations differ in names or name an argument that the function does
        not take, or targets have the wrong shape or exceed 1.

    Notes
    -----
    The best row of a sweep is flattered by the number of rows: see `Sweep.overfitting` and `deflated_sharpe_ratio`.
    """
    chosen = choose_backend(backend, n_jobs, address)
    cells, market = open_cells(
        bars,
        position_function,
        configurations,
        fee_bps=fee_bps,
        slippage_bps=slippage_bps,
        rebalance=rebalance,
        periods_per_year=periods_per_year,
        execution=execution,
        capital=capital,
    )
    edges = block_edges(len(market.times), blocks)
    cells = replace(cells, block_edges=edges, sketch_edges=sketch_edges(market.times))
    kept = KeptParts(folder, cells_key(cells, "sweep")) if folder is not None else None
    arrays = fan_out(
        statistics_of, cells, configurations, chosen, kept=kept, chunk=chunk, progress=progress, cancel=cancel
    )
    return Sweep(
        table=_table(configurations, market, arrays["table"]),
        portfolio=pd.DataFrame(arrays["portfolio"], index=_labels(configurations), columns=list(PORTFOLIO)),
        blocks=arrays["blocks"],
        block_length=int(edges[1] - edges[0]),
        sketch=arrays["sketch"],
        sketch_times=market.times[cells.sketch_edges[:-1]],
        market=market,
    )


def _labels(configurations: Configurations) -> pd.MultiIndex:
    names = list(configurations[0])
    return pd.MultiIndex.from_tuples([tuple(c.values()) for c in configurations], names=names)


def _table(configurations: Configurations, market: Market, statistics: FloatArray) -> pd.DataFrame:
    labels = [(*c.values(), symbol) for c in configurations for symbol in market.symbols]
    index = pd.MultiIndex.from_tuples(labels, names=[*configurations[0], "symbol"])
    return pd.DataFrame(statistics.reshape(-1, len(STATISTICS)), index=index, columns=list(STATISTICS))
