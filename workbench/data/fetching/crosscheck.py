"""Closes held against a second source: how far apart, and an alarm beyond a bound. Nothing is ever blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.config import Settings, load_settings
from workbench.data.bars import symbol_frame
from workbench.data.fetching.failover import VenueChain
from workbench.data.fetching.fetch import fetch, named_venues
from workbench.data.fetching.progress import Progress, Silent
from workbench.data.store.barstore import BarStore, open_store
from workbench.data.timeframes import canonical_timeframe, timeframe_delta, utc_range
from workbench.data.venues.address import series_name
from workbench.data.venues.clock import Clock, SystemClock
from workbench.data.venues.vocabulary import Venue
from workbench.errors import DataError

BOUND_BPS = 50.0
"""Closes of one liquid market at two venues that differ by more are looked at by a person."""


@dataclass(frozen=True)
class CrossCheck:
    """Closes of one series against a second source.

    Attributes
    ----------
    common : int
        Bars that both have.
    median_bps, p99_bps, max_bps : float
        Absolute difference of closes in basis points of the second source's; NaN without a common bar.
    beyond : DataFrame
        The bars beyond the bound: index ``time``, columns close, other, bps.
    """

    symbol: str
    timeframe: str
    source: str
    against: str
    common: int
    median_bps: float
    p99_bps: float
    max_bps: float
    bound_bps: float
    beyond: pd.DataFrame

    @property
    def alarm(self) -> bool:
        """Whether a close lies beyond the bound, or nothing could be compared."""
        return self.common == 0 or len(self.beyond) > 0

    def frame(self) -> pd.DataFrame:
        """Return one row: symbol, timeframe, source, against, common, median_bps, p99_bps, max_bps, beyond, alarm."""
        row = {k: v for k, v in vars(self).items() if k != "beyond"}
        return pd.DataFrame([{**row, "beyond": len(self.beyond), "alarm": self.alarm}])

    def __str__(self) -> str:
        """Return one line."""
        who = f"{self.symbol} {self.timeframe}: {self.source} against {self.against}"
        if not self.common:
            return f"{who}: no bar in common, nothing was checked"
        text = (
            f"{who}: {self.common:,} closes in common, apart by {self.median_bps:.2f} bps in the middle, "
            f"{self.p99_bps:.2f} at 99 %, {self.max_bps:.2f} at most"
        )
        if not len(self.beyond):
            return text
        first = pd.Timestamp(self.beyond.index[0])
        return (
            f"ALARM {text}; {len(self.beyond)} beyond {self.bound_bps:g} bps, the first at {first:%Y-%m-%d %H:%M}; "
            "look at both before you trade on either"
        )


def compare_closes(
    ours: pd.Series,
    other: pd.Series,
    *,
    symbol: str,
    timeframe: str,
    source: str,
    against: str,
    bound_bps: float = BOUND_BPS,
) -> CrossCheck:
    """Compare two series of closes at the times that both have.

    Parameters
    ----------
    ours, other : Series
        Closes by open time of their bars.
    bound_bps : float
        Basis points beyond which a bar is listed; usual 50 for liquid markets.

    Raises
    ------
    DataError
        When the bound is not above 0.
    """  # fmt: skip
    if not bound_bps > 0:
        raise DataError(f"the bound of a cross-check must be above 0 basis points, got {bound_bps:g}")
    both = pd.concat([ours.rename("close"), other.rename("other")], axis=1, join="inner").dropna()
    both["bps"] = (both["close"] / both["other"] - 1).abs() * 1e4
    apart = both["bps"].to_numpy()
    median, p99, most = np.quantile(apart, [0.5, 0.99, 1.0]) if len(apart) else (np.nan,) * 3
    beyond = both[both["bps"] > bound_bps].rename_axis("time")
    return CrossCheck(
        symbol, timeframe, source, against, len(both), float(median), float(p99), float(most), bound_bps, beyond
    )


def cross_check(
    source: str,
    symbol: str,
    timeframe: str,
    against: str | Venue,
    since: object = None,
    until: object = None,
    *,
    bound_bps: float = BOUND_BPS,
    settings: Settings | None = None,
    store: BarStore | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
    at: str = "",
) -> CrossCheck:
    """Hold the closes of a stored series against a second venue, or against CoinGecko's daily prices.

    The second venue's bars are fetched into a series of their own (``source`` = its name) and stay there; the series
    that is checked is not touched. What lies beyond the bound is listed, logged and raises the alarm.

    Parameters
    ----------
    source, symbol, timeframe : str
        The stored series.
    against : str or Venue
        A venue with the same symbol, or ``"coingecko"``: its price at midnight against the close of the day before,
        for any time frame that ends at midnight, in US dollars.

    Raises
    ------
    DataError
        When the series is not stored, or the second source lacks the symbol or the time frame.
    VenueError
        When the second source cannot be asked.
    """
    settings = settings or load_settings()
    store, clock = store or open_store(settings), clock or SystemClock()
    length, name = canonical_timeframe(timeframe), _stored_as(against, settings, at)
    if name == source:
        raise DataError(f"a series cannot be checked against itself; name another venue than {name!r}")
    first, last = utc_range(since, until)
    ours = symbol_frame(store.read(source, symbol, length, first, last), symbol)["close"]
    if name == "coingecko":
        other = _coingecko(ours, symbol, length, settings, clock, at)
    else:
        stop = ours.index[-1] + timeframe_delta(length)
        report = fetch(
            [against], symbol, length, ours.index[0], stop, settings=settings, store=store, clock=clock, at=at,
            progress=progress or Silent(),
        )  # fmt: skip
        other = ours.iloc[:0]
        if report.series[0].n_held:
            other = symbol_frame(store.read(name, symbol, length, ours.index[0], stop), symbol)["close"]
    check = compare_closes(
        ours,
        other,
        symbol=symbol,
        timeframe=length,
        source=source,
        against=name.removeprefix("replay-"),
        bound_bps=bound_bps,
    )
    if check.alarm:
        from workbench.ops import get_logger

        get_logger("data").warning("a cross-check of closes failed", check=str(check))
    return check


def check_against(
    against: str, source: str, symbols: Sequence[str], timeframe: str, *, settings: Settings, at: str = ""
) -> None:
    """Refuse a second source that cannot check these series, before anything is fetched.

    Raises
    ------
    DataError
        When it is unknown, the source itself, or lacks a symbol or the time frame.
    """
    if against == source:
        raise DataError(f"a series cannot be checked against itself; name another venue than {against!r}")
    if against == "coingecko":
        return
    clock = SystemClock()
    chain = VenueChain(named_venues(against, settings, clock, at), clock)
    for symbol in symbols:
        chain.pick(symbol, canonical_timeframe(timeframe))


def _stored_as(against: str | Venue, settings: Settings, at: str) -> str:
    """Return the source of the second venue's own series."""
    if not isinstance(against, str):
        return series_name(against)
    return f"replay-{against}" if (at or settings.venues_at) and against != "coingecko" else against


def _coingecko(ours: pd.Series, symbol: str, timeframe: str, settings: Settings, clock: Clock, at: str) -> pd.Series:
    """Return CoinGecko's midnight prices at the open times of the bars that end at midnight."""
    from workbench.data.venues.coingecko import LONGEST_DAYS, CoinGecko

    age = (clock.now() - ours.index[0].timestamp()) / 86_400
    days = max(1, min(LONGEST_DAYS, int(age) + 2))
    price = CoinGecko(settings, at=at, clock=clock).daily(symbol, days)["price"]
    return price.set_axis(pd.DatetimeIndex(price.index) - timeframe_delta(timeframe))
