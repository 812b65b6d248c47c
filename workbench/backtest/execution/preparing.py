"""From bars and an execution to what the kernel reads: laid out once, used by every configuration and thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.backtest.execution.terms import NO_MATRIX, ORDERS, Tape, Terms
from workbench.backtest.market import Rebalance, check_rebalance, kernel_layout, market_of
from workbench.errors import DataError
from workbench.typing import Bars, FloatArray, IntArray

if TYPE_CHECKING:
    from workbench.backtest.execution.model import Execution, PerSymbol

HIGH, EXTREME = 0.75, 0.95
"""Quantiles of volatility's own past from which its regime is high, and extreme."""

_NO_FINER = (np.empty((0, 0, 3)), np.empty(0, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Prepared:
    """Bars and an execution as the kernel reads them; `Execution.leverage` bounds the targets.

    Parameters
    ----------
    times, symbols
        Of the bars, (n_bars,), and of the rows of every array of the tape.
    tape, terms
        What varies by bar, and what does not.
    most_finer
        Most finer bars within a bar.
    """

    times: pd.DatetimeIndex
    symbols: tuple[str, ...]
    tape: Tape
    terms: Terms
    most_finer: int = 0


def prepare_execution(
    bars: Bars,
    execution: Execution,
    *,
    rebalance: Rebalance,
    periods_per_year: float,
    symbols: list[str] | None = None,
    times: pd.DatetimeIndex | None = None,
    finer: Bars | None = None,
) -> Prepared:
    """Lay bars out for the full bar and check that they hold what the execution reads.

    Parameters
    ----------
    bars
        Bars (field, symbol); those before ``times`` serve the trailing volatility and volume.
    symbols, times
        Which of them; all by default.
    finer
        Bars of a shorter time frame that decide what a bar touched first, where they cover it.

    Raises
    ------
    DataError
        When a field that an option reads is missing, or a price is not above 0.
    """
    market = market_of(bars, symbols)
    names, index = list(market.symbols), market.times if times is None else times
    window = slice(None) if times is None else slice(*market.times.slice_locs(times[0], times[-1]))

    def laid(values: pd.DataFrame) -> FloatArray:
        return np.ascontiguousarray(kernel_layout(values[names])[:, window])

    known = set(bars.columns.get_level_values(0))
    opens = np.ascontiguousarray(market.opens[:, window])

    def field(name: str, why: str) -> FloatArray:
        if name not in known:
            raise DataError(f"execution: {why} needs the field {name!r} in the bars; load it, or leave that option out")
        return _clean(name, laid(pd.DataFrame(bars[name])), opens, names, index)

    close = pd.DataFrame(bars["close"])[names]
    moves = execution.volatility_slippage > 0 or execution.impact > 0
    volatility = close
    if moves or execution.widen_stops:
        volatility = close.apply(_own_volatility, window=execution.volatility_window)
    tape = Tape(
        open=opens,
        high=field("high", "an exit, a limit or margin") if execution.needs_range else NO_MATRIX,
        low=field("low", "an exit, a limit or margin") if execution.needs_range else NO_MATRIX,
        close=np.ascontiguousarray(market.closes[:, window]),
        volume=field("volume", "volume_cap or impact") if execution.needs_volume else NO_MATRIX,
        funding=field("funding_rate", "funding") if execution.funding else NO_MATRIX,
        mark=field("mark", "") if execution.funding and "mark" in known else NO_MATRIX,
        volatility=laid(volatility) if moves else NO_MATRIX,
        usual_volume=_usual_volume(bars, execution, laid) if execution.impact > 0 else NO_MATRIX,
        widen=laid(widening(volatility, execution.widen_stops, execution.regime_window))
        if execution.widen_stops
        else NO_MATRIX,
        finer=_NO_FINER[0],
        finer_at=_NO_FINER[1],
    )
    most = 0
    if finer is not None:
        rows, at = _finer(finer, names, index)
        tape, most = tape._replace(finer=rows, finer_at=at), int(np.diff(at).max(initial=0))
    terms = terms_of(execution, names, check_rebalance(rebalance), periods_per_year)
    return Prepared(index, market.symbols, tape, terms, most)


def execution_returns(
    prepared: Prepared,
    j: int,
    first: int,
    stop: int,
    targets: FloatArray,
    returns: FloatArray,
    traded: FloatArray,
) -> int:
    """Write the net returns of asset ``j`` alone over bars ``first`` to ``stop`` − 1; return its round trips.

    The statistics-only face of the full bar: no fill is kept. The account is flat before ``first``; what was decided at
    ``first − 1`` fills at its open.

    Parameters
    ----------
    targets
        (n_assets, n_bars), C order, fractions of the account's equity.
    returns, traded
        (n_bars,); receive net simple returns and the value traded over the equity before.
    """
    from workbench.backtest.execution.bar_kernels import walk_account

    read = {name: values[j : j + 1] for name, values in prepared.tape._asdict().items() if len(values)}
    tape = prepared.tape._replace(**read | {"finer_at": prepared.tape.finer_at})
    terms = prepared.terms
    own = terms._replace(
        lot=terms.lot[j : j + 1], tick=terms.tick[j : j + 1], min_notional=terms.min_notional[j : j + 1]
    )
    work = np.empty(tape.open.shape[1])
    return walk_account(targets[j : j + 1], tape, own, 1.0, prepared.most_finer, first, stop, returns, traded, work)


def terms_of(execution: Execution, symbols: list[str], on_change: bool, periods_per_year: float) -> Terms:
    """Return an execution's options as the numbers that the kernel reads."""
    bps = 1e-4
    maker = execution.fee_bps if execution.maker_fee_bps is None else execution.maker_fee_bps
    tiers = [(value, m * bps, t * bps) for value, m, t in execution.fee_tiers]
    return Terms(
        taker=execution.fee_bps / 1e4,
        maker=maker / 1e4,
        tiers=np.array(tiers, dtype=np.float64).reshape(-1, 3),
        tier_window=execution.tier_window,
        fee_fixed=float(execution.fee_fixed),
        fee_minimum=float(execution.fee_minimum),
        half_spread=execution.half_spread_bps / 1e4,
        slippage=execution.slippage_bps / 1e4,
        volatility_slippage=float(execution.volatility_slippage),
        impact=float(execution.impact),
        volume_cap=float(execution.volume_cap),
        lot=_by_symbol("lot", execution.lot, symbols),
        tick=_by_symbol("tick", execution.tick, symbols),
        min_notional=_by_symbol("min_notional", execution.min_notional, symbols),
        borrow=float(execution.borrow_rate),
        interest=float(execution.interest_rate),
        year=float(periods_per_year),
        margin=execution.leverage > 1 or execution.maintenance_margin > 0,
        leverage=float(execution.leverage),
        maintenance=float(execution.maintenance_margin),
        liquidation_fee=execution.liquidation_fee_bps / 1e4,
        order=ORDERS.index(execution.order),
        offset=execution.offset_bps / 1e4,
        wait=execution.wait,
        then_market=execution.then == "market",
        stop_loss=float(execution.stop_loss),
        take_profit=float(execution.take_profit),
        trailing=float(execution.trailing_stop),
        stop_limit=np.nan if execution.stop_limit_bps is None else execution.stop_limit_bps / 1e4,
        time_exit=execution.time_exit,
        max_loss=float(execution.max_loss),
        on_change=on_change,
        band=float(execution.band),
    )


def widening(volatility: pd.DataFrame, factors: tuple[float, float], window: int) -> pd.DataFrame:
    """Return the factor on stop distances at each bar by the regime of volatility, from bars up to that one.

    High is above the 75 %, extreme above the 95 % quantile of the last ``window`` values, this one included; 1 until a
    fifth of them is known.
    """
    rank = volatility.apply(lambda own: own.dropna().rolling(window, min_periods=max(window // 5, 2)).rank(pct=True))
    ranks = rank.reindex(volatility.index).ffill().to_numpy()
    chosen = np.where(ranks > EXTREME, factors[1], np.where(ranks > HIGH, factors[0], 1.0))
    return pd.DataFrame(chosen, index=volatility.index, columns=volatility.columns)


def liquidation_price(cash: float, units: float, maintenance_margin: float) -> float:
    """Return the price at which one position on margin is liquidated.

    Parameters
    ----------
    cash
        Of the account, negative where the position was bought with debt.
    units
        Signed; not 0.
    maintenance_margin
        Least equity over the position's value.

    Returns
    -------
    float
        ``−cash / (u (1 − m))`` for a long, ``cash / (|u| (1 + m))`` for a short; 0 or below: never.
    """
    if units > 0:
        return -cash / (units * (1.0 - maintenance_margin))
    return cash / (-units * (1.0 + maintenance_margin))


def _own_volatility(own: pd.Series, window: int) -> pd.Series:
    """Trailing standard deviation of an asset's own close-to-close returns, carried over bars at which it rests."""
    known = own.dropna()
    return known.pct_change(fill_method=None).rolling(window).std().reindex(own.index).ffill()


def _usual_volume(bars: Bars, execution: Execution, laid: object) -> FloatArray:
    volume = pd.DataFrame(bars["volume"])
    usual = volume.apply(lambda own: own.dropna().rolling(execution.volatility_window).mean())
    return laid(usual.reindex(volume.index).ffill())  # type: ignore[operator]  # the caller's layout


def _clean(name: str, values: FloatArray, opens: FloatArray, symbols: list[str], times: pd.DatetimeIndex) -> FloatArray:
    """Return values that an option reads, checked: NaN is nothing known, but a traded bar has its high and low."""
    if name in ("high", "low"):
        wrong, cure = ~((values > 0) & np.isfinite(values) | np.isnan(opens)), "a bar that trades needs one above 0"
    elif name == "funding_rate":
        wrong, cure = np.isinf(values), "rates must be finite, NaN where nothing is paid"
    elif name == "mark":
        wrong, cure = ~((values > 0) & np.isfinite(values) | np.isnan(values)), "prices must be above 0, or NaN"
    else:
        wrong, cure = ~((values >= 0) & np.isfinite(values) | np.isnan(values)), "volumes must be 0 or more, or NaN"
    if wrong.any():
        j, t = np.argwhere(wrong)[0]
        raise DataError(f"execution: {name} of {symbols[j]} at {times[t]} is {values[j, t]}; {cure}")
    return values


def _by_symbol(name: str, value: PerSymbol, symbols: list[str]) -> FloatArray:
    if not isinstance(value, Mapping):
        return np.full(len(symbols), float(value))
    for symbol in symbols:
        if symbol not in value:
            raise DataError(f"execution: {name} names no {symbol}; give it a value, or one number for all")
    return np.array([float(value[s]) for s in symbols])


def _finer(finer: Bars, symbols: list[str], times: pd.DatetimeIndex) -> tuple[FloatArray, IntArray]:
    """Return open, high and low of finer bars, (n_assets, n_finer, 3), and where those of each bar begin."""
    lacking = [f for f in ("open", "high", "low") if f not in finer.columns.get_level_values(0)]
    if lacking:
        raise DataError(f"finer bars lack the field {lacking[0]!r}; they need open, high and low")
    missing = [s for s in symbols if s not in set(finer["open"].columns)]
    if missing:
        raise DataError(f"finer bars lack {missing[0]}; give those of every symbol, NaN where there are none")
    step = (times[1:] - times[:-1]).min() if len(times) > 1 else pd.Timedelta(days=1)
    inside = finer.loc[times[0] :]
    index = pd.DatetimeIndex(inside.index)
    if len(index) > 1 and not pd.Timedelta(0) < (index[1:] - index[:-1]).min() < step:
        raise DataError(f"finer bars must rise in time by less than the bars' {step}; give a shorter time frame")
    rows = np.stack([kernel_layout(pd.DataFrame(inside[f])[symbols]) for f in ("open", "high", "low")], axis=-1)
    rows[np.isnan(rows).any(axis=-1)] = np.nan
    starts = index.searchsorted(times, side="left")
    end = index.searchsorted(times[-1] + step, side="left")
    owner = times.searchsorted(index, side="right") - 1
    rows[:, index >= times[owner] + step] = np.nan  # within a bar that is missing: no bar owns it
    return np.ascontiguousarray(rows), np.append(starts, end).astype(np.int64)
