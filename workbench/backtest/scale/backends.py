"""Where parts of the work run: threads, processes or a Dask cluster. This is the door to joblib and Dask."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError, WorkbenchError

BACKENDS = ("threads", "processes", "dask")
_RETRIES = 3
"""Times that Dask runs a part again whose worker died or that it lost."""
_PATIENCE = "10s"

Task = Callable[[Any, Any], Any]
Done = Iterator[tuple[int, Any]]


@dataclass(frozen=True)
class Backend:
    """A checked choice of where to run: one of `BACKENDS`, how many workers, and a Dask scheduler's address or None."""

    name: str
    n_jobs: int
    address: str | None = None


def choose_backend(backend: str = "threads", n_jobs: int | None = None, address: str | None = None) -> Backend:
    """Check where to run.

    Parameters
    ----------
    backend
        ``threads``: one process, for compiled rules, which let threads run side by side. ``processes``: one process a
        core, for rules in Python. ``dask``: a cluster.
    n_jobs
        Workers; None for as many as there are cores, at most 2 for a Dask cluster made here.
    address
        A Dask scheduler such as ``tcp://10.0.0.5:8786``; None makes a cluster on this machine for the call.

    Raises
    ------
    ConfigError
        For an unknown backend, an address without Dask, or fewer than one worker.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"unknown backend {backend!r}.{did_you_mean(backend, BACKENDS)}")
    if address and backend != "dask":
        raise ConfigError(f"address {address!r} is a Dask scheduler's; set backend='dask' or leave the address out")
    if n_jobs is not None and (isinstance(n_jobs, bool) or n_jobs < 1):
        raise ConfigError(f"n_jobs must be at least 1 or None for all cores, got {n_jobs}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Backend(backend, n_jobs or (min(cores, 2) if backend == "dask" else cores), address or None)


def run_on(backend: Backend, task: Task, shared: Any, parts: Sequence[Any]) -> Done:
    """Yield (number of the part, ``task(shared, part)``) as parts finish, in any order; closing it stops the rest."""
    if backend.name == "dask":
        return _on_dask(backend, task, shared, parts)
    if backend.n_jobs == 1 or len(parts) == 1:
        return ((number, task(shared, part)) for number, part in enumerate(parts))
    return {"threads": _on_threads, "processes": _on_processes}[backend.name](backend, task, shared, parts)


def _on_threads(backend: Backend, task: Task, shared: Any, parts: Sequence[Any]) -> Done:
    pool = ThreadPoolExecutor(min(backend.n_jobs, len(parts)), thread_name_prefix="sweep")
    try:
        waiting: dict[Future[Any], int] = {pool.submit(task, shared, part): n for n, part in enumerate(parts)}
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _on_processes(backend: Backend, task: Task, shared: Any, parts: Sequence[Any]) -> Done:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    parallel = Parallel(n_jobs=backend.n_jobs, backend="loky", return_as="generator_unordered", batch_size=1)
    results = parallel(delayed(_numbered)(task, shared, number, part) for number, part in enumerate(parts))
    try:
        yield from results
    except TerminatedWorkerError as err:
        raise WorkbenchError(
            "a worker process died, most likely for lack of memory; lower n_jobs and run again, finished parts are kept"
        ) from err
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # joblib's word that some results were not asked for
            results.close()


def _on_dask(backend: Backend, task: Task, shared: Any, parts: Sequence[Any]) -> Done:
    """Run on a cluster; what was lost with a worker, the scattered prices included, is sent and run again."""
    from distributed import as_completed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    left, lost = set(range(len(parts))), None
    with dask_client(backend) as client:
        for _ in range(1 + _RETRIES):
            place = client.scatter(shared, broadcast=True, hash=False)
            futures = {
                client.submit(task, place, parts[number], pure=False, retries=_RETRIES): number
                for number in sorted(left)
            }
            try:
                for future in as_completed(list(futures), loop=client.loop):
                    result = future.result()
                    left.discard(futures[future])
                    future.release()
                    yield futures[future], result
            except (KilledWorker, FutureCancelledError, CancelledError) as err:
                lost = err
            finally:
                client.cancel(list(futures), force=True)
            if not left:
                return
    raise WorkbenchError(
        f"Dask workers died {1 + _RETRIES} times with {len(left)} of {len(parts)} parts left, most likely for lack of "
        "memory; give workers more memory or lower chunk and run again, finished parts are kept"
    ) from lost


def _numbered(task: Task, shared: Any, number: int, part: Any) -> tuple[int, Any]:
    return number, task(shared, part)


@contextmanager
def dask_client(backend: Backend) -> Iterator[Any]:
    """Yield a client of the scheduler at the address, or of a cluster made here for as long as it is open."""
    from distributed import Client, LocalCluster

    if backend.address:
        try:
            client = Client(backend.address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as err:
            raise WorkbenchError(
                f"no Dask scheduler answers at {backend.address}; start one there, or leave the address out for a "
                "cluster on this machine"
            ) from err
        with client:
            yield client
        return
    try:
        cluster = LocalCluster(
            n_workers=backend.n_jobs,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        )
    except RuntimeError as err:
        raise WorkbenchError(
            "no Dask cluster could be started here; in a script, call the sweep under if __name__ == '__main__':, or "
            "give the address of a scheduler"
        ) from err
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client
