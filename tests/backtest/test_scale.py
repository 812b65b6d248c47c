"""Scaling out: equal numbers everywhere, parts kept by content, kills, cancels, torn files and dying workers."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from workbench.backtest import WalkForward, grid, sma_crossover, sweep
from workbench.backtest.scale import KeptParts, SweepCancelledError, choose_backend, fan_out
from workbench.backtest.sweeping.choosing import walk_forward_sweep
from workbench.backtest.sweeping.identity import rule_identity
from workbench.errors import ConfigError, DataError, WorkbenchError

CELLS = grid(fast=[2, 3, 5, 7], slow=[10, 20, 30])
ARRAYS = ("blocks", "sketch")


def same(one, other):
    """Say whether two sweeps hold the same numbers bit for bit."""
    frames = all(
        getattr(one, name).index.equals(getattr(other, name).index)
        and np.array_equal(getattr(one, name).to_numpy(), getattr(other, name).to_numpy(), equal_nan=True)
        for name in ("table", "portfolio")
    )
    return frames and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


@pytest.fixture(scope="module")
def bars(cases):
    return cases.market(1, 400, 2, gaps=0.05)


@pytest.fixture(scope="module")
def alone(bars):
    return sweep(bars, sma_crossover, CELLS, n_jobs=1, chunk=12)


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as made:
        yield made


def square(shared, part):
    """Task: nothing but arithmetic."""
    return {"square": np.array([shared * p["x"] ** 2 for p in part], dtype=float)}


@pytest.mark.parametrize("chunk", [None, 1, 5, 100])
@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_threads_and_chunks_change_no_bit(bars, alone, n_jobs, chunk):
    assert same(sweep(bars, sma_crossover, CELLS, n_jobs=n_jobs, chunk=chunk), alone)


@pytest.mark.slow
def test_processes_change_no_bit_and_carry_functions_of_ones_own(bars, alone):
    def own(close, fast, slow):
        return sma_crossover(close, fast, slow)

    told = []
    found = sweep(bars, own, CELLS, backend="processes", n_jobs=2, progress=lambda share, _: told.append(share))
    assert same(found, alone)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.slow
def test_a_dask_cluster_changes_no_bit(bars, alone, cluster):
    address = cluster.scheduler_address
    assert same(sweep(bars, sma_crossover, CELLS, backend="dask", address=address), alone)
    splitter = WalkForward(100, 50)
    ways = [
        walk_forward_sweep(bars, sma_crossover, CELLS, splitter, **where)
        for where in ({}, {"backend": "dask", "address": address})
    ]
    np.testing.assert_array_equal(ways[0].in_sample, ways[1].in_sample)
    assert ways[0].returns.equals(ways[1].returns)
    assert same(sweep(bars, sma_crossover, CELLS, backend="dask", n_jobs=1), alone)  # a cluster made for the call


def dies_once(shared, part):
    """Task: the first worker that takes it dies."""
    mark = Path(shared)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"x": np.array([p["x"] for p in part], dtype=float)}


def dies_always(shared, part):
    """Task: whoever takes the last part dies."""
    if part[0]["x"] == 3:
        time.sleep(0.5)  # the others are fetched before
        os.kill(os.getpid(), signal.SIGKILL)
    return {"x": np.array([p["x"] for p in part], dtype=float)}


@pytest.mark.slow
def test_work_of_a_dask_worker_that_dies_is_done_by_another(cluster, tmp_path):
    where = choose_backend("dask", address=cluster.scheduler_address)
    items = [{"x": x} for x in range(4)]
    found = fan_out(dies_once, str(tmp_path / "died"), items, where, chunk=1)
    assert (tmp_path / "died").exists()
    assert found["x"].tolist() == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_part_that_kills_every_dask_worker_is_named_and_the_others_kept(cluster, tmp_path, monkeypatch):
    from workbench.backtest.scale import backends

    monkeypatch.setattr(backends, "_RETRIES", 0)
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    kept, items = KeptParts(tmp_path, "ab" * 32), [{"x": x} for x in range(4)]
    where = choose_backend("dask", address=cluster.scheduler_address)
    with pytest.raises(WorkbenchError, match=r"Dask workers died .* left, .*lower chunk and run again, finished parts"):
        fan_out(dies_always, None, items, where, chunk=1, kept=kept)
    assert kept.read([{"x": 3}]) is None
    assert kept.read([{"x": 0}])["x"].tolist() == [0.0]


@pytest.mark.slow
def test_dying_worker_processes_are_named_with_the_cure_and_parts_kept(tmp_path):
    kept = KeptParts(tmp_path, "ab" * 32)
    items = [{"x": x} for x in range(4)]
    with pytest.raises(WorkbenchError, match="a worker process died.*lower n_jobs and run again, finished parts are"):
        fan_out(dies_always, None, items, choose_backend("processes", 2), chunk=1, kept=kept)


def test_kept_parts_are_not_computed_again(tmp_path):
    counted = []

    def task(shared, part):
        counted.extend(p["x"] for p in part)
        return square(shared, part)

    items = [{"x": x} for x in range(10)]
    where = choose_backend("threads", 1)
    told = []
    for _ in range(2):
        found = fan_out(task, 2.0, items, where, kept=KeptParts(tmp_path, "cd" * 32), chunk=4)
        assert found["square"].tolist() == [2.0 * x * x for x in range(10)]
    assert counted == list(range(10))
    more = [*items, {"x": 10}, {"x": 11}, {"x": 12}]
    fan_out(
        task,
        2.0,
        more,
        where,
        kept=KeptParts(tmp_path, "cd" * 32),
        chunk=4,
        progress=lambda _, words: told.append(words),
    )
    assert counted == [*range(10), *range(8, 13)]
    assert told[0] == "8 of 13 configurations, computed before"
    fan_out(task, 3.0, items, where, kept=KeptParts(tmp_path, "ef" * 32), chunk=4)
    assert len(counted) == 25


@pytest.mark.parametrize("spoil", ["cut", "flipped", "empty", "foreign"])
def test_a_torn_part_is_computed_again(bars, alone, tmp_path, spoil):
    sweep(bars, sma_crossover, CELLS, folder=tmp_path, chunk=4)
    path = sorted(tmp_path.glob("*/*.part"))[1]
    data = path.read_bytes()
    flipped = data[:200] + bytes([data[200] ^ 1]) + data[201:]
    path.write_bytes({"cut": data[:-7], "flipped": flipped, "empty": b"", "foreign": b"PK" + data}[spoil])
    told = []
    found = sweep(bars, sma_crossover, CELLS, folder=tmp_path, chunk=4, progress=lambda _, words: told.append(words))
    assert same(found, alone)
    assert told == ["8 of 12 configurations, computed before", "12 of 12 configurations"]
    assert path.read_bytes() == data


def test_other_content_is_another_folder(bars, cases, tmp_path):
    def own(close, fast, slow):
        return np.where(close > fast, 1.0, 0.0)

    def changed(close, fast, slow):
        return np.where(close > slow, 1.0, 0.0)

    def folders():
        return len(list(tmp_path.iterdir()))

    sweep(bars, sma_crossover, CELLS, folder=tmp_path)
    sweep(bars, sma_crossover, CELLS[:5], folder=tmp_path)
    assert folders() == 1
    sweep(bars, sma_crossover, CELLS, folder=tmp_path, fee_bps=6.0)
    sweep(bars, sma_crossover, CELLS, folder=tmp_path, blocks=8)
    sweep(bars, sma_crossover, CELLS, folder=tmp_path, rebalance="every_bar")
    assert folders() == 4
    sweep(cases.market(2, 400, 2), sma_crossover, CELLS, folder=tmp_path)
    sweep(bars, own, CELLS, folder=tmp_path)
    sweep(bars, changed, CELLS, folder=tmp_path)
    assert folders() == 7
    walk_forward_sweep(bars, sma_crossover, CELLS, WalkForward(100, 50), folder=tmp_path)
    walk_forward_sweep(bars, sma_crossover, CELLS, WalkForward(100, 50), folder=tmp_path, stateless=True)
    assert folders() == 9


def test_a_rule_is_known_by_all_that_it_holds():
    class Held:
        def __init__(self, level):
            self.level = level

        def rule(self, close, n):
            return close * 0 + self.level * n

    def closing_over(level):
        return lambda close, n: close * 0 + level * n

    def by_default(level):
        def rule(close, n, level=level):
            return close * 0 + level * n

        return rule

    for made in (
        closing_over,
        by_default,
        lambda level: functools.partial(closing_over(level), n=1),
        lambda level: functools.partial(by_default(1.0), level=level),
    ):
        assert rule_identity(made(0.5)) == rule_identity(made(0.5))
        assert rule_identity(made(0.5)) != rule_identity(made(0.6))
    assert rule_identity(Held(0.5).rule) != rule_identity(Held(0.6).rule)
    assert rule_identity(sma_crossover) == "sma_crossover 1"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_cancelling_keeps_what_is_done(bars, alone, tmp_path, n_jobs):
    stop = threading.Event()

    def progress(share, _words):
        if share >= 0.5:
            stop.set()

    with pytest.raises(SweepCancelledError, match=r"cancelled after \d+ of 12 configurations; they are kept: run it"):
        sweep(bars, sma_crossover, CELLS, folder=tmp_path, chunk=1, n_jobs=n_jobs, progress=progress, cancel=stop)
    assert 6 <= len(list(tmp_path.glob("*/*.part"))) < 12
    with pytest.raises(SweepCancelledError, match="nothing is kept: give a folder"):
        sweep(bars, sma_crossover, CELLS, cancel=stop)
    assert same(sweep(bars, sma_crossover, CELLS, folder=tmp_path, chunk=1), alone)


def test_a_keyboard_interrupt_keeps_what_is_done(bars, tmp_path):
    def progress(share, _words):
        if share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(bars, sma_crossover, CELLS, folder=tmp_path, chunk=2, progress=progress)
    assert len(list(tmp_path.glob("*/*.part"))) >= 3


def test_a_wrong_cell_keeps_the_finished_ones(bars, tmp_path):
    def grows(close, level):
        return np.full(close.shape, level)

    cells = grid(level=[0.2, 0.5, 1.0, 3.0])
    with pytest.raises(DataError, match=r"targets of \{'level': 3.0\} reach 3 of equity"):
        sweep(bars, grows, cells, folder=tmp_path, chunk=1, n_jobs=1)
    assert len(list(tmp_path.glob("*/*.part"))) == 3


KILLED = """
import os, signal, sys
import numpy as np
from workbench.backtest import grid, sma_crossover, sweep
sys.path.insert(0, {tests!r})
import cases
def progress(share, words):
    if {kill} and share >= 0.4:
        os.kill(os.getpid(), signal.SIGKILL)
    print(words, flush=True)
bars = cases.market(1, 400, 2, gaps=0.05)
cells = grid(fast=[2, 3, 5, 7], slow=[10, 20, 30])
found = sweep(bars, sma_crossover, cells, folder={folder!r}, chunk=1, n_jobs=2, progress=progress)
print(found.portfolio["sharpe_ratio"].to_numpy().tobytes().hex())
"""


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_stopped(alone, tmp_path):
    def start(kill):
        code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), folder=str(tmp_path), kill=kill)
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)

    assert start(True).returncode == -signal.SIGKILL
    done = len(list(tmp_path.glob("*/[0-9a-f]*.part")))
    assert 4 <= done < 12
    lines = start(False).stdout.splitlines()
    assert lines[0] == f"{done} of 12 configurations, computed before"
    assert len(lines) == 12 - done + 2
    assert lines[-1] == alone.portfolio["sharpe_ratio"].to_numpy().tobytes().hex()


def test_mistakes_are_named(bars):
    with pytest.raises(ConfigError, match=r"unknown backend 'thread'. Did you mean 'threads'\?"):
        sweep(bars, sma_crossover, CELLS, backend="thread")
    with pytest.raises(ConfigError, match="address 'tcp://1.2.3.4:5' is a Dask scheduler's; set backend='dask'"):
        sweep(bars, sma_crossover, CELLS, address="tcp://1.2.3.4:5")
    with pytest.raises(ConfigError, match="n_jobs must be at least 1 or None for all cores, got 0"):
        sweep(bars, sma_crossover, CELLS, n_jobs=0)
    with pytest.raises(ConfigError, match="chunk must be at least 1 configuration, or None, got 0"):
        sweep(bars, sma_crossover, CELLS, chunk=0)
    with pytest.raises(ConfigError, match="blocks must be at least 2, got 1"):
        sweep(bars, sma_crossover, CELLS, blocks=1)
    with pytest.raises(WorkbenchError, match="cannot be told from others; use numbers and text"):
        sweep(bars, lambda close, what: close * (what is None), [{"what": object()}], folder="never", n_jobs=1)


@pytest.mark.slow
def test_no_scheduler_at_the_address_is_named(monkeypatch):
    from workbench.backtest.scale import backends

    monkeypatch.setattr(backends, "_PATIENCE", "1s")
    with pytest.raises(WorkbenchError, match="no Dask scheduler answers at tcp://127.0.0.1:9; start one there"):
        fan_out(square, 1.0, [{"x": 1}], choose_backend("dask", address="tcp://127.0.0.1:9"))
