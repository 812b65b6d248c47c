"""Where one stored series is two assets: the known breaks, the likely ones, and bars that are split there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from workbench.data.bars import bars_of, symbol_frame, symbols_of
from workbench.data.universe.identities import IDENTITIES, Identity, identities_of
from workbench.errors import DataError
from workbench.typing import Bars

LONG_HOLE = pd.Timedelta("7D")
VERY_LONG_HOLE = pd.Timedelta("365D")
LEVEL_JUMP = float(np.log(3.0))
BREAK_COLUMNS = ("symbol", "before", "after", "log_return", "known", "asset_before", "asset_after", "note")
Choice = Literal["refuse", "split", "join"]


@dataclass(frozen=True)
class Break:
    """Between two bars of a series its asset changed: last bar before, first bar after, and what is known of it."""

    before: pd.Timestamp
    after: pd.Timestamp
    log_return: float
    known: bool
    asset_before: str
    asset_after: str
    note: str


def find_breaks(
    frame: pd.DataFrame, symbol: str, source: str = "*", table: Iterable[Identity] = IDENTITIES
) -> list[Break]:
    """Return the identity breaks of one series, oldest first: those of the table, and proposals where it is silent.

    Parameters
    ----------
    frame : DataFrame
        Increasing UTC times × at least open and close.
    source : str
        ``"*"`` uses only lines of the table that hold for every source.

    Notes
    -----
    Proposed (``known=False``) is a hole of at least 7 days over which the price moved by at least a factor of 3 and by
    10 times what its usual noise (1.4826 × median absolute log return of a bar × root of the bars in the hole) makes
    likely, and any hole of at least 365 days. A symbol of which the table speaks has the table's breaks alone.
    """
    lines = identities_of(source, symbol, table)
    times = pd.DatetimeIndex(frame.index)
    if len(times) < 2:
        return []
    opens, closes = frame["open"].to_numpy(), frame["close"].to_numpy()
    if lines:
        return _known(lines, symbol, times, opens, closes)
    return _proposed(times, opens, closes)


def _known(
    lines: tuple[Identity, ...], symbol: str, times: pd.DatetimeIndex, opens: np.ndarray, closes: np.ndarray
) -> list[Break]:
    found = []
    for old, new in pairwise(lines):
        edge = new.since if new.since is not None else old.until
        if edge is None or old.asset == new.asset:
            continue
        at = int(times.searchsorted(edge))
        if 0 < at < len(times):
            jump = _log_ratio(opens[at], closes[at - 1])
            names = old.asset_symbol(symbol), new.asset_symbol(symbol)
            found.append(Break(times[at - 1], times[at], jump, True, *names, old.note))
    return found


def _proposed(times: pd.DatetimeIndex, opens: np.ndarray, closes: np.ndarray) -> list[Break]:
    steps = np.diff(times.as_unit("ns").asi8)
    holes = np.flatnonzero(steps >= max(LONG_HOLE.value, int(2 * np.median(steps))))
    if not len(holes):
        return []
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = np.abs(np.diff(np.log(closes)))
    moves = moves[np.isfinite(moves) & (moves > 0)]
    noise = 1.4826 * float(np.median(moves)) if len(moves) else 0.0
    found = []
    for row in map(int, holes):
        jump = _log_ratio(opens[row + 1], closes[row])
        bars = steps[row] / np.median(steps)
        jumped = abs(jump) >= max(LEVEL_JUMP, 10 * noise * np.sqrt(bars)) or abs(jump) >= 2 * np.log(10)
        if jumped or steps[row] >= VERY_LONG_HOLE.value:
            days = steps[row] / pd.Timedelta("1D").value
            note = f"no bar for {days:,.0f} days, then the price times {np.exp(jump):,.4g}: likely another asset"
            found.append(Break(times[row], times[row + 1], jump, False, "", "", note))
    return found


def _log_ratio(after: float, before: float) -> float:
    return float(np.log(after / before)) if after > 0 and before > 0 else float("nan")


def identity_breaks(bars: Bars, source: str = "*", table: Iterable[Identity] = IDENTITIES) -> pd.DataFrame:
    """Return the identity breaks of bars, one row each.

    Returns
    -------
    DataFrame
        symbol, before (last bar of the old asset), after (first of the new), log_return between them, known (in the
        table, else proposed), asset_before, asset_after (empty where proposed), note.
    """
    table = tuple(table)
    rows = [
        (symbol, b.before, b.after, b.log_return, b.known, b.asset_before, b.asset_after, b.note)
        for symbol in symbols_of(bars)
        for b in find_breaks(symbol_frame(bars, symbol), symbol, source, table)
    ]
    return pd.DataFrame(rows, columns=list(BREAK_COLUMNS))


def split_identities(
    bars: Bars, source: str = "*", table: Iterable[Identity] = IDENTITIES, proposals: bool = False
) -> Bars:
    """Return bars in which each asset has a column of its own: ``LUNA/USDT`` becomes ``LUNC/USDT`` and ``LUNA2/USDT``.

    Prices never join over a break: before and after it the other asset is NaN. A symbol without a break keeps its name.

    Parameters
    ----------
    proposals : bool
        Split at proposed breaks too; the pieces are called ``X.1``, ``X.2``, ... before the slash.

    Raises
    ------
    DataError
        When a piece would have the name of another symbol of the bars.
    """
    table = tuple(table)
    pieces: dict[str, pd.DataFrame] = {}
    for symbol in symbols_of(bars):
        frame = symbol_frame(bars, symbol)
        breaks = [b for b in find_breaks(frame, symbol, source, table) if b.known or proposals]
        for name, piece in _pieces(frame, symbol, breaks):
            if name in pieces:
                raise DataError(f"splitting {symbol} makes a second {name}; load the two apart")
            pieces[name] = piece
    return bars_of(pieces)


def _pieces(frame: pd.DataFrame, symbol: str, breaks: list[Break]) -> list[tuple[str, pd.DataFrame]]:
    if not breaks:
        return [(symbol, frame)]
    cuts = [0, *(int(frame.index.searchsorted(b.after)) for b in breaks), len(frame)]
    base, slash, rest = symbol.partition("/")
    names = [f"{base}.{n}{slash}{rest}" for n in range(1, len(cuts))]
    for n, b in enumerate(breaks):
        if b.known:
            names[n], names[n + 1] = b.asset_before, b.asset_after
    return [(name, frame.iloc[a:z]) for name, a, z in zip(names, cuts[:-1], cuts[1:], strict=True)]


def apply_identities(
    bars: Bars, source: str, table: Iterable[Identity] = IDENTITIES, identities: Choice = "refuse"
) -> Bars:
    """Return bars in which no column is two known assets in one, or refuse them: what a loader calls.

    Parameters
    ----------
    identities : {"refuse", "split", "join"}
        ``refuse`` (usual) raises when a symbol spans a known break, ``split`` gives each asset its column, ``join``
        returns the bars as stored, for whoever wants to see the raw series.

    Raises
    ------
    DataError
        One line naming the symbol, both assets, the break and the ways out.
    """
    if identities not in ("refuse", "split", "join"):
        raise DataError(f"identities must be refuse, split or join, got {identities!r}")
    if identities == "join":
        return bars
    table = tuple(table)
    if identities == "split":
        return split_identities(bars, source, table)
    for symbol in symbols_of(bars):
        if len({i.asset for i in identities_of(source, symbol, table)}) < 2:
            continue
        for b in find_breaks(symbol_frame(bars, symbol), symbol, source, table):
            raise DataError(
                f"{symbol} of {source!r} is two assets: {b.asset_before} to {b.before:%Y-%m-%d %H:%M} and "
                f"{b.asset_after} from {b.after:%Y-%m-%d %H:%M} (price times {np.exp(b.log_return):.4g}); load one "
                f"side (end='{b.after:%Y-%m-%d %H:%M}' or start=the same) or ask for identities='split'"
            )
    return bars
