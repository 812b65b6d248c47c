"""What a venue tells besides bars, as frames: trades, funding, open interest, markets, order books and tickers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.data.venues.answers import AheadRowError, BadRowError
from workbench.data.venues.rows import EARLIEST_MS, shown
from workbench.data.venues.vocabulary import Market, OrderBook, Ticker
from workbench.typing import FloatArray

_LISTED = ("onboardDate", "listTime", "launchTime")
"""Binance futures, OKX and Bybit: the first trade, in milliseconds."""
_DELISTED = ("deliveryDate", "expTime", "deliveryTime")
_FAR_MS = 4_000_000_000_000
"""Perpetuals carry an end in the year 2100: no end."""


def trades_frame(trades: Sequence[dict[str, Any]], symbol: str, *, since_ms: int, latest_ms: float) -> pd.DataFrame:
    """Return trades as a frame: index ``time``, columns id, price, amount, side (``buy``: the taker bought).

    Raises
    ------
    BadRowError
        When a trade has no time or id, a price or amount that is not above 0, or a time in the future.
    """
    times = _times(trades, symbol, latest_ms)
    price, amount = (_numbers(trades, name, "trade") for name in ("price", "amount"))
    ids = [t.get("id") for t in trades]
    sides = [t.get("side") for t in trades]
    wrong = ~((price > 0) & (amount > 0) & np.isfinite(price) & np.isfinite(amount))
    wrong |= np.array(
        [not isinstance(i, str) or not i or s not in ("buy", "sell") for i, s in zip(ids, sides, strict=True)], bool
    )
    if wrong.any():
        raise BadRowError(f"a trade cannot be: {_told(trades[int(wrong.argmax())])}")
    frame = pd.DataFrame({"id": ids, "price": price, "amount": amount, "side": sides}, index=_index(times))
    frame = frame.astype({"id": "string", "side": "string"})
    return _from(frame, since_ms).drop_duplicates("id")


def funding_frame(rates: Sequence[dict[str, Any]], symbol: str, *, since_ms: int, latest_ms: float) -> pd.DataFrame:
    """Return funding rates as a frame: index ``time``, columns rate (fraction), mark_price (NaN where untold).

    Raises
    ------
    BadRowError
        When a rate is not a number between -1 and 1, or a time is in the future.
    """
    times = _times(rates, symbol, latest_ms)
    rate = _numbers(rates, "fundingRate", "funding rate")
    if not (np.abs(rate) < 1).all():
        raise BadRowError(f"a funding rate cannot be: {_told(rates[int((~(np.abs(rate) < 1)).argmax())])}")
    marks = [_positive((r.get("info") or {}).get("markPrice")) for r in rates]
    frame = pd.DataFrame({"rate": rate, "mark_price": np.array(marks, np.float64)}, index=_index(times))
    return _unique(_from(frame, since_ms))


def interest_frame(rows: Sequence[dict[str, Any]], symbol: str, *, since_ms: int, latest_ms: float) -> pd.DataFrame:
    """Return open interest as a frame: index ``time``, columns amount (base units), value (quote units).

    One of the two is NaN where the venue tells only the other.

    Raises
    ------
    BadRowError
        When both are missing, one is negative or infinite, or a time is in the future.
    """
    times = _times(rows, symbol, latest_ms)
    base, amount, value = (
        _numbers(rows, n, "open interest") for n in ("baseVolume", "openInterestAmount", "openInterestValue")
    )
    amount = np.where(np.isnan(base), amount, base)  # OKX counts contracts, and base units beside them
    wrong = (np.isnan(amount) & np.isnan(value)) | (amount < 0) | (value < 0) | np.isinf(amount) | np.isinf(value)
    if wrong.any():
        raise BadRowError(f"an open interest cannot be: {_told(rows[int(wrong.argmax())])}")
    return _unique(_from(pd.DataFrame({"amount": amount, "value": value}, index=_index(times)), since_ms))


def market_of(told: dict[str, Any]) -> Market:
    """Return a market of ccxt in our vocabulary; what the venue does not tell is NaN or None."""
    precision, limits = told.get("precision") or {}, told.get("limits") or {}
    info = told.get("info") or {}
    return Market(
        symbol=str(told["symbol"]),
        base=str(told["base"]),
        quote=str(told["quote"]),
        kind="swap" if told.get("swap") else "future" if told.get("future") else "spot",
        active=told.get("active") is not False,
        price_tick=_positive(precision.get("price")),
        amount_step=_positive(precision.get("amount")),
        min_notional=_positive((limits.get("cost") or {}).get("min")),
        listed=_first_time(info, _LISTED) or _moment(told.get("created")),
        delisted=_first_time(info, _DELISTED) or _moment(told.get("expiry")),
    )


def base_units(told: dict[str, Any]) -> Callable[[pd.Series, pd.Series], pd.Series]:
    """Return the function of (amount, price) that gives base units: contracts of ccxt may stand for more or less."""
    size = _positive(told.get("contractSize"))
    if not told.get("contract") or math.isnan(size):
        return lambda amount, _price: amount
    if told.get("inverse"):
        return lambda amount, price: amount * size / price
    return lambda amount, _price: amount * size


def book_of(symbol: str, told: dict[str, Any], now: float) -> OrderBook:
    """Return an order book; its time is the venue's where told, else ``now``.

    Raises
    ------
    BadRowError
        When a side is not price levels, best first, or the best bid is above the best ask.
    """
    bids, asks = _levels(told.get("bids"), -1), _levels(told.get("asks"), 1)
    if len(bids) and len(asks) and bids[0, 0] >= asks[0, 0]:
        raise BadRowError(f"the order book of {symbol} is crossed: bid {bids[0, 0]:g}, ask {asks[0, 0]:g}")
    time = told.get("timestamp")
    return OrderBook(symbol, time / 1000 if isinstance(time, int | float) else now, bids, asks)


def ticker_of(symbol: str, told: dict[str, Any], now: float) -> Ticker:
    """Return a ticker; what the venue does not tell is NaN.

    Raises
    ------
    BadRowError
        When a price is not above 0 or bid is above ask.
    """
    prices = [_number(told.get(name)) for name in ("bid", "ask", "last")]
    if any(p <= 0 or math.isinf(p) for p in prices) or prices[0] > prices[1]:
        raise BadRowError(f"the ticker of {symbol} cannot be: bid, ask, last = {prices}")
    time = told.get("timestamp")
    volumes = [_number(told.get(name)) for name in ("baseVolume", "quoteVolume")]
    return Ticker(symbol, time / 1000 if isinstance(time, int | float) else now, *prices, *volumes)


def _levels(side: Any, sign: int) -> FloatArray:
    try:
        levels = np.array([[float(p), float(a)] for p, a, *_ in side], np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise BadRowError(f"one side of an order book is {shown(side)}") from None
    ordered = (np.diff(levels[:, 0]) * sign >= 0).all()
    if not (np.isfinite(levels).all() and (levels[:, 0] > 0).all() and (levels[:, 1] >= 0).all() and ordered):
        raise BadRowError(f"one side of an order book cannot be: {shown(side)}")
    return levels


def _times(rows: Sequence[dict[str, Any]], symbol: str, latest_ms: float) -> FloatArray:
    foreign = next((row for row in rows if row.get("symbol") not in (symbol, None)), None)
    if foreign is not None:
        raise BadRowError(f"a row of another market came for {symbol}: {_told(foreign)}")
    times = np.array([_number(r.get("timestamp")) for r in rows], np.float64)
    bad = ~((times >= EARLIEST_MS) & (times <= latest_ms))
    if bad.any():
        ahead = (times[bad] > latest_ms).all()
        raise (AheadRowError if ahead else BadRowError)(f"a time cannot be: {_told(rows[int(bad.argmax())])}")
    return times


def _numbers(rows: Iterable[dict[str, Any]], name: str, what: str) -> FloatArray:
    try:
        return np.array([_number(r.get(name)) for r in rows], np.float64)
    except (TypeError, ValueError):
        raise BadRowError(f"a {what} has a {name} that is not a number") from None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _positive(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if number > 0 and math.isfinite(number) else math.nan


def _index(times: FloatArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(times.astype("int64").astype("datetime64[ms]"), tz="UTC", name="time")


def _from(frame: pd.DataFrame, since_ms: int) -> pd.DataFrame:
    frame = frame[frame.index >= pd.Timestamp(since_ms, unit="ms", tz="UTC")]
    return frame.sort_index(kind="stable")


def _unique(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame[~frame.reset_index().duplicated().to_numpy()]
    if frame.index.has_duplicates:
        raise BadRowError(f"two different values for {frame.index[frame.index.duplicated()][0]}")
    return frame


def _first_time(info: dict[str, Any], names: tuple[str, ...]) -> pd.Timestamp | None:
    times = (_moment(info.get(name)) for name in names)
    return next((t for t in times if t is not None), None)


def _moment(value: Any) -> pd.Timestamp | None:
    time = _positive(value)
    return pd.Timestamp(int(time), unit="ms", tz="UTC") if EARLIEST_MS <= time < _FAR_MS else None


def _told(row: dict[str, Any]) -> str:
    return shown({k: v for k, v in row.items() if k not in ("info", "fee", "fees") and v is not None})
