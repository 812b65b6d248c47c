"""Orders: from targets to sizes, market orders in turn, limits and stops that wait, at the open and within the bar."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from workbench.backtest.execution.exit_kernels import exit_at_open, exit_within
from workbench.backtest.execution.fill_kernels import (
    ASKED,
    AT_OPEN,
    BAR,
    BARRED,
    BEST,
    DUST,
    KIND,
    LAST,
    LEAVING,
    LEVEL,
    LIMIT,
    MARKET,
    NO_ORDER,
    OPENED_AT,
    OPENED_IN,
    ORDERED,
    SENT,
    SIZE,
    STOP,
    UNITS,
    WHY,
    ceil_to,
    fill,
    floor_to,
    side_of,
)
from workbench.backtest.execution.terms import Tape, Terms
from workbench.typing import FloatArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def seen_target(j: int, target: float, terms: Terms, state: FloatArray) -> float:
    """Return the target that gives an order at this bar, NaN for none."""
    if math.isnan(target) or (state[j, BARRED] != 0.0 and target * state[j, BARRED] > 0.0):
        return np.nan
    state[j, BARRED] = 0.0
    if terms.on_change and target == state[j, ASKED]:
        return np.nan
    if terms.order != MARKET and math.isnan(state[j, LAST]):
        return np.nan
    return target


@nb.njit(cache=True, nogil=True, error_model="numpy")
def size_of(j: int, target: float, opened: float, terms: Terms, state: FloatArray, account: FloatArray) -> float:
    """Take a target as an order and return its signed size, 0 where nothing is to be traded."""
    state[j, ASKED], state[j, KIND], state[j, LEAVING] = target, NO_ORDER, 0.0
    closes = target == 0.0 and state[j, UNITS] != 0.0
    if abs(target * account[AT_OPEN] - state[j, UNITS] * opened) <= DUST * account[AT_OPEN] and not closes:
        return 0.0
    size = target * account[AT_OPEN] / opened - state[j, UNITS]
    if closes:
        return size
    size = side_of(size) * floor_to(abs(size), terms.lot[j])
    return 0.0 if abs(size) * opened < terms.min_notional[j] else size


@nb.njit(cache=True, nogil=True, error_model="numpy")
def trigger_of(j: int, size: float, terms: Terms, state: FloatArray) -> float:
    """Return the price of a limit or stop order, ``offset`` from the last price known when it was decided."""
    if (size > 0.0) == (terms.order == LIMIT):
        return floor_to(state[j, LAST] * (1.0 - terms.offset), terms.tick[j])
    return ceil_to(state[j, LAST] * (1.0 + terms.offset), terms.tick[j])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def work(
    j: int,
    base: float,
    limit: float,
    maker: bool,
    within: int,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Fill a working order as far as it goes; ``within`` is the finer bar it happens in, −1 at the open."""
    was, size = side_of(state[j, UNITS]), state[j, SIZE]
    rest = size - fill(j, size, base, ORDERED, maker, limit, tape, terms, state, account, log, traded)
    if within >= 0 and state[j, UNITS] != 0.0 and side_of(state[j, UNITS]) != was:
        state[j, OPENED_AT], state[j, OPENED_IN] = account[BAR], within
    state[j, SIZE] = rest
    if rest == 0.0:
        state[j, KIND] = NO_ORDER


@nb.njit(cache=True, nogil=True, error_model="numpy")
def send_orders(
    targets: FloatArray,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    queue: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Turn the targets of the close before into orders; fill market orders by rising value, then look at the others.

    Rows of ``queue``, (n_assets, 4), are value, asset, size and reason of this bar's market orders.
    """
    t, n = int(account[BAR]), 0
    for j in range(len(state)):
        opened = tape.open[j, t]
        if math.isnan(opened):
            continue
        target = seen_target(j, targets[j, t - 1], terms, state)
        value, size, why = np.nan, 0.0, ORDERED
        if not math.isnan(target):
            value = target * account[AT_OPEN] - state[j, UNITS] * opened
            size = size_of(j, target, opened, terms, state, account)
            if size != 0.0 and terms.order != MARKET:
                state[j, KIND], state[j, SIZE], state[j, LEVEL] = terms.order, size, trigger_of(j, size, terms, state)
                state[j, SENT], state[j, WHY] = t, ORDERED
            if terms.order != MARKET:
                continue
        else:
            if state[j, KIND] > MARKET and t - state[j, SENT] >= terms.wait:
                state[j, KIND], state[j, WHY] = MARKET if terms.then_market else NO_ORDER, ORDERED
            if state[j, KIND] == MARKET:
                size, why = state[j, SIZE], int(state[j, WHY])
                value = size * opened
        if size == 0.0:
            continue
        k = n
        while k > 0 and queue[k - 1, 0] > value:
            queue[k] = queue[k - 1]
            k -= 1
        queue[k, 0], queue[k, 1], queue[k, 2], queue[k, 3] = value, j, size, why
        n += 1
    for k in range(n):
        j, size, why = int(queue[k, 1]), queue[k, 2], int(queue[k, 3])
        state[j, KIND], state[j, LEAVING] = NO_ORDER, 0.0
        rest = size - fill(j, size, tape.open[j, t], why, False, np.nan, tape, terms, state, account, log, traded)
        if rest != 0.0:
            state[j, KIND], state[j, SIZE], state[j, LEVEL], state[j, SENT] = MARKET, rest, np.nan, t
            state[j, WHY], state[j, LEAVING] = why, 0.0 if why == ORDERED else 1.0
    if terms.order == MARKET:
        return
    for j in range(len(state)):
        if not math.isnan(tape.open[j, t]):
            look_at_open(j, tape.open[j, t], tape, terms, state, account, log, traded)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def look_at_open(
    j: int,
    opened: float,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Fill a working limit that is marketable at the open, or a working stop that the open has passed."""
    kind, level = int(state[j, KIND]), state[j, LEVEL]
    if kind <= MARKET:
        return
    sign = side_of(state[j, SIZE])
    quote = opened * (1.0 + sign * terms.half_spread)
    if kind == LIMIT and sign * level >= sign * quote:
        work(j, opened, level, False, -1, tape, terms, state, account, log, traded)
    elif kind == STOP and sign * opened >= sign * level:
        work(j, opened, np.nan, False, -1, tape, terms, state, account, log, traded)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def pass_bar(
    j: int,
    k: int,
    opened: float,
    high: float,
    low: float,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Let one bar, or its finer bar ``k``, touch an asset's working order and then its exits."""
    kind, level = int(state[j, KIND]), state[j, LEVEL]
    if kind > MARKET:
        sign = side_of(state[j, SIZE])
        extreme = high if (kind == STOP) == (sign > 0.0) else low
        if kind == LIMIT and sign * extreme < sign * level:
            work(j, level, np.nan, True, k, tape, terms, state, account, log, traded)
        elif kind == STOP and sign * extreme >= sign * level:
            base = sign * max(sign * level, sign * opened)
            work(j, base, np.nan, False, k, tape, terms, state, account, log, traded)
    fresh = state[j, OPENED_AT] == account[BAR] and state[j, OPENED_IN] == k
    exit_within(j, opened, high, low, not fresh, tape, terms, state, account, log, traded)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def note_price(j: int, price: float, state: FloatArray) -> None:
    """Let an open move the best price of a trailing stop."""
    side = side_of(state[j, UNITS])
    if side != 0.0:
        state[j, BEST] = side * max(side * state[j, BEST], side * price)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def note_range(j: int, k: int, high: float, low: float, state: FloatArray, account: FloatArray) -> None:
    """Let a completed bar move the best price, unless the position was opened within it."""
    if state[j, OPENED_AT] == account[BAR] and state[j, OPENED_IN] == k:
        return
    note_price(j, high if state[j, UNITS] > 0.0 else low, state)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def within_bar(
    j: int,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Pass the bar over one asset, finer bar by finer bar where there are some."""
    t, covered = int(account[BAR]), False
    if len(tape.finer_at) > 0:
        for row in range(tape.finer_at[t], tape.finer_at[t + 1]):
            opened, high, low = tape.finer[j, row, 0], tape.finer[j, row, 1], tape.finer[j, row, 2]
            if math.isnan(opened):
                continue
            covered = True
            k = row - tape.finer_at[t]
            note_price(j, opened, state)
            exit_at_open(j, opened, False, tape, terms, state, account, log, traded)
            pass_bar(j, k, opened, high, low, tape, terms, state, account, log, traded)
            note_range(j, k, high, low, state, account)
    if not covered:
        opened, high, low = tape.open[j, t], tape.high[j, t], tape.low[j, t]
        pass_bar(j, 0, opened, high, low, tape, terms, state, account, log, traded)
        note_range(j, 0, high, low, state, account)
