"""Smart-money events of one symbol as a table, for charts and reports: each with its origin and the bar it is known at.

An event is drawn at its origin and may be acted on after the close of its known bar, never before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.features.structure import tables
from workbench.features.structure.trackers import (
    PERIODS,
    SESSIONS,
    BlockTracker,
    BreakTracker,
    GapTracker,
    PoolTracker,
    Prices,
    SpanTracker,
    SwingTracker,
)
from workbench.typing import Bars, IntArray

EVENT_COLUMNS = ("kind", "direction", "origin", "known", "top", "bottom", "level", "touched", "ended")
EVENT_KINDS = (
    "swing", "bos", "choch", "fvg", "order_block", "liquidity", "previous_4h", "previous_1d", "previous_1w", "session",
)  # fmt: skip
_LENGTHS = {"swing_length": (1, 100_000)}
_CHARACTERS = ("trend", "swings")


def swing_events(bars: Bars, symbol: str, *, swing_length: int = 10, as_known: Any = None) -> pd.DataFrame:
    """Return alternating swing highs (direction 1) and lows (-1).

    A swing high is the highest high of the ``2 swing_length`` bars from ``swing_length - 1`` before it to
    ``swing_length`` after it; known on the last of these. Of swings of one side with none of the other between, the
    most extreme counts, the first of equals: when a later one takes its place, the former ``ended`` on the bar at which
    the later is known.

    Parameters
    ----------
    bars
        Bars by the house's convention.
    symbol
        One symbol of theirs; rows where it does not trade are left out.
    swing_length
        Bars after the swing until it is known, usually 5 to 50.
    as_known
        A time: the table as it was known at the close of the bar that opens then. None: as of the last bar.

    Returns
    -------
    pandas.DataFrame
        Columns `EVENT_COLUMNS`, sorted by known bar and origin; times are bar opens, NaT = not (yet).

    Raises
    ------
    ConfigError
        A parameter out of bounds.
    DataError
        Bars without the symbol or a field that is needed.
    """
    return smart_money_events(bars, symbol, kinds=("swing",), swing_length=swing_length, as_known=as_known)


def structure_events(
    bars: Bars, symbol: str, *, swing_length: int = 10, character: str = "trend", as_known: Any = None
) -> pd.DataFrame:
    """Return breaks of structure (``bos``) and changes of character (``choch``): closes beyond a known swing's level.

    The origin is the swing, ``known`` the bar that closes beyond it. Each level breaks once;
    of several of one side closed through at once the newest swing counts. Parameters and result as in `swing_events`.

    Parameters
    ----------
    character
        What makes a break a change of character: ``"trend"``: it goes against the break before it; ``"swings"``: a
        break upwards whose swing high is followed by a known low below the low before it (mirrored downwards).
    """
    settings = dict(swing_length=swing_length, character=character, as_known=as_known)
    return smart_money_events(bars, symbol, kinds=("bos", "choch"), **cast("Any", settings))


def gap_events(bars: Bars, symbol: str, *, join_consecutive: bool = False, as_known: Any = None) -> pd.DataFrame:
    """Return fair-value gaps: the third bar leaves room to the first, and the middle bar closes the same way.

    The origin is the middle bar, ``known`` the third. ``touched`` and ``ended`` are the first later bar that touches
    the near edge. Result as in `swing_events`.

    Parameters
    ----------
    join_consecutive
        Whether a gap whose middle bar follows that of one on the same side takes it over, with the outermost edges; the
        former then ended without being touched.
    """
    return smart_money_events(bars, symbol, kinds=("fvg",), join_consecutive=join_consecutive, as_known=as_known)


def order_block_events(
    bars: Bars, symbol: str, *, swing_length: int = 10, break_by_body: bool = False, as_known: Any = None
) -> pd.DataFrame:
    """Return order blocks: the lowest bar between a swing high and the close that breaks it, and mirrored.

    The origin is that bar, the last of equals, and the edges are its high and low; ``known`` is the bar that closes
    beyond the swing. ``touched`` is the first later bar that trades within the block, ``ended`` the first that trades
    beyond its far edge. Parameters and result as in `swing_events`.

    Parameters
    ----------
    break_by_body
        Whether the body, not the wick, must be beyond the far edge.
    """
    settings = dict(swing_length=swing_length, break_by_body=break_by_body, as_known=as_known)
    return smart_money_events(bars, symbol, kinds=("order_block",), **cast("Any", settings))


def liquidity_events(
    bars: Bars, symbol: str, *, swing_length: int = 10, tolerance: float = 0.001, as_known: Any = None
) -> pd.DataFrame:
    """Return liquidity pools: two or more swing highs (direction 1) or lows (-1) at nearly one level, and their sweeps.

    Each row is one state of a pool: from the bar at which its second, third … swing is known, until the next one joins
    or it is swept. The origin is its first swing, ``level`` the mean of its swings, ``top`` and ``bottom`` the band
    around the first. ``touched`` is the bar that sweeps it: trades at or beyond the band's outer edge. Parameters and
    result as in `swing_events`.

    Parameters
    ----------
    tolerance
        Half the width of the band, as a fraction of the first swing's level.
    """
    settings = dict(swing_length=swing_length, tolerance=tolerance, as_known=as_known)
    return smart_money_events(bars, symbol, kinds=("liquidity",), **cast("Any", settings))


def level_events(
    bars: Bars,
    symbol: str,
    *,
    periods: Sequence[str] = ("1d", "1w"),
    sessions: Sequence[str] = ("asia", "london", "new_york"),
    as_known: Any = None,
) -> pd.DataFrame:
    """Return highs and lows of past periods (``previous_1d`` …) and ranges of past sessions (``session_london`` …).

    A period has two rows: its high (direction 1) and its low (-1), with the bar of the extreme as origin. A session has
    one row: its range, with its first bar as origin and direction 0. All are known on the first bar after it, and
    ``ended`` on the first bar after the next. ``touched`` is the first bar between that trades beyond the level, or
    leaves the session's range. Result as in `swing_events`.
    """
    kinds = tuple(f"previous_{p}" for p in PERIODS if p in periods) + (("session",) if sessions else ())
    _check_names("period", periods, PERIODS)
    return smart_money_events(bars, symbol, kinds=kinds, sessions=sessions, as_known=as_known)


def smart_money_events(
    bars: Bars,
    symbol: str,
    *,
    kinds: Sequence[str] = EVENT_KINDS,
    swing_length: int = 10,
    character: str = "trend",
    join_consecutive: bool = False,
    break_by_body: bool = False,
    tolerance: float = 0.001,
    sessions: Sequence[str] = ("asia", "london", "new_york"),
    as_known: Any = None,
) -> pd.DataFrame:
    """Return all smart-money events of one symbol; each kind is described by its own function.

    Parameters
    ----------
    kinds
        Some of `EVENT_KINDS`.
    bars, symbol, swing_length, as_known
        As in `swing_events`.
    character, join_consecutive, break_by_body, tolerance, sessions
        As in `structure_events`, `gap_events`, `order_block_events`, `liquidity_events` and `level_events`.

    Returns
    -------
    pandas.DataFrame
        Columns `EVENT_COLUMNS`, sorted by known bar, origin and kind.

    Notes
    -----
    Rows known by a bar are the same, up to ``touched`` and ``ended`` times after it, whatever bars follow it.
    """
    _check_names("kind", kinds, EVENT_KINDS)
    _check_names("session", sessions, SESSIONS)
    _check_names("character", (character,), _CHARACTERS)
    if not 1 <= swing_length <= _LENGTHS["swing_length"][1] or isinstance(swing_length, bool):
        raise ConfigError(f"swing_length must be between 1 and 100000 bars, got {swing_length!r}; 5 to 50 is usual")
    if not 1e-6 <= tolerance <= 0.1:
        raise ConfigError(f"tolerance must be a fraction between 1e-06 and 0.1, got {tolerance!r}; 0.001 is usual")
    times, prices = _own_bars(bars, symbol, as_known)
    parts = []
    if "fvg" in kinds:
        for sign in (1, -1):
            gaps = GapTracker(times.size, sign=sign, join_consecutive=join_consecutive)
            gaps.advance(prices, 0, times.size)
            parts.append(tables.zone_rows("fvg", sign, gaps.zones))
    if {"swing", "bos", "choch", "order_block", "liquidity"} & set(kinds):
        parts += _around_swings(
            prices, times.size, set(kinds), swing_length, character == "swings", break_by_body, tolerance
        )
    for name in [k for k in kinds if k.startswith("previous")] + [s for s in sessions if "session" in kinds]:
        spans = SpanTracker(times.size, name=name.removeprefix("previous_"))
        spans.advance(prices, 0, times.size)
        parts += tables.span_rows(name, spans.spans, prices)
    return tables.table(parts, times, EVENT_COLUMNS)


def _around_swings(
    prices: Prices, n_bars: int, kinds: set[str], length: int, by_swings: bool, by_body: bool, tolerance: float
) -> list[dict[str, Any]]:
    tracker: SwingTracker
    if {"bos", "choch"} & kinds:
        tracker = breaks = BreakTracker(n_bars, swing_length=length, by_pivots=by_swings)
    else:
        tracker = SwingTracker(n_bars, swing_length=length)
    tracker.advance(prices, 0, n_bars)
    swings = tracker.swings
    parts = [tables.swing_rows(swings)] if "swing" in kinds else []
    if {"bos", "choch"} & kinds:
        parts += tables.break_rows(swings, breaks.breaks, kinds)
    for sign in (1, -1):
        if "order_block" in kinds:
            blocks = BlockTracker(n_bars, sign=sign, swing_length=length, break_by_body=by_body, swings=swings)
            blocks.follow(prices, 0, n_bars)
            parts.append(tables.zone_rows("order_block", sign, blocks.zones))
        if "liquidity" in kinds:
            pools = PoolTracker(n_bars, sign=sign, swing_length=length, tolerance=tolerance, swings=swings)
            pools.follow(prices, 0, n_bars)
            parts.append(tables.pool_rows(sign, swings, pools.pools, tolerance))
    return parts


def _own_bars(bars: Bars, symbol: str, as_known: Any) -> tuple[pd.DatetimeIndex, Prices]:
    """Return the times and prices of the symbol's own bars, up to the time asked for."""
    fields = ("open", "high", "low", "close")
    missing = [f for f in fields if (f, symbol) not in bars.columns]
    if missing:
        known = bars.columns.get_level_values(1)
        raise DataError(f"bars have no {missing[0]} of {symbol!r}.{did_you_mean(str(symbol), map(str, known))}")
    own = bars.loc[:, [(f, symbol) for f in fields]].dropna()
    if as_known is not None:
        moment = pd.Timestamp(as_known)
        own = own.loc[: moment.tz_localize("UTC") if moment.tzinfo is None else moment]
    values = np.ascontiguousarray(own.to_numpy(dtype=np.float64).T)
    times = pd.DatetimeIndex(own.index)
    columns = dict(zip(fields, values, strict=True))
    return times, Prices(**columns, time=_nanoseconds(times))


def _nanoseconds(times: pd.DatetimeIndex) -> IntArray:
    return times.as_unit("ns").asi8


def _check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no {what} {name!r}.{did_you_mean(str(name), known)}")
