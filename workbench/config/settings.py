"""Where things lie: read from the environment once at an edge, then passed down.

``WORKBENCH_HOME`` names the project folder; without it, the nearest folder upwards that holds both
``notebooks`` and ``experiments``, else the current folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Folders and addresses of one workbench home."""

    home: Path
    data_dir: Path
    experiments_dir: Path
    notebooks_dir: Path
    mlflow_uri: str
    mode: str = "lab"
    venues_at: str = ""
    sweep_backend: str = "threads"
    dask_address: str = ""

    @property
    def runs_dir(self) -> Path:
        """Executed notebooks and reports, one folder per nightly."""
        return self.experiments_dir / "runs"

    @property
    def records_dir(self) -> Path:
        """Finished runs as tables, what pages and reports draw."""
        return self.experiments_dir / "records"

    @property
    def artifacts_dir(self) -> Path:
        """MLflow's artifact root."""
        return self.experiments_dir / "artifacts"

    @property
    def features_dir(self) -> Path:
        """Computed features, kept by content; may be deleted at any time."""
        return self.data_dir / "cache" / "features"

    @property
    def sweeps_dir(self) -> Path:
        """Finished parts of sweeps, kept by content so that a killed one goes on; may be deleted at any time."""
        return self.data_dir / "cache" / "sweeps"

    @property
    def ledger_path(self) -> Path:
        """The append-only trials ledger."""
        return self.experiments_dir / "trials.db"


def load_settings(env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """Build the settings from environment variables and the working folder.

    Variables: ``WORKBENCH_HOME``, ``WORKBENCH_DATA``, ``WORKBENCH_EXPERIMENTS``, ``WORKBENCH_NOTEBOOKS`` (folders),
    ``WORKBENCH_MLFLOW_URI`` (default sqlite in the experiments folder), ``WORKBENCH_MODE`` (``lab`` or ``job``) and
    ``WORKBENCH_VENUES_AT`` (address of a replay venue that stands in for all venues, such as
    ``http://127.0.0.1:8787``; empty = the venues themselves). ``WORKBENCH_SWEEP_BACKEND`` (``threads``, ``processes``
    or ``dask``) says where sweeps run, ``WORKBENCH_DASK_ADDRESS`` names a cluster's scheduler (empty = one made here).
    """
    env = os.environ if env is None else env
    home = Path(env["WORKBENCH_HOME"]).resolve() if env.get("WORKBENCH_HOME") else find_home(cwd or Path.cwd())
    experiments = Path(env.get("WORKBENCH_EXPERIMENTS") or home / "experiments").resolve()
    return Settings(
        home=home,
        data_dir=Path(env.get("WORKBENCH_DATA") or home / "data").resolve(),
        experiments_dir=experiments,
        notebooks_dir=Path(env.get("WORKBENCH_NOTEBOOKS") or home / "notebooks").resolve(),
        mlflow_uri=env.get("WORKBENCH_MLFLOW_URI") or f"sqlite:///{experiments / 'mlflow.db'}?timeout=30",
        mode=env.get("WORKBENCH_MODE") or "lab",
        venues_at=env.get("WORKBENCH_VENUES_AT") or "",
        sweep_backend=env.get("WORKBENCH_SWEEP_BACKEND") or "threads",
        dask_address=env.get("WORKBENCH_DASK_ADDRESS") or "",
    )


def find_home(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` with ``notebooks`` and ``experiments``, else ``start``."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "notebooks").is_dir() and (folder / "experiments").is_dir():
            return folder
    return start
