"""Small data with known truth for the models' tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from workbench.models import MODELS, build, windows

TINY = {"lstm": "lstm(hidden='8-4', lookback=4, epochs=6, batch_size=32, learning_rate=0.02, device='cpu')"}
"""Specs small enough for a test; every other model is quick as it is."""


@dataclass(frozen=True)
class Sample:
    """Rows in the shape that a model wants, and their labels."""

    X: npt.NDArray[np.float64]
    y: npt.NDArray[np.int64]


def tiny(name: str) -> str:
    return TINY.get(name, name)


def planted(seed: int, n: int, strength: float, n_features: int = 5) -> Sample:
    """Labels that follow column 0 with the given strength; 0 is pure noise. A neutral band makes all three classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    score = strength * X[:, 0] + rng.normal(size=n)
    return Sample(X, np.where(np.abs(score) < 0.3, 0, np.sign(score)).astype(np.int64))


def shaped(name: str, rows: Sample) -> Sample:
    """Cut rows into windows where the model wants them."""
    lookback = build(tiny(name)).lookback
    if lookback == 1:
        return rows
    view, index = windows(rows.X, None, lookback)
    return Sample(view, rows.y[index])


@pytest.fixture(params=sorted(MODELS))
def model_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=sorted(n for n, e in MODELS.items() if e.learns))
def learner(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def small() -> Callable[[str], Sample]:
    """(model name) -> 160 planted rows in the model's shape."""
    return lambda name: shaped(name, planted(3, 160, strength=2.0))
