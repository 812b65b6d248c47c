"""Registered models: folders of weights and JSON in a run's artifacts, known by their SHA-256. No pickle."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import Settings, did_you_mean
from workbench.errors import ArtifactError, ConfigError
from workbench.ops.files import sha256_file
from workbench.ops.locks import file_lock
from workbench.tracking.judging import check_origin, record_sha256
from workbench.tracking.mlflow_runs import find_run
from workbench.tracking.promotion_ledger import Entry, read_entries
from workbench.tracking.records import list_records
from workbench.tracking.store import open_store, tracking_errors

if TYPE_CHECKING:
    import pandas as pd

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_REFUSED = {".pkl", ".pickle", ".joblib", ".pt", ".pth"}
_COLUMNS = (
    "name", "version", "aliases", "run_id", "created", "sha256", "verdict", "dataset", "n_trials",
    "sharpe_ratio", "deflated_sharpe_ratio", "max_drawdown",
)  # fmt: skip


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model; ``run_id`` is the record's, ``files`` maps each file to its SHA-256.

    ``record_sha256`` is that of the run's ``run.json`` at registration, empty for versions that older code registered.
    """

    name: str
    version: int
    run_id: str
    mlflow_run_id: str
    aliases: tuple[str, ...]
    sha256: str
    files: dict[str, str]
    folder: str
    artifact: str
    record_sha256: str
    created: int


def register_model(settings: Settings, name: str, run_id: str, folder: Path | str, description: str = "") -> int:
    """Keep a saved model with its run and register it as the challenger.

    Parameters
    ----------
    name : str
        Name of the registered model; letters, digits, ``_``, ``.`` and ``-``.
    run_id : str
        The finished run it comes from; its record is what the gates judge.
    folder : path
        The saved model, as `workbench.models.save_model` leaves it, with the run's id as ``run_id`` of its side data.

    Returns
    -------
    int
        The new version; the same model of the same run again is the same version.

    Raises
    ------
    ConfigError, ArtifactError
        When the name is unusable, the folder is empty, holds pickles or a model that another run saved, or the run's
        record is missing or was altered since a model of it was registered.
    TrackingError
        When MLflow is down or does not know the run.
    """
    _check_name(name)
    files = manifest(Path(folder))
    digest = manifest_digest(files)
    client = open_store(settings)
    with registry_lock(settings, f"registering {name!r}"), tracking_errors(settings):
        mlflow_run_id = find_run(client, run_id)
        if mlflow_run_id is None:
            raise ArtifactError(f"run {run_id} is not in MLflow; log its record first with workbench.tracking.relog")
        check_origin(Path(folder), run_id)
        record = record_sha256(settings, run_id)
        _check_same_record(client, mlflow_run_id, run_id, record)
        for known in _versions(client, name):
            if (known.run_id, known.sha256, known.record_sha256) == (run_id, digest, record):
                return known.version
        artifact = f"models/{name}-{digest[:12]}"
        client.log_artifacts(mlflow_run_id, str(folder), artifact)
        tags = {
            "workbench.run_id": run_id,
            "workbench.sha256": digest,
            "workbench.record_sha256": record,
            "workbench.files": json.dumps(files, sort_keys=True),
            "workbench.artifact": artifact,
            "workbench.folder": _relative_folder(client, settings, mlflow_run_id, artifact),
        }
        version = _create_version(client, name, mlflow_run_id, artifact, tags, description)
        client.set_registered_model_alias(name, CHALLENGER, str(version))
    return version


def list_models(settings: Settings) -> pd.DataFrame:
    """List every version of every registered model, by name, the newest first.

    Returns
    -------
    DataFrame
        ``name``, ``version``, ``aliases`` (joined by a comma), ``run_id``, ``created`` (UTC), ``sha256``,
        ``verdict`` (passed, refused, or unknown where the record is gone), ``dataset``, ``n_trials`` and leading
        metrics of the run.
    """
    import pandas as pd

    client = open_store(settings)
    with tracking_errors(settings):
        names = [model.name for model in client.search_registered_models(max_results=1000)]
        versions = [v for name in sorted(names) for v in _versions(client, name)]
    records = list_records(settings).set_index("run_id")
    rows = []
    for v in versions:
        row: dict[str, Any] = {k: getattr(v, k) for k in ("name", "version", "run_id", "created", "sha256")}
        row |= {"aliases": ", ".join(v.aliases), "verdict": "unknown"}
        if v.run_id in records.index:
            known = records.loc[v.run_id]
            row |= {k: known[k] for k in _COLUMNS if k in records.columns} | {"name": v.name}
            row["verdict"] = "passed" if known["passed"] else "refused"
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    table["created"] = pd.to_datetime(table["created"], unit="ms", utc=True)
    return table


def champion_folder(settings: Settings, name: str) -> Path:
    """Return the folder of the champion, after checking every file and that it became champion through the gates.

    Raises
    ------
    ArtifactError
        When there is no champion, a file was altered, or the alias was moved past the promotion ledger.
    """
    client = open_store(settings)
    with tracking_errors(settings):
        version = find_version(client, name, CHAMPION)
    if version is None:
        raise ArtifactError(f"model {name!r} has no champion; make one with 'workbench models promote {name}'")
    if not backed_by_ledger(read_entries(settings, name), version):
        raise ArtifactError(
            f"champion v{version.version} of {name!r} is not in the promotion ledger: its alias was moved by hand; "
            f"set one with 'workbench models promote {name}'"
        )
    return verified_folder(settings, client, version)


def backed_by_ledger(entries: list[Entry], champion: ModelVersion) -> bool:
    """Say whether the last step of the promotion ledger (or one that a crash left open) made this version champion."""
    steps = [e for e in entries if e.outcome in ("intended", "done")]
    return any((e.version, e.sha256) == (champion.version, champion.sha256) for e in steps[-2:])


def verified_folder(settings: Settings, client: Any, version: ModelVersion) -> Path:
    """Return the folder of a version, its files compared with the SHA-256 they were registered with.

    Raises
    ------
    ArtifactError
        When a file is missing, was added or was altered.
    """
    folder = settings.experiments_dir / version.folder
    if not version.folder or not folder.is_dir():
        place = settings.experiments_dir / "model_cache" / version.sha256
        place.mkdir(parents=True, exist_ok=True)
        with tracking_errors(settings):
            folder = Path(client.download_artifacts(version.mlflow_run_id, version.artifact, str(place)))
    found = manifest(folder)
    wrong = sorted(f for f in found.keys() | version.files.keys() if found.get(f) != version.files.get(f))
    if wrong or manifest_digest(found) != version.sha256:
        what = ", ".join(wrong) or "its manifest"
        raise ArtifactError(
            f"model {version.name!r} v{version.version} was altered: {what} in {folder} does not match its SHA-256; "
            "it is not loaded, restore the file or promote another version"
        )
    return folder


def manifest(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a model folder by its relative path."""
    if not folder.is_dir():
        raise ArtifactError(f"model folder {folder} does not exist; save the model there first")
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    for path in paths:
        if path.suffix in _REFUSED or path.is_symlink():
            raise ArtifactError(
                f"model folder {folder} holds {path.name}: pickles and links are refused; save it with save_model"
            )
    if not paths:
        raise ArtifactError(f"model folder {folder} is empty; save the model there first")
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}


def manifest_digest(files: Mapping[str, str]) -> str:
    """Return one SHA-256 over the names and hashes of all files."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def find_version(client: Any, name: str, which: str | int) -> ModelVersion | None:
    """Return the version with this number or alias, or None; an unknown model is a `ConfigError`."""
    versions = _versions(client, name)
    if not versions:
        known = [model.name for model in client.search_registered_models(max_results=1000)]
        cure = did_you_mean(name, known) if known else " None is registered yet: set register_model in an experiment."
        raise ConfigError(f"there is no registered model {name!r}.{cure}")
    return next((v for v in versions if which in (v.version, *v.aliases)), None)


def registry_lock(settings: Settings, what: str) -> Any:
    """Return the lock under which versions and aliases change."""
    return file_lock(settings.experiments_dir / ".registry.lock", what)


def _versions(client: Any, name: str) -> list[ModelVersion]:
    found = client.search_model_versions(f"name = '{_check_name(name)}'", max_results=10_000)
    if not found:
        return []
    aliases: dict[int, list[str]] = {}
    for alias, number in sorted(client.get_registered_model(name).aliases.items()):
        aliases.setdefault(int(number), []).append(alias)
    return sorted((_version(v, tuple(aliases.get(int(v.version), ()))) for v in found), key=lambda v: -v.version)


def _check_same_record(client: Any, mlflow_run_id: str, run_id: str, record: str) -> None:
    """Refuse a record that is not the one earlier models of the run, under any name, were registered with."""
    for known in client.search_model_versions(f"run_id = '{mlflow_run_id}'", max_results=10_000):
        if known.tags.get("workbench.record_sha256", record) != record:
            raise ArtifactError(
                f"the record of run {run_id} was altered since {known.name} v{known.version} was registered with it; "
                "restore it, or run the experiment again"
            )


def _version(found: Any, aliases: tuple[str, ...]) -> ModelVersion:
    tags = found.tags
    try:
        files = json.loads(tags.get("workbench.files", "{}"))
    except ValueError:
        files = {}
    return ModelVersion(
        name=found.name,
        version=int(found.version),
        run_id=tags.get("workbench.run_id", found.run_id or ""),
        mlflow_run_id=found.run_id or "",
        aliases=aliases,
        sha256=tags.get("workbench.sha256", ""),
        files=files,
        folder=tags.get("workbench.folder", ""),
        artifact=tags.get("workbench.artifact", ""),
        record_sha256=tags.get("workbench.record_sha256", ""),
        created=found.creation_timestamp,
    )


def _create_version(client: Any, name: str, run_id: str, artifact: str, tags: dict[str, str], description: str) -> int:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{client.get_run(run_id).info.artifact_uri}/{artifact}"
    made = client.create_model_version(
        name, source, run_id, tags, description=description or None, await_creation_for=0
    )
    return int(made.version)


def _relative_folder(client: Any, settings: Settings, run_id: str, artifact: str) -> str:
    """Return the folder relative to the experiments, so that a moved home finds it; ``""`` where it is elsewhere."""
    uri = client.get_run(run_id).info.artifact_uri
    folder = Path(uri.removeprefix("file://")) / artifact
    local = folder.is_dir() and folder.is_relative_to(settings.experiments_dir)
    return folder.relative_to(settings.experiments_dir).as_posix() if local else ""


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"model name {name!r} is not usable; write letters, digits, '_', '.' and '-'")
    return name
