"""The trials of one search: asked of Optuna by number, kept as they finish, found again after a kill."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench.config import did_you_mean
from workbench.errors import ConfigError
from workbench.ops import append_line
from workbench.pipeline.space import Dimension, Value

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "none")
COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
_PARENT = "parent"
_LEAST_FOLDS = 2
"""One fold's Sharpe ratio is mostly luck: no trial is stopped before its second."""


@dataclass(frozen=True)
class Outcome:
    """One finished trial.

    Parameters
    ----------
    number : int
        From 0; it fixes the draw of a random sampler and the cell of a grid.
    state : {"complete", "pruned", "failed"}
    chosen : dict
        What was tried, by the names of its space.
    score : float
        Annual Sharpe ratio over its validation folds so far; NaN where it failed.
    scores : list of float
        The score after each fold.
    config_hash : str
        Its identity in the trials ledger.
    reason : str
        Why it failed.
    """

    number: int
    state: str
    chosen: dict[str, Value]
    score: float
    scores: list[float] = field(default_factory=list)
    config_hash: str = ""
    reason: str = ""


class KeptTrials:
    """Finished trials in a file, one line each, flushed to disk as they come; a torn last line is passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parent = ""
        self.outcomes: dict[int, Outcome] = {}
        self._lock = threading.Lock()
        for line in path.read_bytes().splitlines() if path.is_file() else ():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # the line that a kill tore: its trial is run again
            if _PARENT in row:
                self.parent = row[_PARENT]
            else:
                row["score"] = math.nan if row["score"] is None else row["score"]
                self.outcomes[row["number"]] = Outcome(**row)

    def name_parent(self, run_id: str) -> None:
        """Keep the id of the MLflow run that the trials belong to."""
        if run_id != self.parent:
            self.parent = run_id
            append_line(self.path, "\n" * self._torn() + json.dumps({_PARENT: run_id}))

    def add(self, outcome: Outcome) -> None:
        """Keep a finished trial."""
        row = asdict(outcome)
        row["score"] = None if math.isnan(outcome.score) else outcome.score
        with self._lock:
            append_line(self.path, "\n" * self._torn() + json.dumps(row))
            self.outcomes[outcome.number] = outcome

    def _torn(self) -> bool:
        """Say whether the file ends amid a line, which a new one must not continue."""
        data = self.path.read_bytes() if self.path.is_file() else b""
        return bool(data) and not data.endswith(b"\n")


class Study:
    """Optuna behind three questions: what to try, whether to stop, what came of it. Safe with many threads.

    Each trial draws with a seed of its own, made of the search's seed and its number: a search that was interrupted
    goes on as if it had not been.
    """

    def __init__(self, space: Mapping[str, Dimension], sampler: str, pruner: str, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        for given, known in ((sampler, SAMPLERS), (pruner, PRUNERS)):
            if given not in known:
                what = "sampler" if known is SAMPLERS else "pruner"
                raise ConfigError(f"unknown {what} {given!r}.{did_you_mean(given, known)}")
        self._space, self._sampler, self._seed = space, sampler, seed
        self._grid = _grid(space) if sampler == "grid" else []
        stopping = (
            optuna.pruners.MedianPruner(n_warmup_steps=_LEAST_FOLDS)
            if pruner == "median"
            else optuna.pruners.NopPruner()
        )
        self._study = optuna.create_study(direction="maximize", pruner=stopping)
        self._distributions = {name: _distribution(d) for name, d in space.items()}
        self._lock = threading.RLock()

    @property
    def n_cells(self) -> int | None:
        """Number of cells of a grid; None where there is no end."""
        return len(self._grid) if self._sampler == "grid" else None

    def ask(self, number: int) -> tuple[Any, dict[str, Value]]:
        """Return Optuna's trial and the values to try."""
        from optuna.samplers import RandomSampler, TPESampler

        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        with self._lock:
            self._study.sampler = TPESampler(seed=seed) if self._sampler == "tpe" else RandomSampler(seed=seed)
            if self._grid:
                self._study.enqueue_trial(self._grid[number])
            trial = self._study.ask(self._distributions)
        return trial, dict(trial.params)

    def should_stop(self, trial: Any, n_folds: int, score: float) -> bool:
        """Note a score after some folds and say whether it is hopeless beside those of finished trials."""
        with self._lock:
            trial.report(score, n_folds)
            return bool(trial.should_prune())

    def tell(self, trial: Any, outcome: Outcome) -> None:
        """Say what came of a trial."""
        from optuna.trial import TrialState

        with self._lock:
            if outcome.state == COMPLETE:
                self._study.tell(trial, outcome.score)
            else:
                self._study.tell(trial, state=TrialState.PRUNED if outcome.state == PRUNED else TrialState.FAIL)

    def remember(self, outcome: Outcome) -> None:
        """Add a trial that finished in an earlier process."""
        from optuna.trial import TrialState, create_trial

        states = {COMPLETE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED, FAILED: TrialState.FAIL}
        with self._lock:
            self._study.add_trial(
                create_trial(
                    state=states[outcome.state],
                    value=outcome.score if outcome.state == COMPLETE else None,
                    params=outcome.chosen,
                    distributions=self._distributions,
                    intermediate_values={n: s for n, s in enumerate(outcome.scores, 1)},
                )
            )


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.kind == "choice":
        return CategoricalDistribution(dimension.choices)
    if dimension.kind == "int":
        step = int(dimension.step or 1)
        high = int(dimension.low) + (int(dimension.high) - int(dimension.low)) // step * step
        return IntDistribution(int(dimension.low), high, log=dimension.log, step=step)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def _grid(space: Mapping[str, Dimension]) -> list[dict[str, Value]]:
    import itertools

    cells = itertools.product(*(d.cells() for d in space.values()))
    return [dict(zip(space, cell, strict=True)) for cell in cells]
