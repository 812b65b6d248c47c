"""Three forecasts that need no learning and stand beside every model: zero, persistence, buy and hold."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from workbench.models.classifier import DirectionClassifier
from workbench.typing import FloatArray, IntArray


class _Baseline(DirectionClassifier):
    learns: ClassVar[bool] = False

    def _fit(self, X: FloatArray, y: IntArray) -> None:
        """Nothing to learn."""


class ZeroForecast(_Baseline):
    """Knows nothing: one third for each class, so the forecast ``p_bull - p_bear`` and the position are 0."""

    name: ClassVar[str] = "zero"

    def _forecast(self, X: FloatArray) -> FloatArray:
        return np.full((len(X), 3), 1 / 3)


class Persistence(_Baseline):
    """What rose goes on rising: bull where the last simple return, column 0 of ``X``, is above 0, bear below it.

    Notes
    -----
    A return of exactly 0 is neutral. The sign counts, so column 0 must be the return itself and not a standardised
    one, whose mean was taken away.
    """

    name: ClassVar[str] = "persistence"

    def _forecast(self, X: FloatArray) -> FloatArray:
        return np.eye(3)[np.sign(X[:, 0]).astype(np.int64) + 1]


class BuyAndHold(_Baseline):
    """Always bull: fully invested in every bar."""

    name: ClassVar[str] = "buy_and_hold"

    def _forecast(self, X: FloatArray) -> FloatArray:
        return np.tile([0.0, 0.0, 1.0], (len(X), 1))
