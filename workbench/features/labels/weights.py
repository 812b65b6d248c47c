"""Sample weights for labels whose lives overlap, and the sequential bootstrap.

Labels that share bars share information: counting each as a full observation makes a model too sure of itself. The core
takes first and last bar of each label's life, both included, as whole numbers.

References
----------
López de Prado (2018), Advances in Financial Machine Learning, ch. 4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.config import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.features.columns import own_bar_numbers, panel
from workbench.features.labels.outcomes import Label
from workbench.typing import Bars, FloatArray, IntArray, Panel

KINDS = ("return", "uniqueness")


def concurrency(first: npt.ArrayLike, last: npt.ArrayLike, n_bars: int | None = None) -> IntArray:
    """Return how many labels live at each bar, shape (n_bars,).

    Parameters
    ----------
    first, last
        First and last bar of each label's life, both included, shape (n_labels,).
    n_bars
        Bars counted; None = up to the last one lived.
    """
    starts, ends = _spans(first, last, n_bars)
    n = int(n_bars if n_bars is not None else ends.max(initial=-1) + 1)
    steps = np.bincount(starts, minlength=n + 1) - np.bincount(ends + 1, minlength=n + 1)
    return np.cumsum(steps)[:n].astype(np.int64)


def average_uniqueness(first: npt.ArrayLike, last: npt.ArrayLike) -> FloatArray:
    """Return the mean of 1 / concurrency over each label's life, above 0 to 1, shape (n_labels,).

    Examples
    --------
    >>> from workbench.features import labels
    >>> labels.average_uniqueness([0, 2, 4], [2, 3, 5]).round(4).tolist()
    [0.8333, 0.75, 1.0]
    """
    starts, ends = _spans(first, last, None)
    share = 1 / np.maximum(concurrency(starts, ends), 1)
    return _sums_over(share, starts, ends) / (ends - starts + 1)


def return_attribution(first: npt.ArrayLike, last: npt.ArrayLike, log_returns: FloatArray) -> FloatArray:
    """Return weights by the absolute return that is a label's own, scaled to a mean of 1, shape (n_labels,).

    ``w_i = abs(sum(r_t / c_t))`` over the label's life, with the bar's log return r and concurrency c. Labels of large
    returns that no other label shares weigh most. All ones where no label has any.

    Parameters
    ----------
    first, last
        As in `concurrency`.
    log_returns
        Log return of each bar, shape (n_bars,); NaN counts as 0.
    """
    returns = np.nan_to_num(np.asarray(log_returns, dtype=np.float64))
    starts, ends = _spans(first, last, returns.size)
    weights = np.abs(_sums_over(returns / np.maximum(concurrency(starts, ends, returns.size), 1), starts, ends))
    total = weights.sum()
    return weights * (weights.size / total) if total > 0 else np.ones(weights.size)


def time_decay(uniqueness: npt.ArrayLike, oldest: float = 1.0) -> FloatArray:
    """Return factors that fall linearly with age, age counted in cumulated uniqueness, shape (n_labels,).

    Parameters
    ----------
    uniqueness
        Average uniqueness of the labels, oldest first.
    oldest
        Factor of the oldest label, 1 = no decay, 0 = down to nothing; below 0, that share of the oldest weighs nothing.
        The newest has 1.

    Raises
    ------
    ConfigError
        An ``oldest`` outside (-1, 1].
    """
    if not -1 < oldest <= 1:
        raise ConfigError(f"oldest must be above -1 and at most 1, got {oldest!r}; 1 means no decay")
    age = np.cumsum(np.asarray(uniqueness, dtype=np.float64))
    if not age.size or oldest == 1:
        return np.ones(age.size)
    slope = (1 - oldest) / age[-1] if oldest >= 0 else 1 / ((oldest + 1) * age[-1])
    return np.maximum(1 - slope * (age[-1] - age), 0.0)


def sequential_probabilities(first: npt.ArrayLike, last: npt.ArrayLike, drawn: npt.ArrayLike = ()) -> FloatArray:
    """Return the chance of each label to be drawn next, given those drawn before, shape (n_labels,).

    In proportion to the average uniqueness it would have among the drawn ones.

    Examples
    --------
    >>> from workbench.features import labels
    >>> (14 * labels.sequential_probabilities([0, 2, 4], [2, 3, 5], drawn=[1])).round(9).tolist()
    [5.0, 3.0, 6.0]
    """
    starts, ends = _spans(first, last, None)
    chosen = np.asarray(drawn, dtype=np.int64)
    taken = concurrency(starts[chosen], ends[chosen], int(ends.max(initial=-1)) + 1)
    average = _sums_over(1 / (taken + 1.0), starts, ends) / (ends - starts + 1)
    return average / average.sum()


def sequential_bootstrap(
    first: npt.ArrayLike, last: npt.ArrayLike, n_draws: int | None = None, *, seed: int
) -> IntArray:
    """Draw labels with replacement so that overlaps with those already drawn become less likely.

    Parameters
    ----------
    first, last
        As in `concurrency`.
    n_draws
        Labels to draw; None = as many as there are.
    seed
        Of the draws.

    Returns
    -------
    IntArray
        Numbers of the drawn labels in the order of the draws, shape (n_draws,).

    Notes
    -----
    Each draw follows `sequential_probabilities`. Only the labels that overlap the drawn one change theirs, and they are
    kept in a tree of sums: a draw costs the labels near it and log2(n_labels), not all of them.
    """
    from workbench.features.labels.weight_kernels import draw_in_turn

    starts, ends = _spans(first, last, None)
    wanted = starts.size if n_draws is None else n_draws
    if wanted < 0 or (wanted and not starts.size):
        raise ConfigError(f"n_draws must be 0 or more and needs labels to draw from, got {wanted} of {starts.size}")
    if not wanted:
        return np.empty(0, dtype=np.int64)
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    longest = int((ends - starts).max()) + 1
    low, high = np.searchsorted(starts, starts - longest + 1), np.searchsorted(starts, ends, side="right")
    uniforms = np.random.default_rng(seed).random(wanted)
    return order[draw_in_turn(starts, ends, low, high, longest, uniforms)].astype(np.int64)


def label_spans(label: Label, bars: Bars, symbol: str) -> tuple[IntArray, IntArray, IntArray]:
    """Return rows of the known labels of a symbol, and first and last of the symbol's own bars that each lives through.

    A position decided at own bar k and held for h bars lives through the own bars k + 1 to k + h.
    """
    numbers = own_bar_numbers(bars, label.y.columns)[:, label.y.columns.get_loc(symbol)]
    held = label.held[symbol].to_numpy()
    rows = np.flatnonzero(label.y[symbol].notna().to_numpy())
    first = numbers[rows] + 1
    return rows, first, first + held[rows].astype(np.int64) - 1


def sample_weights(label: Label, bars: Bars, kind: str = "uniqueness", *, oldest: float = 1.0) -> Panel:
    """Return a weight for each known label, time × symbol, symbol by symbol; NaN where the label is unknown.

    Parameters
    ----------
    label, bars
        A label and the bars that it was computed on.
    kind
        ``"uniqueness"``: `average_uniqueness`; ``"return"``: `return_attribution` of close-to-close log returns.
    oldest
        Weight of the oldest label against the newest; see `time_decay`.
    """
    if kind not in KINDS:
        raise ConfigError(f"sample_weights: kind is {kind!r}.{did_you_mean(str(kind), KINDS)}")
    weights = np.full(label.y.shape, np.nan)
    for j, symbol in enumerate(label.y.columns):
        rows, first, last = label_spans(label, bars, symbol)
        if not rows.size:
            continue
        unique = average_uniqueness(first, last)
        one = unique if kind == "uniqueness" else return_attribution(first, last, _log_returns(bars, symbol))
        weights[rows, j] = one * time_decay(unique, oldest)
    return pd.DataFrame(weights, index=label.y.index, columns=label.y.columns, copy=False)


def _log_returns(bars: Bars, symbol: str) -> FloatArray:
    close = panel(bars, "close")[symbol].to_numpy(dtype=np.float64)
    own = np.log(close[~np.isnan(close)])
    return np.diff(own, prepend=own[:1])


def _sums_over(values: FloatArray, starts: IntArray, ends: IntArray) -> FloatArray:
    """Sum of values[start … end] for each label."""
    totals = np.concatenate([[0.0], np.cumsum(values)])
    return totals[ends + 1] - totals[starts]


def _spans(first: npt.ArrayLike, last: npt.ArrayLike, n_bars: int | None) -> tuple[IntArray, IntArray]:
    starts, ends = np.asarray(first), np.asarray(last)
    whole = all(a.size == 0 or np.issubdtype(a.dtype, np.integer) for a in (starts, ends))
    if starts.ndim != 1 or starts.shape != ends.shape or not whole:
        raise DataError(
            f"first and last must be whole numbers of one shape (n_labels,), got {starts.dtype} {starts.shape}"
            f" and {ends.dtype} {ends.shape}"
        )
    starts, ends = starts.astype(np.int64), ends.astype(np.int64)
    wrong = np.flatnonzero((starts < 0) | (ends < starts) | (False if n_bars is None else ends >= n_bars))
    if wrong.size:
        i = int(wrong[0])
        limit = "" if n_bars is None else f" within the {n_bars} bars"
        raise DataError(
            f"label {i} lives from bar {starts[i]} to bar {ends[i]};"
            f" it must start at 0 or later and end{limit}, not before it starts"
        )
    return starts, ends
