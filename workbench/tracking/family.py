"""One parent run with children in MLflow: a search with its trials, whichever threads or processes run them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from workbench.config import Settings
from workbench.tracking.store import open_store, tracking_errors
from workbench.tracking.tracker import RUN_TAG, Tracker

if TYPE_CHECKING:
    import pandas as pd

PARENT_TAG = "mlflow.parentRunId"
"""MLflow's own tag: its pages fold children under their parent by it."""
_PAGE = 1000


@contextmanager
def start_parent(
    settings: Settings, experiment: str, name: str, now: datetime | None = None, *, again: str = ""
) -> Iterator[Tracker]:
    """Track a run that others belong to: its id (`Tracker.run_id`) is what children are started with.

    Parameters
    ----------
    again : str
        Id of a parent that was interrupted; it goes on with its children, and is made anew where MLflow lost it.
    """
    with Tracker(settings, experiment, name, now) as tracker:
        if again and _is_there(settings, again):
            tracker._id = again
        yield tracker


@contextmanager
def start_child(
    settings: Settings, experiment: str, parent: str, name: str, now: datetime | None = None
) -> Iterator[Tracker]:
    """Track one child of a parent: FINISHED when the block ends, FAILED when it raises.

    Nothing is shared between children but the parent's id: they may run in any thread or process. A child reaches
    MLflow with its first batch; MLflow being down costs no trial.
    """
    with Tracker(settings, experiment, name, now) as tracker:
        tracker.set_tags({PARENT_TAG: parent})
        yield tracker


def list_children(settings: Settings, parent: str) -> pd.DataFrame:
    """List the children of a run, the first started first.

    Returns
    -------
    DataFrame
        ``run_id``, ``name``, ``status``, then parameters as ``params.NAME`` (text) and the latest metrics.
    """
    import pandas as pd

    client = open_store(settings)
    rows, token = [], None
    with tracking_errors(settings):
        ids = [e.experiment_id for e in client.search_experiments()]
        while ids:
            found = client.search_runs(
                ids,
                f"tags.`{PARENT_TAG}` = '{parent}'",
                max_results=_PAGE,
                order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
                page_token=token,
            )
            for run in found:
                named = {
                    "run_id": run.data.tags.get(RUN_TAG, run.info.run_id),
                    "name": run.info.run_name,
                    "status": run.info.status,
                }
                rows.append(named | {f"params.{k}": v for k, v in run.data.params.items()} | dict(run.data.metrics))
            token = found.token
            if not token:
                break
    columns = ["run_id", "name", "status"]
    return pd.DataFrame(rows, columns=[*columns, *sorted({k for row in rows for k in row} - set(columns))])


def _is_there(settings: Settings, run_id: str) -> bool:
    """Say whether MLflow knows a run and it is not in its bin; False too where MLflow cannot be asked."""
    from workbench.errors import TrackingError

    try:
        client = open_store(settings)
        with tracking_errors(settings):
            return client.get_run(run_id).info.lifecycle_stage == "active"
    except TrackingError:
        return False
