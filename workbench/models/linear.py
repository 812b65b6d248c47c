"""Linear models behind the contract: multinomial logistic regression and ridge with stated probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from workbench.models.classifier import DirectionClassifier, three_columns
from workbench.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression, Ridge


class Logistic(DirectionClassifier):
    """Multinomial logistic regression with an L2 penalty (scikit-learn, L-BFGS, no random draw).

    The first model to try: few parameters, calibrated when the signal is linear. Standardise ``X`` first.

    Notes
    -----
    ``P(y=k|x)`` is proportional to ``exp(w_k·x + b_k)``; the penalty is ``|W|^2 / (2C)``, the intercepts are free.
    A class absent from the training rows has probability 0.
    """

    name: ClassVar[str] = "logistic"
    weights: ClassVar[Literal["none", "skops", "safetensors"]] = "skops"
    estimator_: LogisticRegression

    def __init__(self, C: float = 0.1, class_weight: str = "none", max_iter: int = 1000) -> None:
        self.C = C
        self.class_weight = class_weight
        self.max_iter = max_iter

    def _fit(self, X: FloatArray, y: IntArray) -> None:
        from sklearn.linear_model import LogisticRegression

        weight = None if self.class_weight == "none" else self.class_weight
        self.estimator_ = LogisticRegression(C=self.C, class_weight=weight, max_iter=self.max_iter).fit(X, y)

    def _forecast(self, X: FloatArray) -> FloatArray:
        return three_columns(self.estimator_.predict_proba(X), self.estimator_.classes_)


class RidgeProbability(DirectionClassifier):
    """Ridge regression on the three class indicators: the linear probability model, made proper.

    Solved in closed form, hence the fastest to fit; prefer it where many configurations are swept. The class it
    names is that of scikit-learn's ``RidgeClassifier``.

    Notes
    -----
    The targets are the 0/1 indicators of the classes. With a free intercept the three outputs sum to 1, but may leave
    [0, 1]: negative ones are set to 0 and the row is divided by its sum. A class absent from training gets about 0.

    References
    ----------
    Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, section 4.2.
    """

    name: ClassVar[str] = "ridge"
    weights: ClassVar[Literal["none", "skops", "safetensors"]] = "skops"
    estimator_: Ridge

    def __init__(self, alpha: float = 10.0) -> None:
        self.alpha = alpha

    def _fit(self, X: FloatArray, y: IntArray) -> None:
        from sklearn.linear_model import Ridge

        self.estimator_ = Ridge(alpha=self.alpha).fit(X, np.eye(3)[y + 1])

    def _forecast(self, X: FloatArray) -> FloatArray:
        return np.clip(self.estimator_.predict(X), 0.0, None)
