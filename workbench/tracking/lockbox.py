"""The lock-box: the last stretch of a series that a family of experiments may open once, and who opened it when.

A hold-out that is looked at twice is no hold-out. Nobody can be kept from looking again, but every opening is written
down before anything is judged, and the second one shows the first. The record is a sqlite file of its own beside the
trials ledger; triggers forbid changing or deleting a row.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from workbench.errors import ConfigError
from workbench.tracking.appendonly import AppendOnly

_TABLES = """
CREATE TABLE seals (
    id INTEGER PRIMARY KEY AUTOINCREMENT, family TEXT NOT NULL, series TEXT NOT NULL, start TEXT NOT NULL,
    sealed TEXT NOT NULL
) STRICT;
CREATE TABLE openings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, family TEXT NOT NULL, series TEXT NOT NULL, run_id TEXT NOT NULL,
    who TEXT NOT NULL, start TEXT NOT NULL, opened TEXT NOT NULL, UNIQUE (family, series, run_id)
) STRICT;
CREATE INDEX seals_of ON seals (family, series);
"""
_FORBID = (
    "CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'the lock-box is append-only'); END;"
)
_TRIGGERS = "".join(_FORBID.format(table=t, verb=v) for t in ("seals", "openings") for v in ("UPDATE", "DELETE"))
_SCHEMA = f"BEGIN; {_TABLES} {_TRIGGERS} COMMIT; PRAGMA journal_mode = WAL;"
_STARTS = "SELECT start FROM seals WHERE family = ? AND series = ?"
_SEAL = "INSERT INTO seals (family, series, start, sealed) VALUES (?, ?, ?, ?)"
_OPENINGS = "SELECT run_id, who, opened, start FROM openings WHERE family = ? AND series = ? ORDER BY id"
_OPEN = "INSERT INTO openings (family, series, run_id, who, start, opened) VALUES (?, ?, ?, ?, ?, ?)"
_FAMILIES = "SELECT DISTINCT family, series FROM seals ORDER BY family, series"


@dataclass(frozen=True)
class Opened:
    """One opening: the run, who started it, when (ISO time), and the first locked time as it was then."""

    run_id: str
    who: str
    opened: str
    start: str


@dataclass(frozen=True)
class Opening:
    """What an opening amounts to.

    Parameters
    ----------
    number : int
        1 for the first run that opened the stretch; whatever a run with a higher number says is not out of sample.
    first_opened : str
        ISO time of the first opening.
    start : Timestamp
        First locked time.
    earlier : tuple of Opened
        The openings before this one, in order.
    """

    number: int
    first_opened: str
    start: pd.Timestamp
    earlier: tuple[Opened, ...]


class LockBox:
    """Append-only record of seals and openings in one sqlite file; safe with many processes and with a killed one.

    Parameters
    ----------
    path : path
        The sqlite file; made on the first seal.
    timeout : float
        Seconds a writer waits for the others.
    """

    def __init__(self, path: Path | str, timeout: float = 30.0) -> None:
        self.path = Path(path)
        self.timeout = timeout
        self._file = AppendOnly(self.path, _SCHEMA, "lock-box", "its openings", timeout)

    def seal(self, family: str, series: str, start: pd.Timestamp | datetime | str, now: datetime) -> pd.Timestamp:
        """Lock a series from a time on, for a family of experiments; return the first locked time.

        A sealed stretch can only become longer: an earlier start is recorded beside the older one, a later or equal
        one changes nothing, and the earliest of all is returned.

        Parameters
        ----------
        family : str
            Experiments that share one look, such as the name of a research question.
        series : str
            Name of the data set, the same whatever its range or version: a name that changes with new bars would
            begin a new lock-box.
        start : time
            First locked time; one without a zone is UTC.
        now : datetime
            Time of the sealing, with a time zone.

        Raises
        ------
        ConfigError
            When a name or time is unusable.
        ArtifactError
            When the file is damaged, locked for too long or not writable.
        """
        _check(now, family=family, series=series)
        wanted = _utc(start)
        with self._file.open(write=True) as db:
            db.execute("BEGIN IMMEDIATE")
            sealed = _sealed_from(db, family, series)
            if sealed is None or wanted < sealed:
                db.execute(_SEAL, (family, series, wanted.isoformat(), now.isoformat()))
                sealed = wanted
            db.execute("COMMIT")
        return sealed

    def open(self, family: str, series: str, run_id: str, now: datetime, who: str = "") -> Opening:
        """Record that a run looks into the locked stretch; call it before anything of that stretch is read.

        The same run asking again, such as one that was killed and went on, is the same opening.

        Raises
        ------
        ConfigError
            When nothing is sealed under these names, or a name or time is unusable.
        ArtifactError
            When the file is damaged, locked for too long or not writable.
        """
        _check(now, family=family, series=series, run_id=run_id)
        with self._file.open() as db:
            if db is None:
                raise _not_sealed(family, series)
            db.execute("BEGIN IMMEDIATE")
            start = _sealed_from(db, family, series)
            if start is None:
                raise _not_sealed(family, series)
            openings = _openings(db, family, series)
            runs = [o.run_id for o in openings]
            if run_id not in runs:
                db.execute(_OPEN, (family, series, run_id, who, start.isoformat(), now.isoformat()))
                openings.append(Opened(run_id, who, now.isoformat(), start.isoformat()))
                runs.append(run_id)
            db.execute("COMMIT")
        place = runs.index(run_id)
        return Opening(place + 1, openings[0].opened, start, tuple(openings[:place]))

    def sealed_from(self, family: str, series: str) -> pd.Timestamp | None:
        """Return the first locked time; None where nothing is sealed."""
        with self._file.open() as db:
            return None if db is None else _sealed_from(db, family, series)

    def openings(self, family: str, series: str) -> tuple[Opened, ...]:
        """Return all openings in order."""
        with self._file.open() as db:
            return () if db is None else tuple(_openings(db, family, series))

    def overview(self) -> pd.DataFrame:
        """Return one row per family and series: ``sealed_from``, ``n_openings``, ``first_opened``, ``last_opened``."""
        columns = ["family", "series", "sealed_from", "n_openings", "first_opened", "last_opened"]
        rows = []
        with self._file.open() as db:
            for family, series in [] if db is None else db.execute(_FAMILIES).fetchall():
                times = [o.opened for o in _openings(db, family, series)] or [""]
                counted = len(times) if times[0] else 0
                rows.append((family, series, _sealed_from(db, family, series), counted, times[0], times[-1]))
        return pd.DataFrame(rows, columns=columns)


def _sealed_from(db: sqlite3.Connection, family: str, series: str) -> pd.Timestamp | None:
    return min((pd.Timestamp(row[0]) for row in db.execute(_STARTS, (family, series))), default=None)


def _openings(db: sqlite3.Connection, family: str, series: str) -> list[Opened]:
    return [Opened(*row) for row in db.execute(_OPENINGS, (family, series))]


def _utc(time: pd.Timestamp | datetime | str) -> pd.Timestamp:
    stamp = pd.to_datetime(time, errors="coerce")
    if not isinstance(stamp, pd.Timestamp):
        raise ConfigError(f"a lock-box needs a time to begin at, got {time!r}; give one such as 2024-01-01")
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")


def _check(now: datetime, **names: str) -> None:
    for name, value in names.items():
        if not value:
            raise ConfigError(f"a lock-box needs a {name}, got {value!r}; name the experiments, data set and run")
    if now.tzinfo is None:
        raise ConfigError(f"now must carry a time zone, got {now.isoformat()}; use datetime.now(UTC)")


def _not_sealed(family: str, series: str) -> ConfigError:
    return ConfigError(
        f"nothing of {series!r} is sealed for {family!r}; seal a stretch before the search, then open it"
    )
