"""Bars that close by what happened, not by the clock: ticks, volume, value, imbalance and runs.

M. López de Prado, Advances in Financial Machine Learning (2018), chapter 2. All of them are made trade by trade from
the past alone, conserve volume, and are deterministic: cutting later trades changes no finished bar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.errors import DataError
from workbench.typing import FloatArray, IntArray

Weight = Literal["tick", "volume", "dollar"]
WEIGHTS = ("tick", "volume", "dollar")
BAR_COLUMNS = (
    "time", "end", "open", "high", "low", "close", "volume", "buy_volume", "quote_volume", "trades", "complete",
)  # fmt: skip
_SMALL = 1e-12


def tick_bars(trades: pd.DataFrame, n_trades: int) -> pd.DataFrame:
    """Return bars of ``n_trades`` trades each.

    Parameters
    ----------
    trades : DataFrame
        Index ``time`` (UTC, not decreasing), columns price, amount and, where known, side (``buy``: the taker bought).

    Returns
    -------
    DataFrame
        One row a bar, in order: time and end (of its first and last trade), open, high, low, close, volume (base
        units), buy_volume, quote_volume (sum of price × amount), trades (count), complete. The trades after the last
        full bar are a row with ``complete=False``, so that volumes add up to those of the trades. Several bars may
        begin at one time; where none do, ``bars_of({symbol: bars.set_index("time")})`` makes bars of the house.
    """
    if n_trades < 1:
        raise DataError(f"n_trades must be at least 1, got {n_trades}")
    _check(trades)
    stops = np.arange(n_trades, len(trades) + 1, n_trades, dtype=np.int64)
    return _bars(trades, stops)


def volume_bars(trades: pd.DataFrame, amount: float) -> pd.DataFrame:
    """Return bars that close with the trade at which at least ``amount`` base units have traded; see `tick_bars`.

    No trade is split: what a last trade brings beyond the amount stays in its bar, and the next one starts from zero.
    """
    return _threshold_bars(trades, amount, "volume")


def dollar_bars(trades: pd.DataFrame, value: float) -> pd.DataFrame:
    """Return bars that close with the trade at which price × amount has reached ``value``; see `volume_bars`."""
    return _threshold_bars(trades, value, "dollar")


def imbalance_bars(
    trades: pd.DataFrame,
    by: Weight = "tick",
    *,
    expected_trades: float = 1000.0,
    span: float = 20.0,
    limits: tuple[float, float] = (0.1, 10.0),
) -> pd.DataFrame:
    """Return bars that close when buying and selling differ by more than was to be expected.

    Parameters
    ----------
    by : {"tick", "volume", "dollar"}
        What a trade weighs: 1, its amount, or price × amount.
    expected_trades : float
        Trades expected in the first bar.
    span : float
        Of the exponentially weighted means, in bars (α = 2 / (span + 1)).
    limits : (float, float)
        The expected number of trades stays within these multiples of the first; without a bound the rule is known to
        run away to bars of one trade or of everything.

    Notes
    -----
    θ_T = Σ b_t w_t, b_t = +1 for a buy and −1 for a sell; a bar closes at the first T with
    |θ_T| ≥ E[T] · |E[b w]|. E[T] is the exponentially weighted mean of the trades in finished bars, E[b w] that of
    their b w, each trade with one weight. The first bar takes the weights of its first ``expected_trades`` trades as
    half bought, half sold, and closes no sooner than with them. |E[b w]| is kept at or above √(E[w²] / E[T]), the
    imbalance that chance alone makes in E[T] trades: without that floor the bars of a balanced market shrink to
    nothing. Without sides b_t is the sign of the last change of price (the tick rule).
    """
    return _expected_bars(trades, by, expected_trades, span, limits, _imbalance_close)


def run_bars(
    trades: pd.DataFrame,
    by: Weight = "tick",
    *,
    expected_trades: float = 1000.0,
    span: float = 20.0,
    limits: tuple[float, float] = (0.1, 10.0),
) -> pd.DataFrame:
    """Return bars that close when one side, buys or sells, has traded more than was to be expected.

    Parameters as in `imbalance_bars`.

    Notes
    -----
    θ_T = max(Σ_{buys} w_t, Σ_{sells} w_t); a bar closes at the first T with
    θ_T ≥ E[T] · max(E[w · buy], E[w · sell]), the means again exponentially weighted over finished bars. The larger
    of the two is kept at or above E[w]/2 + √(E[w²] / (2π E[T])), what chance alone gives the larger side.
    """
    return _expected_bars(trades, by, expected_trades, span, limits, _run_close)


def trade_signs(trades: pd.DataFrame) -> FloatArray:
    """Return +1 for trades whose taker bought and −1 for those whose taker sold, shape (n_trades,).

    Without a column ``side`` the tick rule tells: the sign of the last change of price, +1 before any.
    """
    if "side" in trades.columns:
        codes, names = pd.factorize(trades["side"])
        if not set(names) <= {"buy", "sell"} or (codes < 0).any():
            wrong = int(np.flatnonzero(~trades["side"].isin(["buy", "sell"]))[0])
            raise DataError(f"side {trades['side'].iloc[wrong]!r} of trade {wrong} is neither 'buy' nor 'sell'")
        return np.where(np.array([name == "buy" for name in names])[codes], 1.0, -1.0)
    change = np.sign(np.diff(trades["price"].to_numpy(np.float64), prepend=np.nan))
    change[0] = 1.0
    last = np.maximum.accumulate(np.where(change != 0, np.arange(len(change)), 0))
    return change[last]


def _threshold_bars(trades: pd.DataFrame, threshold: float, by: Weight) -> pd.DataFrame:
    if not threshold > 0 or not np.isfinite(threshold):
        raise DataError(f"a {by} bar needs a size above 0, got {threshold}")
    _check(trades)
    total = np.concatenate([[0.0], np.cumsum(_weights(trades, by))])
    stops: list[int] = []
    start, n = 0, len(trades)
    while True:
        # Running sums carry rounding errors: an amount that is reached exactly must count as reached.
        goal = total[start] + threshold
        stop = int(np.searchsorted(total, goal - _SMALL * goal))
        if stop > n:
            return _bars(trades, np.array(stops, np.int64))
        stop = max(stop, start + 1)
        stops.append(stop)
        start = stop


_Close = Callable[[FloatArray, FloatArray, float, FloatArray], int]


def _expected_bars(
    trades: pd.DataFrame, by: Weight, expected: float, span: float, limits: tuple[float, float], close: _Close
) -> pd.DataFrame:
    if by not in WEIGHTS:
        raise DataError(f"unknown weight {by!r}; use {', '.join(WEIGHTS)}.{did_you_mean(str(by), WEIGHTS)}")
    if not expected >= 2 or not span >= 1 or not 0 < limits[0] <= 1 <= limits[1]:
        raise DataError(
            f"expected_trades >= 2, span >= 1 and limits around 1 are needed, got {expected}, {span} and {limits}"
        )
    _check(trades)
    weights, signs = _weights(trades, by), trade_signs(trades)
    parts = np.vstack([np.where(signs > 0, weights, 0.0), np.where(signs < 0, weights, 0.0), weights**2])
    sums = np.concatenate([np.zeros((3, 1)), np.cumsum(parts, axis=1)], axis=1)
    stops = _closes(sums, expected, 2.0 / (span + 1.0), limits, close)
    return _bars(trades, stops)


def _closes(sums: FloatArray, expected: float, alpha: float, limits: tuple[float, float], close: _Close) -> IntArray:
    """Walk from bar to bar; inside one the threshold is fixed, so its end is found by one look at running sums.

    ``sums`` are the running sums of weights bought, weights sold and squared weights, shape (3, n_trades + 1).
    """
    n, first = sums.shape[1] - 1, int(np.ceil(expected))
    if n < first:
        return np.empty(0, np.int64)
    start, earliest, length, count = 0, first, expected, expected
    total = sums[:, first] * (expected / first)
    total[:2] = total[:2].mean()  # nothing is known of their balance yet
    stops: list[int] = []
    while start < n:
        stop = _next_close(sums, start, earliest, length, total / count, close)
        if stop < 0:
            break
        stops.append(stop)
        size = stop - start
        length = float(np.clip((1 - alpha) * length + alpha * size, limits[0] * expected, limits[1] * expected))
        total = (1 - alpha) * total + alpha * (sums[:, stop] - sums[:, start])
        count = (1 - alpha) * count + alpha * size
        start, earliest = stop, stop + 1
    return np.array(stops, np.int64)


def _next_close(sums: FloatArray, start: int, earliest: int, length: float, mean: FloatArray, close: _Close) -> int:
    """Return the number of trades up to and with the one that closes the bar, -1 when none does."""
    reach, begin, n = int(2 * length) + 16, max(earliest, start + 1), sums.shape[1]
    while begin < n:
        stop = min(begin + reach, n)
        found = close(sums[0, begin:stop] - sums[0, start], sums[1, begin:stop] - sums[1, start], length, mean)
        if found >= 0:
            return begin + found
        begin, reach = stop, 2 * reach
    return -1


def _imbalance_close(bought: FloatArray, sold: FloatArray, length: float, mean: FloatArray) -> int:
    threshold = length * max(abs(mean[0] - mean[1]), np.sqrt(mean[2] / length))
    return _first(np.abs(bought - sold) >= threshold * (1 - _SMALL))


def _run_close(bought: FloatArray, sold: FloatArray, length: float, mean: FloatArray) -> int:
    by_chance = 0.5 * (mean[0] + mean[1]) + np.sqrt(mean[2] / (2 * np.pi * length))
    threshold = length * max(mean[0], mean[1], by_chance)
    return _first(np.maximum(bought, sold) >= threshold * (1 - _SMALL))


def _first(mask: np.ndarray) -> int:
    at = int(mask.argmax())
    return at if mask[at] else -1


def _weights(trades: pd.DataFrame, by: Weight) -> FloatArray:
    if by == "tick":
        return np.ones(len(trades))
    amount = trades["amount"].to_numpy(np.float64)
    return amount if by == "volume" else amount * trades["price"].to_numpy(np.float64)


def _bars(trades: pd.DataFrame, stops: IntArray) -> pd.DataFrame:
    """Cut trades after each of ``stops``; the rest is a bar that is not complete."""
    n_complete, n = len(stops), len(trades)
    if n_complete == 0 or stops[-1] < n:
        stops = np.concatenate([stops, [n]])
    starts = np.concatenate([[0], stops[:-1]])
    price, amount = (trades[c].to_numpy(np.float64) for c in ("price", "amount"))
    bought = np.where(trade_signs(trades) > 0, amount, 0.0)
    times = pd.DatetimeIndex(trades.index)
    columns = (
        times[starts], times[stops - 1], price[starts], np.maximum.reduceat(price, starts),
        np.minimum.reduceat(price, starts), price[stops - 1], np.add.reduceat(amount, starts),
        np.add.reduceat(bought, starts), np.add.reduceat(price * amount, starts), stops - starts,
        np.arange(len(stops)) < n_complete,
    )  # fmt: skip
    return pd.DataFrame(dict(zip(BAR_COLUMNS, columns, strict=True))).rename_axis(index="bar")


def _check(trades: pd.DataFrame) -> None:
    missing = [c for c in ("price", "amount") if c not in trades.columns]
    if missing:
        raise DataError(f"trades have no column {missing[0]!r}; they need price and amount")
    if not isinstance(trades.index, pd.DatetimeIndex) or trades.index.tz is None:
        raise DataError("trades need UTC times as their index")
    if not len(trades):
        raise DataError("there are no trades to make bars of")
    if not trades.index.is_monotonic_increasing:
        raise DataError("trades must be in order of time; use .sort_index(kind='stable')")
    for column in ("price", "amount"):
        values = trades[column].to_numpy(np.float64)
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            raise DataError(f"trade {int(wrong.argmax())} has {column} {values[wrong][0]:g}; it must be above 0")
