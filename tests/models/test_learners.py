"""Linear models and boosting against their own definitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import RidgeClassifier

from workbench.errors import DataError
from workbench.models import build
from workbench.models.split import tail_start, time_tail

from .conftest import planted


def test_logistic_finds_the_coefficients_of_its_own_model(rng: np.random.Generator) -> None:
    X = rng.normal(size=(20_000, 2))
    weights = np.array([[-1.0, 0.5], [0.0, 0.0], [1.0, -0.5]])
    p = np.exp(X @ weights.T)
    p /= p.sum(axis=1, keepdims=True)
    y = (rng.random(len(X))[:, None] > p.cumsum(axis=1)).sum(axis=1) - 1
    model = build("logistic(C=1000.0)").fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X[:500]), p[:500], atol=0.03)


def test_ridge_names_the_class_of_ridge_classifier_and_its_outputs_sum_to_one() -> None:
    rows = planted(1, 400, 1.0)
    model = build("ridge(alpha=3.0)").fit(rows.X, rows.y)
    np.testing.assert_allclose(model.estimator_.predict(rows.X).sum(axis=1), 1, atol=1e-9)
    np.testing.assert_array_equal(model.predict(rows.X), RidgeClassifier(alpha=3.0).fit(rows.X, rows.y).predict(rows.X))


def test_ridge_gives_an_absent_class_nothing() -> None:
    rows = planted(1, 400, 1.0)
    kept = rows.y != 0
    model = build("ridge").fit(rows.X[kept], rows.y[kept])
    assert model.predict_proba(rows.X)[:, 1].max() < 1e-12


def test_balanced_classes_lift_a_rare_one() -> None:
    rows = planted(1, 600, 1.0)
    kept = (rows.y != 0) | (np.arange(600) % 10 == 0)
    X, y = rows.X[kept], rows.y[kept]
    plain, balanced = (build(f"logistic(class_weight={w!r})").fit(X, y) for w in ("none", "balanced"))
    assert balanced.predict_proba(X)[:, 1].mean() > 3 * plain.predict_proba(X)[:, 1].mean()


def test_boosting_without_patience_runs_every_round_on_every_row() -> None:
    rows = planted(1, 300, 1.0)
    model = build("hist_gradient_boosting(max_iter=7)", seed=2).fit(rows.X, rows.y)
    assert model.estimator_.n_iter_ == 7
    assert not model.estimator_.do_early_stopping_


def test_boosting_validates_on_the_latest_rows_only() -> None:
    """Rows of the gap and, but for stopping, of the tail leave no trace in the trees."""
    rows = planted(1, 400, 1.0)
    spec = "hist_gradient_boosting(max_iter=60, patience=5, valid_share=0.25, purge=20, learning_rate=0.3)"
    model = build(spec, seed=2).fit(rows.X, rows.y)
    assert model.estimator_.n_iter_ < 60
    spoilt = rows.X.copy()
    spoilt[280:300] += 1000.0
    np.testing.assert_array_equal(
        build(spec, seed=2).fit(spoilt, rows.y).predict_proba(rows.X), model.predict_proba(rows.X)
    )
    twin = HistGradientBoostingClassifier(
        learning_rate=0.3, max_iter=model.estimator_.n_iter_, max_leaf_nodes=15, min_samples_leaf=40,
        l2_regularization=1.0, early_stopping=False,
    ).fit(rows.X[:280], rows.y[:280])  # fmt: skip
    np.testing.assert_allclose(twin.predict_proba(rows.X), model.predict_proba(rows.X), rtol=1e-12)


def test_boosting_with_a_head_of_one_class_falls_back_to_all_rounds() -> None:
    rows = planted(1, 200, 1.0)
    y = np.where(np.arange(200) < 170, 1, -1)
    model = build("hist_gradient_boosting(max_iter=5, patience=2)").fit(rows.X, y)
    assert model.estimator_.n_iter_ == 5


def test_time_tail_counts() -> None:
    assert (tail_start(100, 0.25), tail_start(100, 0.0), tail_start(100, 0.001)) == (75, 100, 99)
    assert time_tail(100, 0.25, 10) == (slice(0, 65), slice(75, 100))
    assert time_tail(100, 0.0, 10) == (slice(0, 100), slice(100, 100))
    assert time_tail(100, 0.001, 0) == (slice(0, 99), slice(99, 100))
    with pytest.raises(
        DataError, match=r"20 rows leave 0 to train on with valid_share=0\.25 and purge=30, 10 are needed"
    ):
        time_tail(20, 0.25, 30)
