"""Promises that every registered model keeps; a new model is tested by being registered."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier

from workbench.errors import ConfigError, DataError, NotFittedError
from workbench.models import MODELS, build, list_models, load_model, save_model, top_class
from workbench.models.registry import entry

from .conftest import Sample, tiny

Small = Callable[[str], Sample]


def test_registered_arguments_are_the_constructor_with_the_same_defaults(model_name: str) -> None:
    signature = inspect.signature(entry(model_name).load()).parameters
    assert {k: p.default for k, p in signature.items()} == {
        k: a.default for k, a in MODELS[model_name].arguments.items()
    }
    for name, argument in MODELS[model_name].arguments.items():
        argument.check(model_name, name, argument.default)


def test_entry_agrees_with_the_class(model_name: str) -> None:
    cls = entry(model_name).load()
    assert cls.name == model_name
    assert cls.learns == MODELS[model_name].learns
    assert (build(tiny(model_name)).lookback > 1) == MODELS[model_name].windowed


def test_clone_and_parameters_round_trip(model_name: str) -> None:
    model = build(tiny(model_name), seed=5)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    assert build(model_name).set_params(**model.get_params()).get_params() == model.get_params()
    assert is_classifier(model)


def test_fit_returns_self_and_sets_what_it_learned(model_name: str, small: Small) -> None:
    sample, model = small(model_name), build(tiny(model_name), seed=1)
    assert model.fit(sample.X, sample.y) is model
    assert model.classes_.tolist() == [-1, 0, 1]
    assert model.n_features_in_ == 5
    assert model.class_counts_.tolist() == [int((sample.y == k).sum()) for k in (-1, 0, 1)]


def test_probabilities_are_three_columns_that_sum_to_one(model_name: str, small: Small) -> None:
    sample = small(model_name)
    model = build(tiny(model_name), seed=1).fit(sample.X, sample.y)
    proba = model.predict_proba(sample.X)
    assert proba.shape == (len(sample.y), 3)
    assert proba.dtype == np.float64
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(model.predict(sample.X), top_class(proba))
    assert model.score(sample.X, sample.y) == np.mean(model.predict(sample.X) == sample.y)


@pytest.mark.parametrize("absent", [-1, 0, 1])
def test_a_class_absent_from_training_keeps_its_column(learner: str, small: Small, absent: int) -> None:
    sample = small(learner)
    kept = sample.y != absent
    model = build(tiny(learner), seed=1).fit(sample.X[kept], sample.y[kept])
    proba = model.predict_proba(sample.X)
    assert proba.shape == (len(sample.y), 3)
    others = [k + 1 for k in (-1, 0, 1) if k != absent]
    assert proba[:, absent + 1].mean() < 0.5 * proba[:, others].mean()
    assert absent not in set(model.predict(sample.X)) - {0}


def test_a_single_class_gives_laplace_smoothed_constants(learner: str, small: Small) -> None:
    sample = small(learner)
    n = len(sample.y)
    model = build(tiny(learner)).fit(sample.X, np.full(n, 1))
    np.testing.assert_allclose(model.predict_proba(sample.X[:2]), np.tile([1, 1, n + 1], (2, 1)) / (n + 3))
    assert model.fit(sample.X, sample.y).constant_ is None


def test_too_few_rows_are_refused(learner: str, small: Small) -> None:
    sample = small(learner)
    with pytest.raises(DataError, match=r"needs at least 10 training rows, got 4; lengthen train_size"):
        build(tiny(learner)).fit(sample.X[:4], sample.y[:4])


def test_not_fitted(model_name: str, small: Small) -> None:
    with pytest.raises(NotFittedError, match=rf"model '{model_name}' has not learned anything yet; call fit"):
        build(tiny(model_name)).predict_proba(small(model_name).X)


def test_a_failed_fit_leaves_an_unfitted_model(model_name: str, small: Small) -> None:
    sample, model = small(model_name), build(tiny(model_name))
    model.fit(sample.X, sample.y)
    with pytest.raises(DataError):
        model.fit(sample.X, sample.y + 1)
    with pytest.raises(NotFittedError):
        model.predict(sample.X)


def test_wrong_width_names_both_numbers(model_name: str, small: Small) -> None:
    sample = small(model_name)
    model = build(tiny(model_name), seed=1).fit(sample.X, sample.y)
    with pytest.raises(DataError, match=rf"X has 3 features, but model '{model_name}' was fitted with 5"):
        model.predict_proba(sample.X[..., :3])


def test_wrong_shape_says_which_is_wanted(model_name: str, small: Small) -> None:
    sample = small(model_name)
    wrong = sample.X[:, 0] if MODELS[model_name].windowed else sample.X[:, None, :]
    wanted = r"\(n, 4, n_features\); make it with windows" if MODELS[model_name].windowed else r"\(n, n_features\), got"
    with pytest.raises(DataError, match=wanted):
        build(tiny(model_name)).fit(wrong, sample.y)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_non_finite_values_are_named(model_name: str, small: Small, value: float) -> None:
    sample = small(model_name)
    X = sample.X.copy()
    X[(7, *([-1] if X.ndim == 3 else []), 2)] = value
    with pytest.raises(DataError, match=rf"X is {re.escape(str(value))} at row 7, column 2; drop warm-up rows"):
        build(tiny(model_name)).fit(X, sample.y)


@pytest.mark.parametrize("bad", [2, 0.5, np.nan])
def test_unknown_labels_are_named(model_name: str, small: Small, bad: float) -> None:
    sample = small(model_name)
    y = sample.y.astype(float)
    y[11] = bad
    with pytest.raises(DataError, match=rf"label at row 11 is {bad}"):
        build(tiny(model_name)).fit(sample.X, y)


def test_text_is_no_number(model_name: str) -> None:
    with pytest.raises(DataError, match="X must hold numbers only"):
        build(tiny(model_name)).fit([["a", "b"]] * 20, [1] * 20)


def test_inputs_are_not_changed(model_name: str, small: Small) -> None:
    sample = small(model_name)
    X, y = sample.X.copy(), sample.y.copy()
    X_before, y_before = X.copy(), y.copy()
    build(tiny(model_name), seed=1).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(y, y_before)


def test_same_seed_same_bits(model_name: str, small: Small) -> None:
    sample = small(model_name)
    one, two = (build(tiny(model_name), seed=9).fit(sample.X, sample.y).predict_proba(sample.X) for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_no_rows_no_forecasts(model_name: str, small: Small) -> None:
    sample = small(model_name)
    model = build(tiny(model_name), seed=1).fit(sample.X, sample.y)
    assert model.predict_proba(sample.X[:0]).shape == (0, 3)
    assert model.predict(sample.X[:0]).shape == (0,)


def test_saved_and_loaded_is_the_same_model(model_name: str, small: Small, tmp_path: Path) -> None:
    sample = small(model_name)
    model = build(tiny(model_name), seed=1).fit(sample.X, sample.y)
    spec = save_model(model, tmp_path / "model", extra={"features": ["ret(1)"], "scale": [1.5]})
    loaded, extra = load_model(tmp_path / "model", spec["manifest_sha256"])
    assert extra == {"features": ["ret(1)"], "scale": [1.5]}
    assert type(loaded) is type(model)
    assert loaded.get_params() == model.get_params()
    assert loaded.class_counts_.tolist() == model.class_counts_.tolist()
    assert loaded.predict_proba(sample.X).tobytes() == model.predict_proba(sample.X).tobytes()


def test_saved_and_loaded_after_a_single_class(learner: str, small: Small, tmp_path: Path) -> None:
    sample = small(learner)
    model = build(tiny(learner)).fit(sample.X, np.full(len(sample.y), -1))
    save_model(model, tmp_path / "model")
    loaded, _ = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(sample.X), model.predict_proba(sample.X))


def test_a_frame_is_read_like_an_array(small: Small) -> None:
    sample = small("logistic")
    model = build("logistic").fit(pd.DataFrame(sample.X), pd.Series(sample.y))
    np.testing.assert_array_equal(model.predict_proba(pd.DataFrame(sample.X)), model.predict_proba(sample.X))


def test_parameters_set_later_are_checked_at_fit(small: Small) -> None:
    sample = small("logistic")
    with pytest.raises(ConfigError, match=r"model 'logistic': C must be a number above 0 and at most 1e\+06, got -1"):
        build("logistic").set_params(C=-1).fit(sample.X, sample.y)


def test_list_is_plain_rows() -> None:
    rows = list_models()
    assert [r["name"] for r in rows] == list(MODELS)
    assert {r["name"] for r in rows if r["kind"] == "baseline"} == {"zero", "persistence", "buy_and_hold"}
