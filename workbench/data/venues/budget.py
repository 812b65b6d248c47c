"""What one host may be asked, shared by all processes of the machine: a rate budget, and bans that it set."""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from workbench.data.venues.clock import Clock
from workbench.data.venues.vocabulary import VenueDownError
from workbench.errors import WorkbenchError
from workbench.ops import atomic_write, file_lock

T = TypeVar("T")

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
        except (FileNotFoundError, NotADirectoryError):
            return None
        known = self._read.get(host)
        if known is None or known[0] != stamp:
            known = self._read[host] = (stamp, self._load(path, host))
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
            self._write(path, host, ban)
        return ban

    def _write(self, path: Path, host: str, ban: Ban) -> None:
        text = {"host": host, "until": ban.until, "status": ban.status, "since": ban.since}
        atomic_write(path, json.dumps(text))

    def _path(self, host: str) -> Path:
        return self.folder / f"ban-{file_name(host)}.json"

    def _load(self, path: Path, host: str) -> Ban:
        now = self.clock.now()
        try:
            text = json.loads(path.read_bytes())
            ban = Ban(float(text["until"]), int(text["status"]), float(text["since"]))
            if math.isfinite(ban.since) and ban.until <= max(ban.since, now) + LONGEST_BAN_S:
                set_back = ban.since > now + 60.0  # it was set in the future: the clock was set back since
                return Ban(now + ban.until - ban.since, ban.status, now) if set_back else ban
        except (OSError, ValueError, KeyError, TypeError):
            pass
        # Damaged: a ban of unknown length, never a licence to ask. Written anew, so that it ends for every process.
        ban = Ban(now + DEFAULT_BAN_S, 418, now)
        from workbench.ops import get_logger

        get_logger("data").warning("a ban could not be read and counts anew", file=str(path), seconds=DEFAULT_BAN_S)
        with suppress(WorkbenchError, OSError):  # a folder that cannot be written: this process keeps to it at least
            self._write(path, host, ban)
        return ban


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

        units = min(max(units, 1), self._kept(host, lambda bucket: int(bucket.rates[0].limit)))
        waited = 0.0
        while True:
            item = RateItem(host, int(self.clock.now() * 1000), weight=units)
            wait = self._kept(host, partial(_waiting, item=item))
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

        def share(bucket: Any) -> float:
            with bucket.lock:
                bucket.leak(int(self.clock.now() * 1000))
                return float(min(bucket.count() / bucket.rates[-1].limit, 1.0))

        return self._kept(host, share)

    def _kept(self, host: str, use: Callable[[Any], T]) -> T:
        """Use a host's bucket; a damaged file is set aside and begun anew, once.

        Raises
        ------
        WorkbenchError
            When the file cannot be written: a full disk, a folder that is not writable.
        """
        path = self._path(host)
        for last in (False, True):
            try:
                return use(self._bucket(host))
            except sqlite3.DatabaseError as err:
                if last or isinstance(err, sqlite3.OperationalError):
                    said = f"cannot keep the rate budget of {host} in {path}: {err}; free space or make it writable"
                    raise WorkbenchError(said) from err
                self._begun_anew(host, path)
        raise AssertionError("unreachable")

    def _begun_anew(self, host: str, path: Path) -> None:
        from workbench.ops import get_logger

        with self._guard:
            self._buckets.pop(host, None)
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                with suppress(FileNotFoundError):
                    os.replace(path.with_name(name), path.with_name(f"damaged-{name}"))
        get_logger("data").warning("a rate budget could not be read and is counted anew", file=str(path))

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


def _waiting(bucket: Any, item: Any) -> float:
    """Take an item's units and return 0, or the seconds until they can be taken."""
    while True:
        with bucket.lock:
            wait = 0.0 if bucket.put(item) else (float(bucket.waiting(item)) + 1) / 1000
            if wait * 1000 <= bucket.rates[-1].interval + 1_000:
                return wait
            bucket.flush()  # entries of the future: the clock was set back
