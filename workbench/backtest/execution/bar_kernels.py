"""The full bar: one function settles it, in the order of docs/execution.md; two loops walk bars with it.

`simulate_execution` keeps every fill, `walk_account` only the returns of one asset's account.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from workbench.backtest.execution.columns import (
    ASKED,
    AT_OPEN,
    BAND,
    BAR,
    BARRED,
    BEST,
    BORROW,
    CARRIES,
    CASH,
    CLOSE,
    ENTRY,
    EXITS,
    FEE_FIXED,
    FEE_MINIMUM,
    FUNDING,
    HALF_SPREAD,
    HIGH,
    IMPACT,
    INTEREST,
    KIND,
    LAST,
    LEAST,
    LEVEL,
    LEVERAGE,
    LIQUIDATION_FEE,
    LOT,
    LOW,
    MAINTENANCE,
    MAKER,
    MARGIN,
    MARK,
    MARKET,
    MAX_LOSS,
    N_FILLS,
    N_LOG,
    N_STATE,
    N_TIERS,
    NO_ORDER,
    OFFSET,
    ON_CHANGE,
    OPEN,
    ORDER,
    PRICE,
    RESTING,
    RUINED,
    SIGMA,
    SLIPPAGE,
    STOP_LIMIT_BY,
    STOP_LOSS,
    TAKE_PROFIT,
    TAKER,
    THEN_MARKET,
    TICK,
    TIERS,
    TIME_EXIT,
    TRADED,
    TRADED_BEFORE,
    TRAILING,
    UNITS,
    USED,
    USUAL,
    VOLATILITY_SLIPPAGE,
    VOLUME,
    VOLUME_CAP,
    WAIT,
    WIDEN,
    YEAR,
)
from workbench.backtest.execution.exit_kernels import exit_at_open, liquidate, margin_call
from workbench.backtest.execution.fill_kernels import DUST, equity_of
from workbench.backtest.execution.order_kernels import note_price, note_range, pass_bar, pass_finer, send_orders
from workbench.backtest.execution.terms import Tape, Terms
from workbench.typing import FloatArray, IntArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def charge(state: FloatArray, account: FloatArray, charges: FloatArray) -> None:
    """Pay funding, the borrowing of shorts and the interest of debt; write the three to ``charges``."""
    funding = borrow = 0.0
    for j in range(len(state)):
        units = state[j, UNITS]
        if units == 0.0:
            continue
        if not math.isnan(state[j, FUNDING]):
            price = state[j, MARK]
            price = state[j, OPEN] if math.isnan(price) else price
            price = state[j, PRICE] if math.isnan(price) else price
            funding += units * price * state[j, FUNDING]
        if units < 0.0:
            borrow += -units * state[j, PRICE] * account[BORROW] / account[YEAR]
    account[CASH] -= funding + borrow
    interest = -account[CASH] * account[INTEREST] / account[YEAR] if account[CASH] < 0.0 else 0.0
    account[CASH] -= interest
    charges[0], charges[1], charges[2] = funding, borrow, interest


@nb.njit(cache=True, nogil=True, error_model="numpy")
def cross_bar(finer: FloatArray, finer_at: IntArray, state: FloatArray, account: FloatArray, log: FloatArray) -> None:
    """Pass the bar over the assets that have something at stake, finer bar by finer bar where there are some."""
    t = int(account[BAR])
    exits = account[EXITS] != 0.0
    for j in range(len(state)):
        if math.isnan(state[j, OPEN]) or not (state[j, KIND] > MARKET or (exits and state[j, UNITS] != 0.0)):
            continue
        covered = False
        if len(finer_at) > 0:
            for row in range(finer_at[t], finer_at[t + 1]):
                opened = finer[j, row, 0]
                if not math.isnan(opened):
                    covered = True
                    pass_finer(j, row - finer_at[t], opened, finer[j, row, 1], finer[j, row, 2], state, account, log)
        if not covered:
            pass_bar(j, 0, state[j, OPEN], state[j, HIGH], state[j, LOW], state, account, log)
            note_range(j, 0, state[j, HIGH], state[j, LOW], state, account)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def settle(  # noqa: C901, PLR0912 -- the table of contents of a bar; what is not at stake is not called
    targets: FloatArray,
    finer: FloatArray,
    finer_at: IntArray,
    state: FloatArray,
    account: FloatArray,
    queue: FloatArray,
    log: FloatArray,
    charges: FloatArray,
    decided: bool,
) -> float:
    """Settle bar ``account[BAR]`` and return equity at its close; at or below zero is ruin.

    ``decided`` says whether there is a close before this bar at which targets were decided, and something was held.
    """
    t, n = int(account[BAR]), len(state)
    exits, any_due = account[EXITS] != 0.0, False
    charges[:] = 0.0
    if decided and account[CARRIES] != 0.0:
        charge(state, account, charges)
    equity = account[CASH]
    for j in range(n):
        if not math.isnan(state[j, OPEN]):
            state[j, USED] = 0.0
            state[j, PRICE] = state[j, OPEN]
            if decided and not any_due:
                target = targets[j, t - 1]
                fresh = not (math.isnan(target) or (account[ON_CHANGE] != 0.0 and target == state[j, ASKED]))
                any_due = fresh or state[j, KIND] != NO_ORDER or state[j, BARRED] != 0.0
        if state[j, UNITS] != 0.0:
            equity += state[j, UNITS] * state[j, PRICE]
    if equity <= 0.0:
        return equity
    account[AT_OPEN] = equity
    if account[MAINTENANCE] > 0.0 and margin_call(state, account) == 0.0:
        liquidate(0.0, state, account, log)
        account[AT_OPEN] = equity = equity_of(state, account)
        if equity <= 0.0:
            return equity
    if exits:
        for j in range(n):
            if state[j, UNITS] != 0.0 and not math.isnan(state[j, OPEN]):
                exit_at_open(j, state[j, OPEN], True, state, account, log)
                any_due = any_due or decided
    if any_due:
        send_orders(targets, state, account, queue, log)
    if exits or account[ORDER] != MARKET:
        for j in range(n):
            if state[j, UNITS] != 0.0 and not math.isnan(state[j, OPEN]):
                note_price(j, state[j, OPEN], state)
        cross_bar(finer, finer_at, state, account, log)
    if account[MAINTENANCE] > 0.0:
        share = margin_call(state, account)
        if not math.isnan(share):
            liquidate(share, state, account, log)
            equity = equity_of(state, account)
            if equity <= 0.0:
                return equity
    equity = account[CASH]
    for j in range(n):
        if not math.isnan(state[j, CLOSE]):
            state[j, PRICE] = state[j, LAST] = state[j, CLOSE]
        if state[j, UNITS] != 0.0:
            equity += state[j, UNITS] * state[j, PRICE]
    return equity


@nb.njit(cache=True, nogil=True, error_model="numpy")
def open_books(tape: Tape, terms: Terms, initial_cash: float) -> tuple[FloatArray, FloatArray]:
    """Return the state of assets that nothing is known of yet, and the account with all terms."""
    n_assets = tape.open.shape[0]
    state = np.zeros((n_assets, N_STATE))
    for column in (PRICE, ASKED, BEST, LEVEL, RESTING, LAST, HIGH, LOW, VOLUME, FUNDING, MARK, SIGMA, USUAL, WIDEN):
        state[:, column] = np.nan
    state[:, KIND] = NO_ORDER
    state[:, ENTRY] = -1.0
    state[:, LOT], state[:, TICK], state[:, LEAST] = terms.lot, terms.tick, terms.min_notional
    account = np.zeros(TIERS + 3 * len(terms.tiers))
    account[CASH], account[AT_OPEN] = initial_cash, initial_cash
    account[TAKER], account[MAKER] = terms.taker, terms.maker
    account[FEE_FIXED], account[FEE_MINIMUM] = terms.fee_fixed, terms.fee_minimum
    account[HALF_SPREAD], account[SLIPPAGE] = terms.half_spread, terms.slippage
    account[VOLATILITY_SLIPPAGE], account[IMPACT] = terms.volatility_slippage, terms.impact
    account[VOLUME_CAP], account[BORROW], account[INTEREST] = terms.volume_cap, terms.borrow, terms.interest
    account[YEAR], account[MARGIN], account[LEVERAGE] = terms.year, 1.0 if terms.margin else 0.0, terms.leverage
    account[MAINTENANCE], account[LIQUIDATION_FEE] = terms.maintenance, terms.liquidation_fee
    account[ORDER], account[OFFSET], account[WAIT] = terms.order, terms.offset, terms.wait
    account[THEN_MARKET] = 1.0 if terms.then_market else 0.0
    account[STOP_LOSS], account[TAKE_PROFIT], account[TRAILING] = terms.stop_loss, terms.take_profit, terms.trailing
    account[STOP_LIMIT_BY], account[TIME_EXIT], account[MAX_LOSS] = terms.stop_limit, terms.time_exit, terms.max_loss
    account[ON_CHANGE] = 1.0 if terms.on_change else 0.0
    account[BAND] = max(terms.band, DUST)
    if terms.stop_loss > 0.0 or terms.take_profit > 0.0 or terms.trailing > 0.0 or terms.time_exit > 0:
        account[EXITS] = 1.0
    if terms.borrow > 0.0 or terms.interest > 0.0 or tape.funding.shape[0] > 0:
        account[CARRIES] = 1.0
    account[N_TIERS] = len(terms.tiers)
    for k in range(len(terms.tiers)):
        account[TIERS + 3 * k : TIERS + 3 * k + 3] = terms.tiers[k]
    return state, account


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def turn_to(  # noqa: C901 -- one question an array
    t: int, tape: Tape, window: int, traded: FloatArray, state: FloatArray, account: FloatArray, first: int
) -> None:
    """Lay bar ``t`` of the tape beside what the assets carry."""
    account[BAR], account[TRADED] = t, 0.0
    if account[N_TIERS] > 0.0:
        account[TRADED_BEFORE] = traded[max(t - window + 1, first) : t].sum()
    for j in range(len(state)):
        state[j, OPEN], state[j, CLOSE] = tape.open[j, t], tape.close[j, t]
        if tape.high.shape[0] > 0:
            state[j, HIGH], state[j, LOW] = tape.high[j, t], tape.low[j, t]
        if tape.volume.shape[0] > 0:
            state[j, VOLUME] = tape.volume[j, t]
        if tape.funding.shape[0] > 0:
            state[j, FUNDING] = tape.funding[j, t]
        if tape.mark.shape[0] > 0:
            state[j, MARK] = tape.mark[j, t]
        if t > 0:
            if tape.volatility.shape[0] > 0:
                state[j, SIGMA] = tape.volatility[j, t - 1]
            if tape.usual_volume.shape[0] > 0:
                state[j, USUAL] = tape.usual_volume[j, t - 1]
            if tape.widen.shape[0] > 0:
                state[j, WIDEN] = tape.widen[j, t - 1]


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
    held, charges, charged = np.zeros((n_assets, n_bars)), np.zeros((n_bars, 3)), np.zeros(3)
    room = n_assets * (8 + 4 * max(most_finer, 1))
    log = np.empty((max(64, 2 * room), N_LOG))
    state, account = open_books(tape, terms, initial_cash)
    queue = np.empty((n_assets, 4))
    finer, finer_at, window = tape.finer, tape.finer_at, terms.tier_window
    ruined = -1
    for t in range(n_bars):
        if account[N_FILLS] + room > len(log):
            grown = np.empty((2 * len(log), N_LOG))
            grown[: len(log)] = log
            log = grown
        turn_to(t, tape, window, traded, state, account, 0)
        value = settle(targets, finer, finer_at, state, account, queue, log, charged, t > 0)
        traded[t] = account[TRADED]
        charges[t] = charged
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

    Flat before ``first``; a target decided at ``first − 1`` fills at its open. ``traded_share`` receives the value
    traded over the equity before. ``traded``, (n_bars,), is work space. No memory grows with the fills.
    """
    log = np.empty((8 + 4 * max(most_finer, 1), N_LOG))
    state, account = open_books(tape, terms, initial_cash)
    queue, charges = np.empty((1, 4)), np.zeros(3)
    finer, finer_at, window = tape.finer, tape.finer_at, terms.tier_window
    before, n_trades = initial_cash, 0
    if first > 0:
        state[0, LAST] = tape.close[0, first - 1]
    for t in range(first, stop):
        account[N_FILLS] = 0.0
        turn_to(t, tape, window, traded, state, account, first)
        units = state[0, UNITS]
        value = settle(targets, finer, finer_at, state, account, queue, log, charges, t > 0)
        traded[t] = account[TRADED]
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
