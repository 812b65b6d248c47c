"""The accounting kernel: one function settles one bar. The bar-by-bar engine and the sweep both loop over it.

Bare arrays in the layout ``(n_assets, n_bars)``, C order, so that one asset's bars lie side by side. Input is clean:
prices are positive or NaN, targets finite or NaN. The rules, in the order in which a bar is settled:

1. The open marks every asset that trades; one that does not keeps its last price and takes no order.
2. Equity at the open = cash + Σ units · mark. Targets decided at the *previous* close are fractions of this equity,
   measured before any cost. A NaN target is no order. With ``on_change`` a target equal to the last one ordered is none
   either, so a position is left to drift; an order that met no price is tried again at the next bar.
3. Orders run in rising signed value (ties by column): sells first, then buys from small to large. A sell fills at
   ``open · (1 − slippage)``, a buy at ``open · (1 + slippage)``, both pay ``fee`` times the value at that price. A buy
   is cut to what the cash pays for, fee included: nothing is borrowed, though the proceeds of a short sale are cash. An
   order below 1e-12 of equity, before or after that cut, is left out as rounding, unless it closes a position.
4. The close marks equity.
5. Equity at or below zero, at the open or at the close, is ruin: the loops stop there. Everything is closed at the mark
   without cost, the loss beyond the equity is written off, and equity stays 0.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from workbench.typing import FloatArray

DUST = 1e-12

# Columns of the state, (n_assets, 9): what is held, and what happened at the bar.
UNITS, MARK, ASKED, WANTED, NEXT, SIZE, PRICE, FEE, SLIPPAGE = range(9)

_SETTLE = (
    "UniTuple(float64, 2)(int64, int64, int64, float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean, float64, "
    "float64, float64, float64[:, ::1])"
)
_SIMULATE = (
    "Tuple((float64[::1], float64[::1], float64[:, ::1], float64[:, ::1], int64))"
    "(float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean, float64, float64, float64)"
)
_CROSSOVER = "void(float64[:, ::1], int64, int64, float64, float64, float64[:, ::1])"


@nb.njit(_SETTLE, cache=True, nogil=True, error_model="numpy", inline="always")
def settle_bar(  # noqa: C901, PLR0912, PLR0915 -- one bar is one story; each call in the inner loop costs as much again
    t: int,
    first: int,
    last: int,
    targets: FloatArray,
    opens: FloatArray,
    closes: FloatArray,
    on_change: bool,
    fee: float,
    slippage: float,
    cash: float,
    state: FloatArray,
) -> tuple[float, float]:
    """Settle bar ``t`` of the portfolio of assets ``first`` to ``last − 1``; return cash and equity at the close.

    Row j of ``state`` carries the units, last price and last target ordered of asset j from bar to bar, and receives
    the signed size, price, fee and slippage of this bar's fill, size 0 where nothing was filled. Equity at or below
    zero means ruin; at the open it is returned before any order, with the marks of the open.
    """
    equity = cash
    due = False
    for j in range(first, last):
        state[j, SIZE] = 0.0
        price = opens[j, t]
        if not np.isnan(price):
            state[j, MARK] = price
            if t > 0:
                target = targets[j, t - 1]
                due = due or not (np.isnan(target) or (on_change and target == state[j, ASKED]))
        if state[j, UNITS] != 0.0:
            equity += state[j, UNITS] * state[j, MARK]
    solvent = equity > 0.0
    n_orders = 0
    if due and solvent:
        for j in range(first, last):
            price = opens[j, t]
            target = targets[j, t - 1]
            if np.isnan(price) or np.isnan(target) or (on_change and target == state[j, ASKED]):
                continue
            state[j, ASKED] = target
            value = target * equity - state[j, UNITS] * price
            if abs(value) <= DUST * equity and (target != 0.0 or state[j, UNITS] == 0.0):
                continue
            k = first + n_orders  # insertion keeps ties in the order of columns
            while k > first and state[k - 1, WANTED] > value:
                state[k, WANTED] = state[k - 1, WANTED]
                state[k, NEXT] = state[k - 1, NEXT]
                k -= 1
            state[k, WANTED] = value
            state[k, NEXT] = j
            n_orders += 1
    for k in range(first, first + n_orders):
        j = int(state[k, NEXT])
        price = opens[j, t]
        size = targets[j, t - 1] * equity / price - state[j, UNITS]
        filled_at = price * (1.0 - slippage)
        if size > 0.0:
            filled_at = price * (1.0 + slippage)
            affordable = cash / (filled_at * (1.0 + fee))
            if size > affordable:
                size = affordable
                if size * filled_at <= DUST * equity:
                    continue
        paid = abs(size) * filled_at * fee
        cash = max(cash - size * filled_at - paid, 0.0)  # below 0 only by rounding, when a buy took all there was
        state[j, UNITS] += size
        state[j, SIZE] = size
        state[j, PRICE] = filled_at
        state[j, FEE] = paid
        state[j, SLIPPAGE] = abs(size) * abs(filled_at - price)
    if solvent:
        equity = cash
        for j in range(first, last):
            price = closes[j, t]
            if not np.isnan(price):
                state[j, MARK] = price
            if state[j, UNITS] != 0.0:
                equity += state[j, UNITS] * state[j, MARK]
    return cash, equity


@nb.njit(_SIMULATE, cache=True, nogil=True, error_model="numpy")
def simulate_bars(
    targets: FloatArray,
    opens: FloatArray,
    closes: FloatArray,
    on_change: bool,
    fee: float,
    slippage: float,
    initial_cash: float,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, int]:
    """Walk all bars as one portfolio and keep everything.

    Returns equity and cash at each close (n_bars,), the value of each position at the close over equity
    (n_assets, n_bars), fills (n_fills, 6: bar, asset, units, price, fee, slippage), and the bar of ruin or −1.
    """
    n_assets, n_bars = opens.shape
    equity, cash_at = np.zeros(n_bars), np.zeros(n_bars)
    held = np.zeros((n_assets, n_bars))
    fills = np.empty((max(64, 4 * n_assets), 6))
    state = np.zeros((n_assets, 9))
    state[:, MARK] = np.nan
    state[:, ASKED] = np.nan
    n_fills = 0
    ruined = -1
    cash = initial_cash
    for t in range(n_bars):
        cash, value = settle_bar(t, 0, n_assets, targets, opens, closes, on_change, fee, slippage, cash, state)
        if n_fills + 2 * n_assets > len(fills):
            grown = np.empty((2 * len(fills), 6))
            grown[:n_fills] = fills[:n_fills]
            fills = grown
        for j in range(n_assets):
            if state[j, SIZE] != 0.0:
                fills[n_fills, 0], fills[n_fills, 1] = t, j
                fills[n_fills, 2:] = state[j, SIZE:]
                n_fills += 1
        if value <= 0.0:
            ruined = t
            for j in range(n_assets):
                if state[j, UNITS] != 0.0:
                    fills[n_fills] = np.array([t, j, -state[j, UNITS], state[j, MARK], 0.0, 0.0])
                    n_fills += 1
            break
        equity[t], cash_at[t] = value, cash
        for j in range(n_assets):
            if state[j, UNITS] != 0.0:
                held[j, t] = state[j, UNITS] * state[j, MARK] / value
    return equity, cash_at, held, fills[:n_fills].copy(), ruined


@nb.njit(_CROSSOVER, cache=True, nogil=True, error_model="numpy")
def crossover_targets(
    closes: FloatArray, fast: int, slow: int, above: float, below: float, targets: FloatArray
) -> None:
    """Fill ``targets``, (n_assets, n_bars): ``above`` where the fast simple moving average exceeds the slow one.

    ``below`` elsewhere, NaN before the slow average is full. Averages within 1e-12 of each other count as equal:
    running sums would else find crossings in a constant price.
    """
    n_assets, n_bars = targets.shape
    for j in range(n_assets):
        fast_sum = slow_sum = 0.0
        for t in range(n_bars):
            fast_sum += closes[j, t]
            slow_sum += closes[j, t]
            if t >= fast:
                fast_sum -= closes[j, t - fast]
            if t >= slow:
                slow_sum -= closes[j, t - slow]
            if t < slow - 1:
                targets[j, t] = np.nan
            else:
                targets[j, t] = above if fast_sum * slow > slow_sum * fast * (1.0 + DUST) else below
