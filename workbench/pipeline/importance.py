"""What features are worth to a model: permuted on test parts under purged cross-validation, and each one alone.

It needs models and splits, so it lives here and not beside the other statistics in `workbench.features.worth`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.backtest import set_tail_purge
from workbench.backtest.validation import PurgedFold, PurgedKFold
from workbench.errors import ConfigError, DataError
from workbench.features import Standardizer
from workbench.models import accuracy, log_loss, top_class
from workbench.typing import FloatArray, IntArray

REPEATS = 5
"""Permutations of each column in each fold."""
_LEAST_ROWS = 50
Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Importance:
    """How much worse, or better, forecasts get.

    Attributes
    ----------
    features
        One row per feature: ``mda_log_loss`` and ``mda_accuracy``, what the model loses on test parts when the
        feature's values are shuffled; ``sfi_log_loss`` and ``sfi_accuracy``, what the feature alone gains over knowing
        no more than the classes' shares. Each with ``_se`` over the folds; above 0 the feature helps.
    clusters
        The same losses when all features of a cluster are shuffled together, with the members in words.
    folds
        fold, test_start, test_end, n_train, n_test, n_purged, and the unshuffled model's log_loss and accuracy beside
        ``prior_log_loss``.
    """

    features: pd.DataFrame
    clusters: pd.DataFrame
    folds: pd.DataFrame


def purged_importance(
    X: FloatArray,
    y: IntArray,
    times: Any,
    t1: Any,
    names: Sequence[str],
    clusters: Sequence[int],
    model_factory: Callable[[int], Any],
    *,
    splitter: PurgedKFold,
    seed: int = 0,
    progress: Progress | None = None,
) -> Importance:
    r"""Measure importance by mean decrease and by each feature alone, under purged k-fold cross-validation.

    Parameters
    ----------
    X
        (n_rows, n_features), finite.
    y
        (n_rows,) classes -1, 0, 1, all known.
    times, t1
        (n_rows,) bar of each row, in order of time, and when its label is known.
    names, clusters
        (n_features,) what each column is called, and the number of its cluster.
    model_factory
        Takes a seed and returns an unfitted classifier that reads rows, not windows.
    splitter
        Folds and embargo.
    seed
        Of the models and the permutations.

    Notes
    -----
    For feature j, ``mda_log_loss`` is the mean over folds of :math:`L(X^{(j)}) - L(X)`, where L is the log loss (nats)
    on the test part and :math:`X^{(j)}` has column j in another order (the mean of 5). Its error is the folds' standard
    deviation over :math:`\sqrt{n}`. Two features that say the same stand in for each other, so that both look idle: the
    clusters' rows show that, and what a feature gains alone does not suffer from it.

    References
    ----------
    Breiman, L. (2001). Random forests. Machine Learning 45, 5-32.
    López de Prado, M. (2018). Advances in Financial Machine Learning, ch. 8; (2020) Machine Learning for Asset
    Managers, ch. 6.
    """
    _check(X, names)
    report = progress or (lambda _share, _words: None)
    folds = splitter.split(times, t1)
    groups: dict[Any, list[int]] = {("feature", i): [i] for i in range(len(names))}
    for number in sorted(set(clusters)):
        groups["cluster", number] = [i for i, c in enumerate(clusters) if c == number]
    parts = []
    for fold in folds:
        report(fold.number / len(folds), f"importance, fold {fold.number + 1} of {len(folds)}")
        parts.append(_measured(X, y, pd.DatetimeIndex(times), pd.DatetimeIndex(t1), fold, groups, model_factory, seed))
    report(1.0, f"importance, {len(folds)} folds")
    features = pd.DataFrame({"feature": list(names), "cluster": list(clusters)})
    for key in ("mda_log_loss", "mda_accuracy", "sfi_log_loss", "sfi_accuracy"):
        features[key], features[f"{key}_se"] = _over_folds(parts, key, [("feature", i) for i in range(len(names))])
    numbers = sorted(set(clusters))
    table = pd.DataFrame({"cluster": numbers, "members": [_members(names, groups["cluster", n]) for n in numbers]})
    for key in ("mda_log_loss", "mda_accuracy"):
        table[key], table[f"{key}_se"] = _over_folds(parts, key, [("cluster", n) for n in numbers])
    return Importance(features, table, pd.DataFrame([p["fold"] for p in parts]))


def _check(X: FloatArray, names: Sequence[str]) -> None:
    if X.ndim != 2 or X.shape[1] != len(names):
        raise DataError(f"importance needs one column for each of {len(names)} features, got shape {X.shape}")
    if len(X) < _LEAST_ROWS:
        raise DataError(f"importance needs {_LEAST_ROWS} rows or more, got {len(X)}; load more bars")


def _measured(
    X: FloatArray,
    y: IntArray,
    times: pd.DatetimeIndex,
    t1: pd.DatetimeIndex,
    fold: PurgedFold,
    groups: dict[Any, list[int]],
    model_factory: Callable[[int], Any],
    seed: int,
) -> dict[str, Any]:
    """Fit on one fold's training rows and return its losses by group."""
    train, test = fold.train, fold.test
    scaled = Standardizer().fit(X[train]).transform(X)
    labels = y[test]

    def fitted(columns: list[int]) -> Any:
        model = model_factory(seed)
        if getattr(model, "lookback", 1) != 1:
            raise ConfigError("importance needs a model that reads single rows, such as logistic; got one of windows")
        set_tail_purge(model, times[train], t1[train])
        return model.fit(np.ascontiguousarray(scaled[train][:, columns]), y[train])

    model = fitted(list(range(X.shape[1])))
    given = np.ascontiguousarray(scaled[test])
    base = _scores(model, given, labels)
    prior = _prior(y[train], labels)
    rng = np.random.default_rng([seed, fold.number])
    found: dict[str, Any] = {k: {} for k in ("mda_log_loss", "mda_accuracy", "sfi_log_loss", "sfi_accuracy")}
    for key, columns in groups.items():
        shuffled = [_scores(model, _permuted(given, columns, rng), labels) for _ in range(REPEATS)]
        found["mda_log_loss"][key] = float(np.mean([s[0] for s in shuffled])) - base[0]
        found["mda_accuracy"][key] = base[1] - float(np.mean([s[1] for s in shuffled]))
        if key[0] == "feature":
            alone = _scores(fitted(columns), np.ascontiguousarray(given[:, columns]), labels)
            found["sfi_log_loss"][key], found["sfi_accuracy"][key] = prior[0] - alone[0], alone[1] - prior[1]
    row = {
        "fold": fold.number + 1, "test_start": fold.test_start, "test_end": fold.test_end, "n_train": len(train),
        "n_test": len(test), "n_purged": fold.n_purged, "log_loss": base[0], "prior_log_loss": prior[0],
        "accuracy": base[1],
    }  # fmt: skip
    return {**found, "fold": row}


def _permuted(values: FloatArray, columns: list[int], rng: np.random.Generator) -> FloatArray:
    """Return the rows with some columns taken from other rows, together."""
    out = values.copy()
    out[:, columns] = values[rng.permutation(len(values))][:, columns]
    return out


def _scores(model: Any, values: FloatArray, labels: IntArray) -> tuple[float, float]:
    proba = np.asarray(model.predict_proba(values), dtype=np.float64)
    return log_loss(labels, proba), accuracy(labels, top_class(proba))


def _prior(train: IntArray, labels: IntArray) -> tuple[float, float]:
    """Return log loss and accuracy of always stating the classes' shares in the training rows."""
    shares = np.array([(train == c).mean() for c in (-1, 0, 1)])
    proba = np.tile(shares, (len(labels), 1))
    return log_loss(labels, proba), accuracy(labels, top_class(proba))


def _over_folds(parts: Sequence[dict[str, Any]], key: str, groups: Sequence[Any]) -> tuple[FloatArray, FloatArray]:
    values = np.array([[part[key][g] for g in groups] for part in parts])
    return values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(len(parts))


def _members(names: Sequence[str], columns: Sequence[int]) -> str:
    return ", ".join(names[i] for i in columns)
