"""Loads the slow twin and the case maker, which are modules of this folder and not tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"backtest_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def twin() -> ModuleType:
    """The accounting rules once more, in slow and plain Python."""
    return _load("twin")


@pytest.fixture(scope="session")
def cases() -> ModuleType:
    """Seeded markets and positions."""
    return _load("cases")


@pytest.fixture(scope="session")
def execution_twin() -> ModuleType:
    """The full bar once more, in slow and plain Python."""
    for name in ("execution_tape", "execution_books"):
        _load(name)
    return _load("execution_twin")


@pytest.fixture(scope="session")
def execution_cases() -> ModuleType:
    """Markets, targets and options that try every rule of the full bar."""
    return _load("execution_cases")
