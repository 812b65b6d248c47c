"""A seeded run and seeded bars for the tests of charts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from workbench.tracking import RunRecord


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workbench_synthetic", Path(__file__).parents[1] / "synthetic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_synthetic = _load()


@pytest.fixture(scope="session")
def record() -> RunRecord:
    """One finished run with every frame."""
    return _synthetic.synthetic_record()


@pytest.fixture(scope="session")
def factor_record() -> RunRecord:
    """One finished factor report with every frame."""
    return _synthetic.synthetic_factor_record()


@pytest.fixture(scope="session")
def bars() -> pd.DataFrame:
    """1,500 business days of two symbols."""
    return _synthetic.synthetic_bars()


@pytest.fixture(scope="session")
def make_bars() -> Callable[..., pd.DataFrame]:
    """Make other seeded bars."""
    return _synthetic.synthetic_bars
