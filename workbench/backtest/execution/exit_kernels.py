"""How positions end: stops, targets, trailing and time exits, at the open and within the bar; margin and liquidation."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from workbench.backtest.execution.fill_kernels import (
    AVERAGE,
    BAR,
    BARRED,
    BEST,
    CASH,
    ENTRY,
    KIND,
    LEAVING,
    LEVEL,
    LIQUIDATED,
    MARKET,
    NO_ORDER,
    PRICE,
    RESTING,
    SENT,
    SIZE,
    STOP_LIMIT,
    STOPPED,
    TARGET,
    TIMED,
    TRAILED,
    UNITS,
    WHY,
    at,
    book,
    ceil_to,
    fill,
    floor_to,
    side_of,
)
from workbench.backtest.execution.terms import Tape, Terms
from workbench.typing import FloatArray


@nb.njit(cache=True, nogil=True, error_model="numpy")
def stop_at(j: int, share: float, base: float, side: float, widen: float, terms: Terms) -> float:
    """Return a stop's level: ``share`` of the base away, widened, capped, rounded away from the position's profit."""
    distance = share * widen
    if terms.max_loss > 0.0:
        distance = min(distance, terms.max_loss)
    level = base * (1.0 - side * distance)
    return floor_to(level, terms.tick[j]) if side > 0.0 else ceil_to(level, terms.tick[j])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def stop_of(j: int, tape: Tape, terms: Terms, state: FloatArray, account: FloatArray) -> tuple[float, int]:
    """Return the stop level nearest to the price, and whose it is; NaN where no stop is on."""
    side = side_of(state[j, UNITS])
    widen = at(tape.widen, j, int(account[BAR]) - 1)
    widen = 1.0 if math.isnan(widen) else widen
    level, reason = np.nan, STOPPED
    if terms.stop_loss > 0.0:
        level = stop_at(j, terms.stop_loss, state[j, AVERAGE], side, widen, terms)
    if terms.trailing > 0.0:
        trailed = stop_at(j, terms.trailing, state[j, BEST], side, widen, terms)
        if not side * trailed <= side * level:
            level, reason = trailed, TRAILED
    return level, reason


@nb.njit(cache=True, nogil=True, error_model="numpy")
def target_of(j: int, terms: Terms, state: FloatArray) -> float:
    """Return the take-profit level, NaN where it is off."""
    if terms.take_profit <= 0.0:
        return np.nan
    side = side_of(state[j, UNITS])
    level = state[j, AVERAGE] * (1.0 + side * terms.take_profit)
    return ceil_to(level, terms.tick[j]) if side > 0.0 else floor_to(level, terms.tick[j])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def leave(
    j: int,
    base: float,
    reason: int,
    maker: bool,
    limit: float,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Close what is held of an asset: an exit has fired. What the volume cap cuts goes on as an order."""
    state[j, BARRED], state[j, KIND] = side_of(state[j, UNITS]), NO_ORDER
    wanted = -state[j, UNITS]
    rest = wanted - fill(j, wanted, base, reason, maker, limit, tape, terms, state, account, log, traded)
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
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """A stop was touched: leave at once, or with a stop-limit not beyond its limit, else begin to rest there."""
    side, limit = side_of(state[j, UNITS]), np.nan
    if not math.isnan(terms.stop_limit):
        limit = level * (1.0 - side * terms.stop_limit)
        limit = floor_to(limit, terms.tick[j]) if side > 0.0 else ceil_to(limit, terms.tick[j])
        if side * base < side * limit:
            state[j, RESTING] = limit
            return
    leave(j, base, reason, False, limit, tape, terms, state, account, log, traded)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def exit_at_open(
    j: int,
    price: float,
    whole: bool,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Exits that the open of the bar (``whole``), or of a finer one, decides."""
    held = account[BAR] - state[j, ENTRY]
    if state[j, UNITS] == 0.0 or state[j, LEAVING] != 0.0 or (whole and held <= 0.0):
        return
    side = side_of(state[j, UNITS])
    if whole and 0 < terms.time_exit <= held:
        leave(j, price, TIMED, False, np.nan, tape, terms, state, account, log, traded)
        return
    resting = state[j, RESTING]
    if not math.isnan(resting):
        if side * price >= side * resting:
            leave(j, price, STOP_LIMIT, False, resting, tape, terms, state, account, log, traded)
        return
    level, reason = stop_of(j, tape, terms, state, account)
    if side * price <= side * level:
        touched(j, price, level, reason, tape, terms, state, account, log, traded)
    elif side * price >= side * target_of(j, terms, state):
        leave(j, price, TARGET, True, np.nan, tape, terms, state, account, log, traded)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def exit_within(
    j: int,
    opened: float,
    high: float,
    low: float,
    target_too: bool,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Exits within a bar or a finer bar: the stop before the target, a resting stop-limit last."""
    if state[j, UNITS] == 0.0 or state[j, LEAVING] != 0.0:
        return
    side = side_of(state[j, UNITS])
    worst, top = (low, high) if side > 0.0 else (high, low)
    if math.isnan(state[j, RESTING]):
        level, reason = stop_of(j, tape, terms, state, account)
        target = target_of(j, terms, state)
        if side * worst <= side * level:
            if not lost_before(j, level, tape, terms, state, account):
                base = side * min(side * level, side * opened)
                touched(j, base, level, reason, tape, terms, state, account, log, traded)
            if math.isnan(state[j, RESTING]):
                return
        elif target_too and side * top > side * target:
            leave(j, target, TARGET, True, np.nan, tape, terms, state, account, log, traded)
            return
    resting = state[j, RESTING]
    if not math.isnan(resting) and side * top > side * resting:
        leave(j, resting, STOP_LIMIT, True, np.nan, tape, terms, state, account, log, traded)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def on_line(j: int, share: float, tape: Tape, state: FloatArray, t: int) -> float:
    """Return an asset's price on its way from the open (0) to its adverse extreme (1)."""
    opened = tape.open[j, t]
    if math.isnan(opened) or share == 0.0:
        return state[j, PRICE]
    worst = tape.low[j, t] if state[j, UNITS] > 0.0 else tape.high[j, t]
    return opened + share * (worst - opened)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def margin_left(share: float, tape: Tape, terms: Terms, state: FloatArray, account: FloatArray) -> float:
    """Return equity less the margin that must be kept, at one place of the line."""
    equity, gross, t = account[CASH], 0.0, int(account[BAR])
    for j in range(len(state)):
        if state[j, UNITS] != 0.0:
            price = on_line(j, share, tape, state, t)
            equity += state[j, UNITS] * price
            gross += abs(state[j, UNITS]) * price
    return equity - terms.maintenance * gross


@nb.njit(cache=True, nogil=True, error_model="numpy")
def lost_before(j: int, level: float, tape: Tape, terms: Terms, state: FloatArray, account: FloatArray) -> bool:
    """Say whether the account is liquidated on the way to a stop."""
    if terms.maintenance <= 0.0:
        return False
    t = int(account[BAR])
    opened = tape.open[j, t]
    worst = tape.low[j, t] if state[j, UNITS] > 0.0 else tape.high[j, t]
    share = 0.0 if worst == opened else min(max((opened - level) / (opened - worst), 0.0), 1.0)
    return margin_left(share, tape, terms, state, account) < 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def margin_call(tape: Tape, terms: Terms, state: FloatArray, account: FloatArray) -> float:
    """Return the place of the line at which margin is first short, NaN where it is not."""
    t, held = int(account[BAR]), False
    for j in range(len(state)):
        held = held or (state[j, UNITS] != 0.0 and not math.isnan(tape.open[j, t]))
    if terms.maintenance <= 0.0 or not held:
        return np.nan
    first = margin_left(0.0, tape, terms, state, account)
    if first < 0.0:
        return 0.0
    last = margin_left(1.0, tape, terms, state, account)
    return first / (first - last) if last < 0.0 else np.nan


@nb.njit(cache=True, nogil=True, error_model="numpy")
def liquidate(
    share: float,
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Close everything that trades at its price on the line, with the liquidation fee, and cancel all orders."""
    t = int(account[BAR])
    for j in range(len(state)):
        units = state[j, UNITS]
        if units != 0.0 and not math.isnan(tape.open[j, t]):
            price = on_line(j, share, tape, state, t)
            fee = abs(units) * price * terms.liquidation_fee
            book(j, -units, price, price, fee, LIQUIDATED, False, terms, state, account, log, traded)
            state[j, BARRED] = side_of(units)
        state[j, KIND], state[j, LEAVING], state[j, RESTING] = NO_ORDER, 0.0, np.nan
