"""The model that a run leaves behind: fitted on the latest training window, saved with all that prediction needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.backtest import set_tail_purge
from workbench.config import Settings
from workbench.errors import DataError

if TYPE_CHECKING:
    from workbench.backtest import WalkForward
    from workbench.features import Design, Standardizer
    from workbench.pipeline.record import Evaluation


def save_final_model(evaluation: Evaluation, settings: Settings, run_id: str) -> Path:
    """Fit the run's model on the latest training window and save it without pickle.

    The walk-forward judged the recipe; this is the recipe applied once more to the newest bars whose labels are known
    (``train_size`` of them, all where the folds expand), which is what a champion predicts with.

    Returns
    -------
    Path
        Folder with the model, its standardiser, feature specs and label settings, and their checksums.
    """
    from workbench.features import Standardizer, feature_versions
    from workbench.models import save_model

    parameters, design, plan, dataset = evaluation.parameters, evaluation.design, evaluation.plan, evaluation.dataset
    rows = training_rows(design, plan.splitter)
    model = plan.factory(parameters.seed)
    standardizer = Standardizer().fit(design.X.to_numpy()[rows])
    X, y, kept = model_input(design, standardizer if model.learns else None, model.lookback)
    chosen = np.isin(kept, rows)
    if not chosen.any():
        raise DataError(f"no training row has {model.lookback} bars of context; give more bars or a shorter lookback")
    fitted = kept[chosen]
    set_tail_purge(model, design.times[fitted], design.t1.iloc[fitted])
    model.fit(X[chosen], y[chosen])
    times = design.X.index.get_level_values("time")[rows]
    extra = {
        "features": list(design.X.columns),
        "feature_versions": feature_versions(design.X.columns),
        "standardizer": standardizer.to_spec(),
        "horizon": parameters.horizon,
        "neutral_band": parameters.neutral_band,
        "symbols": list(parameters.symbols),
        "timeframe": parameters.timeframe,
        "dataset": {"name": dataset.name, "version": dataset.version, "content_hash": dataset.content_hash},
        "trained_on": {"first": times.min().isoformat(), "last": times.max().isoformat(), "rows": len(rows)},
        "run_id": run_id,
    }
    folder = settings.experiments_dir / "models" / run_id
    save_model(model, folder, extra=extra)
    return folder


def training_rows(design: Design, splitter: WalkForward) -> np.ndarray:
    """Return positions of the known rows that one more fold would train on: the latest bars, or all where expanding."""
    known = design.known.to_numpy()
    times = design.times
    latest = times[known].unique()[0 if splitter.expanding else -int(splitter.train_size) :]
    return np.flatnonzero(known & (times >= latest[0]))


def model_input(
    design: Design, standardizer: Standardizer | None, lookback: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, scaled where a standardiser is given, or windows of them per symbol; labels and row positions."""
    from workbench.models import windows

    scaled = standardizer.transform(design.X.to_numpy()) if standardizer else design.X.to_numpy()
    labels = design.y.to_numpy()
    if lookback == 1:
        return scaled, labels, np.arange(len(scaled))
    symbols = design.X.index.get_level_values("symbol").to_numpy()
    X, kept = windows(scaled, symbols, lookback)
    return X, labels[kept], kept
