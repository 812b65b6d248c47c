"""Replay markets ready to serve: synthetic ones, bars in memory, bars of the store."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.data.bars import BAR_FIELDS, symbol_frame, symbols_of
from workbench.data.replay.feeds import ArrayFeed, Feed, PerpetualFeed, SyntheticFeed
from workbench.data.replay.grid import length_ms
from workbench.data.replay.market import ReplayMarket
from workbench.errors import ConfigError, DataError
from workbench.typing import Bars

if TYPE_CHECKING:
    from workbench.data.store.barstore import BarStore

SYNTHETIC_SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def synthetic_replay(
    spec: str = "regimes(seed=7)", symbols: Sequence[str] = SYNTHETIC_SYMBOLS, *, perpetuals: bool = True, seed: int = 7
) -> ReplayMarket:
    """Return a market of synthetic minute bars from 2020 on, each symbol with its perpetual.

    Parameters
    ----------
    spec : str
        gbm, planted, regimes or trending, with their arguments but ``n_bars``; each symbol draws from its own stream.
    symbols : sequence of str
        Spot symbols such as ``BTC/USDT``.
    seed : int
        Of trades, books and funding; the bars have the spec's own.

    Raises
    ------
    ConfigError
        Unknown market or argument, or a symbol that is not written ``BASE/QUOTE``.
    """
    for symbol in symbols:
        if not re.fullmatch(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,20}", symbol):
            raise ConfigError(f"symbol {symbol!r} is not written BASE/QUOTE, such as BTC/USDT")
    feeds: dict[str, Feed] = {symbol: SyntheticFeed(spec, symbol) for symbol in symbols}
    return ReplayMarket(_with_perpetuals(feeds) if perpetuals else feeds, seed, f"synthetic market {spec}")


def default_start(market: ReplayMarket, now: float) -> float:
    """Return where a replay's clock starts unless told, in seconds since 1970 UTC, as ``now``.

    It is now; for bars that have ended by then, 1,000 bars before their end, or their middle where they are fewer.
    """
    ends = {s: market.instrument(s).end_ms for s in market.symbols}
    last = max((end for end in ends.values() if end is not None), default=None)
    if last is None or any(end is None or end > now * 1000 for end in ends.values()):
        return now
    symbol = next(s for s, end in ends.items() if end == last)
    first, length = market.instrument(symbol).listed_ms, length_ms(market.timeframe(symbol))
    return max(last - 1000 * length, (first + last) // 2) / 1000


def replay_of_bars(
    bars: Bars, timeframe: str, *, perpetuals: bool = True, seed: int = 7, source: str = ""
) -> ReplayMarket:
    """Return a market of bars in memory; higher lengths are made from theirs."""
    feeds: dict[str, Feed] = {symbol: feed_of_bars(bars, symbol, timeframe) for symbol in symbols_of(bars)}
    return ReplayMarket(_with_perpetuals(feeds) if perpetuals else feeds, seed, source)


def feed_of_bars(bars: Bars, symbol: str, timeframe: str) -> ArrayFeed:
    """Return the feed of one symbol of bars."""
    frame = symbol_frame(bars, symbol)
    times = pd.DatetimeIndex(frame.index).as_unit("ns").asi8 // 1_000_000
    return ArrayFeed(np.column_stack([times, frame[list(BAR_FIELDS)].to_numpy()]), timeframe)


def replay_of_store(
    store: BarStore, source: str, symbols: Sequence[str] = (), timeframe: str = "", *, seed: int = 7
) -> ReplayMarket:
    """Return a market of stored bars: each symbol at its lowest stored length, or at the one named.

    Raises
    ------
    DataError
        When the store does not hold the source, a symbol, or the length.
    """
    held = store.list(source)
    if held.empty:
        known = store.sources()
        raise DataError(f"the store holds no source {source!r}.{did_you_mean(source, known) if known else ''}")
    wanted = list(symbols) or sorted(set(held["symbol"]))
    feeds: dict[str, Feed] = {}
    for symbol in wanted:
        lengths = held.loc[held["symbol"] == symbol, "timeframe"]
        if lengths.empty:
            raise DataError(f"source {source!r} holds no symbol {symbol!r}.{did_you_mean(symbol, set(held['symbol']))}")
        length = timeframe or min(lengths, key=length_ms)
        feeds[symbol] = feed_of_bars(store.read(source, symbol, length), symbol, length)
    return ReplayMarket(_with_perpetuals(feeds), seed, f"stored bars of {source!r}")


def _with_perpetuals(feeds: Mapping[str, Feed]) -> dict[str, Feed]:
    """Add the perpetual of each spot symbol quoted in a stable coin or dollars, where it is not there itself."""
    all_feeds = dict(feeds)
    for symbol, feed in feeds.items():
        _, _, quote = symbol.partition("/")
        if quote in ("USDT", "USDC", "USD") and f"{symbol}:{quote}" not in feeds:
            all_feeds[f"{symbol}:{quote}"] = PerpetualFeed(feed)
    return all_feeds
