"""What one host may be asked, shared by all processes of the machine: a rate budget, and bans that it set."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.data.venues.clock import Clock
from workbench.data.venues.vocabulary import VenueDownError
from workbench.ops import atomic_write, file_lock

UNIT_MS = 10
"""One unit of budget is so much of a venue's time: ccxt's cost of a request times the venue's ``rateLimit``."""
UNITS_PER_MINUTE = 5_400
"""Nine tenths of what venues document."""
UNITS_PER_BURST, BURST_MS = 200, 2_000
"""At most the documented rate over two seconds, so that no minute is spent at once."""
LOOPBACK_PER_SECOND = 5_000
"""Requests a second to a server on this machine: a replay venue."""
LONGEST_BAN_S = 3 * 86_400.0
"""Longest ban that a venue documents; a longer ``Retry-After`` counts as this."""
DEFAULT_BAN_S = 120.0
"""A 418 that does not say for how long."""


def host_of(url: str) -> str:
    """Return the key under which a host is counted: its name, or address and original host of a replay venue."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return parts.hostname or ""
    return f"{parts.netloc}/{parts.path.lstrip('/').partition('/')[0]}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def file_name(key: str) -> str:
    """Return a key as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.@-]", "_", key)


@dataclass(frozen=True)
class Ban:
    """A host is not to be asked before ``until`` (seconds since 1970 UTC)."""

    until: float
    status: int
    since: float

    @property
    def hard(self) -> bool:
        """Whether the venue threw this machine out (418); otherwise it asked for patience (429)."""
        return self.status == 418


class Bans:
    """Bans by host, one small file each: looked at before every request by every process.

    Parameters
    ----------
    folder : path
        Shared by all processes, ``settings.data_dir / "venues"``.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self.clock = Path(folder), clock
        self._read: dict[str, tuple[int, Ban]] = {}

    def active(self, host: str) -> Ban | None:
        """Return the ban that a host set and that has not ended, if any: one ``stat`` where there is none."""
        path = self._path(host)
        try:
            stamp = path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        known = self._read.get(host)
        if known is None or known[0] != stamp:
            known = self._read[host] = (stamp, self._load(path))
        return known[1] if known[1].until > self.clock.now() else None

    def set(self, host: str, status: int, seconds: float) -> Ban:
        """Write down that a host is not to be asked for so many seconds; a longer ban stays."""
        now = self.clock.now()
        ban = Ban(now + min(max(seconds, 0.0), LONGEST_BAN_S), status, now)
        path = self._path(host)
        with file_lock(path.with_suffix(".lock"), f"noting a ban by {host}"):
            standing = self.active(host)
            if standing is not None and standing.until >= ban.until:
                return standing
            text = {"host": host, "until": ban.until, "status": status, "since": now}
            atomic_write(path, json.dumps(text))
        return ban

    def _path(self, host: str) -> Path:
        return self.folder / f"ban-{file_name(host)}.json"

    def _load(self, path: Path) -> Ban:
        try:
            text = json.loads(path.read_bytes())
            return Ban(float(text["until"]), int(text["status"]), float(text["since"]))
        except (OSError, ValueError, KeyError, TypeError):  # damaged: a ban of unknown length, never a licence to ask
            now = self.clock.now()
            return Ban(now + DEFAULT_BAN_S, 418, now)


class Budget:
    """A rate budget by host, kept in an SQLite file that all processes share (pyrate-limiter's sliding log).

    Measured: 0.1 ms a request, 0.3 ms with four processes at once; one file a host.

    Parameters
    ----------
    folder : path
        Shared by all processes, ``settings.data_dir / "venues"``.
    rates : sequence of (units, milliseconds), optional
        Instead of the usual ones, widest interval last.
    """

    def __init__(self, folder: Path, clock: Clock, *, rates: tuple[tuple[int, int], ...] = ()) -> None:
        self.folder, self.clock, self.rates = Path(folder), clock, rates
        self._buckets: dict[str, Any] = {}
        self._owner, self._taken, self._guard = os.getpid(), 0, threading.Lock()

    def take(self, host: str, units: int, patience_s: float) -> float:
        """Take units of a host's budget, waiting for them where needed, and return the seconds waited.

        Raises
        ------
        VenueDownError
            When they would not come within ``patience_s``; nothing is taken then.
        """
        from pyrate_limiter import RateItem

        bucket = self._bucket(host)
        units = min(max(units, 1), bucket.rates[0].limit)
        waited = 0.0
        while True:
            item = RateItem(host, int(self.clock.now() * 1000), weight=units)
            with bucket.lock:
                wait = 0.0 if bucket.put(item) else (float(bucket.waiting(item)) + 1) / 1000
                if wait * 1000 > bucket.rates[-1].interval + 1_000:  # entries of the future: the clock was set back
                    bucket.flush()
                    continue
            if wait <= 0:
                return waited
            if waited + wait > patience_s:
                until = self.clock.now() + wait
                raise VenueDownError(
                    f"the rate budget of {host} is used up for {wait:.1f} s more; wait, or ask another venue",
                    venue=host,
                    until=until,
                )
            self.clock.sleep(wait)
            waited += wait

    def used(self, host: str) -> float:
        """Return the share of the last minute's budget that is used, 0 to 1, by all processes together."""
        if not self._path(host).exists():
            return 0.0
        bucket = self._bucket(host)
        widest = bucket.rates[-1]
        with bucket.lock:
            bucket.leak(int(self.clock.now() * 1000))
            return min(bucket.count() / widest.limit, 1.0)

    def _bucket(self, host: str) -> Any:
        with self._guard:
            if self._owner != os.getpid():  # a forked child must not share its parent's connection
                self._buckets, self._owner = {}, os.getpid()
            if host not in self._buckets:
                self._buckets[host] = self._opened(host)
            bucket = self._buckets[host]
            self._taken += 1
        if self._taken % 500 == 1:
            bucket.leak(int(self.clock.now() * 1000))
        return bucket

    def _opened(self, host: str) -> Any:
        from pyrate_limiter import Rate
        from pyrate_limiter.buckets.sqlite_bucket import SQLiteBucket

        self.folder.mkdir(parents=True, exist_ok=True)
        rates = self.rates or (
            ((LOOPBACK_PER_SECOND, 1000),)
            if is_loopback(host.partition("/")[0].rpartition(":")[0])
            else ((UNITS_PER_BURST, BURST_MS), (UNITS_PER_MINUTE, 60_000))
        )
        return SQLiteBucket.init_from_file(
            [Rate(limit, interval) for limit, interval in rates], db_path=str(self._path(host)), use_file_lock=True
        )

    def _path(self, host: str) -> Path:
        return self.folder / f"budget-{file_name(host)}.db"
