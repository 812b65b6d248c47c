"""The edge of the kernel: bars and targets as aligned, checked arrays in the kernel's layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.typing import Bars, FloatArray, Panel

Rebalance = Literal["every_bar", "on_change"]
REBALANCE: tuple[Rebalance, ...] = ("every_bar", "on_change")
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Costs:
    """Fee and slippage as fractions of traded value, from basis points that were checked."""

    fee: float
    slippage: float

    @classmethod
    def of_bps(cls, fee_bps: float, slippage_bps: float) -> Costs:
        """Check basis points (1 bp = 0.0001) and turn them into fractions."""
        for name, value in (("fee_bps", fee_bps), ("slippage_bps", slippage_bps)):
            if not 0 <= value < 10_000:
                raise ConfigError(f"{name} must be from 0 to below 10000 basis points, got {value}")
        return cls(fee_bps / 1e4, slippage_bps / 1e4)


@dataclass(frozen=True)
class Market:
    """Opens and closes of chosen symbols in the kernel's layout, (n_assets, n_bars) in C order."""

    times: pd.DatetimeIndex
    symbols: tuple[str, ...]
    opens: FloatArray
    closes: FloatArray


@dataclass(frozen=True)
class Account:
    """Everything one simulation needs, checked: targets (n_assets, n_bars) beside the market they trade on."""

    market: Market
    targets: FloatArray
    costs: Costs
    on_change: bool
    cash: float


def open_account(
    positions: Panel,
    bars: Bars,
    fee_bps: float,
    slippage_bps: float,
    initial_cash: float,
    max_leverage: float,
    rebalance: Rebalance,
) -> Account:
    """Check the arguments of a simulation once, align positions with bars and lay both out for the kernel."""
    if not 0 < initial_cash < np.inf:
        raise ConfigError(f"initial_cash must be above 0, got {initial_cash}")
    costs = Costs.of_bps(fee_bps, slippage_bps)
    on_change = check_rebalance(rebalance)
    targets, window = align_targets(positions, bars, max_leverage)
    market = market_of(window, list(targets.columns))
    return Account(market, kernel_layout(targets), costs, on_change, float(initial_cash))


def market_of(bars: Bars, symbols: list[str] | None = None) -> Market:
    """Take opens and closes out of bars.

    Raises
    ------
    DataError
        When bars lack a field or symbol, have no rows, or hold a price that is not positive.
    """
    if not isinstance(bars.columns, pd.MultiIndex) or not isinstance(bars.index, pd.DatetimeIndex):
        raise DataError(
            "bars need two-level columns (field, symbol) and a DatetimeIndex; see workbench.data.check_bars"
        )
    if len(bars) == 0:
        raise DataError("bars hold no rows; choose a longer range")
    fields = set(bars.columns.get_level_values(0))
    if not {"open", "close"} <= fields:
        raise DataError(f"bars need the fields open and close, got {sorted(fields)}")
    known = [str(s) for s in bars["close"].columns]
    chosen = known if symbols is None else symbols
    for symbol in chosen:
        if symbol not in known:
            raise DataError(f"bars hold no symbol {symbol!r}.{did_you_mean(symbol, known)}")
    opens, closes = (kernel_layout(pd.DataFrame(bars[field])[chosen]) for field in ("open", "close"))
    for field, prices in (("open", opens), ("close", closes)):
        wrong = ~(np.isnan(prices) | ((prices > 0) & np.isfinite(prices)))
        if wrong.any():
            j, t = np.argwhere(wrong)[0]
            raise DataError(f"{field} of {chosen[j]} at {bars.index[t]} is {prices[j, t]}; prices must be above 0")
    return Market(bars.index, tuple(chosen), opens, closes)


def align_targets(positions: Panel, bars: Bars, max_leverage: float) -> tuple[Panel, Bars]:
    """Return positions and bars over the same times, first to last decision, bars without a decision being NaN.

    Raises
    ------
    DataError
        When a position is infinite, has a time or symbol that bars lack, or a row exceeds ``max_leverage``.
    """
    if not isinstance(positions, pd.DataFrame) or not isinstance(positions.index, pd.DatetimeIndex):
        raise DataError(f"positions need a frame of times by symbols, got {type(positions).__name__}")
    if len(positions) == 0 or len(positions.columns) == 0:
        raise DataError("positions are empty; decide at least one target")
    if not positions.index.is_monotonic_increasing or positions.index.has_duplicates:
        raise DataError("times of positions must be unique and increasing; sort them and drop duplicates")
    same = positions.index.equals(bars.index)  # the usual case, ten times faster than to look each time up
    strange = positions.index[:0] if same else positions.index[~positions.index.isin(bars.index)]
    if len(strange):
        raise DataError(f"positions have a time that bars lack: {strange[0]}; decide at the times of bars only")
    if not max_leverage > 0:
        raise ConfigError(f"max_leverage must be above 0, got {max_leverage}")
    gross = positions.abs().sum(axis=1)
    if not np.isfinite(gross).all() or gross.max() > max_leverage * (1 + _ROUNDING):
        worst = int(gross.to_numpy().argmax())  # NaN cannot be: a sum leaves it out
        raise DataError(
            f"positions at {gross.index[worst]} sum to {gross.iloc[worst]:g} of equity, "
            f"above max_leverage {max_leverage:g}; scale them down or raise max_leverage"
        )
    window = bars.loc[positions.index[0] : positions.index[-1]]
    return positions.reindex(window.index), window


def check_rebalance(rebalance: str) -> bool:
    """Return whether orders are sent on a change of target only."""
    if rebalance not in REBALANCE:
        raise ConfigError(f"unknown rebalance {rebalance!r}.{did_you_mean(rebalance, REBALANCE)}")
    return rebalance == "on_change"


def kernel_layout(values: npt.ArrayLike) -> FloatArray:
    """Turn (n_bars, n_assets) into the (n_assets, n_bars) of the kernel; a view where the values lie so already."""
    return np.require(np.asarray(values, dtype=np.float64).T, requirements=["C", "W"])
