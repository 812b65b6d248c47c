"""Closed forms and second opinions for every metric."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sk

from workbench import models as m
from workbench.errors import DataError

THIRDS = np.full((3, 3), 1 / 3)


def random_forecast(rng: np.random.Generator, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(-1, 2, n), rng.dirichlet([1.0, 1.0, 1.0], n)


def test_accuracy_counts() -> None:
    assert m.accuracy([-1, 0, 1, 1], [-1, 1, 1, 0]) == 0.5


def test_directional_accuracy_leaves_out_rows_without_a_direction() -> None:
    outcome = [0.02, -0.01, 0.0, 0.03, np.nan, -0.02]
    forecast = [0.5, 0.1, 0.9, 0.0, 0.4, -0.3]
    assert m.directional_accuracy(outcome, forecast) == pytest.approx(2 / 3)
    assert math.isnan(m.directional_accuracy([0.0, 0.1], [1.0, 0.0]))


def test_brier_by_hand_and_its_bounds() -> None:
    assert m.brier([1], [[0.2, 0.3, 0.5]]) == pytest.approx(0.2**2 + 0.3**2 + 0.5**2)
    assert m.brier([-1, 0, 1], THIRDS) == pytest.approx(2 / 3)
    assert m.brier([-1, 0, 1], np.eye(3)) == 0
    assert m.brier([-1, 0, 1], np.eye(3)[[1, 2, 0]]) == 2


def test_brier_of_brier_1950_table_1() -> None:
    """Ten forecasts of rain / no rain scored 0.19 in the paper: the third class is never forecast and never happens."""
    rain = np.array([0.7, 0.9, 0.8, 0.4, 0.2, 0.0, 0.0, 0.0, 0.0, 0.1])
    happened = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    proba = np.column_stack([1 - rain, np.zeros(10), rain])
    assert m.brier(np.where(happened, 1, -1), proba) == pytest.approx(0.19, abs=0.005)


def test_log_loss_by_hand_and_clipped() -> None:
    assert m.log_loss([1], [[0.2, 0.3, 0.5]]) == pytest.approx(math.log(2))
    assert m.log_loss([-1, 0, 1], THIRDS) == pytest.approx(math.log(3))
    assert m.log_loss([1], [[1.0, 0.0, 0.0]]) == pytest.approx(-math.log(1e-15))


def test_log_loss_and_brier_agree_with_scikit_learn(rng: np.random.Generator) -> None:
    y, p = random_forecast(rng)
    assert m.log_loss(y, p) == pytest.approx(sk.log_loss(y, p, labels=[-1, 0, 1]))
    assert m.brier(y, p) == pytest.approx(sk.brier_score_loss(y, p, labels=[-1, 0, 1]))


def test_ece_by_hand() -> None:
    """Confidence 0.8 four times with three right, and 0.6 once and wrong: 4/5 · 0.05 + 1/5 · 0.6."""
    proba = np.array([[0.1, 0.1, 0.8]] * 4 + [[0.6, 0.2, 0.2]])
    assert m.ece([1, 1, 1, 0, 1], proba) == pytest.approx(0.8 * 0.05 + 0.2 * 0.6)


def test_ece_of_a_calibrated_forecaster_vanishes_and_of_a_braggart_does_not(rng: np.random.Generator) -> None:
    p = rng.dirichlet([2.0, 2.0, 2.0], 200_000)
    y = (rng.random(len(p))[:, None] > p.cumsum(axis=1)).sum(axis=1) - 1
    assert m.ece(y, p) < 0.005
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert m.ece(y, sharp) > 0.1


def test_reliability_bins_are_closed_on_the_right() -> None:
    table = m.reliability_table([1, -1], [[0.0, 0.4, 0.6], [0.7, 0.3, 0.0]], n_bins=15)
    assert table["bin"][8] == pytest.approx(0.6)
    assert table["count"].tolist() == [0] * 8 + [1, 0, 1] + [0] * 4
    assert (table["confidence"][8], table["accuracy"][8]) == (0.6, 1.0)
    assert math.isnan(table["confidence"][0])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ece_by_a_loop(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    raw = data.draw(arrays(np.float64, (n, 3), elements=st.floats(0.01, 1)))
    p = raw / raw.sum(axis=1, keepdims=True)
    y = data.draw(arrays(np.int64, n, elements=st.integers(-1, 1)))
    total = 0.0
    for b in range(15):
        rows = [i for i in range(n) if b / 15 < p[i].max() <= (b + 1) / 15]
        if rows:
            right = [int(m.top_class(p[i : i + 1])[0] == y[i]) for i in rows]
            total += len(rows) / n * abs(np.mean(right) - np.mean([p[i].max() for i in rows]))
    assert m.ece(y, p) == pytest.approx(total, abs=1e-12)
    assert 0 <= m.ece(y, p) <= 1
    assert 0 <= m.brier(y, p) <= 2


def test_regression_metrics(rng: np.random.Generator) -> None:
    a, f = rng.normal(size=50), rng.normal(size=50)
    assert m.mse([1.0, 2.0], [2.0, 4.0]) == 2.5
    assert m.mae([1.0, 2.0], [2.0, 4.0]) == 1.5
    assert m.r2([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]) == 0
    assert m.r2(a, f) == pytest.approx(sk.r2_score(a, f))
    assert math.isnan(m.r2([1.0, 1.0], [1.0, 2.0]))


def test_loss_ratio() -> None:
    assert m.loss_ratio(0.5, 0.6) == pytest.approx(1.2)
    assert math.isnan(m.loss_ratio(0.0, 0.6))


def test_a_shared_top_has_no_direction() -> None:
    assert m.top_class([[0.4, 0.2, 0.4], [0.2, 0.4, 0.4], [0.5, 0.2, 0.3]]).tolist() == [0, 0, -1]


def test_no_rows_is_nan() -> None:
    none = np.zeros((0, 3))
    assert all(math.isnan(v) for v in m.classification_metrics([], none).values())
    assert math.isnan(m.mse([], []))
    assert math.isnan(m.r2([], []))


def test_the_summary_holds_the_registered_names(rng: np.random.Generator) -> None:
    y, p = random_forecast(rng)
    summary = m.classification_metrics(y, p, outcome=y * 0.01)
    assert set(summary) < set(m.METRICS)
    assert summary["directional_accuracy"] == m.directional_accuracy(y, p[:, 2] - p[:, 0])


@pytest.mark.parametrize(
    ("proba", "line"),
    [
        ([[0.5, 0.5]], r"shape \(1, 3\), got \(1, 2\)"),
        ([[0.5, 0.6, 0.1]], r"row 0 are \[0\.5, 0\.6, 0\.1\]; they must be at least 0 and sum to 1"),
        ([[1.5, -0.5, 0.0]], "at least 0"),
        ([[np.nan, 0.5, 0.5]], "at least 0 and sum to 1"),
    ],
)
def test_bad_probabilities_are_named(proba: list[list[float]], line: str) -> None:
    with pytest.raises(DataError, match=line):
        m.brier([1], proba)


def test_bad_shapes_are_named() -> None:
    with pytest.raises(DataError, match=r"shape \(n,\), got \(2,\) and \(3,\)"):
        m.mse([1, 2], [1, 2, 3])
    with pytest.raises(DataError, match=r"labels must have the shape \(3,\), got \(2,\)"):
        m.accuracy([1, 0, 1], [1, 0])
    with pytest.raises(DataError, match="n_bins must be at least 1"):
        m.reliability_table([1], THIRDS[:1], n_bins=0)
