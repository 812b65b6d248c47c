"""Trials in number: counting the cells of a sweep in one transaction, and the table of all that was tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from workbench.config import Settings
from workbench.data import Dataset
from workbench.pipeline.identity import trial_hash
from workbench.pipeline.judge import standing_among
from workbench.risk import periods_per_year
from workbench.typing import Json

_LONGEST = 300

if TYPE_CHECKING:
    from workbench.backtest import Sweep


def count_cells(
    dataset: Dataset, cells: Sequence[Json], result: Sweep, best: int, settings: Settings, now: datetime
) -> Json:
    """Record every cell with its Sharpe ratio and its returns in short; return the best one's place among all trials.

    Parameters
    ----------
    cells
        What makes each configuration a trial, in the order of ``result.portfolio``.
    best
        Row of the cell that is judged.
    """
    from workbench.tracking import TrialsLedger, sketches_of

    ledger = TrialsLedger(settings.ledger_path)
    sharpes = result.portfolio["sharpe_per_bar"].to_numpy()
    n_obs = len(dataset.bars)
    hashes = [trial_hash(cell) for cell in cells]
    rows = [(key, cell, float(s), n_obs) for key, cell, s in zip(hashes, cells, sharpes, strict=True)]
    sketches = sketches_of(result.sketch_times, result.sketch)
    known = ledger.evaluated(dataset.name)
    trials = ledger.record_many(
        dataset.name, rows, dataset.content_hash, now, series=dataset.series_hash, sketches=sketches
    )
    trial = asdict(trials[best]) | {
        "config_hash": hashes[best],
        "n_cells": len(cells),
        "n_new": len(set(hashes) - set(known)),
    }
    return standing_among(ledger, dataset.name, trial)


def trials_frame(dataset: Dataset, settings: Settings, clusters: dict[str, int]) -> pd.DataFrame:
    """Return every trial of a data set's name: number, first_seen, annual sharpe_ratio, cluster, config as text."""
    from workbench.tracking import TrialsLedger

    table = TrialsLedger(settings.ledger_path).trials(dataset.name)
    year = math.sqrt(periods_per_year(pd.DatetimeIndex(dataset.bars.index)))
    hashes = table["config_hash"].astype(str)
    return pd.DataFrame(
        {
            "number": table["number"],
            "first_seen": table["first_seen"],
            "sharpe_ratio": table["sharpe"] * year,
            "cluster": hashes.map(clusters).astype("float64"),
            "config": table["config"].astype(str).str.slice(0, _LONGEST),
        }
    )
