"""Finished records in MLflow: logged, logged again after a failure, listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import Settings, load_settings
from workbench.errors import TrackingError
from workbench.tracking.record import RunRecord
from workbench.tracking.records import read_record, record_folder
from workbench.tracking.store import experiment_id, open_store, tracking_errors
from workbench.tracking.tracker import RUN_TAG, send_artifact

if TYPE_CHECKING:
    import pandas as pd

_NEWEST = ["attributes.start_time DESC"]
_COLUMNS = (
    "run_id",
    "experiment",
    "name",
    "status",
    "started",
    "finished",
    "notebook",
    "dataset",
    "n_trials",
    "passed",
)


def log_record(record: RunRecord, settings: Settings) -> str:
    """Log a written record to its MLflow run: parameters, metrics, tags, the data set and the record's folder.

    The baselines' measures are logged as ``<baseline>/<measure>``. Logging the same record again changes nothing.

    Returns
    -------
    str
        MLflow's id of the run: the record's own, unless MLflow was down when the run began.

    Raises
    ------
    TrackingError
        When MLflow is down; the record stays, and `relog` logs it later.
    """
    try:
        client = open_store(settings)
        with tracking_errors(settings):
            run_id = _mlflow_run(client, record, settings)
            _log_batches(client, run_id, record)
            _log_dataset(client, run_id, record)
            folder = record_folder(record.run_id, settings)
            if folder.is_dir():
                send_artifact(client, run_id, folder, "record")
    except TrackingError as err:
        raise TrackingError(
            f"run {record.run_id} is not in MLflow yet, log it with workbench.tracking.relog: {err}"
        ) from err
    return run_id


def relog(run_id: str, settings: Settings | None = None) -> str:
    """Log a finished record again, after a time without MLflow; returns MLflow's id of the run."""
    settings = settings or load_settings()
    record = read_record(run_id, settings)
    mlflow_id = log_record(record, settings)
    with tracking_errors(settings):
        open_store(settings).set_terminated(mlflow_id, "FINISHED", _milliseconds(record.finished))
    return mlflow_id


def attach_artifacts(
    run_id: str, paths: Iterable[Path | str], settings: Settings | None = None, folder: str = "report"
) -> None:
    """Add files to a finished run, such as its executed notebook and report."""
    settings = settings or load_settings()
    client = open_store(settings)
    with tracking_errors(settings):
        mlflow_id = find_run(client, run_id)
        if mlflow_id is None:
            raise TrackingError(f"run {run_id} is not in MLflow; log its record first with workbench.tracking.relog")
        for path in map(Path, paths):
            if not path.exists():
                raise TrackingError(f"artifact {path} does not exist; write it before it is attached")
            send_artifact(client, mlflow_id, path, folder)


def list_runs(settings: Settings, max_results: int = 1000) -> pd.DataFrame:
    """List MLflow's runs, the latest first.

    Returns
    -------
    DataFrame
        ``run_id``, ``experiment``, ``name``, ``status`` (RUNNING, FINISHED, FAILED, KILLED), ``started`` and
        ``finished`` (UTC), ``notebook``, ``dataset``, ``n_trials``, ``passed``, then one column per metric (not the
        baselines').
    """
    import pandas as pd

    client = open_store(settings)
    with tracking_errors(settings):
        names = {e.experiment_id: e.name for e in client.search_experiments()}
        runs = client.search_runs(list(names), max_results=max_results, order_by=_NEWEST) if names else []
    rows = [_row(run, names[run.info.experiment_id]) for run in runs]
    table = pd.DataFrame(rows, columns=[*_COLUMNS, *sorted({k for r in rows for k in r} - set(_COLUMNS))])
    for column in ("started", "finished"):
        table[column] = pd.to_datetime(table[column], unit="ms", utc=True)
    return table


def _row(run: Any, experiment: str) -> dict[str, Any]:
    tags, info = run.data.tags, run.info
    return {
        "run_id": tags.get(RUN_TAG, info.run_id),
        "experiment": experiment,
        "name": info.run_name,
        "status": info.status,
        "started": info.start_time,
        "finished": info.end_time,
        "notebook": tags.get("workbench.notebook", ""),
        "dataset": tags.get("workbench.dataset", ""),
        "n_trials": int(tags.get("workbench.n_trials", 0)),
        "passed": tags.get("workbench.passed") == "True",
        **{k: v for k, v in run.data.metrics.items() if "/" not in k},
    }


def _mlflow_run(client: Any, record: RunRecord, settings: Settings) -> str:
    found = find_run(client, record.run_id)
    if found is not None:
        return found
    experiment = experiment_id(client, settings, str(record.parameters.get("experiment") or record.notebook))
    start = _milliseconds(record.started)
    return client.create_run(experiment, start, {RUN_TAG: record.run_id}, record.name).info.run_id


def find_run(client: Any, run_id: str) -> str | None:
    """Return MLflow's id of a record's run: the same, or that of the run which bears it as a tag."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id).info.run_id
    except MlflowException as err:
        if err.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    ids = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(ids, f"tags.`{RUN_TAG}` = '{run_id}'", max_results=1) if ids else []
    return runs[0].info.run_id if runs else None


def _log_batches(client: Any, run_id: str, record: RunRecord) -> None:
    from mlflow.entities import Metric, Param, RunTag

    at = _milliseconds(record.finished)
    measures = dict(record.metrics)
    for baseline, values in record.baselines.items():
        measures |= {f"{baseline}/{key}": value for key, value in values.items()}
    entities: list[Any] = [Metric(key, float(value), at, 0) for key, value in measures.items()]
    entities += [Param(key, str(value)) for key, value in record.parameters.items()]
    entities += [RunTag(key, str(value)) for key, value in _tags(record).items()]
    for batch in _batched(entities, 100):
        kinds = {kind: [e for e in batch if isinstance(e, kind)] for kind in (Metric, Param, RunTag)}
        client.log_batch(run_id, metrics=kinds[Metric], params=kinds[Param], tags=kinds[RunTag])


def _tags(record: RunRecord) -> dict[str, Any]:
    environment, dataset, trial = record.environment, record.dataset, record.trial
    stated = {
        "notebook": record.notebook,
        "dataset": dataset.get("name"),
        "dataset_version": dataset.get("version"),
        "dataset_hash": dataset.get("content_hash"),
        "git": environment.get("git"),
        "lock_hash": environment.get("lock_hash"),
        "python": environment.get("python"),
        "seed": environment.get("seed", record.parameters.get("seed")),
        "config_hash": trial.get("config_hash"),
        "trial": trial.get("number"),
        "n_trials": trial.get("n_trials"),
        "new_trial": trial.get("is_new"),
        "passed": record.verdict.get("passed"),
    }
    tags = {f"workbench.{key}": value for key, value in stated.items() if value is not None}
    gates = record.verdict.get("gates", [])
    lines = [f"- {'passed' if g.get('passed') else '**failed**'}: {g.get('text', g.get('name', ''))}" for g in gates]
    tags["mlflow.source.name"] = record.notebook
    tags["mlflow.source.git.commit"] = str(environment.get("git", "")).partition("+")[0]
    tags["mlflow.note.content"] = "\n".join(["Gates", "", *lines]) if lines else ""
    return {key: value for key, value in tags.items() if value != ""}


def _log_dataset(client: Any, run_id: str, record: RunRecord) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if not record.dataset.get("name"):
        return
    digest = str(record.dataset.get("content_hash") or record.dataset.get("version") or "unknown")[:36]
    source = f"{record.dataset.get('source', '')} version {record.dataset.get('version', '')}"
    dataset = Dataset(str(record.dataset["name"])[:500], digest, "workbench", source)
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", record.notebook)])])


def _batched(items: list[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _milliseconds(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp() * 1000)
