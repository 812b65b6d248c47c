"""The catalogue of venues agrees with ccxt and with itself."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from workbench.data.venues.catalogue import VENUES, venue_info
from workbench.data.venues.open import open_venue, venue_states
from workbench.data.venues.rows import FORMATS
from workbench.errors import DataError

THROUGH_CCXT = [name for name, info in VENUES.items() if info.exchange]
HAS = {
    "bars": "fetchOHLCV",
    "trades": "fetchTrades",
    "funding": "fetchFundingRateHistory",
    "open_interest": "fetchOpenInterestHistory",
    "mark": "fetchMarkOHLCV",
    "index": "fetchIndexOHLCV",
}


@pytest.mark.parametrize("name", THROUGH_CCXT)
def test_what_it_says_a_venue_has_ccxt_has(name: str) -> None:
    info = VENUES[name]
    exchange = getattr(ccxt, info.exchange)()
    assert info.exchange in FORMATS
    for what in info.has:
        assert exchange.has[HAS[what]], what
    assert bool(info.funding_per_page) == bool(info.open_interest_per_page) == ("funding" in info.has)
    assert bool(info.mark_per_page) == ("mark" in info.has)
    assert bool(info.open_interest_lengths) == ("open_interest" in info.has)
    assert set(info.open_interest_lengths) <= set(exchange.timeframes)


@pytest.mark.parametrize("name", THROUGH_CCXT)
def test_its_hosts_are_those_that_ccxt_calls(name: str, settings: Any) -> None:
    exchange = open_venue(name, settings).exchange
    sent: list[str] = []

    def note(url: str, *_request: Any) -> dict[str, Any]:
        sent.append(url)
        raise ccxt.NetworkError("not sent")

    exchange.fetch = note
    with pytest.raises(ccxt.NetworkError):
        exchange.load_markets()
    assert sent[0].split("/")[2] in VENUES[name].hosts
    assert sent[0].startswith("https://")


@pytest.mark.parametrize(
    ("name", "some", "absent"),
    [
        ("binance", {"1m", "1h", "1d", "1w"}, {"1s", "3d", "1M"}),
        ("kraken", {"1m", "1h", "4h", "1d"}, {"1w", "2h", "2w"}),
        ("coinbase", {"1m", "5m", "15m", "1h", "6h", "1d"}, {"4h", "1w"}),
        ("okx", {"1m", "12h", "1d", "1w"}, {"3M"}),
        ("bybit", {"1m", "12h", "1w"}, {"1M"}),
    ],
)
def test_bar_lengths_are_those_that_all_venues_cut_alike(
    name: str, some: set[str], absent: set[str], settings: Any
) -> None:
    told = open_venue(name, settings).timeframes()
    assert some <= set(told)
    assert not absent & set(told)


def test_an_unknown_venue_is_answered_with_the_closest() -> None:
    with pytest.raises(DataError, match="Did you mean 'binance'"):
        venue_info("binanse")
    with pytest.raises(DataError, match="Known: .*kraken"):
        venue_info("x")


def test_coingecko_is_no_venue_of_bars(settings: Any) -> None:
    with pytest.raises(DataError, match="coingecko"):
        open_venue("coingecko", settings)


def test_states_are_shown_without_asking_and_without_making_files(settings: Any) -> None:
    table = venue_states(settings)
    assert list(table["venue"]) == list(VENUES)
    assert set(table["state"]) == {"closed"}
    assert table["until"].isna().all()
    assert str(table["until"].dtype).endswith("UTC]")
    assert not (settings.data_dir / "venues").exists()
