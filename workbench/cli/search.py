"""``workbench search``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import Parameter

from workbench.cli.nightly import planned
from workbench.cli.output import print_json, print_table
from workbench.config import BacktestParameters, load_settings
from workbench.errors import ConfigError

if TYPE_CHECKING:
    from workbench.pipeline.search import Search

_SHOWN = 10


def search(
    *,
    space: Annotated[list[str], Parameter(name=["--space", "-s"], negative="")],
    file: Annotated[Path | None, Parameter(name=["--file", "-f"])] = None,
    parameter: Annotated[list[str] | None, Parameter(name=["--parameter", "-p"], negative="")] = None,
    trials: int | None = None,
    sampler: Literal["tpe", "random", "grid"] = "tpe",
    pruner: Literal["median", "none"] = "median",
    holdout: float = 0.25,
    seed: int = 7,
    jobs: int = 1,
    json: bool = False,
) -> None:
    """Search a backtest's parameters on validation folds, count every trial, and backtest the best on all bars.

    The same line again goes on where it was stopped.

    Parameters
    ----------
    space
        What is varied, such as 'horizon=int(1, 10)' or 'model.C=float(0.001, 10, log=true)'; may be repeated.
    file
        Experiment file of a backtest with one job.
    parameter
        Override of what is not varied, such as horizon=10; may be repeated.
    trials
        Trials in all; 50 when left out, for a grid all of its cells.
    sampler
        tpe, random or grid.
    pruner
        median stops hopeless trials after some folds; none runs all folds.
    holdout
        Share of the latest bars that no trial sees.
    seed
        Of the sampler.
    jobs
        Trials at the same time.
    json
        Print one JSON document.
    """
    from workbench.pipeline.search import search as run_search

    planned_jobs = planned("backtest", file, parameter or [], None)
    if len(planned_jobs) != 1:
        raise ConfigError(f"{file} has {len(planned_jobs)} jobs and a search needs one; leave out its matrix")
    varied = dict(_varied(text) for text in space)
    found = run_search(
        cast("BacktestParameters", planned_jobs[0].parameters),
        varied,
        load_settings(),
        n_trials=trials,
        sampler=sampler,
        pruner=pruner,
        holdout=holdout,
        seed=seed,
        n_jobs=jobs,
        now=datetime.now(UTC),
        progress=None if json else _progress,
    )
    if json:
        print_json(
            {
                "best": found.best,
                "score": found.score,
                "run_id": found.record.run_id,
                "test_start": found.test_start,
                "test": found.test,
                "parent": found.parent,
                "n_resumed": found.n_resumed,
                "trials": found.trials,
            }
        )
    else:
        _say(found)


def _varied(text: str) -> tuple[str, str]:
    name, sign, values = text.partition("=")
    if not sign or not name.strip() or not values.strip():
        raise ConfigError(f"--space {text!r} is not a name and its values; write it like 'horizon=int(1, 10)'")
    return name.strip(), values.strip()


def _progress(share: float, words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{share:4.0%} {words:<60}", end="" if share < 1 else "\n", file=sys.stderr, flush=True)


def _say(found: Search) -> None:
    states = ", ".join(f"{n} {state}" for state, n in found.trials["state"].value_counts().items())
    resumed = f", {found.n_resumed} of them earlier" if found.n_resumed else ""
    print(f"{len(found.trials)} trials ({states}{resumed}); the best on validation folds:")
    best = found.trials.sort_values("score", ascending=False, kind="stable").head(_SHOWN)
    print_table(best.drop(columns=["config_hash", "reason"]), "no trial finished")
    metrics = found.record.metrics
    chosen = ", ".join(f"{k}={v}" for k, v in found.best.items())
    print(f"best: {chosen}; run {found.record.run_id[:12]} over all bars")
    print(
        f"Sharpe ratio {found.score:.2f} on validation folds (the best of many), "
        f"{found.test.get('sharpe_ratio', float('nan')):.2f} from {found.test_start:%Y-%m-%d} on, which no trial saw; "
        f"deflated {metrics['deflated_sharpe_ratio']:.2f} after {metrics['n_trials']:.0f} trials of this data set"
    )
