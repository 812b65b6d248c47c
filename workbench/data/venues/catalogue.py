"""The venues that can be asked: their names, hosts, budgets, page limits and ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.config import did_you_mean
from workbench.errors import DataError


@dataclass(frozen=True)
class VenueInfo:
    """What is known of a venue before it is asked.

    Parameters
    ----------
    name : str
        As the user writes it.
    exchange : str
        Name of its ccxt class; empty where ccxt does not serve it.
    hosts : tuple of str
        Hosts that public data come from.
    weight_per_minute : int
        Public budget of request weight, as the venue documents it.
    kinds : tuple of str
        Market kinds offered: spot, swap, future.
    bars_per_page : int
        Most bars of one request.
    has : frozenset of str
        What it tells: bars, mark, index, trades, funding, open_interest.
    spot_trades_per_page : int
        Where above 0, the most trades of one request for a spot market.
    trades_history : bool
        Whether trades of any past time can be asked for, or the latest ones only.
    newest_first : bool
        Whether funding rates come newest first within what was asked for, so that the oldest may need more requests.
    open_interest_lengths : tuple of str
        Bar lengths of open interest.
    open_interest_days, open_interest_rows : int
        Where above 0, open interest goes back so many days, or so many values of its length.
    newest_only : int
        Where above 0, the venue keeps only so many bars before now, whatever start is asked.
    weeks_from_monday : bool
        Whether its bars of a week begin on Mondays; others are not offered.
    rates : tuple of (requests, milliseconds)
        Its rate budget where ccxt does not know it.
    options : mapping
        Options of the ccxt exchange: which markets to load.
    quirks : str
        One line for people.
    """

    name: str
    exchange: str
    hosts: tuple[str, ...]
    weight_per_minute: int
    kinds: tuple[str, ...]
    bars_per_page: int
    has: frozenset[str]
    trades_per_page: int = 1000
    spot_trades_per_page: int = 0
    funding_per_page: int = 0
    open_interest_per_page: int = 0
    open_interest_lengths: tuple[str, ...] = ()
    open_interest_days: int = 0
    open_interest_rows: int = 0
    newest_first: bool = False
    mark_per_page: int = 0
    trades_history: bool = False
    newest_only: int = 0
    weeks_from_monday: bool = True
    rates: tuple[tuple[int, int], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    quirks: str = ""

    def check_open_interest(self, timeframe: str) -> None:
        """Refuse a bar length of open interest that the venue lacks.

        Raises
        ------
        DataError
            With the lengths that it has.
        """
        if timeframe not in self.open_interest_lengths:
            lengths = " ".join(self.open_interest_lengths)
            raise DataError(f"{self.name} has no open interest of {timeframe}, it has {lengths}; ask for one of these")


_SPOT = frozenset({"bars", "trades"})
_PERPETUALS = _SPOT | {"mark", "index", "funding", "open_interest"}

VENUES: dict[str, VenueInfo] = {
    info.name: info
    for info in (
        VenueInfo(
            "binance",
            "binance",
            ("api.binance.com",),
            6000,
            ("spot",),
            1000,
            _SPOT,
            trades_history=True,
            options={"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False},
            quirks="past trades are aggregated ones, one hour of them a request at most",
        ),
        VenueInfo(
            "binanceusdm",
            "binanceusdm",
            ("fapi.binance.com",),
            2400,
            ("swap", "future"),
            1000,
            _PERPETUALS,
            funding_per_page=1000,
            open_interest_per_page=500,
            open_interest_lengths=("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"),
            open_interest_days=30,
            mark_per_page=1000,
            trades_history=True,
            quirks="symbols end in their settlement, BTC/USDT:USDT; open interest goes back 30 days",
        ),
        VenueInfo(
            "kraken",
            "kraken",
            ("api.kraken.com",),
            60,
            ("spot",),
            721,
            _SPOT,
            trades_history=True,
            newest_only=720,
            weeks_from_monday=False,
            quirks="bars: the last 720 only, whatever start is asked; trades go back to the first one",
        ),
        VenueInfo(
            "coinbase",
            "coinbaseexchange",
            ("api.exchange.coinbase.com",),
            600,
            ("spot",),
            300,
            _SPOT,
            quirks="300 bars a page, none for a bar without a trade; the latest trades only",
        ),
        VenueInfo(
            "okx",
            "okx",
            ("www.okx.com",),
            600,
            ("spot", "swap", "future"),
            300,
            _PERPETUALS,
            trades_per_page=500,
            funding_per_page=100,
            open_interest_per_page=100,
            open_interest_lengths=("5m", "1h", "1d"),
            open_interest_rows=1440,
            newest_first=True,
            mark_per_page=100,
            options={"fetchMarkets": {"types": ["spot", "swap", "future"]}},
            quirks="old bars come from an endpoint of their own with half the rate; funding goes back 3 months",
        ),
        VenueInfo(
            "bybit",
            "bybit",
            ("api.bybit.com",),
            6000,
            ("spot", "swap", "future"),
            1000,
            _PERPETUALS,
            spot_trades_per_page=60,
            funding_per_page=200,
            open_interest_per_page=200,
            open_interest_lengths=("5m", "15m", "30m", "1h", "4h", "1d"),
            newest_first=True,
            mark_per_page=1000,
            options={"fetchMarkets": {"types": ["spot", "linear"]}},
            quirks="pages come newest first; the latest trades only; closed to some countries",
        ),
        VenueInfo(
            "coingecko",
            "",
            ("api.coingecko.com",),
            10,
            ("spot",),
            365,
            frozenset({"market_cap"}),
            rates=((2, 6_000), (10, 60_000)),
            quirks="daily prices and market cap by coin, one year back without a paid key",
        ),
    )
}
"""All venues by name."""


def venue_info(name: str) -> VenueInfo:
    """Return what is known of a venue.

    Raises
    ------
    DataError
        When no venue has this name, with the closest one.
    """
    if name not in VENUES:
        raise DataError(f"venue {name!r} is unknown.{did_you_mean(str(name), VENUES)}")
    return VENUES[name]
