"""Open a venue by its name, and show the state of all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workbench.config import Settings, load_settings
from workbench.data.venues.breaker import Breaker
from workbench.data.venues.budget import Bans, Budget
from workbench.data.venues.catalogue import VENUES, venue_info
from workbench.data.venues.ccxt_venue import CcxtVenue
from workbench.data.venues.clock import Clock, SystemClock
from workbench.data.venues.guard import state_name
from workbench.data.venues.keys import Keys
from workbench.data.venues.retries import DEADLINE_S
from workbench.data.venues.skew import read_skew
from workbench.errors import DataError


def open_venue(
    name: str,
    settings: Settings | None = None,
    *,
    at: str = "",
    clock: Clock | None = None,
    seed: int | None = None,
    keys: Keys | None = None,
    deadline_s: float = DEADLINE_S,
) -> CcxtVenue:
    """Open a venue; nothing is asked of it yet.

    Parameters
    ----------
    name : str
        One of the catalogue: binance, binanceusdm, kraken, coinbase, okx, bybit.
    settings : Settings, optional
        Usual: those of the environment. State shared by processes lies in ``settings.data_dir / "venues"``.
    at : str
        Base address of a replay venue, such as ``http://127.0.0.1:8787``. Usual: ``settings.venues_at``; empty = the
        venue's own hosts.
    clock : Clock, optional
        Usual: the machine's.
    seed : int, optional
        Of the jitter of retries; usual: another one each time, so that processes do not retry in step.
    keys : Keys, optional
        For signed calls; reading needs none.
    deadline_s : float
        Longest time of one call with all its retries.

    Raises
    ------
    DataError
        When no venue has this name, with the closest one.
    """
    info = venue_info(name)
    if not info.exchange:
        raise DataError(f"{name} has no bars of a bar length; use workbench.data.venues.coingecko for its daily prices")
    settings = settings or load_settings()
    return CcxtVenue(
        info,
        folder=venues_folder(settings),
        clock=clock or SystemClock(),
        rng=np.random.default_rng(seed),
        at=at or settings.venues_at,
        keys=keys,
        deadline_s=deadline_s,
    )


def venues_folder(settings: Settings) -> Path:
    """Return the folder of bans, budgets and breakers, shared by all processes."""
    return settings.data_dir / "venues"


def venue_states(settings: Settings, *, at: str = "", clock: Clock | None = None) -> pd.DataFrame:
    """Return the state of every venue as all processes see it, without asking any.

    Returns
    -------
    DataFrame
        One row a venue: venue, state (closed, open, half-open, banned), failures (within a minute), until (when it may
        be asked again, NaT = now), last_error, budget_used (share of a minute's, 0 to 1), clock_skew (venue's clock
        minus ours in seconds, NaN where it was not measured).
    """
    clock, folder, at = clock or SystemClock(), venues_folder(settings), at or settings.venues_at
    rows = [_state(name, folder, at, clock) for name in VENUES]
    states = pd.DataFrame(rows)
    states["until"] = pd.to_datetime(states["until"], utc=True)
    return states


def _state(name: str, folder: Path, at: str, clock: Clock) -> dict[str, object]:
    key = state_name(name, at)
    breaker = Breaker(folder, key, clock).state()
    rates = () if at else VENUES[name].rates
    bans, budget = Bans(folder, clock), Budget(folder, clock, rates=rates)
    hosts = [f"{at.partition('://')[2].rstrip('/')}/{host}" if at else host for host in VENUES[name].hosts]
    ban = max((b for h in hosts if (b := bans.active(h)) is not None), key=lambda b: b.until, default=None)
    until = max(breaker.until, ban.until if ban else 0.0)
    skew = read_skew(folder, key)
    now = clock.now()
    return {
        "venue": name,
        "state": "banned" if ban else breaker.state,
        "failures": sum(0 <= now - t < 60 for t in breaker.failures),
        "until": pd.Timestamp(until, unit="s", tz="UTC") if until else pd.NaT,
        "last_error": f"HTTP {ban.status}" if ban else breaker.last_error,
        "budget_used": max(budget.used(h) for h in hosts),
        "clock_skew": skew.seconds if skew else float("nan"),
    }
