"""What the live chart offers to choose from: stored bars to replay, and streams."""

from __future__ import annotations

from urllib.parse import urlencode

import panel as pn

from workbench.config import TIMEFRAMES, Settings
from workbench.data import SAMPLE_SYMBOLS, open_store
from workbench.data.sources.sample import SAMPLE_TIMEFRAME

STREAMED_VENUES = ("binance", "binanceusdm", "bybit", "coinbase", "kraken", "okx")
_USUAL = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def offered_sources(settings: Settings, chosen: str) -> list[str]:
    """Return the sample, the chosen source, the stored ones and the venues that stream."""
    stored = open_store(settings).list()["source"]
    return list(dict.fromkeys(["sample", chosen, *stored, *(f"live:{v}" for v in STREAMED_VENUES)]))


def offered_symbols(settings: Settings, source: str, chosen: str) -> list[str]:
    """Return the chosen symbol, those stored of the same venue, and the usual ones of the kind that it trades."""
    store, name = open_store(settings), source.partition(":")[2]
    held = [str(s) for s in store.list(name)["symbol"]] if name else []
    return list(dict.fromkeys([chosen, *held, *(_usual(source) if source.startswith("live:") else [])]))


def _usual(source: str) -> list[str]:
    return [f"{s}:USDT" if source == "live:binanceusdm" else s for s in _USUAL]


def offered_timeframes(source: str, chosen: str) -> list[str]:
    """Return the bar lengths to choose from; a venue that lacks one says so when it is chosen."""
    lengths = [t for t in TIMEFRAMES if source.startswith("live:") or t == chosen]
    return lengths if chosen in lengths else [chosen, *lengths]


def open_page_of(settings: Settings, source: str, symbol: str) -> None:
    """Go to the same page with another kind of source: it is loaded anew, since replay and stream are drawn apart."""
    if not pn.state.location:
        return
    pn.state.location.reload = True
    pn.state.location.search = "?" + urlencode({"source": source, **choice_of(settings, source, symbol)})


def choice_of(settings: Settings, source: str, symbol: str) -> dict[str, str]:
    """Return the symbol and time frame to open a source with: the symbol that was looked at, where the source has it.

    A venue that streams has the usual ones; whether it has others is not known before it is asked.
    """
    if source.startswith("live:"):
        usual = _usual(source)
        return {"symbol": symbol if symbol in usual else usual[0], "timeframe": "1m"}
    stored = open_store(settings).list(source) if source != "sample" else None
    if stored is None or stored.empty:
        return {"symbol": symbol if symbol in SAMPLE_SYMBOLS else SAMPLE_SYMBOLS[0], "timeframe": SAMPLE_TIMEFRAME}
    same = stored[stored["symbol"] == symbol]
    first = (stored if same.empty else same).iloc[0]
    return {"symbol": str(first["symbol"]), "timeframe": str(first["timeframe"])}
