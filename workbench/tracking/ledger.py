"""The trials ledger: every configuration ever evaluated on a data set, counted once, never forgotten.

The count and the spread of the trials' Sharpe ratios are what deflates a Sharpe ratio. The ledger is a sqlite file of
its own, so that deleting MLflow runs or records never lowers the count; triggers forbid changing or deleting a row. A
series imported under a second name is the same series: what counts is the hash of its prices.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from workbench.errors import ConfigError
from workbench.tracking import ledger_sql as sql
from workbench.tracking.appendonly import AppendOnly
from workbench.tracking.record import to_json
from workbench.tracking.sketches import Sketch

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 12
Row: TypeAlias = tuple[str, Mapping[str, Any], float, int]
"""``(config_hash, config, sharpe, n_obs)`` of one evaluation."""


@dataclass(frozen=True)
class Trial:
    """One configuration on one data set, and what deflates its Sharpe ratio, both read in one transaction.

    Parameters
    ----------
    number : int
        Its place among the trials under this data set's name, from 1.
    n_trials : int
        Distinct configurations now, over every name of the same series.
    is_new : bool
        Whether the configuration was never evaluated on the series before, under any name.
    first_seen : str
        ISO time of its first evaluation.
    sharpe_variance : float
        Variance of the trials' per-period Sharpe ratios, see `TrialsLedger.sharpe_variance`; 0 for a single trial.
    """

    number: int
    n_trials: int
    is_new: bool
    first_seen: str
    sharpe_variance: float = 0.0


@dataclass(frozen=True)
class Evaluated:
    """The latest evaluation of one trial: Sharpe ratio per period, number of returns, their sketch where kept."""

    sharpe: float
    n_obs: int
    sketch: Sketch | None


class TrialsLedger:
    """Append-only ledger of trials in one sqlite file; safe with many writing processes and with a killed one.

    Parameters
    ----------
    path : path
        The sqlite file; made on the first `record`. A file of an older version is upgraded then, its rows kept.
    timeout : float
        Seconds a writer waits for the others.
    """

    def __init__(self, path: Path | str, timeout: float = 30.0) -> None:
        self.path = Path(path)
        self.timeout = timeout
        self._file = AppendOnly(self.path, sql.SCHEMA, "trials ledger", "its count", timeout)

    def record(
        self,
        dataset: str,
        config_hash: str,
        config: Mapping[str, Any],
        sharpe: float,
        n_obs: int,
        content_hash: str,
        now: datetime,
        series: str = "",
        sketch: Sketch | None = None,
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
        series : str
            Hash of the prices that leaves out every name. Data sets that share one are one series: their trials are
            counted together. Empty where unknown.
        sketch : Sketch, optional
            The returns in short, by which trials that are the same bet are told from others.

        Raises
        ------
        ConfigError
            When the name, hash, count or time is unusable.
        ArtifactError
            When the ledger is damaged, locked for too long or not writable.
        """
        rows = [(config_hash, config, sharpe, n_obs)]
        return self.record_many(dataset, rows, content_hash, now, series, [sketch])[0]

    def record_many(
        self,
        dataset: str,
        rows: Sequence[Row],
        content_hash: str,
        now: datetime,
        series: str = "",
        sketches: Sequence[Sketch | None] = (),
    ) -> list[Trial]:
        """Count many evaluated configurations, such as those of a sweep, in one transaction: all of them or none.

        Parameters
        ----------
        rows : sequence of (config_hash, config, sharpe, n_obs)
            One evaluation each; the other arguments are those of `record`.
        sketches : sequence of Sketch or None
            One per row, or none at all.

        Returns
        -------
        list of Trial
            One per row, in order. ``n_trials`` and ``sharpe_variance`` are those after the last row: whoever picks the
            best of a sweep has tried all of it.
        """
        texts = []
        for config_hash, config, _, n_obs in rows:
            _check(dataset, config_hash, n_obs, now)
            texts.append(json.dumps(to_json(config, "config"), sort_keys=True))
        if not rows:
            return []
        stamp = now.isoformat()
        with self._file.open(write=True) as db:
            db.execute("BEGIN IMMEDIATE")
            sql.upgrade(db)
            alike = _alike(db, dataset, series)
            following = db.execute(sql.NEXT_NUMBER, (dataset,)).fetchone()[0]
            seen = []
            shorts = sketches or [None] * len(rows)
            for (config_hash, _, sharpe, n_obs), text, sketch in zip(rows, texts, shorts, strict=True):
                known = _first_seen(db, alike, config_hash)
                found = db.execute(sql.NUMBER, (dataset, config_hash)).fetchone()
                number = found[0] if found else following
                if found is None:
                    db.execute(sql.ADD_TRIAL, (dataset, number, config_hash, text, stamp))
                    following += 1
                value = float(sharpe) if math.isfinite(sharpe) else None
                evaluation = (dataset, number, value, int(n_obs), content_hash, stamp, series)
                added = db.execute(sql.ADD_EVALUATION, evaluation).lastrowid
                if sketch is not None:
                    db.execute(sql.ADD_SKETCH, (added, sketch.days, sketch.first, sketch.to_bytes()))
                seen.append((number, known is None, known or stamp))
            n_trials, variance = _standing(db, dataset)
            db.execute("COMMIT")
        return [Trial(number, n_trials, is_new, first, variance or 0.0) for number, is_new, first in seen]

    def count(self, dataset: str) -> int:
        """Return the number of distinct configurations ever evaluated on the data set, under any name of its series."""
        return self.standing(dataset)[0]

    def sharpe_variance(self, dataset: str, up_to: int | None = None) -> float | None:
        """Return the variance of the distinct trials' per-period Sharpe ratios; None with fewer than two trials.

        Parameters
        ----------
        dataset : str
            Name of the series.
        up_to : int, optional
            Count only the trials first seen no later than the one with this number. A run's own number gives the spread
            as of when the configuration was first tried, so that the same run repeated gives the same figure however
            many followed.

        Notes
        -----
        ``max(sample variance, 1 / (n_obs − 1))``. The sample variance (ddof 1) is over the distinct values, rounded to
        12 digits, of the trials' latest Sharpe ratios; undefined ones are left out. Ten trials that are one strategy
        written ten ways have a sample variance of nearly 0, and the best of them would not be deflated at all: the
        deflated Sharpe ratio takes the variance as that between *independent* trials, and correlated ones show too
        little of it. So it is never taken to be below the sampling variance of the Sharpe ratio of a strategy without
        skill, which is what independent worthless trials differ by: Lo's ``(1 + SR²/2) / n`` at SR = 0, here with
        n − 1. ``n_obs`` is the median over the trials: the least would let one short trial set the floor, the largest
        would let one long trial lower it for all.

        References
        ----------
        Lo, A. W. (2002). The Statistics of Sharpe Ratios. Financial Analysts Journal 58(4), 36-52.
        Bailey, D. H. and López de Prado, M. (2014). The Deflated Sharpe Ratio. J. Portfolio Management 40(5), 94-107.
        """
        return self.standing(dataset, up_to)[1]

    def standing(self, dataset: str, up_to: int | None = None) -> tuple[int, float | None]:
        """Return the count and the variance of the trials, both of the same moment."""
        with self._file.open() as db:
            return (0, None) if db is None else _standing(db, dataset, up_to)

    def evaluated(self, dataset: str) -> dict[str, Evaluated]:
        """Return every distinct trial of the series by its hash: latest Sharpe ratio, bars, and returns in short."""
        with self._file.open() as db:
            if db is None:
                return {}
            db.execute("BEGIN")
            names = _alike(db, dataset)
            rows = [row for name in names for row in db.execute(sql.EVALUATIONS, (name,))]
            kept = [r for name in names for r in db.execute(sql.SKETCHES, (name,))] if sql.has_sketches(db) else []
            db.execute("COMMIT")
        sketches = {row[0]: Sketch.from_bytes(*row[2:]) for row in sorted(kept, key=itemgetter(1))}
        latest = {row[0]: row for row in sorted(rows, key=itemgetter(1))}
        return {
            key: Evaluated(float("nan") if sharpe is None else sharpe, n_obs, sketches.get(key))
            for key, _, sharpe, n_obs in latest.values()
        }

    def trials(self, dataset: str) -> pd.DataFrame:
        """Return one row per trial, by number: what it was, when it was seen, its latest Sharpe ratio per period."""
        import pandas as pd

        with self._file.open() as db:
            rows = [] if db is None else db.execute(sql.LATEST, (dataset,)).fetchall()
        return pd.DataFrame(rows, columns=list(sql.COLUMNS)).astype({"sharpe": "float64"})

    def datasets(self) -> dict[str, int]:
        """Return the number of trials of every data set, sorted by name."""
        with self._file.open() as db:
            query = "SELECT dataset, COUNT(*) FROM trials GROUP BY 1 ORDER BY 1"
            return {} if db is None else dict(db.execute(query).fetchall())


def _alike(db: sqlite3.Connection, dataset: str, series: str = "") -> list[str]:
    """Return the names of the data sets that hold the same series, this one among them."""
    if not sql.has_series(db):
        return [dataset]
    return [row[0] for row in db.execute(sql.ALIKE, {"dataset": dataset, "series": series})]


def _first_seen(db: sqlite3.Connection, alike: list[str], config_hash: str) -> str | None:
    found = [db.execute(sql.FIRST_SEEN, (name, config_hash)).fetchone() for name in alike]
    return min((row[0] for row in found if row), key=datetime.fromisoformat, default=None)


def _standing(db: sqlite3.Connection, dataset: str, up_to: int | None = None) -> tuple[int, float | None]:
    """Count the distinct configurations over all names of the series and measure their spread."""
    started = not db.in_transaction
    if started:
        db.execute("BEGIN")  # one moment for all that is read
    evaluations = [row for name in _alike(db, dataset) for row in db.execute(sql.EVALUATIONS, (name,))]
    limit = math.inf if up_to is None else db.execute(sql.BORN, (dataset, up_to)).fetchone()[0] or 0
    if started:
        db.execute("COMMIT")
    born: dict[str, int] = {}
    latest: dict[str, tuple[float | None, int]] = {}
    for config_hash, number, sharpe, n_obs in sorted(evaluations, key=itemgetter(1)):
        if born.setdefault(config_hash, number) <= limit:
            latest[config_hash] = (sharpe, n_obs)
    return len(latest), _variance(list(latest.values()))


def _variance(trials: list[tuple[float | None, int]]) -> float | None:
    if len(trials) < 2:
        return None
    distinct = list({round(sharpe, _DIGITS) for sharpe, _ in trials if sharpe is not None})
    floor = 1.0 / (max(median(n_obs for _, n_obs in trials), 2) - 1)
    if len(distinct) < 2:
        return floor
    mean = math.fsum(distinct) / len(distinct)
    return max(math.fsum((sharpe - mean) ** 2 for sharpe in distinct) / (len(distinct) - 1), floor)


def _check(dataset: str, config_hash: str, n_obs: int, now: datetime) -> None:
    if not dataset or not config_hash:
        raise ConfigError(f"a trial needs a dataset and a config_hash, got {dataset!r} and {config_hash!r}")
    if n_obs < 0:
        raise ConfigError(f"n_obs must be 0 or more, got {n_obs}")
    if now.tzinfo is None:
        raise ConfigError(f"now must carry a time zone, got {now.isoformat()}; use datetime.now(UTC)")
