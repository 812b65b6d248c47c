"""The frozen record of one finished run, and the JSON it is kept as."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import ArtifactError
from workbench.typing import Json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class RunRecord:
    """Everything that pages and reports draw of one finished run.

    Parameters
    ----------
    run_id : str
        The MLflow run id, which names the record's folder too.
    notebook, name : str
        The notebook that was run, and the name of the job.
    started, finished : str
        ISO times in UTC.
    parameters : dict
        Flat parameters (scalars only).
    dataset : dict
        name, version, content_hash, n_bars, first, last, source, symbols, timeframe.
    metrics : dict[str, float]
        Machine keys of the measures; returns and risks are fractions.
    baselines : dict[str, dict[str, float]]
        The same measures of ``zero``, ``persistence`` and ``buy_and_hold``, after costs.
    trial : dict
        number, n_trials, is_new, first_seen, config_hash, sharpe_variance.
    verdict : dict
        passed, and gates: a list of name, value, threshold, passed, text.
    environment : dict
        git, lock_hash, python, seed and library versions.
    frames : dict[str, DataFrame]
        returns, positions, fills, trades, folds, forecasts, training, reliability, costs; any may be absent.
    """

    run_id: str
    notebook: str
    name: str
    started: str
    finished: str
    parameters: Json = field(default_factory=dict)
    dataset: Json = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    trial: Json = field(default_factory=dict)
    verdict: Json = field(default_factory=dict)
    environment: Json = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)

    def has(self, name: str) -> bool:
        """Say whether the run left this frame, with at least one row."""
        return name in self.frames and len(self.frames[name]) > 0

    def frame(self, name: str) -> pd.DataFrame:
        """Return a copy of one frame.

        Raises
        ------
        ArtifactError
            When the run left no such frame; the message lists those it left.
        """
        if name not in self.frames:
            kept = ", ".join(sorted(self.frames)) or "none"
            raise ArtifactError(f"run {self.run_id} ({self.notebook}) left no frame {name!r}; it has: {kept}")
        return self.frames[name].copy()


TEXT_FIELDS = tuple(f.name for f in fields(RunRecord) if f.name != "frames")
"""The fields kept in ``run.json``; frames are Parquet files beside it."""


def to_json(value: Any, where: str) -> Any:
    """Turn a value into what JSON can hold and `from_json` gives back: NaN and infinities too, times as ISO text."""
    if isinstance(value, Mapping):
        return {str(k): to_json(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, datetime | date | Path):  # pandas.Timestamp is a datetime
        return str(value) if isinstance(value, Path) else value.isoformat()
    if getattr(value, "ndim", None) == 0:  # a numpy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ArtifactError(
        f"record field {where} holds a {type(value).__name__}; keep text, numbers, lists and mappings there"
    )


def from_json(value: Any) -> Any:
    """Undo `to_json`'s coding of NaN and infinities."""
    if isinstance(value, dict):
        if set(value) == {"float"}:
            return float(value["float"])
        return {k: from_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [from_json(v) for v in value]
    return value
