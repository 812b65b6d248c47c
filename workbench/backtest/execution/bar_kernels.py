"""The full bar: one function settles it, in the order of docs/execution.md; two loops walk bars with it.

`simulate_execution` keeps every fill, `walk_account` only the returns of one asset's account.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from workbench.backtest.execution.exit_kernels import exit_at_open, liquidate, margin_call, margin_left
from workbench.backtest.execution.fill_kernels import (
    ASKED,
    AT_OPEN,
    BAR,
    BEST,
    CASH,
    ENTRY,
    KIND,
    LAST,
    LEVEL,
    N_ACCOUNT,
    N_FILLS,
    N_LOG,
    N_STATE,
    NO_ORDER,
    PRICE,
    RESTING,
    RUINED,
    UNITS,
    USED,
    at,
    equity_of,
)
from workbench.backtest.execution.order_kernels import note_price, send_orders, within_bar
from workbench.backtest.execution.terms import Tape, Terms
from workbench.typing import FloatArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def charge(tape: Tape, terms: Terms, state: FloatArray, account: FloatArray, charges: FloatArray) -> None:
    """Pay funding, the borrowing of shorts and the interest of debt; write the three to ``charges``."""
    t, funding, borrow = int(account[BAR]), 0.0, 0.0
    for j in range(len(state)):
        units = state[j, UNITS]
        if units == 0.0:
            continue
        rate = at(tape.funding, j, t)
        if not math.isnan(rate):
            price = at(tape.mark, j, t)
            price = tape.open[j, t] if math.isnan(price) else price
            price = state[j, PRICE] if math.isnan(price) else price
            funding += units * price * rate
        if units < 0.0:
            borrow += -units * state[j, PRICE] * terms.borrow / terms.year
    account[CASH] -= funding + borrow
    interest = -account[CASH] * terms.interest / terms.year if account[CASH] < 0.0 else 0.0
    account[CASH] -= interest
    charges[0], charges[1], charges[2] = funding, borrow, interest


@nb.njit(cache=True, nogil=True, error_model="numpy")
def settle(
    targets: FloatArray,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    queue: FloatArray,
    log: FloatArray,
    traded: FloatArray,
    charges: FloatArray,
    decided: bool,
) -> float:
    """Settle bar ``account[BAR]`` and return equity at its close; at or below zero is ruin.

    ``decided`` says whether there is a close before this bar at which targets were decided, and something was held.
    """
    t = int(account[BAR])
    charges[:] = 0.0
    if decided:
        charge(tape, terms, state, account, charges)
    for j in range(len(state)):
        state[j, USED] = 0.0
        if not math.isnan(tape.open[j, t]):
            state[j, PRICE] = tape.open[j, t]
    equity = equity_of(state, account)
    if equity <= 0.0:
        return equity
    account[AT_OPEN] = equity
    if terms.maintenance > 0.0 and margin_call(tape, terms, state, account) == 0.0:
        liquidate(0.0, tape, terms, state, account, log, traded)
        account[AT_OPEN] = equity = equity_of(state, account)
        if equity <= 0.0:
            return equity
    for j in range(len(state)):
        if not math.isnan(tape.open[j, t]):
            exit_at_open(j, tape.open[j, t], True, tape, terms, state, account, log, traded)
    if decided:
        send_orders(targets, tape, terms, state, account, queue, log, traded)
    for j in range(len(state)):
        if not math.isnan(tape.open[j, t]):
            note_price(j, tape.open[j, t], state)
    for j in range(len(state)):
        if not math.isnan(tape.open[j, t]) and tape.high.shape[0] > 0:
            within_bar(j, tape, terms, state, account, log, traded)
    share = margin_call(tape, terms, state, account)
    if not math.isnan(share):
        liquidate(share, tape, terms, state, account, log, traded)
        equity = equity_of(state, account)
        if equity <= 0.0:
            return equity
    for j in range(len(state)):
        if not math.isnan(tape.close[j, t]):
            state[j, PRICE] = state[j, LAST] = tape.close[j, t]
    return equity_of(state, account)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def fresh_state(n_assets: int) -> FloatArray:
    """Return the state of assets that nothing is known of yet."""
    state = np.zeros((n_assets, N_STATE))
    for column in (PRICE, ASKED, BEST, LEVEL, RESTING, LAST):
        state[:, column] = np.nan
    state[:, KIND] = NO_ORDER
    state[:, ENTRY] = -1.0
    return state


@nb.njit(cache=True, nogil=True, error_model="numpy")
def simulate_execution(
    targets: FloatArray, tape: Tape, terms: Terms, initial_cash: float, most_finer: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, int]:
    """Walk all bars as one portfolio and keep everything.

    Returns equity and cash at each close (n_bars,), the value of each position at the close over equity
    (n_assets, n_bars), fills (n_fills, 8: bar, asset, units, price, fee, slippage, reason, maker), what was charged at
    each bar (n_bars, 3: funding, borrow, interest), value traded at each bar (n_bars,), and the bar of ruin or −1.
    """
    n_assets, n_bars = tape.open.shape
    equity, cash_at, traded = np.zeros(n_bars), np.zeros(n_bars), np.zeros(n_bars)
    held, charges = np.zeros((n_assets, n_bars)), np.zeros((n_bars, 3))
    room = n_assets * (8 + 4 * max(most_finer, 1))
    log = np.empty((max(64, 2 * room), N_LOG))
    state, account, queue = fresh_state(n_assets), np.zeros(N_ACCOUNT), np.empty((n_assets, 4))
    account[CASH], account[AT_OPEN] = initial_cash, initial_cash
    ruined = -1
    for t in range(n_bars):
        account[BAR] = t
        if account[N_FILLS] + room > len(log):
            grown = np.empty((2 * len(log), N_LOG))
            grown[: len(log)] = log
            log = grown
        value = settle(targets, tape, terms, state, account, queue, log, traded, charges[t], t > 0)
        if value <= 0.0:
            ruined = t
            for j in range(n_assets):
                if state[j, UNITS] != 0.0:
                    row = int(account[N_FILLS])
                    log[row] = np.array([t, j, -state[j, UNITS], state[j, PRICE], 0.0, 0.0, RUINED, 0.0])
                    account[N_FILLS] += 1.0
            break
        equity[t], cash_at[t] = value, account[CASH]
        for j in range(n_assets):
            if state[j, UNITS] != 0.0:
                held[j, t] = state[j, UNITS] * state[j, PRICE] / value
    return equity, cash_at, held, log[: int(account[N_FILLS])].copy(), charges, traded, ruined


@nb.njit(cache=True, nogil=True, error_model="numpy")
def walk_account(
    targets: FloatArray,
    tape: Tape,
    terms: Terms,
    initial_cash: float,
    most_finer: int,
    first: int,
    stop: int,
    returns: FloatArray,
    traded_share: FloatArray,
    traded: FloatArray,
) -> int:
    """Walk bars ``first`` to ``stop`` − 1 as the account of the tape's only asset; write returns, count round trips.

    Flat before ``first``; a target decided at ``first − 1`` fills at its open. ``traded_share`` receives the value traded
    over the equity before. ``traded``, (n_bars,), is work space. No memory grows with the fills.
    """
    room = 8 + 4 * max(most_finer, 1)
    log = np.empty((room, N_LOG))
    state, account, queue, charges = fresh_state(1), np.zeros(N_ACCOUNT), np.empty((1, 4)), np.zeros(3)
    account[CASH] = account[AT_OPEN] = before = initial_cash
    if first > 0:
        state[0, LAST] = tape.close[0, first - 1]
    n_trades = 0
    traded[first:stop] = 0.0
    for t in range(first, stop):
        account[BAR], account[N_FILLS] = t, 0.0
        units = state[0, UNITS]
        value = settle(targets, tape, terms, state, account, queue, log, traded, charges, t > 0)
        for row in range(int(account[N_FILLS])):
            after = units + log[row, 2]
            if after != 0.0 and units * after <= 0.0:
                n_trades += 1
            units = after
        if value <= 0.0:
            returns[t] = -1.0
            traded_share[t] = (traded[t] + abs(state[0, UNITS]) * state[0, PRICE]) / before
            returns[t + 1 : stop] = 0.0
            traded_share[t + 1 : stop] = 0.0
            break
        returns[t] = value / before - 1.0
        traded_share[t] = traded[t] / before
        before = value
    return n_trades


def warm() -> None:
    """Compile every kernel on the smallest arrays of the right types."""
    from workbench.backtest.execution.terms import NO_MATRIX

    one = np.ones((1, 3))
    none, starts = np.empty((0, 0, 3)), np.empty(0, dtype=np.int64)
    tape = Tape(one, one, one, one, *(NO_MATRIX,) * 6, none, starts)
    assets = np.zeros(1)
    terms = Terms(
        5e-4, 5e-4, np.empty((0, 3)), 1, 0.0, 0.0, 0.0, 2e-4, 0.0, 0.0, 0.0, assets, assets, assets, 0.0, 0.0, 8760.0,
        False, 1.0, 0.0, 0.0, 0, 0.0, 1, True, 0.0, 0.0, 0.0, np.nan, 0, 0.0, True,
    )  # fmt: skip
    simulate_execution(one, tape, terms, 1.0, 0)
    walk_account(one, tape, terms, 1.0, 0, 0, 3, np.empty(3), np.empty(3), np.empty(3))
