"""Listing spans: when each asset of a source began to trade and when it ended, the dead included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from workbench.config import did_you_mean
from workbench.data.bars import bars_of, symbol_frame
from workbench.data.store.barstore import BarStore
from workbench.data.timeframes import canonical_timeframe, timeframe_delta
from workbench.data.universe.breaks import find_breaks
from workbench.data.universe.identities import IDENTITIES, Identity, asset_symbols, identities_of, identity_at
from workbench.errors import DataError
from workbench.typing import Bars

if TYPE_CHECKING:
    from workbench.data.venues.vocabulary import Market

SPAN_COLUMNS = ("symbol", "asset", "first", "last", "bars", "delisted", "told_by", "note")
SILENCE = pd.Timedelta("7D")
"""A series that ends so long before the newest bar of its source counts as delisted, if nobody says otherwise."""


def listing_spans(
    store: BarStore,
    source: str,
    timeframe: str,
    symbols: Sequence[str] | None = None,
    markets: Mapping[str, Market] | None = None,
    table: Iterable[Identity] = IDENTITIES,
) -> pd.DataFrame:
    """Return when each stored asset of a source traded.

    Parameters
    ----------
    symbols : sequence of str, optional
        Default: all of the source at this time frame.
    markets : mapping of symbol to Market, optional
        What the venue says of its markets (`Venue.markets`); it has the last word on the newest span of a symbol.
    table : iterable of Identity
        Identities; see `workbench.data.universe.identities.load_identities`.

    Returns
    -------
    DataFrame
        One row an asset of a symbol, sorted by symbol and time: symbol, asset, first and last (open times of its first
        and last bar), bars, delisted, told_by (``market``, ``identity`` or ``bars``), note. A symbol that meant two
        assets has two rows.

    Notes
    -----
    ``delisted`` is true where the venue's market is inactive or ended, where another asset took the symbol over, where
    the bars end at least 7 days (and one bar) before those of at least half of the other series of the source. The
    last is a guess, unless the table of identities ends the asset there too: the series may not have been fetched.
    """
    table = tuple(table)
    chosen = stored_symbols(store, source, timeframe, symbols)
    frames = {s: symbol_frame(store.read(source, s, timeframe), s) for s in chosen}
    ends = {s: f.index[-1] for s, f in frames.items()}
    if set(store.symbols(source, timeframe)) - set(chosen):
        rows = store.list(source)
        rows = rows[(rows["timeframe"] == canonical_timeframe(timeframe)) & rows["last"].notna()]
        ends |= dict(zip(rows["symbol"], rows["last"], strict=True))
    quiet = max(SILENCE, timeframe_delta(timeframe))
    found: list[tuple[object, ...]] = []
    for symbol in chosen:
        market = (markets or {}).get(symbol)
        found += _rows(frames[symbol], source, symbol, table, _others(ends, symbol, quiet), market)
    return pd.DataFrame(found, columns=list(SPAN_COLUMNS))


def stored_symbols(
    store: BarStore, source: str, timeframe: str, symbols: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the symbols asked for, or all of a source at a time frame; an error when there is none."""
    known = store.symbols(source, timeframe)
    if not known:
        raise DataError(f"source {source!r} holds no series at {timeframe}; see 'workbench data list'")
    for symbol in symbols or ():
        if symbol not in known:
            raise DataError(
                f"source {source!r} holds no symbol {symbol!r} at {timeframe}.{did_you_mean(symbol, known)}"
            )
    return known if symbols is None else tuple(symbols)


@dataclass(frozen=True)
class _Others:
    """How many other series a source has, and how many go on long after this one; the newest bar of all."""

    count: int
    go_on: int
    newest: pd.Timestamp


def _others(ends: Mapping[str, pd.Timestamp], symbol: str, quiet: pd.Timedelta) -> _Others:
    later = [end - ends[symbol] >= quiet for s, end in ends.items() if s != symbol]
    return _Others(len(later), sum(later), max(ends.values()))


def _rows(
    frame: pd.DataFrame,
    source: str,
    symbol: str,
    table: tuple[Identity, ...],
    others: _Others,
    market: Market | None,
) -> list[tuple[object, ...]]:
    breaks = find_breaks(frame, symbol, source, table)
    cuts = [0, *(int(frame.index.searchsorted(b.after)) for b in breaks), len(frame)]
    rows: list[tuple[object, ...]] = []
    for n, (a, z) in enumerate(pairwise(cuts)):
        first, last = frame.index[a], frame.index[z - 1]
        asset = identity_at(source, symbol, first, table)
        if n < len(breaks):
            after = breaks[n]
            says = "identity" if after.known else "bars"
            note = f"another asset has the symbol since {after.after:%Y-%m-%d}" if after.known else after.note
            rows.append((symbol, asset, first, last, z - a, True, says, note))
        else:
            rows.append((symbol, asset, first, last, z - a, *_end(source, symbol, last, table, others, market)))
    return rows


def _end(
    source: str,
    symbol: str,
    last: pd.Timestamp,
    table: tuple[Identity, ...],
    others: _Others,
    market: Market | None,
) -> tuple[bool, str, str]:
    if market is not None:
        gone = not market.active or (market.delisted is not None and market.delisted <= others.newest)
        return gone, "market", f"the venue says {'it trades no more' if gone else 'it trades'}"
    counts = f"{others.go_on} of {others.count} other series go on for a week or more"
    if not others.count or 2 * others.go_on < others.count:
        return False, "bars", counts if others.go_on else ""
    ended = [i for i in identities_of(source, symbol, table) if i.until is not None and last < i.until <= others.newest]
    if ended:
        return True, "identity", ended[0].note
    return True, "bars", f"no bar since {last:%Y-%m-%d %H:%M}; {counts}"


def asset_bars(
    store: BarStore, source: str, asset: str, timeframe: str, table: Iterable[Identity] = IDENTITIES
) -> Bars:
    """Return the bars of one asset over all symbols it traded under: MATIC/USDT and then POL/USDT for ``POL``.

    Prices are as traded; no ratio of a conversion is applied.

    Raises
    ------
    DataError
        When no stored symbol has meant the asset, or it traded under two symbols at once (name the symbol then).
    """
    table = tuple(table)
    pieces = []
    for line in asset_symbols(source, asset, store.symbols(source, timeframe), table):
        frame = symbol_frame(store.read(source, line.symbol, timeframe), line.symbol)
        since, until = line.since or frame.index[0], line.until or frame.index[-1] + pd.Timedelta("1us")
        piece = frame[(frame.index >= since) & (frame.index < until)]
        if len(piece):
            pieces.append((line, piece))
    if not pieces:
        raise DataError(f"{source!r} has no {timeframe} bar of {asset!r} in the spans in which a symbol meant it")
    joined = pd.concat([p for _, p in pieces])
    if not joined.index.is_monotonic_increasing or joined.index.has_duplicates:
        names = ", ".join(sorted({line.symbol for line, _ in pieces}))
        raise DataError(f"{asset!r} traded as {names} at the same time; load one of these symbols")
    return bars_of({pieces[-1][0].asset_symbol(pieces[-1][0].symbol): joined})
