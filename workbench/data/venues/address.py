"""Where a venue's requests go: its own hosts, or a replay venue that stands in for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit


def redirect(exchange: Any, base_url: str) -> Any:
    """Send every request of a ccxt exchange to another server, and return the exchange.

    ``https://api.binance.com/api/v3`` becomes ``http://127.0.0.1:8787/api.binance.com/api/v3`` for
    ``base_url="http://127.0.0.1:8787"``, and ``wss://`` becomes ``ws://`` likewise: the original host is the first part
    of the path, so one server can stand in for any number of venues. Nothing of ccxt but ``urls`` is touched.

    Parameters
    ----------
    exchange : ccxt.Exchange, ccxt.async_support.Exchange or ccxt.pro.Exchange
    base_url : str
        Scheme, host and port, such as ``http://127.0.0.1:8787``.
    """
    target = urlsplit(base_url)
    secure = target.scheme == "https"

    def rewritten(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rewritten(inner) for key, inner in value.items()}
        if not isinstance(value, str):
            return value
        url = urlsplit(value.replace("{hostname}", str(exchange.hostname or "")))
        socket = url.scheme in ("ws", "wss")
        scheme = ("wss" if secure else "ws") if socket else target.scheme
        return f"{scheme}://{target.netloc}/{url.hostname}{url.path}"

    exchange.urls["api"] = rewritten(exchange.urls["api"])
    return exchange


def series_name(venue: Any) -> str:
    """Return the source under which a venue's data is stored unless another is named.

    ``binance``; ``replay-binance`` where a replay venue stands in for it, so that practice never mixes with the market.
    """
    return f"replay-{venue.name}" if getattr(venue, "at", "") else venue.name


def stand_ins(venues: Iterable[Any]) -> list[str]:
    """Return one line for each replay venue that stands in for some of these."""
    names: dict[str, list[str]] = {}
    for venue in venues:
        if at := getattr(venue, "at", ""):
            names.setdefault(at, []).append(venue.name)
    return [
        f"a replay venue at {at.partition('//')[2]} answers for {', '.join(who)}: practice data, not the market's"
        for at, who in names.items()
    ]
