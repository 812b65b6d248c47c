"""Recorded WebSocket traffic of venues, as cryptofeed writes it: lines ``<unix time>: <message>``, read as bars.

Lines with an address before the time were sent, not received, and are passed over. Understood are candles and trades
of Binance, and trades of Coinbase, Kraken, OKX, Bybit and Bitstamp.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from workbench.data.live.finality import BarFinality, sound_row
from workbench.data.live.tradebars import Trade, TradeBars
from workbench.data.live.updates import BarUpdate, Row
from workbench.data.timeframes import timeframe_delta, timeframe_name
from workbench.errors import DataError

_LINE = re.compile(r"(\d{9,11}(?:\.\d+)?): (.*)")
_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}
_UNREADABLE = (KeyError, TypeError, ValueError, IndexError, AttributeError)


class Candle(NamedTuple):
    """A candle as a venue sent it, with its length in milliseconds."""

    row: Row
    step_ms: int


class Said(NamedTuple):
    """One thing that a message says of one market: a trade or a candle."""

    market: str
    what: Trade | Candle


def plain_lines(path: Path) -> Iterator[str]:
    """Yield the whole lines of a text file, gzipped or not; a torn tail is left out."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.endswith("\n"):
                    yield line
    except (EOFError, zlib.error, gzip.BadGzipFile):  # written to the moment its writer died
        return
    except OSError as err:
        raise DataError(f"cannot read {path}: {err.strerror or err}") from err


def messages(path: Path) -> Iterator[tuple[float, Any]]:
    """Yield (received, message) of each received line that is JSON; others are passed over."""
    for line in plain_lines(path):
        match = _LINE.match(line)
        if match is not None:
            try:
                yield float(match[1]), json.loads(match[2])
            except ValueError:
                continue


def decode(message: Any) -> list[Said]:
    """Return the trades and candles of one message; nothing where it holds none, or what it holds cannot be read."""
    try:
        if isinstance(message, list):
            return _kraken(message)
        if not isinstance(message, dict):
            return []
        inner = message.get("data")
        if "stream" in message and isinstance(inner, dict):
            return _binance(inner)
        if "e" in message:
            return _binance(message)
        if message.get("type") in ("match", "last_match"):
            return [_coinbase(message)]
        if message.get("event") == "trade" and isinstance(inner, dict):
            return [_bitstamp(message["channel"], inner)]
        if isinstance(inner, list):
            return _okx_or_bybit(message, inner)
    except _UNREADABLE:
        return []
    return []


def market_key(name: str) -> str:
    """Return what all spellings of a market share: ``BTC/USDT``, ``btcusdt`` and ``XBT-USDT`` are ``BTCUSDT``."""
    parts = re.split(r"[^A-Za-z0-9]+", name.partition(":")[0].upper())
    return "".join(_ALIASES.get(part, part) for part in parts)


def markets_in(path: Path) -> dict[str, Counter[str]]:
    """Return what a log tells of each market: how many trades, and candles by their length (``candles 1m``)."""
    found: dict[str, Counter[str]] = {}
    for _, message in messages(path):
        for market, what in decode(message):
            candles = isinstance(what, Candle)
            kind = f"candles {_length(what.step_ms)}" if isinstance(what, Candle) and candles else "trades"
            found.setdefault(market, Counter())[kind] += 1
    return found


def updates_in(path: Path, markets: dict[str, str], timeframe: str, source: str) -> Iterator[BarUpdate]:
    """Yield the bar updates of a log, in the order in which they were received.

    Candles are taken where a market has them at the time frame, else its trades. There is no REST to ask: bars whose
    whole life is not in the log never become final.

    Parameters
    ----------
    markets : dict of str to str
        The log's name of each market that is wanted, and the symbol to call it.
    """
    step_ms = timeframe_delta(timeframe).value // 1_000_000
    told = markets_in(path)
    by_candles = {m for m in markets if f"candles {timeframe}" in told.get(m, {})}
    bars = {m: TradeBars(step_ms) for m in markets}
    machines = {m: BarFinality(step_ms, rest=False) for m in markets}
    for received, message in messages(path):
        for market, what in decode(message):
            if market not in markets or isinstance(what, Candle) != (market in by_candles):
                continue
            row = what.row if isinstance(what, Candle) else bars[market].add(what)
            wrong_length = isinstance(what, Candle) and what.step_ms != step_ms
            if row is None or wrong_length or not sound_row(row, step_ms):
                continue
            for emitted, final, _ in machines[market].update([row], received):
                yield BarUpdate(markets[market], *emitted, final, source, received)


def _length(step_ms: int) -> str:
    import pandas as pd

    return timeframe_name(pd.Timedelta(milliseconds=step_ms)) if step_ms >= 60_000 else f"{step_ms} ms"


def _binance(message: dict[str, Any]) -> list[Said]:
    event = message.get("e")
    if event == "kline":
        k = message["k"]
        row = Row(int(k["t"]), *(float(k[name]) for name in "ohlcv"))
        return [Said(message["s"], Candle(row, int(k["T"]) - int(k["t"]) + 1))]
    if event in ("trade", "aggTrade"):
        number = message["a" if event == "aggTrade" else "t"]
        return [Said(message["s"], Trade(int(message["T"]), float(message["p"]), float(message["q"]), str(number)))]
    return []


def _coinbase(message: dict[str, Any]) -> Said:
    time = round(datetime.fromisoformat(message["time"]).timestamp() * 1000)
    trade = Trade(time, float(message["price"]), float(message["size"]), str(message["trade_id"]))
    return Said(message["product_id"], trade)


def _bitstamp(channel: str, trade: dict[str, Any]) -> Said:
    market = channel.rpartition("_")[2]
    time = int(trade["microtimestamp"]) // 1000
    return Said(market, Trade(time, float(trade["price_str"]), float(trade["amount_str"]), str(trade["id"])))


def _kraken(message: list[Any]) -> list[Said]:
    if len(message) < 4 or message[-2] != "trade":
        return []
    return [Said(message[-1], Trade(round(float(t[2]) * 1000), float(t[0]), float(t[1]))) for t in message[1]]


def _okx_or_bybit(message: dict[str, Any], trades: list[dict[str, Any]]) -> list[Said]:
    if str(message.get("topic", "")).startswith("trade."):
        return [
            Said(t["symbol"], Trade(int(t["trade_time_ms"]), float(t["price"]), float(t["size"]), t["trade_id"]))
            for t in trades
        ]
    if message.get("arg", {}).get("channel") == "trades":
        return [Said(t["instId"], Trade(int(t["ts"]), float(t["px"]), float(t["sz"]), t["tradeId"])) for t in trades]
    return []
