"""Which asset stood behind a symbol, and when: renames, coins that died, tickers that were given to another company.

The table is short on purpose: it holds what is known and matters, and a home adds its own lines in
``data/identities.yaml``. What is only likely is proposed by `workbench.data.universe.breaks`, never decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.config import Settings, did_you_mean
from workbench.data.timeframes import utc_time
from workbench.errors import ConfigError, DataError

_KEYS = ("symbol", "source", "from", "to", "asset", "note")


@dataclass(frozen=True)
class Identity:
    """A symbol meant one asset from a time until a time.

    Parameters
    ----------
    symbol : str
        As stored, such as ``LUNA/USDT``, or a pattern such as ``LUNA/*`` for all its markets.
    source : str
        Name of the source, or ``*`` for all.
    since, until : Timestamp or None
        UTC, ``since <= time < until``; ``None`` is open.
    asset : str
        Name of the asset: what takes the place of the symbol's base when a series is split.
    note : str
        Why, for people.
    """

    symbol: str
    source: str
    since: pd.Timestamp | None
    until: pd.Timestamp | None
    asset: str
    note: str = ""

    def covers(self, source: str, symbol: str) -> bool:
        """Tell whether this line speaks of a symbol of a source."""
        return self.source in ("*", source) and fnmatchcase(symbol, self.symbol)

    def asset_symbol(self, symbol: str) -> str:
        """Return the symbol under which this asset is kept apart: ``LUNC/USDT`` for ``LUNA/USDT``."""
        base, slash, rest = symbol.partition("/")
        return f"{self.asset or base}{slash}{rest}"


def _line(symbol: str, since: str | None, until: str | None, asset: str, note: str, source: str = "*") -> Identity:
    return Identity(symbol, source, utc_time(since), utc_time(until), asset, note)


_COLLAPSE = "Terra's first chain halted in May 2022"
_MATIC, _FTM = "1:1 into POL; Binance stopped MATIC on 2024-09-10", "1:1 into S; Binance stopped FTM on 2025-01-13"
IDENTITIES: tuple[Identity, ...] = (
    _line("LUNA/*", None, "2022-05-28", "LUNC", f"{_COLLAPSE}; its coin is called Terra Classic since"),
    _line("LUNA/*", "2022-05-28", None, "LUNA2", "the coin of Terra's second chain, given out on 2022-05-28"),
    _line("UST/*", None, "2022-05-28", "USTC", f"{_COLLAPSE}; its stable coin is called TerraClassicUSD since"),
    _line("MATIC/*", None, "2024-09-10 03:00", "POL", _MATIC, "binance"),
    _line("POL/*", "2024-09-13 10:00", None, "POL", _MATIC, "binance"),
    _line("FTM/*", None, "2025-01-13 03:00", "S", _FTM, "binance"),
    _line("S/*", "2025-01-16 08:00", None, "S", _FTM, "binance"),
    _line("FB", None, "2012-05-18", "FB.1", "another company before Facebook's first day"),
    _line("FB", "2012-05-18", "2022-06-09", "META", "Facebook, renamed Meta Platforms on 2022-06-09"),
    _line("META", "2022-06-09", None, "META", "Meta Platforms; a fund had the ticker before"),
    _line("USO", None, "2006-04-10", "USO.1", "another company before the United States Oil Fund"),
    _line("USO", "2006-04-10", None, "USO", "United States Oil Fund"),
    _line("QQQ", None, "2004-12-01", "QQQ", "the fund traded as QQQQ from 2004-12-01 to 2011-03-23"),
    _line("QQQQ", "2004-12-01", "2011-03-23", "QQQ", "QQQ under its ticker of those years"),
    _line("QQQ", "2011-03-23", None, "QQQ", "the fund traded as QQQQ from 2004-12-01 to 2011-03-23"),
)
"""What the library knows; its crypto lines speak of all markets of the base."""


def load_identities(settings: Settings | None = None) -> tuple[Identity, ...]:
    """Return the library's identities, with those of the home's ``data/identities.yaml`` before them.

    The file is a list of mappings with the keys symbol, asset and, where they matter, source, from, to and note. A
    symbol of a source that the file speaks of is the file's alone: the library's lines for it are not used.

    Raises
    ------
    ConfigError
        When the file is not YAML, or a line has an unknown key, no symbol or asset, or a reversed span.
    """
    if settings is None:
        return IDENTITIES
    path = settings.data_dir / "identities.yaml"
    return (*_read(path), *IDENTITIES) if path.is_file() else IDENTITIES


def identities_of(source: str, symbol: str, table: Iterable[Identity] = IDENTITIES) -> tuple[Identity, ...]:
    """Return the identities of one symbol, oldest first; empty where the table does not speak of it.

    Where several patterns match, those of the line that comes first in the table win as a whole.
    """
    lines = [i for i in table if i.covers(source, symbol)]
    if not lines:
        return ()
    mine = [i for i in lines if (i.symbol, i.source) == (lines[0].symbol, lines[0].source)]
    return tuple(sorted(mine, key=lambda i: i.since or pd.Timestamp.min.tz_localize("UTC")))


def identity_at(source: str, symbol: str, time: pd.Timestamp, table: Iterable[Identity] = IDENTITIES) -> str:
    """Return the asset behind a symbol at a time: the symbol's own base where the table says nothing."""
    for line in identities_of(source, symbol, table):
        if (line.since is None or line.since <= time) and (line.until is None or time < line.until):
            return line.asset
    return symbol.partition("/")[0]


def asset_symbols(source: str, asset: str, symbols: Sequence[str], table: Iterable[Identity]) -> list[Identity]:
    """Return the lines, with the stored symbol in place of the pattern, under which an asset has traded.

    Raises
    ------
    DataError
        When no stored symbol has ever meant the asset; close matches are named.
    """
    lines = list(table)
    found = [
        Identity(symbol, source, line.since, line.until, line.asset, line.note)
        for symbol in symbols
        for line in identities_of(source, symbol, lines)
        if asset in (line.asset, line.asset_symbol(symbol))
    ]
    if not found:
        known = {i.asset for i in lines} | set(symbols)
        raise DataError(f"no stored symbol of {source!r} has an identity {asset!r}.{did_you_mean(asset, known)}")
    return sorted(found, key=lambda i: i.since or pd.Timestamp.min.tz_localize("UTC"))


def _read(path: Path) -> list[Identity]:
    import yaml

    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as err:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(err).split())}") from None
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise ConfigError(
            f"{path} must be a list of lines such as '- {{symbol: LUNA/USDT, to: 2022-05-28, asset: LUNC}}'"
        )
    return [_identity(row, f"{path}, line {n}") for n, row in enumerate(rows, start=1)]


def _identity(row: Any, place: str) -> Identity:
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: {row!r} is not a mapping with the keys {', '.join(_KEYS)}")
    unknown = [k for k in row if k not in _KEYS]
    if unknown:
        raise ConfigError(f"{place}: unknown key {unknown[0]!r}.{did_you_mean(str(unknown[0]), _KEYS)}")
    for key in ("symbol", "asset"):
        if not isinstance(row.get(key), str) or not row[key]:
            raise ConfigError(f"{place}: {key!r} must be a name, got {row.get(key)!r}")
    try:
        since, until = utc_time(row.get("from"), "from"), utc_time(row.get("to"), "to")
    except DataError as err:
        raise ConfigError(f"{place}: {err}") from None
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"{place}: from {since} is not before to {until}; exchange them")
    return Identity(
        row["symbol"], str(row.get("source") or "*"), since, until, row["asset"], str(row.get("note") or "")
    )
