"""The learning rate at every step, by its formula."""

from __future__ import annotations

import math

import pytest

from workbench.models.schedule import Schedule


def test_warm_up_climbs_to_the_full_rate() -> None:
    schedule = Schedule(0.1, warmup_steps=4, total_steps=20)
    assert [schedule.rate(s) for s in range(5)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])


def test_cosine_passes_the_middle_and_ends_at_the_floor() -> None:
    schedule = Schedule(1.0, warmup_steps=0, total_steps=100, floor=0.1)
    assert schedule.rate(0) == 1.0
    assert schedule.rate(50) == pytest.approx(0.55)
    assert schedule.rate(25) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert schedule.rate(100) == schedule.rate(500) == pytest.approx(0.1)


def test_a_plateau_halves_and_counts_anew() -> None:
    schedule = Schedule(1.0, 0, 100, plateau_patience=2)
    scales = []
    for loss in (1.0, 0.9, 0.95, 0.9, 0.91, 0.92, 0.5):
        schedule.watch(loss)
        scales.append(schedule.scale)
    assert scales == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]


def test_a_roll_back_halves_during_warm_up_too() -> None:
    schedule = Schedule(0.1, warmup_steps=4, total_steps=20)
    schedule.halve()
    assert schedule.rate(0) == pytest.approx(0.0125)


def test_warm_up_longer_than_training() -> None:
    schedule = Schedule(1.0, warmup_steps=30, total_steps=10)
    assert schedule.rate(9) == pytest.approx(10 / 30)
    assert schedule.rate(31) == pytest.approx(0.05 + 0.95 * (1 + math.cos(math.pi)) / 2)
