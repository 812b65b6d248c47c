"""Names of the columns in which the full bar keeps its account: what an asset carries, what all assets share, the log.

Inner functions take these small arrays alone. Named tuples of arrays would be easier to read, but numba counts the
references to each array of a tuple at each call, and a bar of five assets would take ten times as long.
"""

from __future__ import annotations

# A row of the state: what an asset carries from bar to bar. KIND to LEAVING describe the working order, RESTING is the
# limit of a stop that was touched, LAST the last close.
(
    UNITS, PRICE, ASKED, AVERAGE, ENTRY, BEST, BARRED, KIND, SIZE, LEVEL, SENT, WHY, LEAVING, RESTING, USED, OPENED_AT,
    OPENED_IN, LAST,
) = range(18)  # fmt: skip
# This bar's quotes (σ, usual volume and widening are those of the bar before), and the asset's steps.
OPEN, HIGH, LOW, CLOSE, VOLUME, FUNDING, MARK, SIGMA, USUAL, WIDEN, LOT, TICK, LEAST = range(18, 31)
N_STATE = 31

# The account: what moves, then the terms, then rows of fee tiers (value, maker's rate, taker's rate).
CASH, AT_OPEN, N_FILLS, BAR, TRADED, TRADED_BEFORE = range(6)
(
    TAKER, MAKER, FEE_FIXED, FEE_MINIMUM, HALF_SPREAD, SLIPPAGE, VOLATILITY_SLIPPAGE, IMPACT, VOLUME_CAP, BORROW,
    INTEREST, YEAR, MARGIN, LEVERAGE, MAINTENANCE, LIQUIDATION_FEE, ORDER, OFFSET, WAIT, THEN_MARKET, STOP_LOSS,
    TAKE_PROFIT, TRAILING, STOP_LIMIT_BY, TIME_EXIT, MAX_LOSS, ON_CHANGE, EXITS, CARRIES, N_TIERS, BAND,
) = range(6, 37)  # fmt: skip
TIERS = 37

# A row of the log: bar, asset, units, price, fee, slippage, reason, maker.
N_LOG = 8

NO_ORDER, MARKET, LIMIT, STOP = -1, 0, 1, 2
ORDERED, STOPPED, TRAILED, TARGET, STOP_LIMIT, TIMED, LIQUIDATED, RUINED = range(8)
