"""Market capitalisation from CoinGecko into the records of the store."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.config import Settings, load_settings
from workbench.data.store.records import RecordStore, open_records
from workbench.data.venues.address import series_name
from workbench.data.venues.clock import Clock
from workbench.data.venues.coingecko import LONGEST_DAYS, CoinGecko

_KIND = "market_cap"


def fetch_market_cap(
    symbols: str | Sequence[str],
    days: int = LONGEST_DAYS,
    *,
    settings: Settings | None = None,
    records: RecordStore | None = None,
    clock: Clock | None = None,
    at: str = "",
) -> pd.DataFrame:
    """Bring daily price, market capitalisation and volume of coins into the records of the kind ``market_cap``.

    Days that are held already stay as they were first read, whatever is told of them later.

    Parameters
    ----------
    symbols : str or sequence of str
        ``BTC``, ``BTC/USDT`` (its base counts) or a CoinGecko id; the record's symbol is written as here.
    days : int
        Days back from now, 1 to 365.
    at : str
        Base address of a server that stands in for CoinGecko.

    Returns
    -------
    DataFrame
        One row a symbol: symbol, added (days), first, last (times held), version.

    Raises
    ------
    DataError
        When no coin has a symbol, or the days are out of bounds.
    VenueDownError
        When CoinGecko cannot be asked; the symbols before are stored.
    """
    settings = settings or load_settings()
    store = records or open_records(settings)
    gecko = CoinGecko(settings, at=at, clock=clock)
    source = series_name(gecko)
    rows = []
    for symbol in [symbols] if isinstance(symbols, str) else list(symbols):
        told = gecko.daily(symbol, days).dropna()
        if store.newest(_KIND, source, symbol) is not None:
            told = told[~told.index.isin(store.read(_KIND, source, symbol).index)]
        if len(told):
            store.write(_KIND, source, symbol, told)
        held = store.read(_KIND, source, symbol)
        version = int(store.versions(_KIND, source, symbol)["version"].iloc[-1])
        rows.append((symbol, len(told), held.index[0], held.index[-1], version))
    return pd.DataFrame(rows, columns=["symbol", "added", "first", "last", "version"])
