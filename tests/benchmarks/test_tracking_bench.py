"""What tracking costs: a buffered metric, MLflow's own calls, a record, a trial."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings
from workbench.tracking import RunRecord, TrialsLedger, list_records, log_record, read_record, start_run, write_record
from workbench.tracking.store import open_store

Report = Callable[[str, str, str], None]
pytestmark = pytest.mark.benchmark
NOW = datetime(2024, 3, 1, tzinfo=UTC)


def each(call: Callable[[], object], n: int) -> float:
    """Milliseconds for one of the ``n`` things that a call does."""
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began) / n


def test_a_metric(settings: Settings, report: Report) -> None:
    """Buffered from the first value to the last one stored, in one run beside MLflow's own two ways."""
    from mlflow.entities import Metric

    client = open_store(settings)
    with start_run(settings, "bench", "ours") as tracker:
        run_id = tracker.run_id

        def ours(n: int = 10_000) -> None:
            for step in range(n):
                tracker.log_metric("ours", float(step), step)
            tracker.flush()

        def one_by_one(n: int = 200) -> None:
            for step in range(n):
                client.log_metric(run_id, "one", float(step), step=step)

        def batches(n: int = 10_000) -> None:
            for first in range(0, n, 1000):
                client.log_batch(run_id, [Metric("batch", float(k), k, k) for k in range(first, first + 1000)])

        alone, batched, buffered = each(one_by_one, 200), each(batches, 10_000), each(ours, 10_000)
    assert len(client.get_metric_history(run_id, "ours")) == 10_000
    report(
        "a metric, buffered until stored", f"{buffered:.3f} ms, {alone / buffered:.0f} x MLflow one by one", "0.1 ms"
    )
    report("a metric, MLflow's batch of 1000", f"{batched:.3f} ms", "-")
    report("a metric, MLflow one by one", f"{alone:.2f} ms", "-")


def test_a_record(settings: Settings, report: Report) -> None:
    """A record of 20,000 bars of a portfolio, as the nightly leaves it."""
    rng = np.random.default_rng(7)
    time_index = pd.date_range("2022-01-01", periods=20_000, freq="h", tz="UTC", name="time")
    returns = pd.DataFrame(
        rng.normal(0, 0.01, (20_000, 4)), index=time_index, columns=["strategy", "zero", "persistence", "hold"]
    )
    positions = pd.DataFrame(rng.normal(size=(20_000, 5)), index=time_index, columns=[f"S{k}" for k in range(5)])
    at = "2024-03-01T00:00:00+00:00"
    with start_run(settings, "bench", "record") as tracker:
        record = RunRecord(
            tracker.run_id, "backtest", "bench", at, at, metrics={f"m{k}": float(k) for k in range(40)},
            parameters={f"p{k}": k for k in range(30)}, frames={"returns": returns, "positions": positions},
        )  # fmt: skip
        write = each(lambda: write_record(record, settings), 1)
        log = each(lambda: log_record(record, settings), 1)
    read = each(lambda: read_record(record.run_id, settings), 1)
    listed = each(lambda: list_records(settings), 1)
    pd.testing.assert_frame_equal(read_record(record.run_id, settings).frame("returns"), returns, check_freq=False)
    report("a record of 20,000 bars: write, read", f"{write:.0f} ms, {read:.0f} ms", "-")
    report("a record in MLflow; in the listing", f"{log:.0f} ms; {listed:.1f} ms", "-")


def test_a_trial(settings: Settings, report: Report) -> None:
    """One durable line of the trials ledger, and the spread over a thousand."""
    ledger = TrialsLedger(settings.ledger_path)

    def fill() -> None:
        for k in range(1000):
            ledger.record("d", f"h{k}", {"k": k}, 0.01 * k, 500, "c", NOW)

    one = each(fill, 1000)
    spread = each(lambda: ledger.sharpe_variance("d"), 1)
    assert ledger.count("d") == 1000
    report("a trial in the ledger; spread of 1000", f"{one:.2f} ms; {spread:.1f} ms", "-")
