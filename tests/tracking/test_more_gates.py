"""Gates that are asked only where there was something to measure: overfitting and the lock-box."""

from __future__ import annotations

import math

import pytest

from workbench.tracking import check_gates

GOOD = {
    "deflated_sharpe_ratio": 0.99,
    "max_drawdown": 0.1,
    "sharpe_ratio": 2.0,
    "n_bars": 1000.0,
    "n_fills": 100.0,
}
BASELINES = {name: {"sharpe_ratio": 0.1} for name in ("zero", "persistence", "buy_and_hold")}


@pytest.mark.parametrize(
    ("measured", "n_gates", "passed"),
    [
        ({}, 7, True),
        ({"probability_of_backtest_overfitting": math.nan}, 7, True),
        ({"probability_of_backtest_overfitting": 0.5}, 8, True),
        ({"probability_of_backtest_overfitting": 0.51}, 8, False),
        ({"lockbox_openings": 1.0}, 8, True),
        ({"lockbox_openings": 2.0}, 8, False),
    ],
)
def test_overfitting_and_second_openings_are_refused(measured: dict, n_gates: int, passed: bool) -> None:
    verdict = check_gates(GOOD | measured, BASELINES)
    assert len(verdict.gates) == n_gates
    assert verdict.passed is passed
    if not passed:
        (name,) = measured
        assert name in verdict.failures()
