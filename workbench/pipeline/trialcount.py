"""Counting the cells of a sweep as trials, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from workbench.config import Settings
from workbench.data import Dataset
from workbench.pipeline.identity import trial_hash
from workbench.pipeline.judge import standing_among
from workbench.tracking.sketches import bucket_days
from workbench.typing import Json

if TYPE_CHECKING:
    import pandas as pd

    from workbench.backtest import Sweep


def count_cells(
    dataset: Dataset, cells: Sequence[Json], result: Sweep, best: int, settings: Settings, now: datetime
) -> tuple[Json, pd.DataFrame]:
    """Record every cell with its Sharpe ratio and its returns in short.

    Returns the best one's place among all trials of the data set, and the table of these; see `standing_among`.

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
    sketches = sketches_of(result.sketch_times, result.sketch, days=bucket_days(result.times))
    known = ledger.evaluated(dataset.name)
    trials = ledger.record_many(
        dataset.name, rows, dataset.content_hash, now, series=dataset.series_hash, sketches=sketches
    )
    trial = asdict(trials[best]) | {
        "config_hash": hashes[best],
        "n_cells": len(cells),
        "n_new": len(set(hashes) - set(known)),
    }
    return standing_among(ledger, dataset, trial)
