"""Returns in short, and what they say of a data set's trials: independent bets and the odds that the best is luck."""

from __future__ import annotations

import math
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError
from workbench.tracking import Sketch, TrialsLedger, sketch_of, sketches_of, standing_of
from workbench.tracking.sketches import aligned
from workbench.tracking.standing import overfitting_of

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def series(values: np.ndarray, start: str = "2020-01-01", freq: str = "D") -> pd.Series:
    return pd.Series(values, index=pd.date_range(start, periods=len(values), freq=freq, tz="UTC", name="time"))


def put(ledger: TrialsLedger, key: str, returns: np.ndarray, **where: str) -> None:
    own = series(returns, **where)
    sharpe = float(own.mean() / own.std())
    ledger.record("d", key, {"k": key}, sharpe, len(own), "c", NOW, sketch=sketch_of(own))


def test_buckets_are_days_then_weeks_and_sum_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    short, long = series(rng.normal(size=24 * 300), freq="h"), series(rng.normal(size=24 * 900), freq="h")
    assert (sketch_of(short).days, sketch_of(long).days) == (1, 7)
    for own in (short, long):
        assert np.nansum(sketch_of(own).sums) == pytest.approx(own.sum())
    by_week = long.groupby((long.index - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(days=7)).sum()
    np.testing.assert_allclose(sketch_of(long).sums, by_week)


def test_sketches_of_other_lengths_lie_on_one_calendar() -> None:
    values = np.random.default_rng(2).normal(size=900)
    whole, part = series(values), series(values[100:300], "2020-04-10")
    matrix = aligned([sketch_of(whole), sketch_of(part)])
    both = ~np.isnan(matrix).any(axis=1)
    inner = np.flatnonzero(both)[1:-1]  # the weeks at the ends hold fewer days of the part
    assert len(inner) > 25
    np.testing.assert_allclose(matrix[inner, 0], matrix[inner, 1], rtol=1e-9)


def test_days_without_a_bar_are_no_zeros() -> None:
    week_days = pd.date_range("2024-01-01", periods=20, freq="B", tz="UTC")
    sketch = sketch_of(pd.Series(1.0, index=week_days))
    assert np.isnan(sketch.sums).sum() == 6
    assert sketch.first == (week_days[0] - pd.Timestamp(0, tz="UTC")).days


def test_bytes_give_the_sketch_back() -> None:
    sketch = Sketch(1, 19_000, np.array([0.1, np.nan, -0.25]))
    again = Sketch.from_bytes(1, 19_000, sketch.to_bytes())
    np.testing.assert_allclose(again.sums, sketch.sums, rtol=1e-6)
    with pytest.raises(DataError, match="at least one bar"):
        sketches_of(pd.DatetimeIndex([]), np.empty((1, 0)))


def test_one_bet_written_ten_ways_is_one_bet_and_ten_trials(tmp_path: Path) -> None:
    ledger, rng = TrialsLedger(tmp_path / "trials.db"), np.random.default_rng(3)
    bet = rng.normal(0.0005, 0.01, 500)
    for k in range(10):
        put(ledger, f"k{k}", bet + rng.normal(0, 0.0005, 500))
    standing = standing_of(ledger, "d")
    assert (standing.n_trials, standing.n_effective) == (10, 1)
    assert len(set(standing.clusters.values())) == 1
    for k in range(6):
        put(ledger, f"other{k}", rng.normal(0, 0.01, 500))
    wider = standing_of(ledger, "d")
    assert wider.n_trials == 16
    assert wider.n_effective == pytest.approx(7, abs=1)
    assert wider.effective_variance >= 1 / 499


def test_trials_that_left_no_returns_count_one_each(tmp_path: Path) -> None:
    ledger, rng = TrialsLedger(tmp_path / "trials.db"), np.random.default_rng(4)
    bet = rng.normal(0, 0.01, 400)
    for k in range(3):
        put(ledger, f"k{k}", bet + rng.normal(0, 1e-4, 400))
    for k in range(4):
        ledger.record("d", f"bare{k}", {}, 0.01 * k, 400, "c", NOW)
    assert standing_of(ledger, "d").n_effective == 1 + 4


def test_the_best_of_noise_is_overfit_and_the_best_of_a_real_edge_is_not() -> None:
    rng = np.random.default_rng(5)
    noise = np.array([overfitting_of(rng.normal(0, 0.01, (480, 20))) for _ in range(12)])
    assert 0.35 < noise.mean() < 0.75
    edge = rng.normal(0, 0.01, (480, 20))
    edge[:, 7] += 0.004
    assert overfitting_of(edge) < 0.05
    assert math.isnan(overfitting_of(edge[:, :9]))
    assert math.isnan(overfitting_of(edge[:40]))


def test_an_older_ledger_is_upgraded_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "trials.db"
    ledger = TrialsLedger(path)
    ledger.record("d", "old", {}, 0.1, 300, "c", NOW)
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE sketches")
    db.close()
    assert standing_of(ledger, "d").n_trials == 1
    assert ledger.evaluated("d")["old"].sketch is None
    put(ledger, "new", np.random.default_rng(6).normal(size=300))
    assert set(ledger.evaluated("d")) == {"old", "new"}
    with sqlite3.connect(path) as db, pytest.raises(sqlite3.DatabaseError, match="append-only"):
        db.execute("DELETE FROM sketches")
    db.close()
