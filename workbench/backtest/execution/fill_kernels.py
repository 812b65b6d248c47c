"""What one fill costs, how far cash, margin and volume let it go, and how it is booked.

The account lives in two arrays. A row of ``state``, (n_assets, `N_STATE`), is what one asset carries from bar to bar;
``account`` is what they share. Fills go to rows of ``log``; the caller sees to it that it is long enough for a bar.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from workbench.backtest.execution.terms import Tape, Terms
from workbench.typing import FloatArray

DUST = 1e-12
GIVE = 1e-9  # of a step, forgiven when rounding to lot or tick

# What an asset carries. KIND to LEAVING describe the working order, RESTING the limit of a stop that was touched.
(
    UNITS, PRICE, ASKED, AVERAGE, ENTRY, BEST, BARRED, KIND, SIZE, LEVEL, SENT, WHY, LEAVING, RESTING, USED, OPENED_AT,
    OPENED_IN, LAST,
) = range(18)  # fmt: skip
N_STATE = 18

CASH, AT_OPEN, TRADED, N_FILLS, BAR = range(5)
N_ACCOUNT = 5

# A row of the log.
N_LOG = 8  # bar, asset, units, price, fee, slippage, reason, maker

NO_ORDER, MARKET, LIMIT, STOP = -1, 0, 1, 2
ORDERED, STOPPED, TRAILED, TARGET, STOP_LIMIT, TIMED, LIQUIDATED, RUINED = range(8)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def floor_to(x: float, step: float) -> float:
    """Round down to a multiple of ``step``; 0 is no step."""
    return math.floor(x / step + GIVE) * step if step > 0.0 else x


@nb.njit(cache=True, nogil=True, error_model="numpy")
def ceil_to(x: float, step: float) -> float:
    """Round up to a multiple of ``step``."""
    return math.ceil(x / step - GIVE) * step if step > 0.0 else x


@nb.njit(cache=True, nogil=True, error_model="numpy")
def at(values: FloatArray, j: int, t: int) -> float:
    """Return one value, NaN before the first bar and where the array is not there."""
    return values[j, t] if t >= 0 and values.shape[0] > 0 else np.nan


@nb.njit(cache=True, nogil=True, error_model="numpy")
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
def rate_of(maker: bool, t: int, terms: Terms, traded: FloatArray) -> float:
    """Return the fee's rate, by the value traded in the last bars where there are tiers."""
    rate = terms.maker if maker else terms.taker
    if len(terms.tiers) == 0:
        return rate
    window = 0.0
    for s in range(max(t - terms.tier_window + 1, 0), t + 1):
        window += traded[s]
    for k in range(len(terms.tiers)):
        if window >= terms.tiers[k, 0]:
            rate = terms.tiers[k, 1] if maker else terms.tiers[k, 2]
    return rate


@nb.njit(cache=True, nogil=True, error_model="numpy")
def taker_price(j: int, sign: float, size: float, base: float, t: int, tape: Tape, terms: Terms) -> float:
    """Return the price of a taker's fill: spread, slippage and impact against the trader, then the tick."""
    slip = terms.slippage
    sigma, usual = at(tape.volatility, j, t - 1), at(tape.usual_volume, j, t - 1)
    if not math.isnan(sigma):
        slip += terms.volatility_slippage * sigma
        if usual > 0.0:
            slip += terms.impact * sigma * math.sqrt(size / usual)
    moved = base * (1.0 + sign * (terms.half_spread + min(slip, 0.5)))
    return ceil_to(moved, terms.tick[j]) if sign > 0.0 else floor_to(moved, terms.tick[j])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def affordable(
    j: int, sign: float, size: float, price: float, rate: float, terms: Terms, state: FloatArray, account: FloatArray
) -> float:
    """Return the largest size that cash, or the room that margin leaves, pays for."""
    units = state[j, UNITS]
    if not terms.margin:
        if sign < 0.0:
            return size
        cash = account[CASH]
        return min((cash - terms.fee_minimum) / price, (cash - terms.fee_fixed) / (price * (1.0 + rate)))
    if abs(units + sign * size) <= abs(units):
        return size
    equity, others = account[CASH] + units * price, 0.0
    for k in range(len(state)):
        if k != j and state[k, UNITS] != 0.0:
            equity += state[k, UNITS] * state[k, PRICE]
            others += abs(state[k, UNITS]) * state[k, PRICE]
    room = terms.leverage * equity - others
    turns = units * sign < 0.0
    held = -abs(units) if turns else abs(units)
    most = min(
        (room - held * price - terms.leverage * terms.fee_minimum) / price,
        (room - held * price - terms.leverage * terms.fee_fixed) / (price * (1.0 + terms.leverage * rate)),
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
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> None:
    """Enter one fill: log, cash, units, average entry price; a fill that closes leaves exactly 0."""
    before, t = state[j, UNITS], int(account[BAR])
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
    traded[t] += abs(units) * price
    account[CASH] = account[CASH] - units * price - fee
    if not terms.margin and units > 0.0:
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
    tape: Tape,
    terms: Terms,
    state: FloatArray,
    account: FloatArray,
    log: FloatArray,
    traded: FloatArray,
) -> float:
    """Fill what can be filled; return what the volume cap let through, be it filled or given up for want of cash."""
    t, sign, size = int(account[BAR]), side_of(wanted), abs(wanted)
    if terms.volume_cap > 0.0:
        volume = at(tape.volume, j, t)
        most = 0.0
        if not math.isnan(volume):
            most = floor_to(terms.volume_cap * volume, terms.lot[j]) - state[j, USED]
        size = min(size, max(floor_to(most, terms.lot[j]), 0.0))
    if size == 0.0:
        return 0.0
    capped = wanted if size == abs(wanted) else sign * size
    price = base if maker else taker_price(j, sign, size, base, t, tape, terms)
    if not math.isnan(limit):
        price = sign * min(sign * price, sign * limit)
    rate = rate_of(maker, t, terms, traded)
    room = affordable(j, sign, size, price, rate, terms, state, account)
    if room < size:
        size = max(floor_to(room, terms.lot[j]), 0.0)
    if size < abs(wanted) and size * price <= DUST * account[AT_OPEN]:
        return capped
    fee = max(terms.fee_minimum, terms.fee_fixed + size * price * rate)
    book(j, sign * size, base, price, fee, reason, maker, terms, state, account, log, traded)
    state[j, USED] += size
    return capped
