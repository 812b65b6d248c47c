"""Kraken's names: BTC is XBT there, old coins carry an X and old currencies a Z, and a pair has four names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.data.replay.market import Instrument

_ALTNAMES = {"BTC": "XBT", "DOGE": "XDG"}
_OLD_COINS = frozenset({"XBT", "ETH", "LTC", "XRP", "XDG", "XLM", "XMR", "ETC", "ZEC", "MLN", "REP"})
_OLD_CURRENCIES = frozenset({"USD", "EUR", "GBP", "JPY", "CAD", "AUD"})
_CURRENCIES = _OLD_CURRENCIES | {"CHF"}


@dataclass(frozen=True)
class Asset:
    """A currency: ``XXBT``, by its other name ``XBT``."""

    id: str
    altname: str
    fiat: bool


@dataclass(frozen=True)
class Pair:
    """A pair: ``XXBTZUSD`` or ``XBTUSDT``; altname ``XBTUSD``; on sockets ``XBT/USD``, in version 2 ``BTC/USD``."""

    id: str
    altname: str
    wsname: str
    symbol: str
    base: str
    quote: str


def asset_of(name: str) -> Asset:
    """Return Kraken's names of a currency such as BTC."""
    altname = _ALTNAMES.get(name, name)
    fiat = altname in _CURRENCIES
    if altname in _OLD_COINS:
        return Asset(f"X{altname}", altname, fiat)
    return Asset(f"Z{altname}" if altname in _OLD_CURRENCIES else altname, altname, fiat)


def pair_of(info: Instrument) -> Pair:
    """Return Kraken's names of a spot instrument; both old: with X and Z, else without."""
    base, quote = asset_of(info.base), asset_of(info.quote)
    altname = base.altname + quote.altname
    both_old = base.id != base.altname and quote.id != quote.altname
    pair_id = base.id + quote.id if both_old else altname
    return Pair(pair_id, altname, f"{base.altname}/{quote.altname}", f"{info.base}/{info.quote}", base.id, quote.id)


def pairs_by_name(instruments: Sequence[Instrument]) -> dict[str, Instrument]:
    """Return instruments by id, altname and both names of the sockets."""
    names: dict[str, Instrument] = {}
    for info in instruments:
        pair = pair_of(info)
        names.update(dict.fromkeys((pair.id, pair.altname, pair.wsname, pair.symbol), info))
    return names
