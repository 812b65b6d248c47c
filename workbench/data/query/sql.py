"""SQL over the store: ``sql("select symbol, max(close) from bars group by symbol")``, many series at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.config import Settings, load_settings
from workbench.data.query.engine import Engine, arrow_of, frame_of
from workbench.data.query.tables import Picture, columns_of, dataset_of, picture_of, series_table
from workbench.data.sources.sample import ingest_sample
from workbench.data.store.barstore import open_store
from workbench.data.store.layout import RECORDS
from workbench.data.timeframes import utc_time
from workbench.errors import DataError

TABLES = ("bars", "series", *RECORDS)
"""What a query can read besides the frames that are handed in."""


def sql(
    query: str,
    settings: Settings | None = None,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    version: Mapping[str, int] | None = None,
    at: object = None,
    **frames: Any,
) -> pd.DataFrame:
    """Run one SQL query (DuckDB's dialect) over the store and return its rows.

    Prefer it to `load_bars` for questions over many series: counts, joins, monthly groups, cross-sections. Tables:

    - ``bars``: source, symbol, timeframe, time (the bar's open), open, high, low, close, volume, venue (where the bar
      came from), repaired;
    - ``series``: one row a series, as `BarStore.list`;
    - ``funding``, ``open_interest``, ``trades``, ``market_cap``: source, symbol, time and the values of each kind;
    - every frame that is handed in, by its name.

    Parameters
    ----------
    query : str
        One statement that reads: SELECT, WITH, FROM, PIVOT, DESCRIBE, SUMMARIZE or EXPLAIN.
    settings : Settings, optional
        Default: those of the environment.
    params : sequence or mapping, optional
        Values for ``?`` or ``$name`` in the query.
    version : mapping, optional
        Versions of some series, by names such as ``{"binance:1h:BTC/USDT": 3, "funding:binance:BTC/USDT:USDT": 1}``.
    at : str or Timestamp, optional
        Read the store as it was at this time in UTC; not with ``version``.
    **frames : DataFrame, Series or Arrow table
        An index that has a name becomes a column. Bars (field, symbol) become rows of symbol, time and the fields.

    Returns
    -------
    DataFrame
        Times are UTC, a date is its midnight. ``attrs["versions"]`` names the version of each series that the query
        could see: handed back as ``version`` it reads the same again.

    Raises
    ------
    DataError
        In one line, when the query is wrong (with its place and close matches) or a stored file is damaged.

    Notes
    -----
    Each series is read at its newest version whose files are whole, fixed when the query begins: writers neither wait
    nor disturb it. Where an earlier version has to be taken, that is logged and stands in ``attrs["notes"]``.
    Conditions on source, symbol, timeframe and time that compare the plain column (``time >= '2024-01-01'``) keep
    files shut that cannot match; conditions on expressions of them (``year(time) = 2024``) do not.

    Examples
    --------
    >>> sql("select max(close) as high from bars where source = 'sample' and symbol = 'SPX'")  # doctest: +SKIP
          high
    0  2930.75
    """
    settings = settings or load_settings()
    _check_choice(version, at)
    moment = utc_time(at, "at")
    if "'sample'" in query and version is None and moment is None:
        ingest_sample(open_store(settings))
    seen = {name for name in TABLES if re.search(rf"\b{name}\b", query, re.IGNORECASE)}
    wanted = {"bars" if name == "series" else name for name in seen}
    picture = picture_of(settings, wanted, moment, version)
    with Engine(TABLES) as engine:
        for table in seen or TABLES:  # a query that names none may ask for all, such as SHOW TABLES
            if table == "series":
                engine.offer(table, series_table(picture))
            else:
                engine.offer(table, dataset_of(picture, table), columns_of(table))
        for name, frame in frames.items():
            engine.offer(name, arrow_of(name, frame, TABLES))
        result = frame_of(engine.run(query, params))
    _tell(picture)
    result.attrs = {"versions": picture.versions, "notes": picture.notes}
    return result


def _check_choice(version: object, at: object) -> None:
    if version is not None and at not in (None, ""):
        raise DataError("a query takes at= or version=, not both; attrs['versions'] of an answer names its versions")
    if version is not None and not isinstance(version, Mapping):
        raise DataError(f"version must name series, such as {{'binance:1h:BTC/USDT': 3}}, got {version!r}")


def _tell(picture: Picture) -> None:
    if picture.notes:
        from workbench.ops import get_logger

        for note in picture.notes:
            get_logger(__name__).warning("query_reads_earlier_version", note=note)
