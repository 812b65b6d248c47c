"""Names of sources and symbols, and how they become safe folder names."""

from __future__ import annotations

import re

from workbench.errors import DataError

_SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9._/:^=\-]{0,39}")
_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_ESCAPE = "~"


def check_symbol(symbol: str) -> str:
    """Return the symbol, or refuse what cannot name one (empty, spaces, ``+``, ``@``, more than 40 characters)."""
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        raise DataError(
            f"symbol {symbol!r} is not valid; use up to 40 letters, digits and . / : ^ = - _, such as 'BTC/USDT'"
        )
    return symbol


def check_source(source: str) -> str:
    """Return the name of a stored source, or refuse it."""
    if not isinstance(source, str) or not _SOURCE.fullmatch(source):
        raise DataError(
            f"source {source!r} is not valid; use lower-case letters, digits, _ and -, such as 'import' or 'binance'"
        )
    return source


def to_folder(name: str) -> str:
    """Escape a symbol into one folder name: all but letters, digits, ``_`` and ``-`` become ``~`` and two hex digits.

    The mapping is one to one, and a result is never ``.``, ``..`` or a path of several parts.
    """
    return "".join(c if re.fullmatch(r"[A-Za-z0-9_-]", c) else f"{_ESCAPE}{ord(c):02X}" for c in name)


def from_folder(folder: str) -> str:
    """Undo `to_folder`."""
    return re.sub(rf"{_ESCAPE}([0-9A-F]{{2}})", lambda m: chr(int(m[1], 16)), folder)
