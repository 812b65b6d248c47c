"""The trials ledger: every configuration ever evaluated on a data set, counted once, never forgotten.

The count and the spread of the trials' Sharpe ratios are what deflates a Sharpe ratio. The ledger is a sqlite file of
its own, so that deleting MLflow runs or records never lowers the count; triggers forbid changing or deleting a row.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import ArtifactError, ConfigError
from workbench.ops.files import atomic_path
from workbench.ops.locks import file_lock
from workbench.tracking.record import to_json

if TYPE_CHECKING:
    import pandas as pd

_SCHEMA = """
CREATE TABLE trials (
    dataset TEXT NOT NULL, number INTEGER NOT NULL, config_hash TEXT NOT NULL, config TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    PRIMARY KEY (dataset, number), UNIQUE (dataset, config_hash)
) STRICT;
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL, number INTEGER NOT NULL, sharpe REAL,
    n_obs INTEGER NOT NULL, content_hash TEXT NOT NULL, evaluated TEXT NOT NULL,
    FOREIGN KEY (dataset, number) REFERENCES trials (dataset, number)
) STRICT;
CREATE INDEX evaluations_of_trial ON evaluations (dataset, number, id);
"""
_FORBID = (
    "CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'the trials ledger is append-only'); END;"
)
_TRIGGERS = "".join(_FORBID.format(table=t, verb=v) for t in ("trials", "evaluations") for v in ("UPDATE", "DELETE"))
_LATEST = """
SELECT t.number, t.config_hash, t.config, t.first_seen, e.sharpe, e.n_obs, e.content_hash, e.evaluated AS last_seen,
       (SELECT COUNT(*) FROM evaluations c WHERE c.dataset = t.dataset AND c.number = t.number) AS n_evaluations
FROM trials t JOIN evaluations e
  ON e.id = (SELECT MAX(id) FROM evaluations m WHERE m.dataset = t.dataset AND m.number = t.number)
WHERE t.dataset = ? ORDER BY t.number
"""
_COLUMNS = (
    "number", "config_hash", "config", "first_seen", "sharpe", "n_obs", "content_hash", "last_seen", "n_evaluations",
)  # fmt: skip
_COUNT = "SELECT COUNT(*) FROM trials WHERE dataset = ?"


@dataclass(frozen=True)
class Trial:
    """One configuration on one data set: its number, how many there are now, whether it is new, since when."""

    number: int
    n_trials: int
    is_new: bool
    first_seen: str


class TrialsLedger:
    """Append-only ledger of trials in one sqlite file; safe with many writing processes and with a killed one.

    Parameters
    ----------
    path : path
        The sqlite file; made on the first `record`.
    timeout : float
        Seconds a writer waits for the others.
    """

    def __init__(self, path: Path | str, timeout: float = 30.0) -> None:
        self.path = Path(path)
        self.timeout = timeout

    def record(
        self,
        dataset: str,
        config_hash: str,
        config: Mapping[str, Any],
        sharpe: float,
        n_obs: int,
        content_hash: str,
        now: datetime,
    ) -> Trial:
        """Count an evaluated configuration; the same one again is the same trial, and a further evaluation of it.

        Parameters
        ----------
        dataset : str
            Name of the series, such as ``"sample:1d:SPX"``; trials are counted per name, whatever its version.
        config_hash : str
            Identity of the configuration, see `workbench.config.config_hash`.
        config : mapping
            The configuration itself, kept as JSON when the trial is new.
        sharpe : float
            Sharpe ratio per period (not annualised) of the out-of-sample returns after costs; NaN where undefined.
        n_obs : int
            Number of those returns.
        content_hash : str
            Hash of the bars used.
        now : datetime
            Time of the evaluation, with a time zone.

        Raises
        ------
        ConfigError
            When the name, hash, count or time is unusable.
        ArtifactError
            When the ledger is damaged, locked for too long or not writable.
        """
        _check(dataset, config_hash, n_obs, now)
        value = float(sharpe) if math.isfinite(sharpe) else None
        stamp, text = now.isoformat(), json.dumps(to_json(config, "config"), sort_keys=True)
        with self._open(write=True) as db:
            db.execute("BEGIN IMMEDIATE")
            row = db.execute(
                "SELECT number, first_seen FROM trials WHERE dataset = ? AND config_hash = ?", (dataset, config_hash)
            ).fetchone()
            count = db.execute(_COUNT, (dataset,)).fetchone()[0]
            number, first_seen = row or (count + 1, stamp)
            if row is None:
                db.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?)", (dataset, number, config_hash, text, stamp))
            db.execute(
                "INSERT INTO evaluations (dataset, number, sharpe, n_obs, content_hash, evaluated) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (dataset, number, value, int(n_obs), content_hash, stamp),
            )
            db.execute("COMMIT")
        return Trial(number, count + (row is None), row is None, first_seen)

    def count(self, dataset: str) -> int:
        """Return the number of distinct configurations ever evaluated on the data set."""
        with self._open() as db:
            return 0 if db is None else db.execute(_COUNT, (dataset,)).fetchone()[0]

    def sharpe_variance(self, dataset: str, up_to: int | None = None) -> float | None:
        """Return the variance (ddof=1) of the distinct trials' per-period Sharpe ratios; None with fewer than two.

        Parameters
        ----------
        dataset : str
            Name of the series.
        up_to : int, optional
            Count only the trials with this number or a lower one. A run's own number gives the spread as of when the
            configuration was first tried, so that the same run repeated gives the same figure however many followed.

        Notes
        -----
        Each trial counts once, with its latest evaluation. Undefined Sharpe ratios are left out.
        """
        values = self.trials(dataset)
        if up_to is not None:
            values = values[values["number"] <= up_to]
        known = values["sharpe"].dropna()
        return float(known.var(ddof=1)) if len(known) >= 2 else None

    def trials(self, dataset: str) -> pd.DataFrame:
        """Return one row per trial, by number: what it was, when it was seen, its latest Sharpe ratio per period."""
        import pandas as pd

        with self._open() as db:
            rows = [] if db is None else db.execute(_LATEST, (dataset,)).fetchall()
        return pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"sharpe": "float64"})

    def datasets(self) -> dict[str, int]:
        """Return the number of trials of every data set, sorted by name."""
        with self._open() as db:
            query = "SELECT dataset, COUNT(*) FROM trials GROUP BY 1 ORDER BY 1"
            return {} if db is None else dict(db.execute(query).fetchall())

    @contextmanager
    def _open(self, write: bool = False) -> Iterator[Any]:
        db: sqlite3.Connection | None = None
        try:
            if write and not self.path.exists():
                self._create()
            if self.path.exists():
                db = _connect(self.path, self.timeout)
            yield db
        except sqlite3.Error as err:
            cure = "wait for the other writer" if "locked" in str(err) else "free space, or restore it from a backup"
            raise ArtifactError(f"trials ledger {self.path}: {err}; {cure} (its count must not be lost)") from err
        finally:
            if db is not None:
                db.close()

    def _create(self) -> None:
        with file_lock(self.path.with_name(f".{self.path.name}.lock"), "making the trials ledger", self.timeout):
            if self.path.exists():
                return
            with atomic_path(self.path) as temporary:
                db = _connect(temporary, self.timeout)
                db.executescript(f"BEGIN; {_SCHEMA} {_TRIGGERS} COMMIT; PRAGMA journal_mode = WAL;")
                db.close()


def _connect(path: Path, timeout: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=timeout, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA recursive_triggers = ON")  # so that INSERT OR REPLACE cannot delete either
    return db


def _check(dataset: str, config_hash: str, n_obs: int, now: datetime) -> None:
    if not dataset or not config_hash:
        raise ConfigError(f"a trial needs a dataset and a config_hash, got {dataset!r} and {config_hash!r}")
    if n_obs < 0:
        raise ConfigError(f"n_obs must be 0 or more, got {n_obs}")
    if now.tzinfo is None:
        raise ConfigError(f"now must carry a time zone, got {now.isoformat()}; use datetime.now(UTC)")
