"""What one fill costs, how far cash, margin and volume let it go, and how it is booked.

Fills go to rows of ``log``; the caller sees to it that it is long enough for a bar.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from workbench.backtest.execution.columns import (
    AT_OPEN,
    AVERAGE,
    BAR,
    BEST,
    CASH,
    ENTRY,
    FEE_FIXED,
    FEE_MINIMUM,
    HALF_SPREAD,
    IMPACT,
    LEVERAGE,
    LOT,
    MAKER,
    MARGIN,
    N_FILLS,
    N_TIERS,
    OPENED_AT,
    OPENED_IN,
    PRICE,
    RESTING,
    SIGMA,
    SLIPPAGE,
    TAKER,
    TICK,
    TIERS,
    TRADED,
    TRADED_BEFORE,
    UNITS,
    USED,
    USUAL,
    VOLATILITY_SLIPPAGE,
    VOLUME,
    VOLUME_CAP,
)
from workbench.typing import FloatArray

DUST = 1e-12
GIVE = 1e-9  # of a step, forgiven when rounding to lot or tick


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def floor_to(x: float, step: float) -> float:
    """Round down to a multiple of ``step``; 0 is no step."""
    return math.floor(x / step + GIVE) * step if step > 0.0 else x


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def ceil_to(x: float, step: float) -> float:
    """Round up to a multiple of ``step``."""
    return math.ceil(x / step - GIVE) * step if step > 0.0 else x


@nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def side_of(units: float) -> float:
    """Return 1 for long, −1 for short, 0 for flat."""
    return 1.0 if units > 0.0 else (-1.0 if units < 0.0 else 0.0)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def equity_of(state: FloatArray, account: FloatArray) -> float:
    """Return cash and the value of all positions at their last price."""
    equity = account[CASH]
    for j in range(len(state)):
        if state[j, UNITS] != 0.0:
            equity += state[j, UNITS] * state[j, PRICE]
    return equity


@nb.njit(cache=True, nogil=True, error_model="numpy")
def rate_of(maker: bool, account: FloatArray) -> float:
    """Return the fee's rate, by the value traded in the last bars where there are tiers."""
    rate = account[MAKER] if maker else account[TAKER]
    window = account[TRADED_BEFORE] + account[TRADED]
    for k in range(int(account[N_TIERS])):
        row = TIERS + 3 * k
        if window >= account[row]:
            rate = account[row + 1] if maker else account[row + 2]
    return rate


@nb.njit(cache=True, nogil=True, error_model="numpy")
def taker_price(j: int, sign: float, size: float, base: float, state: FloatArray, account: FloatArray) -> float:
    """Return the price of a taker's fill: spread, slippage and impact against the trader, then the tick."""
    slip = account[SLIPPAGE]
    sigma, usual = state[j, SIGMA], state[j, USUAL]
    if not math.isnan(sigma):
        slip += account[VOLATILITY_SLIPPAGE] * sigma
        if usual > 0.0:
            slip += account[IMPACT] * sigma * math.sqrt(size / usual)
    moved = base * (1.0 + sign * (account[HALF_SPREAD] + min(slip, 0.5)))
    return ceil_to(moved, state[j, TICK]) if sign > 0.0 else floor_to(moved, state[j, TICK])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def affordable(
    j: int, sign: float, size: float, price: float, rate: float, state: FloatArray, account: FloatArray
) -> float:
    """Return the largest size that cash, or the room that margin leaves, pays for."""
    units = state[j, UNITS]
    if account[MARGIN] == 0.0:
        if sign < 0.0:
            return size
        cash = account[CASH]
        return min((cash - account[FEE_MINIMUM]) / price, (cash - account[FEE_FIXED]) / (price * (1.0 + rate)))
    if abs(units + sign * size) <= abs(units):
        return size
    equity, others = account[CASH] + units * price, 0.0
    for k in range(len(state)):
        if k != j and state[k, UNITS] != 0.0:
            equity += state[k, UNITS] * state[k, PRICE]
            others += abs(state[k, UNITS]) * state[k, PRICE]
    room = account[LEVERAGE] * equity - others
    turns = units * sign < 0.0
    held = -abs(units) if turns else abs(units)
    most = min(
        (room - held * price - account[LEVERAGE] * account[FEE_MINIMUM]) / price,
        (room - held * price - account[LEVERAGE] * account[FEE_FIXED]) / (price * (1.0 + account[LEVERAGE] * rate)),
    )
    return max(most, abs(units)) if turns else most


@nb.njit(cache=True, nogil=True, error_model="numpy")
def book(
    j: int,
    units: float,
    base: float,
    price: float,
    fee: float,
    reason: int,
    maker: bool,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> None:
    """Enter one fill: log, cash, units, average entry price; a fill that closes leaves exactly 0."""
    before = state[j, UNITS]
    after = before + units
    row = int(account[N_FILLS])
    log[row, 0], log[row, 1], log[row, 2], log[row, 3] = account[BAR], j, units, price
    log[row, 4], log[row, 5], log[row, 6], log[row, 7] = (
        fee,
        abs(units) * abs(price - base),
        reason,
        1.0 if maker else 0.0,
    )
    account[N_FILLS] += 1.0
    account[TRADED] += abs(units) * price
    account[CASH] = account[CASH] - units * price - fee
    if account[MARGIN] == 0.0 and units > 0.0:
        account[CASH] = max(account[CASH], 0.0)  # below 0 by rounding only, when the buy took all there was
    if before == 0.0 or before * after < 0.0:
        state[j, AVERAGE], state[j, ENTRY], state[j, BEST] = price, account[BAR], price
        state[j, RESTING], state[j, OPENED_AT], state[j, OPENED_IN] = np.nan, -1.0, -1.0
    elif before * units > 0.0:
        state[j, AVERAGE] = (abs(before) * state[j, AVERAGE] + abs(units) * price) / abs(after)
    state[j, UNITS] = after
    if after == 0.0:
        state[j, RESTING] = np.nan


@nb.njit(cache=True, nogil=True, error_model="numpy")
def fill(
    j: int,
    wanted: float,
    base: float,
    reason: int,
    maker: bool,
    limit: float,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
) -> float:
    """Fill what can be filled; return what the volume cap let through, be it filled or given up for want of cash."""
    sign, size = side_of(wanted), abs(wanted)
    if account[VOLUME_CAP] > 0.0:
        volume = state[j, VOLUME]
        most = 0.0
        if not math.isnan(volume):
            most = floor_to(account[VOLUME_CAP] * volume, state[j, LOT]) - state[j, USED]
        size = min(size, max(floor_to(most, state[j, LOT]), 0.0))
    if size == 0.0:
        return 0.0
    capped = wanted if size == abs(wanted) else sign * size
    price = base if maker else taker_price(j, sign, size, base, state, account)
    if not math.isnan(limit):
        price = sign * min(sign * price, sign * limit)
    rate = rate_of(maker, account)
    room = affordable(j, sign, size, price, rate, state, account)
    if room < size:
        size = max(floor_to(room, state[j, LOT]), 0.0)
    if size < abs(wanted) and size * price <= DUST * account[AT_OPEN]:
        return capped
    fee = account[FEE_FIXED] + size * price * rate
    if account[FEE_MINIMUM] > 0.0:  # without one a maker's rebate is paid out
        fee = max(account[FEE_MINIMUM], fee)
    book(j, sign * size, base, price, fee, reason, maker, state, account, log)
    state[j, USED] += size
    return capped
