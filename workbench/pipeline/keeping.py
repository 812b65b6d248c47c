"""The last step of every run: write the record first, then tell MLflow, so that MLflow being down loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.config import Settings
from workbench.errors import TrackingError
from workbench.ops import describe_environment, get_logger
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Findings:
    """What a run found, before it has an id: see `workbench.tracking.RunRecord` for the fields."""

    name: str
    dataset: Json
    metrics: dict[str, float]
    frames: dict[str, pd.DataFrame]
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    trial: Json = field(default_factory=dict)
    verdict: Json = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    model: Path | None = None


def keep(
    parameters: Any,
    settings: Settings,
    name: str,
    now: datetime,
    find: Callable[[str], Findings],
    progress: Progress,
    began: float | None = None,
) -> RunRecord:
    """Open an MLflow run, let ``find`` judge under its id, write the record and log it.

    ``began`` is the reading of `time.perf_counter` when the run's work began.
    """
    from workbench.tracking import RunRecord, start_run, write_record

    began = time.perf_counter() if began is None else began
    experiment = getattr(parameters, "experiment", "") or parameters.notebook
    with start_run(settings, experiment, name, now) as tracker:
        found = find(tracker.run_id)
        progress(0.95, "keeping the record")
        environment = describe_environment(settings.home) | dict(found.environment)
        if found.verdict:
            environment["truth"] = own_errors(settings)
        record = RunRecord(
            run_id=tracker.run_id,
            notebook=parameters.notebook,
            name=found.name,
            started=now.isoformat(),
            finished=(now + timedelta(seconds=time.perf_counter() - began)).isoformat(),
            parameters=dict(parameters.flat()),
            dataset=found.dataset,
            metrics=found.metrics,
            baselines=found.baselines,
            trial=found.trial,
            verdict=found.verdict,
            environment=environment,
            frames=found.frames,
        )
        write_record(record, settings)
        log(record, settings, found.model, experiment)
    progress(1.0, "done")
    return record


def own_errors(settings: Settings) -> str:
    """Return how often this pipeline's gates were wrong when last measured, in words; empty if they never were."""
    from workbench.tracking import list_records, read_record

    table = list_records(settings)
    found = table.loc[table["notebook"] == "truth", "run_id"]
    if found.empty:
        return ""
    m = read_record(str(found.iloc[0]), settings).metrics
    parts = [
        f"{words} {m[key]:.0%} ({m[f'{key}_low']:.0%} to {m[f'{key}_high']:.0%} of {m[count]:.0f})"
        for words, key, count in (
            ("false discoveries", "false_discovery_rate", "n_noise"),
            ("power", "power", "n_planted"),
        )
    ]
    return ", ".join(parts)


def ended(stale: Mapping[Any, pd.Timestamp]) -> dict[str, str]:
    """Return in words which symbols were held when they stopped trading, for a record's environment; else nothing."""
    words = ", ".join(f"{symbol} since {last:%Y-%m-%d %H:%M}" for symbol, last in stale.items())
    return {"marked to their last price": words} if words else {}


def log(record: RunRecord, settings: Settings, model: Path | None = None, experiment: str = "") -> None:
    """Log the written record; a tracking store that is down costs a warning, not the run."""
    from workbench import tracking

    try:
        tracking.log_record(record, settings)
        if model is not None:
            tracking.register_model(settings, experiment, record.run_id, model)
    except TrackingError as err:
        get_logger("pipeline").warning("the run is kept but not in MLflow", run_id=record.run_id, reason=str(err))
