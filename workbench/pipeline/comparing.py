"""The ``compare`` notebook's run: a comparison of two finished runs, kept like a run so that pages can show it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from workbench.config import CompareParameters, Settings
from workbench.pipeline.compare import COMPARABLE, Comparison, compare_runs
from workbench.pipeline.keeping import Findings, keep

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]
_ROUNDING = 1e-12


def run_comparison(
    parameters: CompareParameters, settings: Settings, *, now: datetime, progress: Progress | None = None
) -> RunRecord:
    """Compare two finished runs and keep what was found; no trial is counted.

    Returns
    -------
    RunRecord
        The frames of `workbench.pipeline.compare.Comparison`; its metrics and ``unexplained``, the difference in profit
        less the sum of the attribution, 0 but for rounding; both run ids in the environment.

    Raises
    ------
    ArtifactError, ConfigError
        As `compare_runs`.
    """
    tell = progress or (lambda _share, _words: None)
    tell(0.0, "reading both runs")
    second = _latest_of_two(settings) if (parameters.a, parameters.b) == ("previous", "latest") else parameters.b
    found = compare_runs(parameters.a, second, settings, rerun=parameters.rerun, now=now, progress=tell)
    return keep(parameters, settings, _named(found), now, lambda _run: _findings(found), tell)


def _latest_of_two(settings: Settings) -> str:
    """Return the latest run that has one of its own notebook before it; ``latest`` where none has."""
    from workbench.tracking import list_records

    table = list_records(settings)
    table = table[table["notebook"].isin(COMPARABLE)]
    repeated = table[table.duplicated("notebook", keep="last")]
    return "latest" if repeated.empty else str(repeated["run_id"].iloc[0])


def _named(found: Comparison) -> str:
    return f"{found.a.run_id[:8]} against {found.b.run_id[:8]}"


def _findings(found: Comparison) -> Findings:
    left = found.metrics["pnl_difference"] - float(found.frames["attribution"]["pnl"].sum())
    return Findings(
        name=_named(found),
        dataset=dict(found.b.dataset),
        metrics=found.metrics | {"unexplained": 0.0 if abs(left) < _ROUNDING else left},
        frames=dict(found.frames),
        environment={
            "a": found.a.run_id,
            "b": found.b.run_id,
            "a_name": f"{found.a.notebook}: {found.a.name}",
            "b_name": f"{found.b.notebook}: {found.b.name}",
        },
    )
