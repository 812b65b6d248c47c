"""Real daily bars that ship inside packages we depend on: the embedded default, offline.

| symbol | what | from | to | where |
|---|---|---|---|---|
| SPX | S&P 500 index | 1999-01-04 | 2018-12-31 | ``arch.data.sp500`` |
| NASDAQ | NASDAQ composite index | 1999-01-04 | 2018-12-31 | ``arch.data.nasdaq`` |
| AAPL, IBM, MSFT | stocks | 2000-03-01 | 2013-03-01 | ``bokeh_sampledata.stocks`` |
| GOOG | stock | 2004-08-19 | 2013-03-01 | ``bokeh_sampledata.stocks`` |

The stocks' prices are as they were quoted and hold splits, so open, high, low and close are multiplied by
``adj_close / close`` of their day: the adjusted series of their source, corrected for splits and dividends.
Volume is left as reported, in shares of its day, so a split lifts its level; a volume feature must compare with the
recent past only. A bar's time is its trading date at 00:00 UTC.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from workbench.config import did_you_mean
from workbench.data.bars import BAR_FIELDS, PRICE_FIELDS, bars_of
from workbench.data.store.barstore import BarStore
from workbench.errors import DataError

SAMPLE_SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT", "NASDAQ", "SPX")
SAMPLE_TIMEFRAME = "1d"
_INDEX_FILES = {"SPX": "data/sp500/sp500.csv.gz", "NASDAQ": "data/nasdaq/nasdaq.csv.gz"}


def ingest_sample(store: BarStore, symbols: tuple[str, ...] = SAMPLE_SYMBOLS) -> None:
    """Put sample series that the store lacks into it, under the source ``sample``.

    Raises
    ------
    DataError
        When a symbol is not one of the sample's.
    """
    for symbol in symbols:
        if symbol not in SAMPLE_SYMBOLS:
            raise DataError(f"source 'sample' holds no symbol {symbol!r}.{did_you_mean(symbol, SAMPLE_SYMBOLS)}")
        if not store.has("sample", symbol, SAMPLE_TIMEFRAME):
            store.write("sample", symbol, SAMPLE_TIMEFRAME, bars_of({symbol: read_sample(symbol)}))


def read_sample(symbol: str) -> pd.DataFrame:
    """Return one sample series from its package: time × open, high, low, close (adjusted) and volume."""
    raw = _index_prices(symbol) if symbol in _INDEX_FILES else _stock_prices(symbol)
    ratio = (raw["adj_close"] / raw["close"]).to_numpy()
    frame = pd.DataFrame({f: raw[f].to_numpy(float) * (ratio if f in PRICE_FIELDS else 1.0) for f in BAR_FIELDS})
    frame.index = pd.DatetimeIndex(pd.to_datetime(raw["date"]), name="time").as_unit("us").tz_localize("UTC")
    return frame


def _index_prices(symbol: str) -> pd.DataFrame:
    # Importing arch takes two seconds for models that are not needed here; its file alone takes milliseconds.
    spec = find_spec("arch")
    folders = list(spec.submodule_search_locations or []) if spec else []
    paths = [p for f in folders if (p := Path(f) / _INDEX_FILES[symbol]).is_file()]
    if not paths:
        raise DataError(
            f"the sample series {symbol} was not found in the package arch {_version('arch')}; install 'arch>=8,<9'"
        )
    raw = pd.read_csv(paths[0])
    return raw.rename(columns={c: c.lower().replace(" ", "_") for c in raw.columns})


def _stock_prices(symbol: str) -> pd.DataFrame:
    try:
        from bokeh_sampledata import stocks
    except ImportError:
        raise DataError(
            "the sample stocks need the package bokeh_sampledata; install 'bokeh_sampledata>=2026.1'"
        ) from None
    return pd.DataFrame(getattr(stocks, symbol))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
