"""How good a forecast is: classification, calibration and regression metrics on bare arrays.

Labels are -1 (bear), 0 (neutral) and +1 (bull); probabilities are (n, 3) in that order. A metric of no rows is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import DataError
from workbench.typing import FloatArray, IntArray

CLASSES: IntArray = np.array([-1, 0, 1], dtype=np.int64)
_TINY = 1e-15


def check_labels(y: npt.ArrayLike, n: int | None = None) -> IntArray:
    """Return labels as int64, or say which row is not -1, 0 or +1.

    Raises
    ------
    DataError
        When the shape is not (n,), or a label is unknown.
    """
    raw = np.asarray(y)
    if raw.ndim != 1 or (n is not None and len(raw) != n):
        raise DataError(f"labels must have the shape ({'n' if n is None else n},), got {raw.shape}")
    bad = ~np.isin(raw, CLASSES)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"label at row {row} is {raw[row]}, not -1, 0 or 1; leave rows out whose label is not known yet"
        )
    return raw.astype(np.int64)


def top_class(proba: npt.ArrayLike) -> IntArray:
    """Return (n,) the most probable class of each row; 0 (no direction) where the top is shared."""
    p = np.asarray(proba, dtype=np.float64)
    shared = (p == p.max(axis=1, keepdims=True)).sum(axis=1) > 1 if len(p) else np.zeros(0, dtype=bool)
    return np.where(shared, 0, p.argmax(axis=1) - 1)


def accuracy(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the share of rows whose predicted class is the label: 0 to 1, larger is better."""
    truth = check_labels(labels)
    return _mean(truth == check_labels(predicted, len(truth)))


def directional_accuracy(outcome: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return the share of rows whose direction was right, over rows that have one.

    Parameters
    ----------
    outcome
        (n,) realised returns, or labels; rows at 0 or NaN are left out.
    forecast
        (n,) signed forecasts such as ``p_bull - p_bear``, or predicted classes; rows at 0 or NaN are left out.

    Notes
    -----
    One half is a coin's. The share of rows with a forecast is not judged here: report it beside.

    References
    ----------
    Pesaran and Timmermann (1992), A simple nonparametric test of predictive performance, JBES 10.
    """
    realised, signed = _pair(outcome, forecast)
    judged = np.isfinite(realised) & np.isfinite(signed) & (realised != 0) & (signed != 0)
    return _mean(np.sign(realised[judged]) == np.sign(signed[judged]))


def brier(labels: npt.ArrayLike, proba: npt.ArrayLike) -> float:
    """Return the multi-class Brier score, Brier's own sum over classes: 0 (perfect) to 2, smaller is better.

    Notes
    -----
    ``mean_i sum_k (p_ik - 1[y_i = k])^2``. Uniform thirds score 2/3. The two-class form in scikit-learn's
    ``brier_score_loss`` is half of this.

    References
    ----------
    Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather Review 78.
    """
    truth, p = _checked(labels, proba)
    return _mean(((p - np.eye(3)[truth + 1]) ** 2).sum(axis=1))


def log_loss(labels: npt.ArrayLike, proba: npt.ArrayLike) -> float:
    """Return the mean negative log probability of the label in nats: 0 is perfect, ``ln 3`` is uniform thirds.

    Notes
    -----
    Probabilities are kept at least 1e-15, so a certain and wrong forecast costs 34.5 and not infinity.

    References
    ----------
    Good (1952), Rational decisions, Journal of the Royal Statistical Society B 14.
    """
    truth, p = _checked(labels, proba)
    return _mean(-np.log(np.clip(p[np.arange(len(p)), truth + 1], _TINY, 1.0)))


def reliability_table(labels: npt.ArrayLike, proba: npt.ArrayLike, n_bins: int = 15) -> dict[str, npt.NDArray[Any]]:
    """Return confidence against accuracy in equal-width bins of the top probability.

    Parameters
    ----------
    labels
        (n,) -1, 0 or +1.
    proba
        (n, 3) probabilities.
    n_bins
        Bins over (0, 1], each closed on the right; 15 is usual.

    Returns
    -------
    dict
        Columns ``bin`` (upper edge), ``confidence`` and ``accuracy`` (means, NaN in an empty bin) and ``count``,
        each (n_bins,): ready for a frame.

    References
    ----------
    DeGroot and Fienberg (1983), The comparison and evaluation of forecasters, The Statistician 32.
    """
    if n_bins < 1:
        raise DataError(f"n_bins must be at least 1, got {n_bins}")
    truth, p = _checked(labels, proba)
    confidence = p.max(axis=1, initial=0.0)
    right = top_class(p) == truth
    edges = np.arange(1, n_bins + 1) / n_bins
    place = np.minimum(np.searchsorted(edges, confidence, side="left"), n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    with np.errstate(invalid="ignore"):  # 0/0 in an empty bin is the NaN we want
        return {
            "bin": edges,
            "confidence": np.bincount(place, weights=confidence, minlength=n_bins) / count,
            "accuracy": np.bincount(place, weights=right, minlength=n_bins) / count,
            "count": count,
        }


def ece(labels: npt.ArrayLike, proba: npt.ArrayLike, n_bins: int = 15) -> float:
    """Return the expected calibration error of the top label: 0 (calibrated) to 1, smaller is better.

    Notes
    -----
    ``sum_b (n_b / n) |accuracy_b - confidence_b|`` over 15 equal-width bins, closed on the right. Where the top is
    shared the predicted class is 0, as in `top_class`.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), AAAI 29; Guo et al. (2017), On calibration of modern neural networks, ICML 34.
    """
    table = reliability_table(labels, proba, n_bins)
    n = table["count"].sum()
    if n == 0:
        return float("nan")
    gap = np.abs(table["accuracy"] - table["confidence"])
    return float(np.nansum(table["count"] * gap) / n)


def mse(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return ``mean (actual - forecast)^2``, in the squared unit of the target; smaller is better."""
    a, f = _pair(actual, forecast)
    return _mean((a - f) ** 2)


def mae(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return ``mean |actual - forecast|``, in the unit of the target; smaller is better."""
    a, f = _pair(actual, forecast)
    return _mean(np.abs(a - f))


def r2(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return the coefficient of determination: 1 is perfect, 0 is the mean of ``actual``, below 0 is worse than it.

    Notes
    -----
    ``1 - sum (a - f)^2 / sum (a - mean(a))^2``; NaN when ``actual`` does not vary (scikit-learn returns 0 or 1 there).
    The mean is that of the rows judged, known only afterwards: a stricter yardstick than a forecast could have had.

    References
    ----------
    Campbell and Thompson (2008), Predicting excess stock returns out of sample, Review of Financial Studies 21.
    """
    a, f = _pair(actual, forecast)
    if len(a) == 0:
        return float("nan")
    spread = float(((a - a.mean()) ** 2).sum())
    return 1.0 - float(((a - f) ** 2).sum()) / spread if spread > 0 else float("nan")


def loss_ratio(train_loss: float, valid_loss: float) -> float:
    """Return ``valid_loss / train_loss``: near 1 is healthy, above 1.2 the training rows were learned by heart."""
    return float(valid_loss / train_loss) if train_loss > 0 else float("nan")


@dataclass(frozen=True)
class Metric:
    """A forecast metric: machine name, function, whether larger is better, and what it says."""

    name: str
    function: Callable[..., float]
    larger_is_better: bool
    needs: str
    description: str


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", accuracy, True, "labels, predicted", "share of rows whose class was right"),
        Metric(
            "directional_accuracy",
            directional_accuracy,
            True,
            "outcome, forecast",
            "share of directions that were right",
        ),
        Metric("brier", brier, False, "labels, proba", "squared error of the probabilities, 0 to 2"),
        Metric("log_loss", log_loss, False, "labels, proba", "negative log probability of the label, nats"),
        Metric("ece", ece, False, "labels, proba", "gap between confidence and accuracy, 15 bins"),
        Metric("mse", mse, False, "actual, forecast", "mean squared error"),
        Metric("mae", mae, False, "actual, forecast", "mean absolute error"),
        Metric("r2", r2, True, "actual, forecast", "share of the target's variance explained"),
    )
}


def classification_metrics(
    labels: npt.ArrayLike, proba: npt.ArrayLike, outcome: npt.ArrayLike | None = None
) -> dict[str, float]:
    """Return the classification metrics of a forecast under their machine names.

    Parameters
    ----------
    labels
        (n,) -1, 0 or +1.
    proba
        (n, 3) probabilities.
    outcome
        (n,) realised returns for `directional_accuracy`; the labels where not given.
    """
    truth, p = _checked(labels, proba)
    return {
        "accuracy": accuracy(truth, top_class(p)),
        "directional_accuracy": directional_accuracy(truth if outcome is None else outcome, p[:, 2] - p[:, 0]),
        "brier": brier(truth, p),
        "log_loss": log_loss(truth, p),
        "ece": ece(truth, p),
    }


def _checked(labels: npt.ArrayLike, proba: npt.ArrayLike) -> tuple[IntArray, FloatArray]:
    truth = check_labels(labels)
    p = np.asarray(proba, dtype=np.float64)
    if p.shape != (len(truth), 3):
        raise DataError(f"probabilities must have the shape ({len(truth)}, 3), got {p.shape}")
    wrong = ~((p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < 1e-6))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"probabilities at row {row} are {p[row].tolist()}; they must be at least 0 and sum to 1")
    return truth, p


def _pair(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, f = np.asarray(actual, dtype=np.float64), np.asarray(forecast, dtype=np.float64)
    if a.ndim != 1 or a.shape != f.shape:
        raise DataError(f"actual and forecast must both have the shape (n,), got {a.shape} and {f.shape}")
    return a, f


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
