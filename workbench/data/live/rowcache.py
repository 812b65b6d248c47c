"""The cache that ccxt writes candles to, with an ear: it hands each one on as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def row_cache(size: int, take: Callable[[list[Any]], None]) -> Any:
    """Return one of ccxt's caches by time that also calls ``take`` with each candle.

    ccxt replaces a candle that it holds in place, so of messages that came in one go and out of order a reader would
    see the last only, be it the oldest.
    """
    from ccxt.async_support.base.ws.cache import ArrayCacheByTimestamp

    class RowCache(ArrayCacheByTimestamp):
        def append(self, item: list[Any]) -> None:
            take(list(item))
            super().append(item)

    return RowCache(size)
