"""The one door to MLflow: opens its store, keeps it quiet and offline, and turns its failures into one line."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from workbench.config import Settings
from workbench.errors import ConfigError, TrackingError, WorkbenchError
from workbench.ops.files import atomic_path
from workbench.ops.locks import file_lock
from workbench.ops.logs import redact_text

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",  # else it is fetched from the web
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its server would start workers that nobody asked for
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
_clients: dict[tuple[str, int], Any] = {}


def mlflow_environment() -> dict[str, str]:
    """Return the variables that keep MLflow from calling out; also for a process that serves its pages."""
    return dict(_ENVIRONMENT)


def open_store(settings: Settings) -> Any:
    """Return this process's MLflow client of the settings' store; a new sqlite store is made first.

    Opening takes about 1.5 s once in a process (3 s for a new store); afterwards nothing.

    Raises
    ------
    ConfigError
        When the address names MLflow's file store.
    TrackingError
        When the store is down, damaged or locked.
    """
    uri = settings.mlflow_uri
    check_writable(settings)
    key = (uri, os.getpid())  # a forked child must not share its parent's connections
    if key not in _clients:
        _quiet()
        with tracking_errors(settings):
            from mlflow.tracking import MlflowClient

            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)  # opens the engine and checks the schema's version
        _clients[key] = client
    return _clients[key]


def prepare_store(settings: Settings) -> None:
    """Make the sqlite store where it is absent, so that MLflow's own server finds it whole and in WAL mode."""
    check_writable(settings)


def check_writable(settings: Settings) -> None:
    """Fail at once and in words where MLflow would retry for minutes: a damaged, read-only or locked sqlite file."""
    uri = settings.mlflow_uri
    scheme = urlsplit(uri).scheme
    if scheme in ("", "file"):
        cure = "name a database, such as sqlite:///experiments/mlflow.db"
        raise ConfigError(f"MLflow's file store {uri!r} is not supported; {cure}")
    if scheme != "sqlite":
        return
    path, timeout = _sqlite_path(uri)
    with tracking_errors(settings):
        if not path.exists():
            _create(path, settings, timeout)
        with closing(sqlite3.connect(path, timeout=timeout, isolation_level=None)) as db:
            if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")


@contextmanager
def tracking_errors(settings: Settings) -> Iterator[None]:
    """Turn MLflow's, the database's and the disk's failures into one `TrackingError` line without secrets."""
    try:
        yield
    except WorkbenchError:
        raise
    except (OSError, sqlite3.Error) as err:
        raise _error(settings, err) from err
    except Exception as err:
        if type(err).__module__.partition(".")[0] not in ("mlflow", "sqlalchemy", "alembic"):
            raise
        raise _error(settings, err) from err


def experiment_id(client: Any, settings: Settings, name: str) -> str:
    """Return the id of an experiment, made (or brought back from MLflow's bin) where needed."""
    found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        with file_lock(settings.experiments_dir / ".mlflow.lock", f"making the experiment {name!r}"):
            found = client.get_experiment_by_name(name)
            if found is None:
                slug = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "experiment"
                local = urlsplit(settings.mlflow_uri).scheme not in ("http", "https")  # a server knows its own place
                return client.create_experiment(name, (settings.artifacts_dir / slug).as_uri() if local else None)
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _create(path: Path, settings: Settings, timeout: float) -> None:
    """Build the store under another name and rename it: a kill amid MLflow's migrations leaves no half store."""
    with file_lock(settings.experiments_dir / ".mlflow.lock", "making the MLflow store", max(timeout, 30.0)):
        if path.exists():
            return
        _quiet()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        with atomic_path(path) as temporary:
            store = SqlAlchemyStore(f"sqlite:///{temporary}", settings.artifacts_dir.as_uri())
            store.engine.dispose()
            with closing(sqlite3.connect(temporary)) as db:
                db.execute("PRAGMA journal_mode = WAL")


def _sqlite_path(uri: str) -> tuple[Path, float]:
    address = uri.removeprefix("sqlite:///")
    name, _, query = address.partition("?")
    if not name or name == ":memory:" or address == uri:
        raise ConfigError(f"MLflow address {uri!r} names no file; write it like sqlite:///experiments/mlflow.db")
    return Path(name), float(parse_qs(query).get("timeout", ["30"])[0])


def _quiet() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is raised by us, as one line


def _error(settings: Settings, err: Exception) -> TrackingError:
    reason = " ".join(redact_text(str(err)).split())[:300]
    uri = redact_text(settings.mlflow_uri)
    cure = "wait for the other writer" if "locked" in reason else "check the disk and the address"
    return TrackingError(f"MLflow at {uri} failed: {reason}; {cure}, finished records are safe")
