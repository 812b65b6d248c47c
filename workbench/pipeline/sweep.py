"""A sweep whose every cell is a counted trial."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.backtest import sweep
from workbench.config import Settings
from workbench.data import load_dataset
from workbench.pipeline.identity import trial_hash
from workbench.risk import periods_per_year
from workbench.typing import FloatArray

if TYPE_CHECKING:
    from workbench.backtest.market import Rebalance


def count_sweep(
    source: str,
    symbols: Sequence[str],
    position_function: Callable[..., FloatArray],
    configurations: Sequence[Mapping[str, Any]],
    *,
    settings: Settings,
    now: datetime,
    timeframe: str = "1d",
    start: str = "",
    end: str = "",
    fee_bps: float = 5.0,
    slippage_bps: float = 2.0,
    rebalance: Rebalance = "on_change",
    progress: Callable[[float, str], None] | None = None,
) -> pd.DataFrame:
    """Sweep configurations over each symbol and count every cell as a trial of that symbol's series.

    Parameters
    ----------
    source, symbols, timeframe, start, end
        As in `workbench.load_bars`; each symbol is a data set of its own.
    position_function, configurations, fee_bps, slippage_bps, rebalance, progress
        As in `workbench.backtest.sweep`.
    settings : Settings
        Where bars and the ledger lie.
    now : datetime
        Time of the evaluation, UTC.

    Returns
    -------
    DataFrame
        What `workbench.backtest.sweep` returns, and ``n_trials``: configurations ever tried on the symbol's series.

    Raises
    ------
    ConfigError, DataError
        As `workbench.backtest.sweep`; nothing is counted then.
    """
    from workbench.tracking import TrialsLedger, sketches_of
    from workbench.tracking.sketches import bucket_days

    ledger, tables = TrialsLedger(settings.ledger_path), []
    for number, symbol in enumerate(symbols):
        dataset = load_dataset(source, [symbol], timeframe, start, end, settings=settings)
        swept = sweep(
            dataset.bars,
            position_function,
            configurations,
            fee_bps=fee_bps,
            slippage_bps=slippage_bps,
            rebalance=rebalance,
            progress=_part(progress, number, len(symbols)),
        )
        table = swept.table
        per_bar = table["sharpe_ratio"].to_numpy() / math.sqrt(periods_per_year(pd.DatetimeIndex(dataset.bars.index)))
        common = {"range": [start, end], "costs_bps": [fee_bps, slippage_bps], "rebalance": rebalance}
        cells = [{"rule": _named(position_function), "arguments": dict(c), **common} for c in configurations]
        trials = ledger.record_many(
            dataset.name,
            [(trial_hash(c), c, float(s), len(dataset.bars)) for c, s in zip(cells, per_bar, strict=True)],
            dataset.content_hash,
            now,
            series=dataset.series_hash,
            sketches=sketches_of(swept.sketch_times, swept.sketch, days=bucket_days(swept.times)),
        )
        tables.append(table.assign(n_trials=trials[-1].n_trials))
    return pd.concat(tables)


def _named(function: Callable[..., FloatArray]) -> str:
    """Name a function with a hash of its source: an edited rule is another trial."""
    try:
        body = inspect.getsource(function)
    except (OSError, TypeError):  # no source to read, as for a function typed at a prompt: its name must do
        body = ""
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    return f"{name} {hashlib.sha256(body.encode()).hexdigest()[:12]}"


def _part(progress: Callable[[float, str], None] | None, number: int, of: int) -> Callable[[float, str], None] | None:
    if progress is None:
        return None
    return lambda share, words: progress((number + share) / of, words)
