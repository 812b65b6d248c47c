"""The one call between a notebook and its run: compute it in the lab and in a job, load the finished one in the app."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.config import did_you_mean
from workbench.errors import ConfigError
from workbench.notebook.config import Config
from workbench.ops import atomic_write

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and what is being done."""

RESULT_VARIABLE = "WORKBENCH_RESULT_PATH"
"""Environment variable with the file in which a job leaves the id of its run."""

_RUNS = {
    "backtest": "run_backtest",
    "compare": "run_comparison",
    "features": "run_factors",
    "sweep": "run_sweep",
    "train": "run_training",
    "truth": "run_truth",
    "walkforward": "run_walkforward",
}
_COMPUTED = tuple(_RUNS)
_LOADED = ("risk_center",)


def run(cfg: Config, *, progress: Progress | None = None) -> RunRecord | None:
    """Compute the notebook's run, or load a finished one.

    In the lab and in a job all but `risk_center` compute; that one loads the run that its parameter names. In the app
    nothing is computed: the page shows ``?run=ID``, else the latest run.

    Parameters
    ----------
    cfg : Config
        What `load_config` returned.
    progress : callable, optional
        Called with the share done and a text. Default: a progress bar in the lab, plain lines in a job.

    Returns
    -------
    RunRecord or None
        None only in the app, while there is no finished run.

    Raises
    ------
    ConfigError
        When the notebook has no run.
    ArtifactError
        When the named run does not exist or its record is torn.
    """
    if cfg.name not in _COMPUTED + _LOADED:
        hint = did_you_mean(cfg.name, _COMPUTED + _LOADED)
        raise ConfigError(f"notebook {cfg.name!r} has no run to compute or load.{hint}")
    loads = cfg.mode == "app" or cfg.name in _LOADED
    record = _finished(cfg) if loads else _computed(cfg, progress)
    if cfg.mode == "job" and record is not None:
        _publish(record.run_id, computed=cfg.name in _COMPUTED)
    return record


def _computed(cfg: Config, progress: Progress | None) -> RunRecord:
    from workbench import pipeline

    compute: Any = getattr(pipeline, _RUNS[cfg.name])
    with _progress(cfg.mode) if progress is None else _given(progress) as report:
        return compute(cfg.parameters, cfg.settings, now=cfg.now, progress=report)


def _finished(cfg: Config) -> RunRecord | None:
    from workbench.tracking import list_records, load_record

    wanted = str(cfg.query.get("run") or getattr(cfg.parameters, "run", "latest"))
    notebook = cfg.name if cfg.name in _COMPUTED else "backtest"
    if wanted != "latest":
        return load_record(wanted, settings=cfg.settings)
    if cfg.mode == "app" and notebook not in set(list_records(cfg.settings)["notebook"]):
        return None
    return load_record("latest", notebook=notebook, settings=cfg.settings)


def _publish(run_id: str, *, computed: bool) -> None:
    """Leave the run's id where the report runner asked for it."""
    path = os.environ.get(RESULT_VARIABLE)
    if path:
        atomic_write(path, json.dumps({"run_id": run_id, "computed": computed}))


@contextmanager
def _given(progress: Progress) -> Iterator[Progress]:
    yield progress


@contextmanager
def _progress(mode: str) -> Iterator[Progress]:
    """Yield a progress callback: a bar where a person looks on, a line per tenth in a job's log."""
    if mode == "job":
        yield _Lines()
        return
    from tqdm.auto import tqdm

    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}") as bar:

        def move(share: float, text: str) -> None:
            bar.set_description_str(text, refresh=False)
            bar.n = round(100 * min(max(share, 0.0), 1.0))
            bar.refresh()

        yield move


class _Lines:
    """Print a line each time a further tenth is done."""

    def __init__(self) -> None:
        self._tenth = -1

    def __call__(self, share: float, text: str) -> None:
        tenth = int(10 * share)
        if tenth > self._tenth:
            self._tenth = tenth
            print(f"{10 * tenth:3d} %  {text}", flush=True)
