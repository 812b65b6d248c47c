"""What the kernel of the full bar reads: plain numbers and arrays, in named tuples that numba takes as they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.typing import FloatArray, IntArray

NO_MATRIX = np.empty((0, 0))
"""Stands for an array (n_assets, n_bars) that no option reads."""

ORDERS = ("market", "limit", "stop")
"""Kinds of orders, by their code in the kernel."""

REASONS = ("order", "stop", "trailing", "take_profit", "stop_limit", "time", "liquidation", "ruin")
"""Why something was filled, by its code in the kernel."""


class Tape(NamedTuple):
    """Everything that varies by bar, (n_assets, n_bars) in C order, NaN where unknown; `NO_MATRIX` where not read.

    ``finer`` holds open, high and low of finer bars, (n_assets, n_finer, 3), and ``finer_at`` where those of each bar
    begin, (n_bars + 1,); both empty where there are none.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    funding: FloatArray
    mark: FloatArray
    volatility: FloatArray
    usual_volume: FloatArray
    widen: FloatArray
    finer: FloatArray
    finer_at: IntArray


class Terms(NamedTuple):
    """Every option of `Execution` as numbers: rates are fractions, NaN or 0 is off; see docs/execution.md.

    ``lot``, ``tick`` and ``min_notional`` are per asset, (n_assets,); ``tiers`` rows are value, maker's rate, taker's
    rate, rising in value, (n_tiers, 3).
    """

    taker: float
    maker: float
    tiers: FloatArray
    tier_window: int
    fee_fixed: float
    fee_minimum: float
    half_spread: float
    slippage: float
    volatility_slippage: float
    impact: float
    volume_cap: float
    lot: FloatArray
    tick: FloatArray
    min_notional: FloatArray
    borrow: float
    interest: float
    year: float
    margin: bool
    leverage: float
    maintenance: float
    liquidation_fee: float
    order: int
    offset: float
    wait: int
    then_market: bool
    stop_loss: float
    take_profit: float
    trailing: float
    stop_limit: float
    time_exit: int
    max_loss: float
    on_change: bool
    band: float = 0.0
