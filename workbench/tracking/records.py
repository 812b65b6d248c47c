"""Records of finished runs on disk: one folder each, written whole or not at all, checked when read. No MLflow here.

``experiments/records/<run_id>/`` holds ``run.json`` (with the SHA-256 of every file and of itself) and one Parquet file
per frame. Folders whose name begins with a dot are unfinished and passed over.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import Settings, load_settings
from workbench.errors import ArtifactError
from workbench.ops.files import atomic_folder, atomic_write, sha256_file
from workbench.ops.logs import get_logger
from workbench.tracking.record import TEXT_FIELDS, RunRecord, from_json, to_json

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_COLUMNS = (
    "run_id", "notebook", "name", "started", "finished", "dataset", "dataset_version", "n_trials", "passed",
    "sharpe_ratio", "deflated_sharpe_ratio", "max_drawdown", "annual_return", "model",
)  # fmt: skip
_log = get_logger("tracking")
_named: set[Path] = set()


def write_record(record: RunRecord, settings: Settings) -> Path:
    """Write a record durably; a reader sees all of it or nothing.

    A record is written once: a whole one of the same id is never replaced, a torn one is.

    Returns
    -------
    Path
        The record's folder.

    Raises
    ------
    ArtifactError
        When a whole record of this id exists, or a field holds what JSON cannot.
    WorkbenchError
        When the disk is full or read-only.
    """
    folder = record_folder(record.run_id, settings)
    text = {name: to_json(getattr(record, name), name) for name in TEXT_FIELDS}
    if folder.exists():
        if _is_whole(folder):
            raise ArtifactError(f"run {record.run_id} already has a record in {folder}; a record is written once")
        shutil.rmtree(folder)
    with atomic_folder(folder) as temporary:
        files = {}
        for name, frame in record.frames.items():
            path = temporary / f"{_checked(name, 'frame')}.parquet"
            try:
                frame.to_parquet(path, engine="pyarrow")
            except (TypeError, ValueError) as err:  # Arrow's errors: a column of mixed types
                reason = " ".join(str(err).split())[:200]
                raise ArtifactError(
                    f"frame {name!r} of run {record.run_id} cannot be kept as Parquet: {reason}"
                ) from err
            files[path.name] = {"sha256": sha256_file(path), "size": path.stat().st_size}
        body = {"format": FORMAT, "record": text, "files": files}
        atomic_write(temporary / "run.json", json.dumps({**body, "sha256": _digest(body)}, indent=1))
    return folder


def read_record(run_id: str, settings: Settings) -> RunRecord:
    """Read one record and check the SHA-256 of each of its files.

    Raises
    ------
    ArtifactError
        When the run has no record, or a file of it is missing, torn or altered.
    """
    import pandas as pd

    folder = record_folder(run_id, settings)
    if not folder.is_dir():
        raise ArtifactError(
            f"there is no run {run_id!r} in {settings.records_dir}; list them with 'workbench runs list'"
        )
    body = _read_text(folder)
    frames = {}
    for file, entry in body["files"].items():
        path = folder / _checked(file, "file")
        if not path.is_file():
            raise ArtifactError(f"record {run_id} is torn: {file} is missing from {folder}; run the experiment again")
        if sha256_file(path) != entry["sha256"]:
            raise ArtifactError(
                f"record {run_id} was altered: {path} does not match its SHA-256; run the experiment again"
            )
        frames[path.stem] = pd.read_parquet(path, engine="pyarrow")
    return RunRecord(**from_json(body["record"]), frames=frames)


def latest_record(settings: Settings, notebook: str | None = None) -> RunRecord:
    """Return the whole record that finished last, of one notebook where it is named.

    Raises
    ------
    ArtifactError
        When there is none yet.
    """
    table = list_records(settings)
    if notebook is not None:
        table = table[table["notebook"] == notebook]
    for run_id in table["run_id"]:
        try:
            return read_record(run_id, settings)
        except ArtifactError as err:
            _log.warning("record passed over", run_id=run_id, reason=str(err))
    kind = f"{notebook} run" if notebook else "run"
    raise ArtifactError(f"there is no finished {kind} in {settings.records_dir}; make one with 'workbench nightly'")


def load_record(run: str = "latest", notebook: str | None = None, settings: Settings | None = None) -> RunRecord:
    """Load a finished run: the latest, or one by its id or by the beginning of its id."""
    settings = settings or load_settings()
    if run in ("", "latest"):
        return latest_record(settings, notebook)
    if (settings.records_dir / _checked(run, "run")).is_dir():
        return read_record(run, settings)
    found = [i for i in list_records(settings)["run_id"] if i.startswith(run)]
    if len(found) > 1:
        raise ArtifactError(f"run {run!r} is not one run: {', '.join(found[:5])}; give more of its id")
    return read_record(found[0] if found else run, settings)


def list_records(settings: Settings) -> pd.DataFrame:
    """List finished runs, the latest first; frames are not read.

    Returns
    -------
    DataFrame
        One row per run: ``run_id``, ``notebook``, ``name``, ``started`` and ``finished`` (UTC), dataset, trial count,
        verdict and leading metrics. ``attrs["warnings"]`` names each torn or foreign folder that was passed over.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for folder in sorted(settings.records_dir.iterdir()) if settings.records_dir.is_dir() else ():
        if folder.name.startswith("."):
            continue
        try:
            rows.append(_row(folder))
        except ArtifactError as err:
            warnings.append(str(err))
            if folder not in _named:  # once in a process: pages list the runs again and again
                _named.add(folder)
                _log.warning("record passed over", reason=str(err))
    table = pd.DataFrame(rows, columns=[*_COLUMNS, "_written"])
    for column in ("started", "finished"):
        table[column] = pd.to_datetime(table[column], utc=True, format="ISO8601")
    table = table.sort_values(["finished", "_written"], ascending=False, ignore_index=True).drop(columns="_written")
    table.attrs["warnings"] = warnings
    return table


def record_folder(run_id: str, settings: Settings) -> Path:
    """Return where the record of a run lies, or will."""
    return settings.records_dir / _checked(run_id, "run")


def _row(folder: Path) -> dict[str, Any]:
    body = _read_text(folder)
    record = from_json(body["record"])
    for file, entry in body["files"].items():
        path = folder / file
        if not path.is_file() or path.stat().st_size != entry["size"]:
            raise ArtifactError(f"record {folder.name} is torn: {file} is missing or cut; run the experiment again")
    named = {k: record[k] for k in ("run_id", "notebook", "name", "started", "finished")}
    metrics = {
        k: record["metrics"].get(k, float("nan")) for k in _COLUMNS if k.endswith(("ratio", "drawdown", "return"))
    }
    return {
        **named,
        **metrics,
        "dataset": record["dataset"].get("name", ""),
        "dataset_version": str(record["dataset"].get("version", "")),
        "n_trials": record["trial"].get("n_trials", 0),
        "passed": record["verdict"].get("passed", False) if record["verdict"] else None,
        "model": record["parameters"].get("model", ""),
        "_written": folder.stat().st_mtime_ns,
    }


def _read_text(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    if not path.is_file():
        raise ArtifactError(f"{folder} is not a record: it has no run.json; remove it if nobody needs it")
    try:
        body = json.loads(path.read_bytes())
        stated = body.pop("sha256")
        version = body["format"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ArtifactError(
            f"record {folder.name} is torn: {path} is not a run's JSON; run the experiment again"
        ) from None
    if version != FORMAT:
        raise ArtifactError(
            f"record {folder.name} has format {version!r}, this version reads {FORMAT}; run the experiment again"
        )
    if stated != _digest(body):
        raise ArtifactError(
            f"record {folder.name} was altered: run.json does not match its SHA-256; run the experiment again"
        )
    if body["record"]["run_id"] != folder.name:
        raise ArtifactError(f"{folder} holds the record of run {body['record']['run_id']}; give the folder that name")
    return body


def _is_whole(folder: Path) -> bool:
    try:
        _row(folder)
    except ArtifactError:
        return False
    return True


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _checked(name: str, what: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ArtifactError(f"{what} name {name!r} cannot name a file; use letters, digits, '.', '_' and '-'")
    return name
