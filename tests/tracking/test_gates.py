"""Gates: each fails on its own, says by how much, and nothing undefined slips through."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.risk import deflated_sharpe_ratio, sharpe_ratio
from workbench.tracking import GatePolicy, Verdict, check_gates

GOOD = {"deflated_sharpe_ratio": 0.97, "max_drawdown": 0.2, "sharpe_ratio": 1.2, "n_bars": 1000, "n_fills": 200}
BASELINES = {
    "zero": {"sharpe_ratio": math.nan, "annual_volatility": 0.0},
    "persistence": {"sharpe_ratio": -0.3},
    "buy_and_hold": {"sharpe_ratio": 0.6},
}


def judge(metrics: dict | None = None, baselines: dict | None = None) -> Verdict:
    """Judge a good run with some of its values replaced."""
    return check_gates({**GOOD, **(metrics or {})}, {**BASELINES, **(baselines or {})})


def test_a_good_run_passes_every_gate() -> None:
    verdict = judge()
    assert verdict.passed
    assert verdict.failures() == ""
    assert [g.name for g in verdict.gates] == [
        "deflated_sharpe_ratio", "max_drawdown", "beats_zero", "beats_persistence", "beats_buy_and_hold", "n_bars",
        "n_fills",
    ]  # fmt: skip
    assert verdict.gates[2].text == "sharpe_ratio 1.20 > 0.00 of zero"


@pytest.mark.parametrize(
    ("metrics", "baselines", "gate", "text"),
    [
        ({"deflated_sharpe_ratio": 0.61}, {}, 0, "deflated_sharpe_ratio 0.61 < 0.95, missed by 0.34"),
        ({"deflated_sharpe_ratio": 0.9499}, {}, 0, "deflated_sharpe_ratio 0.9499 < 0.9500, missed by 0.0001"),
        ({"max_drawdown": 0.41}, {}, 1, "max_drawdown 0.41 > 0.35, missed by 0.06"),
        ({}, {"buy_and_hold": {"sharpe_ratio": 1.5}}, 4, "sharpe_ratio 1.20 <= 1.50 of buy_and_hold, missed by 0.30"),
        ({}, {"buy_and_hold": {"sharpe_ratio": 1.2}}, 4, "sharpe_ratio 1.20 <= 1.20 of buy_and_hold, missed by 0.00"),
        ({"n_bars": 249}, {}, 5, "n_bars 249 < 250, missed by 1"),
        ({"n_fills": 29.0}, {}, 6, "n_fills 29 < 30, missed by 1"),
        ({"n_fills": None}, {}, 6, "n_fills was not measured"),
        ({"n_fills": math.nan}, {}, 6, "n_fills is undefined (NaN)"),
        ({"deflated_sharpe_ratio": math.nan}, {}, 0, "deflated_sharpe_ratio is undefined (NaN)"),
        ({"deflated_sharpe_ratio": None}, {}, 0, "deflated_sharpe_ratio was not measured"),
        ({}, {"persistence": None}, 3, "the baseline persistence was not run beside it"),
        ({}, {"persistence": {}}, 3, "sharpe_ratio of persistence is undefined (NaN)"),
        ({}, {"persistence": {"sharpe_ratio": math.nan, "annual_volatility": 0.1}}, 3,
         "sharpe_ratio of persistence is undefined (NaN)"),
    ],
)  # fmt: skip
def test_each_gate_fails_alone_and_in_words(metrics: dict, baselines: dict, gate: int, text: str) -> None:
    verdict = judge(metrics, baselines)
    assert [g.passed for g in verdict.gates] == [i != gate for i in range(7)]
    assert not verdict.passed
    assert verdict.gates[gate].text == text
    assert verdict.failures() == f"{text.partition(', missed')[0]} (gate {gate + 1} of 7)"


def test_nothing_measured_fails_every_gate() -> None:
    verdict = check_gates({}, {})
    assert not any(g.passed for g in verdict.gates)


def test_one_lucky_bar_among_a_thousand_idle_ones_is_refused() -> None:
    """Its deflated Sharpe ratio alone would pass: the activity gate is what stands against it."""
    lucky = pd.Series(0.0, index=pd.date_range("2020-01-01", periods=1001, tz="UTC"))
    lucky.iloc[500] = 0.01
    deflated = deflated_sharpe_ratio(lucky, n_trials=1)
    assert deflated > 0.95
    metrics = {
        "deflated_sharpe_ratio": deflated, "max_drawdown": 0.0, "sharpe_ratio": sharpe_ratio(lucky), "n_bars": 1001.0,
        "n_fills": 2.0,
    }  # fmt: skip
    lost = {name: {"sharpe_ratio": -1.0} for name in BASELINES}
    assert [g.name for g in check_gates(metrics, lost).gates if not g.passed] == ["n_fills"]


def test_the_policy_sets_the_thresholds() -> None:
    policy = GatePolicy(
        deflated_sharpe_ratio=0.5, max_drawdown=0.1, min_bars=10, min_fills=300, baselines=("buy_and_hold",)
    )
    verdict = check_gates({**GOOD, "deflated_sharpe_ratio": 0.5, "n_bars": 10, "n_fills": 299}, BASELINES, policy)
    assert [g.passed for g in verdict.gates] == [True, False, True, True, False]


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.floats(), max_size=5), st.floats())
def test_a_verdict_is_the_conjunction_of_its_gates(metrics: dict[str, float], baseline: float) -> None:
    verdict = judge(metrics, {"persistence": {"sharpe_ratio": baseline}})
    assert verdict.passed == all(g.passed for g in verdict.gates)
    assert verdict.passed == (verdict.failures() == "")
