"""What a file's name says: its symbol and its bar length. Hints only; the times of the file have the last word."""

from __future__ import annotations

import re

from workbench.data.timeframes import canonical_timeframe

_STABLE = ("USDT", "USDC", "BUSD", "TUSD", "FDUSD", "DAI")
_FIAT = (
    "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "NZD", "CAD", "SEK", "NOK", "TRY", "BRL", "KRW", "ZAR", "MXN",
    "SGD", "HKD", "CNH",
)  # fmt: skip
_QUOTES = (*_STABLE, "BTC", "ETH", "BNB", *_FIAT)
_COINS = (
    "AAVE", "ADA", "ALGO", "APT", "ARB", "ATOM", "AVAX", "BCH", "BNB", "BTC", "DASH", "DOGE", "DOT", "EOS", "ETC",
    "ETH", "FIL", "ICP", "LINK", "LTC", "LUNA", "MATIC", "MKR", "NEAR", "SHIB", "SOL", "SUI", "TRX", "UNI", "VET",
    "XBT", "XLM", "XMR", "XRP", "XTZ", "ZEC",
)  # fmt: skip
_NOT_SYMBOLS = ("OHLC", "OHLCV", "BARS", "CANDLES", "CSV", "DATA", "HISTORY", "KLINES", "PRICE", "PRICES", "UTC")
_WORDS = {"daily": "1d", "day": "1d", "d": "1d", "hourly": "1h", "h": "1h", "weekly": "1w", "minute": "1m"}
_UNITS = {"min": "m", "m": "m", "h": "h", "hour": "h", "d": "d", "day": "d", "w": "w"}

_PRICE_KIND = re.compile(r"(mark|index|premium|bid|ask|mid)((price|index)?(klines?)?)?", re.IGNORECASE)


def normal_symbol(text: str) -> str:
    """Return the house's spelling of a symbol: ``BTCUSDT``, ``BTC-USDT`` and ``BTC_USDT`` are ``BTC/USDT``.

    A name is split where its end is a stable coin, or where its start is a well-known coin and its end a currency;
    all others stay as they are (``EURUSD``, ``SPY``, ``BTCPERP``).
    """
    name = text.strip()
    if "/" in name:
        return name
    parts = re.split(r"[-_]", name)
    if len(parts) == 2 and parts[1] in _QUOTES and parts[0] not in _FIAT:
        return f"{parts[0]}/{parts[1]}"
    for quote in _QUOTES:
        base = name.removesuffix(quote)
        if name.endswith(quote) and len(base) >= 2 and ((quote in _STABLE and base not in _FIAT) or base in _COINS):
            return f"{base}/{quote}"
    return name


def base_of(symbol: str) -> str:
    """Return the traded asset of a pair: ``BTC`` of ``BTC/USDT``; of other symbols, themselves."""
    return symbol.split("/", 1)[0]


def hints_of(stem: str) -> tuple[str | None, str | None]:
    """Return (symbol, time frame) as far as the stem of a file's name tells them.

    The bar length is the first part such as ``1h``, ``15M`` or ``daily``; the symbol is the part in capitals (or a
    well-known pair in any case) before it. ``ADA_BTC-5m`` is ADA/BTC and ``XRP_USDT_USDT-1h`` the perpetual
    XRP/USDT:USDT.
    """
    tokens = re.split(r"([-_ .,()]+)", stem)
    words, links = tokens[::2], ["", *tokens[1::2]]
    at = next((i for i, w in enumerate(words) if i > 0 and _length(w)), None)
    timeframe = None if at is None else _length(words[at])
    named = [i for i in range(len(words) if at is None else at) if _is_symbol(words[i])]
    if not named:
        return None, timeframe
    last = named[-1]
    joined = [i for i in (last - 2, last - 1) if i in named and all(links[j] == "_" for j in range(i + 1, last + 1))]
    if len(joined) == 2 and words[last - 1] == words[last] in _QUOTES:
        return f"{words[last - 2]}/{words[last - 1]}:{words[last]}", timeframe
    if joined and words[last] in _QUOTES and normal_symbol(words[last]) == words[last]:
        return f"{words[last - 1]}/{words[last]}", timeframe
    return normal_symbol(words[last].upper()), timeframe


def price_kind_of(stem: str) -> str | None:
    """Return the word of a file's name that says its prices are no trades: mark, index, premium, bid, ask or mid."""
    return next((w for w in re.split(r"[-_ .,()]+", stem) if _PRICE_KIND.fullmatch(w)), None)


def _length(word: str) -> str | None:
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    match = re.fullmatch(r"([1-9]\d{0,2})([a-z]+)", word.lower())
    return canonical_timeframe(match[1] + _UNITS[match[2]]) if match and match[2] in _UNITS else None


def _is_symbol(word: str) -> bool:
    pair = "/" in normal_symbol(word.upper())
    shape = re.fullmatch(r"[A-Z0-9]{2,20}", word.upper() if pair else word)
    return shape is not None and not word.isdigit() and word not in _NOT_SYMBOLS
