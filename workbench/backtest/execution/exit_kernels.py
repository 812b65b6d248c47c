"""How positions end: stops, targets, trailing and time exits, at the open and within the bar; liquidation."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from workbench.backtest.execution.columns import (
    AVERAGE,
    BAR,
    BARRED,
    BEST,
    CASH,
    ENTRY,
    HIGH,
    KIND,
    LEAVING,
    LEVEL,
    LIQUIDATED,
    LIQUIDATION_FEE,
    LOW,
    MAINTENANCE,
    MARKET,
    MAX_LOSS,
    NO_ORDER,
    OPEN,
    PRICE,
    RESTING,
    SENT,
    SIZE,
    STOP_LIMIT,
    STOP_LIMIT_BY,
    STOP_LOSS,
    STOPPED,
    TAKE_PROFIT,
    TARGET,
    TICK,
    TIME_EXIT,
    TIMED,
    TRAILED,
    TRAILING,
    UNITS,
    WHY,
    WIDEN,
)
from workbench.backtest.execution.fill_kernels import book, ceil_to, fill, floor_to, side_of
from workbench.typing import FloatArray


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def stop_at(j: int, share: float, base: float, side: float, state: FloatArray, account: FloatArray) -> float:
    """Return a stop's level: ``share`` of the base away, widened, capped, rounded away from the position's profit."""
    widen = 1.0 if math.isnan(state[j, WIDEN]) else state[j, WIDEN]
    distance = share * widen
    if account[MAX_LOSS] > 0.0:
        distance = min(distance, account[MAX_LOSS])
    level = base * (1.0 - side * distance)
    return floor_to(level, state[j, TICK]) if side > 0.0 else ceil_to(level, state[j, TICK])


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def stop_of(j: int, state: FloatArray, account: FloatArray) -> tuple[float, int]:
    """Return the stop level nearest to the price, and whose it is; NaN where no stop is on."""
    side = side_of(state[j, UNITS])
    level, reason = np.nan, STOPPED
    if account[STOP_LOSS] > 0.0:
        level = stop_at(j, account[STOP_LOSS], state[j, AVERAGE], side, state, account)
    if account[TRAILING] > 0.0:
        trailed = stop_at(j, account[TRAILING], state[j, BEST], side, state, account)
        if not side * trailed <= side * level:
            level, reason = trailed, TRAILED
    return level, reason


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def target_of(j: int, state: FloatArray, account: FloatArray) -> float:
    """Return the take-profit level, NaN where it is off."""
    if account[TAKE_PROFIT] <= 0.0:
        return np.nan
    side = side_of(state[j, UNITS])
    level = state[j, AVERAGE] * (1.0 + side * account[TAKE_PROFIT])
    return ceil_to(level, state[j, TICK]) if side > 0.0 else floor_to(level, state[j, TICK])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def leave(
    j: int,
    base: float,
    reason: int,
    maker: bool,
    limit: float,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """Close what is held of an asset: an exit has fired. What the volume cap cuts goes on as an order."""
    state[j, BARRED], state[j, KIND] = side_of(state[j, UNITS]), NO_ORDER
    wanted = -state[j, UNITS]
    rest = wanted - fill(j, wanted, base, reason, maker, limit, state, account, log)
    state[j, RESTING] = np.nan
    if rest == 0.0:
        return
    if reason == STOP_LIMIT:
        state[j, RESTING] = base if maker else limit
    elif not math.isnan(limit):
        state[j, RESTING] = limit
    else:
        state[j, KIND], state[j, SIZE], state[j, LEVEL] = MARKET, rest, np.nan
        state[j, SENT], state[j, WHY], state[j, LEAVING] = account[BAR], reason, 1.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def touched(
    j: int,
    base: float,
    level: float,
    reason: int,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """A stop was touched: leave at once, or with a stop-limit not beyond its limit, else begin to rest there."""
    side, limit = side_of(state[j, UNITS]), np.nan
    if not math.isnan(account[STOP_LIMIT_BY]):
        limit = level * (1.0 - side * account[STOP_LIMIT_BY])
        limit = floor_to(limit, state[j, TICK]) if side > 0.0 else ceil_to(limit, state[j, TICK])
        if side * base < side * limit:
            state[j, RESTING] = limit
            return
    leave(j, base, reason, False, limit, state, account, log)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def exit_at_open(
    j: int,
    price: float,
    whole: bool,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """Exits that the open of the bar (``whole``), or of a finer one, decides."""
    held = account[BAR] - state[j, ENTRY]
    if state[j, UNITS] == 0.0 or state[j, LEAVING] != 0.0 or (whole and held <= 0.0):
        return
    side = side_of(state[j, UNITS])
    if whole and 0.0 < account[TIME_EXIT] <= held:
        leave(j, price, TIMED, False, np.nan, state, account, log)
        return
    resting = state[j, RESTING]
    if not math.isnan(resting):
        if side * price >= side * resting:
            leave(j, price, STOP_LIMIT, False, resting, state, account, log)
        return
    level, reason = stop_of(j, state, account)
    if side * price <= side * level:
        touched(j, price, level, reason, state, account, log)
    elif side * price >= side * target_of(j, state, account):
        leave(j, price, TARGET, True, np.nan, state, account, log)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def exit_within(
    j: int,
    opened: float,
    high: float,
    low: float,
    target_too: bool,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """Exits within a bar or a finer bar: the stop before the target, a resting stop-limit last."""
    if state[j, UNITS] == 0.0 or state[j, LEAVING] != 0.0:
        return
    side = side_of(state[j, UNITS])
    worst, top = (low, high) if side > 0.0 else (high, low)
    if math.isnan(state[j, RESTING]):
        level, reason = stop_of(j, state, account)
        target = target_of(j, state, account)
        if side * worst <= side * level:
            if not lost_before(j, level, state, account):
                base = side * min(side * level, side * opened)
                touched(j, base, level, reason, state, account, log)
            if math.isnan(state[j, RESTING]):
                return
        elif target_too and side * top > side * target:
            leave(j, target, TARGET, True, np.nan, state, account, log)
            return
    resting = state[j, RESTING]
    if not math.isnan(resting) and side * top > side * resting:
        leave(j, resting, STOP_LIMIT, True, np.nan, state, account, log)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def on_line(j: int, share: float, state: FloatArray) -> float:
    """Return an asset's price on its way from the open (0) to its adverse extreme (1)."""
    opened = state[j, OPEN]
    if math.isnan(opened) or share == 0.0:
        return state[j, PRICE]
    worst = state[j, LOW] if state[j, UNITS] > 0.0 else state[j, HIGH]
    return opened + share * (worst - opened)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def margin_left(share: float, state: FloatArray, account: FloatArray) -> float:
    """Return equity less the margin that must be kept, at one place of the line."""
    equity, gross = account[CASH], 0.0
    for j in range(len(state)):
        if state[j, UNITS] != 0.0:
            price = on_line(j, share, state)
            equity += state[j, UNITS] * price
            gross += abs(state[j, UNITS]) * price
    return equity - account[MAINTENANCE] * gross


@nb.njit(cache=True, nogil=True, error_model="numpy")
def lost_before(j: int, level: float, state: FloatArray, account: FloatArray) -> bool:
    """Say whether the account is liquidated on the way to a stop."""
    if account[MAINTENANCE] <= 0.0:
        return False
    opened = state[j, OPEN]
    worst = state[j, LOW] if state[j, UNITS] > 0.0 else state[j, HIGH]
    share = 0.0 if worst == opened else min(max((opened - level) / (opened - worst), 0.0), 1.0)
    return margin_left(share, state, account) < 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def margin_call(state: FloatArray, account: FloatArray) -> float:
    """Return the place of the line at which margin is first short, NaN where it is not."""
    held = False
    for j in range(len(state)):
        held = held or (state[j, UNITS] != 0.0 and not math.isnan(state[j, OPEN]))
    if account[MAINTENANCE] <= 0.0 or not held:
        return np.nan
    first = margin_left(0.0, state, account)
    if first < 0.0:
        return 0.0
    last = margin_left(1.0, state, account)
    return first / (first - last) if last < 0.0 else np.nan


@nb.njit(cache=True, nogil=True, error_model="numpy")
def liquidate(
    share: float,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """Close everything that trades at its price on the line, with the liquidation fee, and cancel all orders."""
    for j in range(len(state)):
        units = state[j, UNITS]
        if units != 0.0 and not math.isnan(state[j, OPEN]):
            price = on_line(j, share, state)
            fee = abs(units) * price * account[LIQUIDATION_FEE]
            book(j, -units, price, price, fee, LIQUIDATED, False, state, account, log)
            state[j, BARRED] = side_of(units)
        state[j, KIND], state[j, LEAVING], state[j, RESTING] = NO_ORDER, 0.0, np.nan
