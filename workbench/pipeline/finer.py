"""Finer bars of the store, which decide what a bar touched first: a stop, a target or a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.config import TIMEFRAMES, Settings, parse_spec
from workbench.data import MARKETS, Dataset, available_symbols, load_dataset, timeframe_delta
from workbench.errors import WorkbenchError
from workbench.ops import get_logger
from workbench.typing import Bars, Json

if TYPE_CHECKING:
    from workbench.backtest.execution import Execution


@dataclass(frozen=True)
class Finer:
    """Bars of a shorter time frame of the same series, and what a record says of them."""

    bars: Bars | None = None
    told: str = ""


def finer_bars(execution: Execution | None, parameters: Any, dataset: Dataset, settings: Settings) -> Finer:
    """Load the finest stored bars of the run's symbols, where its orders or exits can be touched within a bar.

    All symbols must be stored in that time frame by the same source; bars that the finer ones do not cover are settled
    by the rule for bars alone. Synthetic markets and the sample have none.
    """
    if execution is None or not execution.needs_range or parse_spec(parameters.source).name in (*MARKETS, "sample"):
        return Finer()
    shorter = [t for t in TIMEFRAMES if timeframe_delta(t) < timeframe_delta(parameters.timeframe)]
    for timeframe in sorted(shorter, key=timeframe_delta):
        if not set(parameters.symbols) <= set(available_symbols(parameters.source, timeframe, settings)):
            continue
        first, end = dataset.bars.index[0], dataset.bars.index[-1] + timeframe_delta(parameters.timeframe)
        try:
            found = load_dataset(
                parameters.source, parameters.symbols, timeframe, _iso(first), _iso(end), settings=settings
            )
        except WorkbenchError as err:  # stored, but none within the run's range
            get_logger("pipeline").info("finer bars are not used", timeframe=timeframe, reason=str(err))
            continue
        return Finer(found.bars, f"{timeframe} bars, version {found.version}, SHA-256 {found.content_hash[:12]}")
    return Finer()


def describe(finer: Finer) -> Json:
    """Return what a record's environment says of the finer bars that decided; empty where none did."""
    return {"finer": finer.told} if finer.told else {}


def _iso(time: pd.Timestamp) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S")
