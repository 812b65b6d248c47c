"""The best configuration chosen inside each training part and judged on the bars after it, at the speed of a sweep."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd

from workbench.backtest.market import Market, Rebalance
from workbench.backtest.scale import Backend, KeptParts, choose_backend, fan_out
from workbench.backtest.scale.backends import run_on
from workbench.backtest.sweeping.cells import Arrays, Cells, Configurations, PositionFunction, Worker, open_cells
from workbench.backtest.sweeping.identity import cells_key
from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.typing import Bars, FloatArray, IntArray

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution
    from workbench.backtest.validation import Fold

Method = Literal["slice", "flat_start"]
METHODS: tuple[Method, ...] = ("flat_start", "slice")
OBJECTIVES = ("calmar_ratio", "sharpe_ratio", "total_return")
_ROUNDING = 1e-12
_TOTAL, _SQUARES, _WEALTH, _HIGHEST, _LOWEST, _DEEPEST = range(6)


class Splitter(Protocol):
    """What cuts the bars into folds, such as `workbench.backtest.WalkForward`."""

    def split(self, times: Any, t1: Any) -> list[Fold]:
        """Return the folds over the bars."""


@dataclass(frozen=True, eq=False)
class WalkForwardSweep:
    """What was chosen in each fold, and what the choices earned on the bars after it.

    Parameters
    ----------
    selection
        One row per fold: ``fold``, ``train_start``, ``train_end``, ``test_start``, ``test_end``, the chosen parameters,
        the objective ``in_sample`` and ``out_of_sample``, that of the ``runner_up`` in sample (NaN with a single
        configuration), and ``n_configurations``.
    returns
        Net simple returns of the choices over all test bars, stitched, (n_test_bars,).
    targets
        Targets of the choices at the close before each test bar, (n_times, n_symbols): simulating them trades the
        changes from one choice to the next too.
    in_sample, out_of_sample
        Objective of every configuration in each fold, (n_folds, n_configurations); NaN where it is not defined.
    chosen
        Number of the chosen configuration of each fold, (n_folds,).
    """

    selection: pd.DataFrame
    returns: pd.Series
    targets: pd.DataFrame
    in_sample: FloatArray
    out_of_sample: FloatArray
    chosen: IntArray


@dataclass(frozen=True)
class Folded:
    """The cells, and the parts of the bars that folds are made of; sent to workers."""

    cells: Cells
    parts: IntArray
    """First bar and stop of the training parts, then of the test parts, (2 · n_folds, 2)."""
    method: Method


def walk_forward_sweep(
    bars: Bars,
    position_function: PositionFunction,
    configurations: Configurations,
    splitter: Splitter,
    *,
    objective: str = "sharpe_ratio",
    stateless: bool = False,
    method: Method | None = None,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    rebalance: Rebalance = "on_change",
    periods_per_year: float | None = None,
    execution: Execution | None = None,
    capital: float = 1.0,
    backend: str = "threads",
    n_jobs: int | None = None,
    address: str | None = None,
    folder: Path | str | None = None,
    chunk: int | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancel: Event | None = None,
) -> WalkForwardSweep:
    """Choose the best configuration inside each fold's training part and apply it to the test part after it.

    This judges the *procedure* of choosing; `sweep` alone shows the best of all in hindsight.

    Parameters
    ----------
    bars, position_function, configurations, fee_bps, slippage_bps, rebalance, periods_per_year, execution, capital
        As in `sweep`. The rule must be causal: its targets are computed over all bars once, so that every part has all
        bars before it as warm-up.
    splitter
        Gives the folds, such as ``WalkForward(4000, 1000)``; training and test parts must be without holes.
    objective
        ``sharpe_ratio`` (annual), ``total_return`` or ``calmar_ratio`` (annual return over maximum drawdown) of the
        equal-capital portfolio; the highest is chosen, of equals the first.
    stateless
        Declares that no state crosses a fold boundary that matters: then each configuration is simulated once and
        folds are slices of its returns, many times faster.
    method
        ``slice`` or ``flat_start``; None for ``slice`` where ``stateless``, else ``flat_start``. ``slice`` without the
        declaration is refused.
    backend, n_jobs, address, folder, chunk, progress, cancel
        As in `sweep`.

    Returns
    -------
    WalkForwardSweep

    Raises
    ------
    ConfigError
        For an unknown objective or method, ``slice`` without the declaration, test parts that overlap, or what `sweep`
        refuses.
    DataError
        When folds are longer than the data, or no configuration has the objective in any training part.

    Notes
    -----
    *Timing.* The return of bar t comes from targets decided up to t − 1 and is known at its close. A choice is made at
    the close of the last bar before the test part, from returns of bars of the training part alone; its order fills at
    the open of the first test bar. The splitter's embargo keeps further bars free between the two.

    *flat_start*: each part begins flat with the target of the close before it, and what it holds at its end is marked,
    not closed. *slice*: positions are those of an account that began with the first bar, so a part begins with what was
    held before it, and at a boundary the change of configuration costs nothing. The two agree from a part's second bar
    on where the last target alone decides what is held: targets of 0 and 1 only (all in or out), or rebalancing at
    every bar with a target at each (exactly so without costs; with costs of rate c the difference shrinks by about c at
    each bar), without exits that remember. At its first bar they agree if the account was flat at the close before;
    else the slice also earns the gap to the open and does not pay for the entry. Elsewhere they differ for longer,
    since an untouched position drifts: that is why the slice needs the declaration.
    """
    way = _method(method, stateless)
    if objective not in OBJECTIVES:
        raise ConfigError(f"unknown objective {objective!r}.{did_you_mean(objective, OBJECTIVES)}")
    where, cores = choose_backend(backend, n_jobs, address), choose_backend("threads", n_jobs).n_jobs
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
    folds = splitter.split(market.times, market.times)
    folded = Folded(cells, _parts(folds), way)
    kept = None
    if folder is not None:
        kept = KeptParts(folder, cells_key(cells, "walk forward", method=way, parts=folded.parts.tolist()))
    paths = fan_out(paths_of, folded, configurations, where, kept=kept, chunk=chunk, progress=progress, cancel=cancel)[
        "paths"
    ]
    lengths = np.diff(folded.parts, axis=1)[:, 0]
    values = _objective(objective, paths, lengths, cells.periods).T
    inside, outside = values[: len(folds)], values[len(folds) :]
    chosen = _choose(inside, objective)
    returns, targets = _stitch(folded, market, configurations, folds, chosen, cores)
    return WalkForwardSweep(
        selection=_selection(folds, configurations, inside, outside, chosen),
        returns=returns,
        targets=targets,
        in_sample=inside,
        out_of_sample=outside,
        chosen=chosen,
    )


def paths_of(folded: Folded, configurations: Configurations) -> Arrays:
    """Walk configurations through all parts; ``paths`` (n, n_parts, 6) has the columns of `segment_paths`."""
    from workbench.backtest.sweep_kernels import join_segments, segment_paths

    cells, parts = folded.cells, folded.parts
    worker, returns = Worker(cells), np.empty(cells.shape[1])
    paths = np.empty((len(configurations), len(parts), 6))
    if folded.method == "flat_start":
        for row, configuration in enumerate(configurations):
            worker.walk(configuration, parts, returns, paths[row])
        return {"paths": paths}
    edges = np.unique(parts)
    spans = np.searchsorted(edges, parts).astype(np.int64)
    segments, statistics = np.empty((len(edges) - 1, 6)), np.empty((cells.shape[0], 5))
    for row, configuration in enumerate(configurations):
        worker.account(configuration, statistics, returns)
        segment_paths(returns, edges, segments)
        join_segments(segments, spans, paths[row])
    return {"paths": paths}


def _method(method: str | None, stateless: bool) -> Method:
    if method is None:
        return "slice" if stateless else "flat_start"
    if method not in METHODS:
        raise ConfigError(f"unknown method {method!r}.{did_you_mean(method, METHODS)}")
    if method == "slice" and not stateless:
        raise ConfigError(
            "method 'slice' lets positions cross fold boundaries; declare stateless=True if none matters, or use "
            "method 'flat_start'"
        )
    return "slice" if method == "slice" else "flat_start"


def _parts(folds: Sequence[Fold]) -> IntArray:
    for fold in folds:
        for name, rows in (("training", fold.train), ("test", fold.test)):
            if len(rows) != rows[-1] - rows[0] + 1:
                raise ConfigError(
                    f"the {name} part of fold {fold.number} has holes; a walk-forward needs whole stretches"
                )
    for before, after in itertools.pairwise(folds):
        if after.test[0] <= before.test[-1]:
            raise ConfigError(
                f"test parts of folds {before.number} and {after.number} overlap; choose a step of at least test_size"
            )
    ranges = [*(f.train for f in folds), *(f.test for f in folds)]
    return np.array([(rows[0], rows[-1] + 1) for rows in ranges], dtype=np.int64)


def _objective(name: str, paths: FloatArray, lengths: IntArray, periods: float) -> FloatArray:
    """Return the objective of each configuration and part, NaN where it is not defined."""
    wealth = paths[:, :, _WEALTH]
    if name == "total_return":
        return wealth - 1.0
    if name == "calmar_ratio":
        annual = wealth ** (periods / lengths) - 1.0
        fall = paths[:, :, _DEEPEST]
        return np.divide(annual, fall, where=fall > 0, out=np.full_like(annual, np.nan))
    mean = paths[:, :, _TOTAL] / lengths
    scale = paths[:, :, _SQUARES] / lengths
    variance = (scale - mean * mean) * lengths / np.maximum(lengths - 1, 1)
    moves = variance > _ROUNDING * scale
    spread = np.sqrt(np.where(moves, variance, 1.0))
    return np.where(moves, mean / spread * np.sqrt(periods), np.nan)


def _choose(inside: FloatArray, objective: str) -> IntArray:
    if np.isnan(inside).all():
        raise DataError(
            f"no configuration has a {objective} in any training part, since none traded there; choose a longer "
            "train_size or shorter windows"
        )
    return np.where(np.isnan(inside), -np.inf, inside).argmax(axis=1).astype(np.int64)


def _stitch(
    folded: Folded, market: Market, configurations: Configurations, folds: Sequence[Fold], chosen: IntArray, n_jobs: int
) -> tuple[pd.Series, pd.DataFrame]:
    """Walk what was chosen once more, and keep its returns and targets over the test parts."""
    n_assets, n_bars = folded.cells.shape
    net, targets = np.full(n_bars, np.nan), np.full((n_assets, n_bars), np.nan)
    tests = folded.parts[len(folds) :]
    work = [(configurations[number], tests[chosen == number]) for number in np.unique(chosen)]
    for _, stretches in run_on(Backend("threads", n_jobs), _walk_choice, folded, work):
        for first, returns, wanted in stretches:
            stop = first + len(returns)
            net[first:stop] = returns
            targets[:, max(first - 1, 0) : stop - 1] = wanted
    tested = ~np.isnan(net)
    ends = tests[:, 1] - 1
    targets[:, ends[~np.append(tested, False)[ends + 1]]] = 0.0  # nothing is chosen for the bar after: go flat
    span = slice(max(int(tests[0, 0]) - 1, 0), int(ends[-1]) + 1)
    frame = pd.DataFrame(targets[:, span].T, index=market.times[span], columns=pd.Index(market.symbols, name="symbol"))
    return pd.Series(net[tested], index=market.times[tested], name="returns"), frame


def _walk_choice(
    folded: Folded, choice: tuple[Mapping[str, Any], IntArray]
) -> list[tuple[int, FloatArray, FloatArray]]:
    """Return first bar, returns and targets decided for each part, and no more: whole series would pile up."""
    configuration, parts = choice
    worker, returns = Worker(folded.cells), np.empty(folded.cells.shape[1])
    if folded.method == "flat_start":
        worker.walk(configuration, parts, returns, np.empty((len(parts), 6)))
    else:
        worker.account(configuration, np.empty((folded.cells.shape[0], 5)), returns)
    return [
        (first, returns[first:stop].copy(), worker.last[:, max(first - 1, 0) : stop - 1].copy())
        for first, stop in parts.tolist()
    ]


def _selection(
    folds: Sequence[Fold],
    configurations: Configurations,
    inside: FloatArray,
    outside: FloatArray,
    chosen: IntArray,
) -> pd.DataFrame:
    rows: list[Mapping[str, Any]] = []
    for k, (fold, number) in enumerate(zip(folds, chosen, strict=True)):
        others = np.sort(np.delete(np.where(np.isnan(inside[k]), -np.inf, inside[k]), number))
        rows.append(
            {
                "fold": fold.number,
                "train_start": fold.train_start,
                "train_end": fold.train_end,
                "test_start": fold.test_start,
                "test_end": fold.test_end,
                **configurations[number],
                "in_sample": inside[k, number],
                "out_of_sample": outside[k, number],
                "runner_up": others[-1] if len(others) and np.isfinite(others[-1]) else np.nan,
                "n_configurations": len(configurations),
            }
        )
    return pd.DataFrame(rows)
