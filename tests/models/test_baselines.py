"""The three forecasts that need no learning."""

from __future__ import annotations

import numpy as np

from workbench.models import build

X = np.array([[0.01, 5.0], [-0.02, 5.0], [0.0, 5.0]])
Y = [1, -1, 0]


def test_zero_knows_nothing() -> None:
    model = build("zero").fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), np.full((3, 3), 1 / 3))
    assert model.predict(X).tolist() == [0, 0, 0]


def test_persistence_follows_the_sign_of_column_zero() -> None:
    model = build("persistence").fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert model.predict(X).tolist() == [1, -1, 0]


def test_buy_and_hold_is_always_bull() -> None:
    model = build("buy_and_hold").fit(X, Y)
    assert model.predict(X).tolist() == [1, 1, 1]
    np.testing.assert_array_equal(model.predict_proba(X)[:, 2], 1.0)


def test_baselines_do_not_look_at_labels() -> None:
    for name in ("zero", "persistence", "buy_and_hold"):
        one, two = build(name).fit(X, Y).predict_proba(X), build(name).fit(X, [-1, -1, -1]).predict_proba(X)
        np.testing.assert_array_equal(one, two)
