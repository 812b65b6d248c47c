"""Orders: from targets to sizes, market orders in turn, limits and stops that wait, at the open and within the bar."""

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
    HALF_SPREAD,
    KIND,
    LAST,
    LEAST,
    LEAVING,
    LEVEL,
    LIMIT,
    LOT,
    MARKET,
    NO_ORDER,
    OFFSET,
    ON_CHANGE,
    OPEN,
    OPENED_AT,
    OPENED_IN,
    ORDER,
    ORDERED,
    SENT,
    SIZE,
    STOP,
    THEN_MARKET,
    TICK,
    UNITS,
    WAIT,
    WHY,
)
from workbench.backtest.execution.exit_kernels import exit_at_open, exit_within
from workbench.backtest.execution.fill_kernels import ceil_to, fill, floor_to, side_of
from workbench.typing import FloatArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def seen_target(j: int, target: float, state: FloatArray, account: FloatArray) -> float:
    """Return the target that gives an order at this bar, NaN for none."""
    if math.isnan(target) or (state[j, BARRED] != 0.0 and target * state[j, BARRED] > 0.0):
        return np.nan
    state[j, BARRED] = 0.0
    if account[ON_CHANGE] != 0.0 and target == state[j, ASKED]:
        return np.nan
    if account[ORDER] != MARKET and math.isnan(state[j, LAST]):
        return np.nan
    return target


@nb.njit(cache=True, nogil=True, error_model="numpy")
def size_of(j: int, target: float, opened: float, state: FloatArray, account: FloatArray) -> float:
    """Take a target as an order and return its signed size, 0 where nothing is to be traded."""
    state[j, ASKED], state[j, KIND], state[j, LEAVING] = target, NO_ORDER, 0.0
    closes = target == 0.0 and state[j, UNITS] != 0.0
    if abs(target * account[AT_OPEN] - state[j, UNITS] * opened) <= account[BAND] * account[AT_OPEN] and not closes:
        return 0.0
    size = target * account[AT_OPEN] / opened - state[j, UNITS]
    if closes:
        return size
    size = side_of(size) * floor_to(abs(size), state[j, LOT])
    return 0.0 if abs(size) * opened < state[j, LEAST] else size


@nb.njit(cache=True, nogil=True, error_model="numpy")
def trigger_of(j: int, size: float, state: FloatArray, account: FloatArray) -> float:
    """Return the price of a limit or stop order, ``offset`` from the last price known when it was decided."""
    if (size > 0.0) == (account[ORDER] == LIMIT):
        return floor_to(state[j, LAST] * (1.0 - account[OFFSET]), state[j, TICK])
    return ceil_to(state[j, LAST] * (1.0 + account[OFFSET]), state[j, TICK])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def work(
    j: int,
    base: float,
    limit: float,
    maker: bool,
    within: int,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """Fill a working order as far as it goes; ``within`` is the finer bar it happens in, −1 at the open."""
    was, size = side_of(state[j, UNITS]), state[j, SIZE]
    rest = size - fill(j, size, base, ORDERED, maker, limit, state, account, log)
    if within >= 0 and state[j, UNITS] != 0.0 and side_of(state[j, UNITS]) != was:
        state[j, OPENED_AT], state[j, OPENED_IN] = account[BAR], within
    state[j, SIZE] = rest
    if rest == 0.0:
        state[j, KIND] = NO_ORDER


@nb.njit(cache=True, nogil=True, error_model="numpy")
def send_orders(  # noqa: C901, PLR0912 -- targets, rests and ended waits make one queue
    targets: FloatArray,
    state: FloatArray,
    account: FloatArray,
    queue: FloatArray,
    log: FloatArray,
) -> None:
    """Turn the targets of the close before into orders; fill market orders by rising value, then look at the others.

    Rows of ``queue``, (n_assets, 4), are value, asset, size and reason of this bar's market orders.
    """
    t, n = int(account[BAR]), 0
    for j in range(len(state)):
        opened = state[j, OPEN]
        if math.isnan(opened):
            continue
        target = seen_target(j, targets[j, t - 1], state, account)
        value, size, why = np.nan, 0.0, ORDERED
        if not math.isnan(target):
            value = target * account[AT_OPEN] - state[j, UNITS] * opened
            size = size_of(j, target, opened, state, account)
            if size != 0.0 and account[ORDER] != MARKET:
                state[j, KIND], state[j, SIZE], state[j, LEVEL] = (
                    account[ORDER],
                    size,
                    trigger_of(j, size, state, account),
                )
                state[j, SENT], state[j, WHY] = t, ORDERED
            if account[ORDER] != MARKET:
                continue
        else:
            if state[j, KIND] > MARKET and t - state[j, SENT] >= account[WAIT]:
                state[j, KIND], state[j, WHY] = MARKET if account[THEN_MARKET] != 0.0 else NO_ORDER, ORDERED
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
        rest = size - fill(j, size, state[j, OPEN], why, False, np.nan, state, account, log)
        if rest != 0.0:
            state[j, KIND], state[j, SIZE], state[j, LEVEL], state[j, SENT] = MARKET, rest, np.nan, t
            state[j, WHY], state[j, LEAVING] = why, 0.0 if why == ORDERED else 1.0
    if account[ORDER] == MARKET:
        return
    for j in range(len(state)):
        if not math.isnan(state[j, OPEN]):
            look_at_open(j, state[j, OPEN], state, account, log)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def look_at_open(
    j: int,
    opened: float,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """Fill a working limit that is marketable at the open, or a working stop that the open has passed."""
    kind, level = int(state[j, KIND]), state[j, LEVEL]
    if kind <= MARKET:
        return
    sign = side_of(state[j, SIZE])
    quote = opened * (1.0 + sign * account[HALF_SPREAD])
    if kind == LIMIT and sign * level >= sign * quote:
        work(j, opened, level, False, -1, state, account, log)
    elif kind == STOP and sign * opened >= sign * level:
        work(j, opened, np.nan, False, -1, state, account, log)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def pass_bar(
    j: int,
    k: int,
    opened: float,
    high: float,
    low: float,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """Let one bar, or its finer bar ``k``, touch an asset's working order and then its exits."""
    kind, level = int(state[j, KIND]), state[j, LEVEL]
    if kind > MARKET:
        sign = side_of(state[j, SIZE])
        extreme = high if (kind == STOP) == (sign > 0.0) else low
        if kind == LIMIT and sign * extreme < sign * level:
            work(j, level, np.nan, True, k, state, account, log)
        elif kind == STOP and sign * extreme >= sign * level:
            base = sign * max(sign * level, sign * opened)
            work(j, base, np.nan, False, k, state, account, log)
    fresh = state[j, OPENED_AT] == account[BAR] and state[j, OPENED_IN] == k
    exit_within(j, opened, high, low, not fresh, state, account, log)


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def note_price(j: int, price: float, state: FloatArray) -> None:
    """Let an open move the best price of a trailing stop."""
    side = side_of(state[j, UNITS])
    if side != 0.0:
        state[j, BEST] = side * max(side * state[j, BEST], side * price)


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def note_range(j: int, k: int, high: float, low: float, state: FloatArray, account: FloatArray) -> None:
    """Let a completed bar move the best price, unless the position was opened within it."""
    if state[j, OPENED_AT] == account[BAR] and state[j, OPENED_IN] == k:
        return
    note_price(j, high if state[j, UNITS] > 0.0 else low, state)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def pass_finer(
    j: int, k: int, opened: float, high: float, low: float, state: FloatArray, account: FloatArray, log: FloatArray
) -> None:
    """Let finer bar ``k`` decide what its open, its range and its completion mean for one asset."""
    note_price(j, opened, state)
    exit_at_open(j, opened, False, state, account, log)
    pass_bar(j, k, opened, high, low, state, account, log)
    note_range(j, k, high, low, state, account)
