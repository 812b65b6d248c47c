"""How often the best configuration in sample is poor out of sample: combinatorially symmetric cross-validation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import ConfigError, DataError
from workbench.typing import FloatArray, IntArray

_CELLS = 1_000_000
_MOST_BLOCKS = 20
_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Overfitting:
    """Outcome of combinatorially symmetric cross-validation, an entry for each split.

    Parameters
    ----------
    pbo
        Probability of backtest overfitting: share of the splits whose winner in sample is at or below the median out
        of sample, 0 to 1. Choosing among noise gives about 0.5.
    probability_of_loss
        Share of the splits whose winner performs below zero out of sample.
    slope, intercept, r_squared
        Of the line of out-of-sample on in-sample performance of the winners; a slope below zero says that looking
        better in sample went with being worse outside. NaN where the winners' performance does not vary.
    logits
        ``ln(w / (1 − w))`` with w the winner's relative rank out of sample, (n_splits,); above 0 is above the median.
    in_sample, out_of_sample
        Performance of the winners, (n_splits,): the Sharpe ratio per bar unless another statistic was passed.
    chosen
        Column of each split's winner, (n_splits,).
    n_trials, n_blocks
        What was compared, over how many blocks.
    """

    pbo: float
    probability_of_loss: float
    slope: float
    intercept: float
    r_squared: float
    logits: FloatArray
    in_sample: FloatArray
    out_of_sample: FloatArray
    chosen: IntArray
    n_trials: int
    n_blocks: int


def probability_of_backtest_overfitting(
    returns: npt.ArrayLike, *, n_blocks: int = 16, statistic: Callable[[FloatArray], npt.ArrayLike] | None = None
) -> Overfitting:
    """Return the probability that choosing the best of these trials is overfitting (PBO by CSCV).

    Use it on everything that was tried, not on a shortlist: it judges the *choice*, while the deflated Sharpe ratio
    judges the chosen one.

    Parameters
    ----------
    returns
        Simple returns of every trial on the same bars, (n_obs, n_trials), at least two trials; 0 where one is flat.
    n_blocks
        Even number S of blocks, usually 16: half of them in sample, half outside, in all ``C(S, S/2)`` ways (12,870).
        The oldest ``n_obs % n_blocks`` rows are left out, so that blocks are of one length.
    statistic
        Performance of each column of a matrix, (n_rows, n_trials) to (n_trials,), higher is better. None is the Sharpe
        ratio per bar from sums of blocks, which is hundreds of times faster.

    Returns
    -------
    Overfitting

    Raises
    ------
    DataError
        When a return is missing, or there are fewer than two trials or two rows a block.

    Notes
    -----
    The winner's rank out of sample r among N trials, ties by their average, gives ``w = r / (N + 1)``. Libraries that
    divide by N get infinite logits for a winner that stays the winner. Blocks keep their order; nothing is shuffled.
    A trial without variation has a Sharpe ratio of 0. Of equal winners in sample the first counts.

    References
    ----------
    Bailey, D. H., Borwein, J. M., López de Prado, M. and Zhu, Q. J. (2017). The Probability of Backtest Overfitting.
    Journal of Computational Finance 20(4), 39-69.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(160, 10))
    >>> found = probability_of_backtest_overfitting(noise, n_blocks=8)
    >>> len(found.logits), 0 < found.pbo < 1
    (70, True)
    """
    values = _matrix(returns)
    _check_blocks(n_blocks)
    length = len(values) // n_blocks
    if length < 2:
        raise DataError(f"{n_blocks} blocks of {len(values)} rows are shorter than 2; take fewer blocks")
    blocks = values[len(values) - length * n_blocks :].reshape(n_blocks, length, -1)
    if statistic is not None:
        return _judge(_by_statistic(blocks, statistic), blocks.shape[2], n_blocks)
    moments = np.stack([blocks.sum(axis=1).T, np.einsum("sln,sln->ns", blocks, blocks)], axis=2)
    return overfitting_from_moments(moments, length)


def overfitting_from_moments(moments: npt.ArrayLike, block_length: npt.ArrayLike) -> Overfitting:
    """Return the probability of backtest overfitting from sums of blocks, as a sweep delivers them.

    Ten thousand configurations over years of bars fit into a few megabytes this way; the numbers are those of
    `probability_of_backtest_overfitting`.

    Parameters
    ----------
    moments
        (n_trials, n_blocks, 2): sum of returns and sum of squared returns in each block of consecutive bars.
    block_length
        Bars in a block; or (n_blocks,) where blocks differ.

    Returns
    -------
    Overfitting

    Raises
    ------
    DataError
        When shapes do not fit, a sum is not finite, or there are fewer than two trials.
    """
    sums = np.asarray(moments, dtype=np.float64)
    if sums.ndim != 3 or sums.shape[2] != 2 or sums.shape[0] < 2:
        raise DataError(f"moments must be (n_trials, n_blocks, 2) of at least 2 trials, got {sums.shape}")
    if not np.isfinite(sums).all():
        trial = int(np.argmax(~np.isfinite(sums).all(axis=(1, 2))))
        raise DataError(f"moments of trial {trial} are not finite; a flat bar is a return of 0")
    n_trials, n_blocks, _ = sums.shape
    _check_blocks(n_blocks)
    lengths = np.asarray(block_length, dtype=np.float64)
    if lengths.shape not in {(), (n_blocks,)} or not (lengths >= 2).all():
        raise DataError(f"block_length must be 2 or more, one or {n_blocks} of them, got {block_length!r}")
    return _judge(_by_moments(sums, np.broadcast_to(lengths, n_blocks)), n_trials, n_blocks)


def _by_moments(sums: FloatArray, lengths: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield Sharpe ratios in and out of sample, (splits, n_trials) each, in batches that fit into a cache."""
    members = _halves(len(lengths))
    first, second = np.ascontiguousarray(sums[:, :, 0].T), np.ascontiguousarray(sums[:, :, 1].T)
    step = max(1, _CELLS // sums.shape[0])
    for start in range(0, len(members), step):
        inside = members[start : start + step]
        outside = 1.0 - inside
        yield (
            _sharpe(inside @ first, inside @ second, inside @ lengths),
            _sharpe(outside @ first, outside @ second, outside @ lengths),
        )


def _by_statistic(
    blocks: FloatArray, statistic: Callable[[FloatArray], npt.ArrayLike]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    n_trials = blocks.shape[2]
    for inside in _halves(len(blocks)) > 0:
        both = [np.asarray(statistic(blocks[part].reshape(-1, n_trials)), np.float64) for part in (inside, ~inside)]
        for value in both:
            if value.shape != (n_trials,) or np.isnan(value).any():
                raise DataError(f"statistic must return {n_trials} numbers, one for each trial, got {value!r:.80}")
        yield both[0][None, :], both[1][None, :]


def _halves(n_blocks: int) -> FloatArray:
    """Return every choice of half the blocks as rows of 0 and 1, first halves that hold block 0, then the others."""
    rest = itertools.combinations(range(1, n_blocks), n_blocks // 2 - 1)
    chosen = np.array([(0, *others) for others in rest])
    members = np.zeros((len(chosen), n_blocks))
    np.put_along_axis(members, chosen, 1.0, axis=1)
    return members


def _sharpe(total: FloatArray, squares: FloatArray, count: FloatArray) -> FloatArray:
    n = count[:, None]
    variance = (squares - total * total / n) / (n - 1.0)
    varies = variance > _ROUNDING * squares / n
    deviation = np.sqrt(np.where(varies, variance, 1.0))
    return np.where(varies, total / n / deviation, 0.0)


def _judge(splits: Iterator[tuple[FloatArray, FloatArray]], n_trials: int, n_blocks: int) -> Overfitting:
    """Each split is read both ways: what is outside for the one is inside for its mirror image."""
    parts = [np.concatenate([_winners(a, b), _winners(b, a)], axis=1) for a, b in splits]
    chosen, inside, outside, rank = np.concatenate(parts, axis=1)
    relative = rank / (n_trials + 1.0)
    logits = np.log(relative / (1.0 - relative))
    slope, intercept, r_squared = _line(inside, outside)
    return Overfitting(
        pbo=float((rank <= (n_trials + 1.0) / 2.0).mean()),
        probability_of_loss=float((outside < 0.0).mean()),
        slope=slope,
        intercept=intercept,
        r_squared=r_squared,
        logits=logits,
        in_sample=inside,
        out_of_sample=outside,
        chosen=chosen.astype(np.int64),
        n_trials=n_trials,
        n_blocks=n_blocks,
    )


def _winners(inside: FloatArray, outside: FloatArray) -> FloatArray:
    """Return column, performance inside and outside and rank outside of each row's winner, (4, splits)."""
    best = inside.argmax(axis=1)
    rows = np.arange(len(best))
    then = outside[rows, best]
    below = np.count_nonzero(outside < then[:, None], axis=1)
    equal = np.count_nonzero(outside == then[:, None], axis=1)
    return np.stack([best, inside[rows, best], then, below + (equal + 1.0) / 2.0])


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    dx, dy = x - x.mean(), y - y.mean()
    if np.ptp(x) == 0:
        return math.nan, math.nan, math.nan
    slope = float(dx @ dy / (dx @ dx))
    explained = float((dx @ dy) ** 2 / ((dx @ dx) * (dy @ dy))) if np.ptp(y) > 0 else math.nan
    return slope, float(y.mean() - slope * x.mean()), explained


def _matrix(returns: Any) -> FloatArray:
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise DataError(f"returns must be (n_obs, n_trials) of at least 2 trials, got {values.shape}; a column each")
    if not np.isfinite(values).all():
        trial = int(np.argmax(~np.isfinite(values).all(axis=0)))
        raise DataError(f"returns of trial {trial} are missing or infinite at a bar; a flat bar is a return of 0")
    return values


def _check_blocks(n_blocks: int) -> None:
    if n_blocks % 2 or not 2 <= n_blocks <= _MOST_BLOCKS:
        raise ConfigError(f"n_blocks must be an even number from 2 to {_MOST_BLOCKS}, got {n_blocks}; 16 is usual")
