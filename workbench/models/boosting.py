"""Histogram gradient boosting behind the contract, validated on a time tail and never on random rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from workbench.models.classifier import DirectionClassifier, three_columns
from workbench.models.split import time_tail
from workbench.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier


class HistGradientBoosting(DirectionClassifier):
    """Histogram gradient boosted trees (scikit-learn): interactions and thresholds that a linear model misses.

    Notes
    -----
    scikit-learn's own early stopping validates on rows drawn at random, which are neighbours of training rows
    and see the same label window: on bars that is a leak. Here it is off (``patience=0``: all rounds run on all rows).
    With ``patience > 0`` the last ``valid_share`` of the rows is the validation set, after a gap of ``purge`` rows,
    and boosting stops once its log loss has not improved for ``patience`` rounds; the trees grown meanwhile are kept.
    A class absent from the rows that trees are grown on has probability 0.

    References
    ----------
    Friedman (2001), Greedy function approximation: a gradient boosting machine, Annals of Statistics 29.
    Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS.
    """

    name: ClassVar[str] = "hist_gradient_boosting"
    weights: ClassVar[Literal["none", "skops", "safetensors"]] = "skops"
    estimator_: HistGradientBoostingClassifier

    def __init__(
        self,
        learning_rate: float = 0.05,
        max_iter: int = 100,
        max_leaf_nodes: int = 15,
        min_samples_leaf: int = 40,
        l2_regularization: float = 1.0,
        patience: int = 0,
        valid_share: float = 0.2,
        purge: int = 0,
        seed: int = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.patience = patience
        self.valid_share = valid_share
        self.purge = purge
        self.seed = seed

    def _fit(self, X: FloatArray, y: IntArray) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        estimator = HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2_regularization,
            early_stopping=self.patience > 0,
            n_iter_no_change=max(self.patience, 1),
            categorical_features=None,
            random_state=self.seed,
        )
        if self.patience == 0:
            self.estimator_ = estimator.fit(X, y)
            return
        head, tail = time_tail(len(X), self.valid_share, self.purge)
        known = np.isin(y[tail], y[head])  # a class never trained on cannot be scored
        if np.unique(y[head]).size < 2 or not known.any():
            self.estimator_ = estimator.set_params(early_stopping=False).fit(X, y)
            return
        self.estimator_ = estimator.fit(X[head], y[head], X_val=X[tail][known], y_val=y[tail][known])

    def _forecast(self, X: FloatArray) -> FloatArray:
        return three_columns(self.estimator_.predict_proba(X), self.estimator_.classes_)
