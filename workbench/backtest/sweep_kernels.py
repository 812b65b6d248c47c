"""Loops of the sweep: one account walked for its returns, a portfolio's moments, and rules that fill their targets.

Bare arrays ``(n_assets, n_bars)``, C order, as in `workbench.backtest.kernel`, whose `settle_bar` settles every bar at
which something can happen. A bar without an order, with both prices and nothing sold short is only marked, by the same
arithmetic: most bars of a sweep are such.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.backtest.kernel import ASKED, DUST, MARK, PRICE, SIZE, UNITS, settle_bar
from workbench.typing import FloatArray, IntArray

_WALK = (
    "UniTuple(float64, 6)(int64, int64, int64, float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean, float64, "
    "float64, float64[:, ::1], float64[::1])"
)


@nb.njit(_WALK, cache=True, nogil=True, error_model="numpy")
def walk_account(
    j: int,
    first: int,
    stop: int,
    targets: FloatArray,
    opens: FloatArray,
    closes: FloatArray,
    on_change: bool,
    fee: float,
    slippage: float,
    state: FloatArray,
    returns: FloatArray,
) -> tuple[float, float, float, float, float, float]:
    """Walk bars ``first`` to ``stop − 1`` of asset j as an account of its own that is flat before them.

    Adds each bar's net return to ``returns``, (n_bars,). A target decided at bar ``first − 1`` fills at the open of
    ``first``. Returns wealth at the end (1 at the start), maximum drawdown, round trips (an open one included), value
    traded over equity, and the sum and sum of squares of the returns.
    """
    state[j, :] = 0.0
    state[j, MARK] = np.nan
    state[j, ASKED] = np.nan
    cash = before = peak = trough = 1.0
    total = squares = deepest = traded = n_trades = units = 0.0
    asked = mark = np.nan
    for t in range(first, stop):
        target = targets[j, t - 1] if t > 0 else np.nan
        quiet = np.isnan(target) or (on_change and target == asked)
        if quiet and units == 0.0:
            continue  # cash alone: its return is exactly 0
        closed = closes[j, t]
        if quiet and units > 0.0 and not np.isnan(opens[j, t]) and not np.isnan(closed):
            mark = closed
            value = cash + units * closed
        else:
            held = units
            state[j, MARK] = mark
            cash, value = settle_bar(t, j, j + 1, targets, opens, closes, on_change, fee, slippage, cash, state)
            units, asked, mark = state[j, UNITS], state[j, ASKED], state[j, MARK]
            if state[j, SIZE] != 0.0:
                traded += abs(state[j, SIZE]) * state[j, PRICE] / before
                if units != 0.0 and held * units <= 0.0:
                    n_trades += 1.0
            if value <= 0.0:
                traded += abs(units) * state[j, MARK] / before  # closed by ruin
                value = 0.0
        change = value / before - 1.0
        total += change
        squares += change * change
        returns[t] += change
        if value > peak:
            peak = value
            trough = peak * (1.0 - deepest)  # a new record drawdown must end below it
        elif value < trough:
            trough = value
            deepest = max(deepest, 1.0 - value / peak)
        before = value
        if value == 0.0:
            break
    return before, deepest, n_trades, traded, total, squares


@nb.njit("float64(float64[:, ::1])", cache=True, nogil=True, error_model="numpy")
def widest_target(targets: FloatArray) -> float:
    """Return the largest target without its sign; infinity where one is infinite, NaN being passed over."""
    widest = 0.0
    for row in targets:
        for target in row:
            widest = max(widest, abs(target))  # NaN compares false
    return widest


@nb.njit(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean, float64, float64, float64, float64[:, ::1], "
    "float64[:, ::1], float64[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def sweep_accounts(
    targets: FloatArray,
    opens: FloatArray,
    closes: FloatArray,
    on_change: bool,
    fee: float,
    slippage: float,
    periods_per_year: float,
    state: FloatArray,
    statistics: FloatArray,
    returns: FloatArray,
) -> None:
    """Walk every asset; fill its row of ``statistics`` and ``returns`` with the mean of their net returns.

    Row j of ``statistics`` (n_assets, 5): total return, annual Sharpe ratio, maximum drawdown, round trips, turnover a
    year.
    """
    n_assets, n_bars = opens.shape
    returns[:] = 0.0
    for j in range(n_assets):
        wealth, deepest, n_trades, traded, total, squares = walk_account(
            j, 0, n_bars, targets, opens, closes, on_change, fee, slippage, state, returns
        )
        mean = total / n_bars
        variance = (squares - n_bars * mean * mean) / (n_bars - 1) if n_bars > 1 else 0.0
        statistics[j, 0] = wealth - 1.0
        statistics[j, 1] = mean / np.sqrt(variance) * np.sqrt(periods_per_year) if variance > 0.0 else np.nan
        statistics[j, 2] = deepest
        statistics[j, 3] = n_trades
        statistics[j, 4] = traded / n_bars * periods_per_year
    for t in range(n_bars):
        returns[t] /= n_assets


@nb.njit("void(float64[::1], float64[::1])", cache=True, nogil=True, error_model="numpy")
def portfolio_moments(returns: FloatArray, moments: FloatArray) -> None:
    """Fill ``moments`` (6): total return, maximum drawdown, mean, variance (ddof 1), skewness, raw kurtosis."""
    n = len(returns)
    total, wealth, peak, deepest = 0.0, 1.0, 1.0, 0.0
    lowest, highest = returns[0], returns[0]
    for t in range(n):
        change = returns[t]
        total += change
        lowest, highest = min(lowest, change), max(highest, change)
        wealth *= 1.0 + change
        if wealth > peak:
            peak = wealth
        elif wealth < peak * (1.0 - deepest):
            deepest = 1.0 - wealth / peak
    mean = total / n
    second = third = fourth = 0.0
    if highest > lowest:
        for t in range(n):
            away = returns[t] - mean
            square = away * away
            second += square
            third += square * away
            fourth += square * square
    moments[0], moments[1], moments[2] = wealth - 1.0, deepest, mean
    moments[3] = second / (n - 1) if n > 1 else 0.0
    spread = second / n
    moments[4] = third / n / spread**1.5 if spread > 0.0 else np.nan
    moments[5] = fourth / n / (spread * spread) if spread > 0.0 else np.nan


@nb.njit("void(float64[::1], int64[::1], float64[:, ::1])", cache=True, nogil=True, error_model="numpy")
def segment_moments(returns: FloatArray, edges: IntArray, moments: FloatArray) -> None:
    """Fill row k of ``moments`` (n_segments, 2): sum and sum of squares of bars ``edges[k]`` to ``edges[k+1] − 1``."""
    for k in range(len(edges) - 1):
        total = squares = 0.0
        for t in range(edges[k], edges[k + 1]):
            total += returns[t]
            squares += returns[t] * returns[t]
        moments[k, 0], moments[k, 1] = total, squares


@nb.njit("void(float64[::1], int64[::1], float64[::1])", cache=True, nogil=True, error_model="numpy")
def segment_sums(returns: FloatArray, edges: IntArray, sums: FloatArray) -> None:
    """Fill ``sums[k]`` with the sum of bars ``edges[k]`` to ``edges[k + 1] − 1``."""
    for k in range(len(edges) - 1):
        total = 0.0
        for t in range(edges[k], edges[k + 1]):
            total += returns[t]
        sums[k] = total


@nb.njit("void(float64[::1], int64[::1], float64[:, ::1])", cache=True, nogil=True, error_model="numpy")
def segment_paths(returns: FloatArray, edges: IntArray, paths: FloatArray) -> None:
    """Fill row k of ``paths`` (n_segments, 6) with what joins to the statistics of any run of segments.

    Sum, sum of squares, growth of wealth, its highest and lowest point (1 at the start), and the maximum drawdown.
    """
    for k in range(len(edges) - 1):
        total = squares = deepest = 0.0
        wealth = highest = lowest = 1.0
        for t in range(edges[k], edges[k + 1]):
            total += returns[t]
            squares += returns[t] * returns[t]
            wealth *= 1.0 + returns[t]
            highest, lowest = max(highest, wealth), min(lowest, wealth)
            deepest = max(deepest, 1.0 - wealth / highest)
        paths[k, 0], paths[k, 1], paths[k, 2] = total, squares, wealth
        paths[k, 3], paths[k, 4], paths[k, 5] = highest, lowest, deepest


@nb.njit("void(float64[:, ::1], int64[:, ::1], float64[:, ::1])", cache=True, nogil=True, error_model="numpy")
def join_segments(segments: FloatArray, spans: IntArray, paths: FloatArray) -> None:
    """Fill row k of ``paths`` with segments ``spans[k, 0]`` to ``spans[k, 1] − 1`` walked one after the other.

    The columns are those of `segment_paths`. Nothing is subtracted, so that a flat stretch stays exactly flat.
    """
    for k in range(len(spans)):
        total = squares = deepest = 0.0
        wealth = highest = lowest = 1.0
        for s in range(spans[k, 0], spans[k, 1]):
            total += segments[s, 0]
            squares += segments[s, 1]
            deepest = max(deepest, segments[s, 5], 1.0 - wealth * segments[s, 4] / highest)
            highest, lowest = max(highest, wealth * segments[s, 3]), min(lowest, wealth * segments[s, 4])
            wealth *= segments[s, 2]
        paths[k, 0], paths[k, 1], paths[k, 2] = total, squares, wealth
        paths[k, 3], paths[k, 4], paths[k, 5] = highest, lowest, deepest


@nb.njit(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean, float64, float64, int64[:, ::1], "
    "float64[:, ::1], float64[::1], float64[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def walk_parts(
    targets: FloatArray,
    opens: FloatArray,
    closes: FloatArray,
    on_change: bool,
    fee: float,
    slippage: float,
    parts: IntArray,
    state: FloatArray,
    returns: FloatArray,
    paths: FloatArray,
) -> None:
    """Walk each part of the bars, (n_parts, 2: first bar, stop), from a flat start; fill its row as `segment_paths`."""
    n_assets = len(opens)
    edges = np.empty(2, np.int64)
    for k in range(len(parts)):
        first, stop = parts[k, 0], parts[k, 1]
        returns[first:stop] = 0.0
        for j in range(n_assets):
            walk_account(j, first, stop, targets, opens, closes, on_change, fee, slippage, state, returns)
        for t in range(first, stop):
            returns[t] /= n_assets
        edges[0], edges[1] = first, stop
        segment_paths(returns, edges, paths[k : k + 1])


@nb.njit("void(float64[:, ::1], int64, float64, float64, float64[:, ::1])", cache=True, nogil=True, error_model="numpy")
def momentum_targets(closes: FloatArray, window: int, threshold: float, below: float, targets: FloatArray) -> None:
    """Fill 1 where the close is above that of ``window`` bars before by more than ``threshold``, ``below`` mirrored."""
    n_assets, n_bars = targets.shape
    for j in range(n_assets):
        for t in range(n_bars):
            if t < window:
                targets[j, t] = np.nan
                continue
            change = closes[j, t] / closes[j, t - window] - 1.0
            targets[j, t] = 1.0 if change > threshold else (below if change < -threshold else 0.0)


@nb.njit(
    "void(float64[:, ::1], int64, float64, float64, float64, float64[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def reversion_targets(
    closes: FloatArray, window: int, entry: float, leave: float, above: float, targets: FloatArray
) -> None:
    """Fill 1 from a z-score below ``−entry`` until it is above ``−leave``, and ``above`` from the mirrored one.

    Running sums begin anew at every ``window`` bars, so that rounding cannot pile up. A window whose spread is rounding
    (below 1e-12 of its mean) has z-score 0.
    """
    n_assets, n_bars = targets.shape
    for j in range(n_assets):
        total = squares = base = held = 0.0
        for t in range(n_bars):
            if t < window - 1:
                targets[j, t] = np.nan
                continue
            if (t - window + 1) % window == 0:
                total = squares = 0.0
                base = closes[j, t]
                for s in range(t - window + 1, t + 1):
                    total += closes[j, s] - base
                    squares += (closes[j, s] - base) ** 2
            else:
                new, old = closes[j, t] - base, closes[j, t - window] - base
                total += new - old
                squares += new * new - old * old
            mean = total / window
            variance = (squares - window * mean * mean) / (window - 1)
            score = 0.0
            if variance > (DUST * (base + mean)) ** 2:
                score = (closes[j, t] - base - mean) / np.sqrt(variance)
            if (held > 0.0 and score > -leave) or (held < 0.0 and score < leave):
                held = 0.0
            if held == 0.0:
                held = 1.0 if score < -entry else (above if score > entry else 0.0)
            targets[j, t] = held


@nb.njit("void(float64[::1], int64, float64, int64[::1], float64[::1])", cache=True, nogil=True, error_model="numpy")
def trailing_extreme(values: FloatArray, window: int, sign: float, queue: IntArray, extremes: FloatArray) -> None:
    """Fill ``extremes[t]`` with the highest (sign 1) or lowest (−1) of the ``window`` values before t, NaN at first."""
    head = tail = 0  # candidates lie in queue[head:tail], best first; each bar enters and leaves once
    for t in range(len(values)):
        while head < tail and queue[head] < t - window:
            head += 1
        extremes[t] = values[queue[head]] if t >= window else np.nan
        while head < tail and sign * values[queue[tail - 1]] <= sign * values[t]:
            tail -= 1
        queue[tail] = t
        tail += 1


@nb.njit("void(float64[:, ::1], int64, int64, float64, float64[:, ::1])", cache=True, nogil=True, error_model="numpy")
def breakout_targets(closes: FloatArray, window: int, exit_window: int, below: float, targets: FloatArray) -> None:
    """Fill 1 from a close above the ``window`` before it until one below the ``exit_window``; ``below`` mirrored."""
    n_assets, n_bars = targets.shape
    queue = np.empty(n_bars, np.int64)
    upper, lower, ceiling, floor = np.empty(n_bars), np.empty(n_bars), np.empty(n_bars), np.empty(n_bars)
    for j in range(n_assets):
        trailing_extreme(closes[j], window, 1.0, queue, upper)
        trailing_extreme(closes[j], window, -1.0, queue, lower)
        trailing_extreme(closes[j], exit_window, 1.0, queue, ceiling)
        trailing_extreme(closes[j], exit_window, -1.0, queue, floor)
        held = 0.0
        for t in range(n_bars):
            if t < window:
                targets[j, t] = np.nan
                continue
            price = closes[j, t]
            if (held > 0.0 and price < floor[t]) or (held < 0.0 and price > ceiling[t]):
                held = 0.0
            if price > upper[t]:
                held = 1.0
            elif price < lower[t]:
                held = below
            targets[j, t] = held


def warm() -> None:
    """Call each kernel once; their signatures are given, so importing this module compiled them."""
    prices = np.array([[1.0, 2.0, 1.5, 2.5]])
    targets, state, returns = np.ones_like(prices), np.zeros((1, 9)), np.zeros(4)
    widest_target(targets)
    sweep_accounts(targets, prices, prices, True, 0.0, 0.0, 1.0, state, np.zeros((1, 5)), returns)
    portfolio_moments(returns, np.zeros(6))
    edges = np.array([0, 2, 4])
    segment_moments(returns, edges, np.zeros((2, 2)))
    segment_sums(returns, edges, np.zeros(2))
    segment_paths(returns, edges, np.zeros((2, 6)))
    join_segments(np.ones((2, 6)), np.array([[0, 2]]), np.zeros((1, 6)))
    parts = np.array([[0, 2], [2, 4]])
    walk_parts(targets, prices, prices, True, 0.0, 0.0, parts, state, returns, np.zeros((2, 6)))
    momentum_targets(prices, 1, 0.0, 0.0, targets)
    reversion_targets(prices, 2, 1.0, 0.0, -1.0, targets)
    breakout_targets(prices, 2, 1, 0.0, targets)
