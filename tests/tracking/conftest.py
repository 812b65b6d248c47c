"""A small finished run for the tests of this room."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings, load_settings
from workbench.tracking import RunRecord, prepare_store


def _make_record(run_id: str = "a1", finished: str = "2024-03-01T02:00:00+00:00", **changes: object) -> RunRecord:
    """A run with frames of every index kind; ``changes`` replace fields."""
    time = pd.date_range("2024-01-01", periods=5, freq="D", tz="UTC", name="time")
    returns = pd.DataFrame({"strategy": np.linspace(-0.01, 0.02, 5), "zero": 0.0}, index=time)
    positions = pd.DataFrame([[0.5, np.nan]] * 5, index=time, columns=pd.Index(["BTC/USDT", "SPX"], name="symbol"))
    folds = pd.DataFrame({"fold": [0, 1], "train_start": time[:2], "n_train": [3, 4], "accuracy": [0.5, np.nan]})
    record = RunRecord(
        run_id=run_id,
        notebook="backtest",
        name="sample",
        started="2024-03-01T01:59:00+00:00",
        finished=finished,
        parameters={"model": "logistic", "seed": np.int64(7)},
        dataset={"name": "sample:1d:SPX", "version": "3", "content_hash": "c0ffee"},
        metrics={"sharpe_ratio": 0.7, "calmar_ratio": float("nan"), "omega_ratio": float("inf")},
        baselines={"zero": {"sharpe_ratio": 0.0}},
        trial={"number": 1, "n_trials": 4, "is_new": True},
        verdict={"passed": False, "gates": [{"name": "max_drawdown", "value": math.nan}]},
        environment={"git": "abc", "seed": 7},
        frames={"returns": returns, "positions": positions, "folds": folds},
    )
    return dataclasses.replace(record, **changes)


@pytest.fixture(scope="session")
def make_record() -> Callable[..., RunRecord]:
    """The maker of small finished runs."""
    return _make_record


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are killed leave torn coverage files: they are not measured."""
    for name in [n for n in os.environ if n.startswith("COVERAGE")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow store, made once: its migrations take seconds."""
    settings = load_settings({"WORKBENCH_HOME": str(tmp_path_factory.mktemp("store"))})
    prepare_store(settings)
    return settings.experiments_dir / "mlflow.db"


@pytest.fixture
def store(settings: Settings, empty_store: Path) -> Settings:
    """A workbench home with an empty MLflow store."""
    settings.experiments_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_store, settings.experiments_dir / "mlflow.db")
    return settings
