"""The trials ledger's tables and queries in SQL, and the upgrade of older files."""

from __future__ import annotations

import sqlite3

_TABLES = """
CREATE TABLE trials (
    dataset TEXT NOT NULL, number INTEGER NOT NULL, config_hash TEXT NOT NULL, config TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    PRIMARY KEY (dataset, number), UNIQUE (dataset, config_hash)
) STRICT;
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL, number INTEGER NOT NULL, sharpe REAL,
    n_obs INTEGER NOT NULL, content_hash TEXT NOT NULL, evaluated TEXT NOT NULL, series TEXT NOT NULL DEFAULT '',
    FOREIGN KEY (dataset, number) REFERENCES trials (dataset, number)
) STRICT;
CREATE INDEX evaluations_of_trial ON evaluations (dataset, number, id);
"""
_SKETCHES = """
CREATE TABLE sketches (
    evaluation INTEGER PRIMARY KEY REFERENCES evaluations (id), days INTEGER NOT NULL, first INTEGER NOT NULL,
    sums BLOB NOT NULL
) STRICT;
"""
_ADD_SERIES = "ALTER TABLE evaluations ADD COLUMN series TEXT NOT NULL DEFAULT ''"
_SERIES_INDEX = "CREATE INDEX evaluations_of_series ON evaluations (series, dataset)"
_FORBID = (
    "CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'the trials ledger is append-only'); END;"
)
_VERBS = ("UPDATE", "DELETE")
_TRIGGERS = "".join(_FORBID.format(table=t, verb=v) for t in ("trials", "evaluations", "sketches") for v in _VERBS)
SCHEMA = f"BEGIN; {_TABLES} {_SKETCHES} {_SERIES_INDEX}; {_TRIGGERS} COMMIT; PRAGMA journal_mode = WAL;"

LATEST = """
SELECT t.number, t.config_hash, t.config, t.first_seen, e.sharpe, e.n_obs, e.content_hash, e.evaluated AS last_seen,
       (SELECT COUNT(*) FROM evaluations c WHERE c.dataset = t.dataset AND c.number = t.number) AS n_evaluations
FROM trials t JOIN evaluations e
  ON e.id = (SELECT MAX(id) FROM evaluations m WHERE m.dataset = t.dataset AND m.number = t.number)
WHERE t.dataset = ? ORDER BY t.number
"""
COLUMNS = (
    "number", "config_hash", "config", "first_seen", "sharpe", "n_obs", "content_hash", "last_seen", "n_evaluations",
)  # fmt: skip
NEXT_NUMBER = "SELECT COUNT(*) + 1 FROM trials WHERE dataset = ?"
NUMBER = "SELECT number FROM trials WHERE dataset = ? AND config_hash = ?"
ADD_TRIAL = "INSERT INTO trials (dataset, number, config_hash, config, first_seen) VALUES (?, ?, ?, ?, ?)"
ADD_EVALUATION = """
INSERT INTO evaluations (dataset, number, sharpe, n_obs, content_hash, evaluated, series) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
ADD_SKETCH = "INSERT INTO sketches (evaluation, days, first, sums) VALUES (?, ?, ?, ?)"
SKETCHES = """
SELECT t.config_hash, s.evaluation, s.days, s.first, s.sums FROM trials t
  JOIN evaluations e ON e.dataset = t.dataset AND e.number = t.number JOIN sketches s ON s.evaluation = e.id
WHERE t.dataset = ? ORDER BY s.evaluation
"""
ALIKE = """
SELECT DISTINCT o.dataset FROM evaluations o
WHERE o.series IN (SELECT series FROM evaluations WHERE dataset = :dataset AND series <> ''
                   UNION SELECT :series WHERE :series <> '')
UNION SELECT :dataset
"""
FIRST_SEEN = "SELECT first_seen FROM trials WHERE dataset = ? AND config_hash = ?"
EVALUATIONS = """
SELECT t.config_hash, e.id, e.sharpe, e.n_obs FROM trials t JOIN evaluations e
  ON e.dataset = t.dataset AND e.number = t.number
WHERE t.dataset = ? ORDER BY e.id
"""
BORN = """
SELECT MAX(first) FROM (SELECT MIN(id) AS first FROM evaluations WHERE dataset = ? AND number <= ? GROUP BY number)
"""


def has_series(db: sqlite3.Connection) -> bool:
    """Say whether the file keeps the hash of the prices; files of the first version did not."""
    return any(row[1] == "series" for row in db.execute("PRAGMA table_info(evaluations)"))


def has_sketches(db: sqlite3.Connection) -> bool:
    """Say whether the file keeps the trials' returns in short; files of the first two versions did not."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sketches'").fetchone() is not None


def upgrade(db: sqlite3.Connection) -> None:
    """Add what a file of an older version lacks; the caller holds the write lock. Rows and triggers stay."""
    if not has_sketches(db):
        db.execute(_SKETCHES)
        for verb in _VERBS:
            db.execute(_FORBID.format(table="sketches", verb=verb))
    if not has_series(db):
        db.execute(_ADD_SERIES)
        db.execute(_SERIES_INDEX)
