"""Planted truth: every learner finds a planted signal out of sample, and none finds one in noise."""

from __future__ import annotations

import math

import pytest

from workbench.models import accuracy, build, log_loss

from .conftest import planted, shaped, tiny


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_planted_signal_is_found(learner: str, seed: int) -> None:
    train = shaped(learner, planted(seed, 800, strength=2.0))
    test = shaped(learner, planted(seed + 100, 600, strength=2.0))
    spec = tiny(learner)
    model = build(spec, seed=seed).fit(train.X, train.y)
    assert accuracy(test.y, model.predict(test.X)) > 0.65
    assert log_loss(test.y, model.predict_proba(test.X)) < 0.8 * math.log(3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_found_in_noise(learner: str, seed: int) -> None:
    """Judged against the class shares of the training rows, which need no features at all."""
    train = shaped(learner, planted(seed, 800, strength=0.0))
    test = shaped(learner, planted(seed + 100, 600, strength=0.0))
    model = build(tiny(learner), seed=seed).fit(train.X, train.y)
    shares = model.class_counts_ / model.class_counts_.sum()
    base = log_loss(test.y, [shares] * len(test.y))
    assert log_loss(test.y, model.predict_proba(test.X)) > base - 0.01
    assert accuracy(test.y, model.predict(test.X)) < 0.47
