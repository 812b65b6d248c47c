"""What luck looks like: the same trading without its timing, or the same rule on a market without memory of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from workbench.backtest.statistics.bootstrap import optimal_block_length
from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.typing import FloatArray, IntArray

Null = Literal["circular_shift", "random_entry", "permuted_signal", "synthetic_path"]
Statistic = Callable[[FloatArray], npt.ArrayLike]
Evaluate = Callable[[FloatArray], float]

_CELLS = 1_000_000
NULLS = ("circular_shift", "random_entry", "permuted_signal", "synthetic_path")


@dataclass(frozen=True, eq=False)
class NullTest:
    """A figure among those that luck gives.

    Parameters
    ----------
    null
        How luck was made.
    value
        The strategy's own figure.
    p_value
        ``(1 + number of draws at least as good) / (n_draws + 1)``: never 0, uniform when timing is worthless.
    draws
        The figure in each draw, (n_draws,).
    """

    null: str
    value: float
    p_value: float
    draws: FloatArray


def p_value_of(value: float, draws: npt.ArrayLike) -> float:
    """Return the share of draws at least as good as ``value``, the value itself counted among them.

    Without the one in ``(1 + #) / (n + 1)`` a p-value of 0 comes out of a handful of draws, and the test rejects too
    often (Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9(1), article 39).

    Examples
    --------
    >>> p_value_of(2.0, [1.0, 1.5, 3.0])
    0.5
    """
    known = np.asarray(draws, dtype=np.float64)
    if np.isnan(value) or np.isnan(known).any() or known.ndim != 1 or len(known) == 0:
        raise DataError("p_value_of needs a value and at least one draw, none of them NaN; a flat strategy counts as 0")
    return float(1 + (known >= value).sum()) / (len(known) + 1)


def sharpe_of_rows(returns: FloatArray) -> FloatArray:
    """Return the Sharpe ratio per bar of each row, (n_draws, n_bars) to (n_draws,); 0 for a row that does not vary."""
    deviation = returns.std(axis=1, ddof=1)
    known = deviation > 1e-15
    return np.where(known, returns.mean(axis=1) / np.where(known, deviation, 1.0), 0.0)


def earned_returns(opens: npt.ArrayLike) -> FloatArray:
    """Return what a position decided at each close earns: from the next open to the one after.

    Parameters
    ----------
    opens
        Open prices, (n_bars,) or (n_bars, n_assets); NaN where there is none.

    Returns
    -------
    array
        ``open[t + 2] / open[t + 1] − 1`` in row t, 0 in the last two rows and where a price is missing. Rows are
        decisions: set beside another series by its bars, they are early by one.
    """
    prices = np.asarray(opens, dtype=np.float64)
    earned = np.zeros_like(prices)
    earned[:-2] = np.nan_to_num(prices[2:] / prices[1:-1] - 1.0)
    return earned


def null_test(
    positions: npt.ArrayLike,
    earned: npt.ArrayLike | None = None,
    *,
    null: Null = "circular_shift",
    n_draws: int = 500,
    cost_bps: float = 0.0,
    statistic: Statistic = sharpe_of_rows,
    evaluate: Evaluate | None = None,
    block_length: float | None = None,
    seed: int | np.random.Generator = 0,
) -> NullTest:
    """Return how often luck does as well as a strategy.

    Parameters
    ----------
    positions
        Signed fractions of equity decided at each close, (n_bars,) or (n_bars, n_assets), without NaN.
    earned
        What a position of the same row earns, of the same shape, such as `earned_returns` of the opens.
    null
        ``circular_shift``: positions moved along time by a random number of bars, which keeps all about them but where
        they stand, and is the one to prefer. ``random_entry``: the same trades, each as long and as large as before, in
        another order at random bars; assets are moved independently. ``permuted_signal``: rows in random order.
        ``synthetic_path``: positions stay and the market is put together from blocks of its past.
    n_draws
        Usually 500 or 1,000.
    cost_bps
        Cost in basis points of what is traded, positions counted from none; not for ``evaluate``.
    statistic
        Figure of each row of net returns, (n_draws, n_bars) to (n_draws,), higher is better.
    evaluate
        Instead of ``earned``: a figure from positions shaped as given, such as a whole backtest; for all but
        ``synthetic_path``.
    block_length
        Mean bars of a block of the synthetic path; None finds one.
    seed
        Of the draws.

    Returns
    -------
    NullTest

    Raises
    ------
    DataError
        When shapes do not fit or something is missing.

    Notes
    -----
    The net return of a bar is ``Σ position · earned − cost · Σ |change of position|``. Every draw pays what the
    strategy itself paid: rows in random order change position at nearly every bar and trades that happen to touch save
    a cost, so that charging their own would compare costs and not timing. (`evaluate` charges as it likes.)
    A strategy that is always long has nothing to shift and gets a p-value of 1: it is the market.

    References
    ----------
    Aronson, D. (2006). Evidence-Based Technical Analysis, ch. 6. Wiley. Politis, D. N. and Romano, J. P. (1994). The
    Stationary Bootstrap. JASA 89(428), 1303-1313.
    """
    held, gains = _checked(positions, earned, null, n_draws, cost_bps, evaluate)
    rng = np.random.default_rng(seed)
    if null == "synthetic_path":
        length = _path_block(gains) if block_length is None else block_length
        moved = (_net(held, gains[rows]) for rows in _paths(len(held), n_draws, length, rng))
        return _compared(null, _net(held, gains), moved, n_draws, _costs(held, cost_bps), statistic)
    draw = _DRAWS[null]
    if evaluate is not None:
        shape = np.shape(positions)
        value = float(evaluate(held.reshape(shape)))
        draws = np.array([float(evaluate(draw(held, rng).reshape(shape))) for _ in range(n_draws)])
        return NullTest(null, value, p_value_of(value, draws), draws)
    moved = (_net(draw(held, rng), gains) for _ in range(n_draws))
    return _compared(null, _net(held, gains), moved, n_draws, _costs(held, cost_bps), statistic)


def synthetic_path_test(
    evaluate: Evaluate,
    returns: npt.ArrayLike,
    *,
    n_draws: int = 200,
    block_length: float | None = None,
    seed: int | np.random.Generator = 0,
) -> NullTest:
    """Return how often a strategy does as well on markets put together from blocks of this one.

    The strategy is run anew on each: what it finds there is luck, apart from patterns shorter than a block.

    Parameters
    ----------
    evaluate
        From market returns of the same shape to a figure, higher is better.
    returns
        Returns of the market, (n_bars,) or (n_bars, n_assets); assets stay together.
    n_draws, block_length, seed
        As in `null_test`.

    Returns
    -------
    NullTest
    """
    values = np.asarray(returns, dtype=np.float64)
    market = values[:, None] if values.ndim == 1 else values
    _whole(market, "returns")
    _check_draws(n_draws)
    rng = np.random.default_rng(seed)
    length = _path_block(market) if block_length is None else block_length
    rows = _paths(len(market), n_draws, length, rng)
    value = float(evaluate(values))
    draws = np.array([float(evaluate(values[row])) for row in rows])
    return NullTest("synthetic_path", value, p_value_of(value, draws), draws)


def _net(held: FloatArray, gains: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("nk,nk->n", held, gains))


def _compared(
    null: str, own: FloatArray, moved: Iterator[FloatArray], n_draws: int, paid: FloatArray, statistic: Statistic
) -> NullTest:
    """Judge draws a batch at a time, each batch beside the strategy itself."""
    step = max(1, _CELLS // len(own))
    draws, value = np.empty(n_draws), np.nan
    for start in range(0, n_draws, step):
        rows = np.stack([own, *itertools.islice(moved, min(step, n_draws - start))]) - paid
        figures = np.asarray(statistic(rows), dtype=np.float64)
        if figures.shape != (len(rows),):
            raise DataError(f"statistic must return a number for each of {len(rows)} rows, got {figures.shape}")
        value, draws[start : start + len(rows) - 1] = float(figures[0]), figures[1:]
    # a draw that is the strategy itself must not fall below it by rounding
    draws = np.where(np.isclose(draws, value, rtol=1e-12, atol=1e-15), value, draws)
    return NullTest(null, value, p_value_of(value, draws), draws)


def _shifted(held: FloatArray, rng: np.random.Generator) -> FloatArray:
    return np.roll(held, int(rng.integers(1, len(held))), axis=0)


def _permuted(held: FloatArray, rng: np.random.Generator) -> FloatArray:
    return held[rng.permutation(len(held))]


def _entries(held: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Shuffle the trades of each asset and share out its idle bars among the gaps at random."""
    moved = np.zeros_like(held)
    for j, column in enumerate(held.T):
        edges = np.flatnonzero(np.diff(np.sign(column), prepend=np.nan) != 0)
        trades = column[edges] != 0
        sizes = np.diff(edges, append=len(column))[trades]
        order = rng.permutation(len(sizes))
        # every way to place the idle bars around the trades is equally likely
        places = rng.choice(int((column == 0).sum()) + len(sizes), len(sizes), replace=False)
        gaps = np.sort(places) - np.arange(len(sizes))
        lengths = sizes[order]
        before = np.cumsum(lengths) - lengths
        bars = np.arange(lengths.sum())
        moved[bars + np.repeat(gaps, lengths), j] = column[bars + np.repeat(edges[trades][order] - before, lengths)]
    return moved


_DRAWS: dict[str, Callable[[FloatArray, np.random.Generator], FloatArray]] = {
    "circular_shift": _shifted,
    "random_entry": _entries,
    "permuted_signal": _permuted,
}


def _costs(held: FloatArray, cost_bps: float) -> FloatArray:
    if cost_bps == 0:
        return np.zeros(len(held))
    return cost_bps / 1e4 * np.abs(np.diff(held, axis=0, prepend=0.0)).sum(axis=1)


def _paths(n: int, n_draws: int, length: float, rng: np.random.Generator) -> Iterator[IntArray]:
    from workbench.backtest.statistics.bootstrap_kernels import resample_rows

    if not 1 <= length <= n:
        raise ConfigError(f"block_length must be from 1 to the {n} bars, got {length}; None finds one")
    for _ in range(n_draws):
        yield resample_rows(n, 1, float(length), True, rng)[0]


def _path_block(market: FloatArray) -> float:
    size = np.abs(market).mean(axis=1)
    return optimal_block_length(size)[0]


def _checked(
    positions: Any, earned: Any, null: str, n_draws: int, cost_bps: float, evaluate: Evaluate | None
) -> tuple[FloatArray, FloatArray]:
    if null not in NULLS:
        raise ConfigError(f"unknown null {null!r}; choose from {', '.join(NULLS)}.{did_you_mean(null, NULLS)}")
    _check_draws(n_draws)
    if not 0 <= cost_bps < np.inf:
        raise ConfigError(f"cost_bps must be 0 or more, got {cost_bps}")
    if (earned is None) == (evaluate is None):
        raise ConfigError("null_test takes either earned or evaluate, one of the two")
    if evaluate is not None and null == "synthetic_path":
        raise ConfigError(
            "synthetic_path moves the market and not the positions; use synthetic_path_test with evaluate"
        )
    held = np.asarray(positions, dtype=np.float64)
    held = held[:, None] if held.ndim == 1 else held
    _whole(held, "positions")
    gains = np.zeros_like(held) if earned is None else np.asarray(earned, dtype=np.float64).reshape(len(earned), -1)
    _whole(gains, "earned")
    if gains.shape != held.shape:
        raise DataError(f"positions and earned must be of one shape, got {held.shape} and {gains.shape}")
    return held, gains


def _check_draws(n_draws: int) -> None:
    if n_draws < 1:
        raise ConfigError(f"n_draws must be at least 1, got {n_draws}; 500 is usual")


def _whole(values: FloatArray, name: str) -> None:
    if values.ndim != 2 or len(values) < 3:
        raise DataError(f"{name} must be (n_bars,) or (n_bars, n_assets) of at least 3 bars, got {values.shape}")
    if not np.isfinite(values).all():
        raise DataError(f"{name} are missing or infinite in row {int(np.argmax(~np.isfinite(values).all(axis=1)))}")
