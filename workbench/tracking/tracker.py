"""A run while it happens: parameters, metrics and tags are buffered and reach MLflow in batches."""

from __future__ import annotations

import os
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workbench.config import Settings
from workbench.errors import TrackingError
from workbench.ops.logs import get_logger
from workbench.tracking.store import check_writable, experiment_id, open_store, tracking_errors

RUN_TAG = "workbench.run_id"
PROCESS_TAG = "workbench.process"
_METRICS_PER_BATCH, _TEXTS_PER_BATCH = 1000, 100  # MLflow's limits
_log = get_logger("tracking")


class Tracker:
    """Collects what a run logs; MLflow is loaded and asked only when a batch is due.

    A metric costs a list append plus its share of a batch (0.06 ms), MLflow's own call 3 to 5 ms. Where MLflow
    is down the run goes on: what was logged stays buffered, `problem` says why, and `workbench.tracking.relog` logs the
    finished record later.

    Parameters
    ----------
    settings : Settings
        Where the store is.
    experiment, name : str
        MLflow experiment and run name.
    now : datetime, optional
        Start of the run; MLflow's own clock where absent.
    every_s : float
        Seconds between flushes while metrics come in.
    """

    def __init__(
        self, settings: Settings, experiment: str, name: str, now: datetime | None = None, every_s: float = 10.0
    ) -> None:
        self.settings, self.experiment, self.name = settings, experiment, name
        self.problem = ""
        self._every_s = every_s
        self._began = self._flushed = time.monotonic()
        self._start_ms = None if now is None else int(now.timestamp() * 1000)
        self._metrics: list[tuple[str, float, float, int]] = []
        self._params: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._sent_params: dict[str, str] = {}
        self._artifacts: list[tuple[Path, str]] = []
        self._id = ""
        self._full_at = _METRICS_PER_BATCH

    @property
    def run_id(self) -> str:
        """The run's id: MLflow's, or one of our own where MLflow cannot be reached (`problem` then says why)."""
        if not self._id:
            try:
                self._open()
            except TrackingError as err:
                self._fail(err)
                self._id = uuid.uuid4().hex
                self._tags[RUN_TAG] = self._id
        return self._id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, each once; a second, different value of one is an error."""
        for key, value in params.items():
            text, known = str(value), self._params.get(key, self._sent_params.get(key))
            if known is not None and known != text:
                raise TrackingError(
                    f"parameter {key!r} is logged already as {known!r}, got {text!r}; log it as a metric or tag"
                )
            if known is None:
                self._params[key] = text

    def log_metric(self, key: str, value: float, step: int = 0) -> None:
        """Log one value of a metric at a step; it reaches MLflow with the next batch."""
        now = time.monotonic()
        self._metrics.append((key, float(value), now, step))
        if len(self._metrics) >= self._full_at or now - self._flushed >= self._every_s:
            self.flush()

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log several metrics at one step."""
        for key, value in metrics.items():
            self.log_metric(key, value, step)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; the last value of each stays."""
        self._tags.update({key: str(value) for key, value in tags.items()})

    def log_artifact(self, path: Path | str, folder: str = "") -> None:
        """Attach one file, or a folder with all it holds, at the next flush."""
        path = Path(path)
        if not path.exists():
            raise TrackingError(f"artifact {path} does not exist; write it before it is logged")
        self._artifacts.append((path, folder))

    def log_artifacts(self, path: Path | str, folder: str = "") -> None:
        """Attach all that a folder holds, at the next flush."""
        self.log_artifact(path, folder)

    def flush(self) -> bool:
        """Send what is buffered; return whether all of it arrived.

        A failure is logged, kept in `problem` and tried again later.
        """
        if self._id and RUN_TAG in self._tags:
            return False  # MLflow never knew this run: it is logged again as a whole
        try:
            self._send()
        except TrackingError as err:
            self._fail(err)
            return False
        finally:
            self._flushed = time.monotonic()
            self._full_at = sys.maxsize if self._metrics else _METRICS_PER_BATCH  # after a failure only time counts
        self.problem = ""
        return True

    def close(self, status: str = "FINISHED") -> None:
        """Flush and mark the run FINISHED or FAILED."""
        if not self.flush():
            return
        try:
            with tracking_errors(self.settings):
                open_store(self.settings).set_terminated(self._id, status, self._stamp(time.monotonic()))
        except TrackingError as err:
            self._fail(err)

    def _open(self) -> None:
        client = open_store(self.settings)
        with tracking_errors(self.settings):
            _close_dead_runs(client)
            experiment = experiment_id(client, self.settings, self.experiment)
            tags = {PROCESS_TAG: _process(os.getpid())}
            info = client.create_run(experiment, start_time=self._start_ms, run_name=self.name, tags=tags).info
        self._id, self._start_ms = info.run_id, info.start_time

    def _send(self) -> None:
        from mlflow.entities import Metric, Param, RunTag

        if not self._id:
            self._open()
        client = open_store(self.settings)
        with tracking_errors(self.settings):
            while self._params or self._tags or self._metrics:
                check_writable(self.settings)
                params = dict(list(self._params.items())[:_TEXTS_PER_BATCH])
                tags = dict(list(self._tags.items())[:_TEXTS_PER_BATCH])
                metrics = self._metrics[: _METRICS_PER_BATCH - len(params) - len(tags)]
                client.log_batch(
                    self._id,
                    metrics=[Metric(key, value, self._stamp(at), step) for key, value, at, step in metrics],
                    params=[Param(key, value) for key, value in params.items()],
                    tags=[RunTag(key, value) for key, value in tags.items()],
                )
                self._sent_params |= params
                self._params = {k: v for k, v in self._params.items() if k not in params}
                self._tags = {k: v for k, v in self._tags.items() if k not in tags}
                del self._metrics[: len(metrics)]
            while self._artifacts:
                send_artifact(client, self._id, *self._artifacts[0])
                del self._artifacts[0]

    def _stamp(self, at: float) -> int:
        return int((self._start_ms or 0) + 1000 * (at - self._began))

    def _fail(self, err: TrackingError) -> None:
        if str(err) != self.problem:
            _log.warning("run goes on without MLflow", run=self.name, reason=str(err))
        self.problem = str(err)
        self._every_s = min(2 * self._every_s, 600.0)  # a wait for a locked store must not be paid at every batch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.set_tags({"workbench.error": f"{type(error).__name__}: {error}"[:500]})
        self.close("FINISHED" if error is None else "FAILED")


@contextmanager
def start_run(settings: Settings, experiment: str, name: str, now: datetime | None = None) -> Iterator[Tracker]:
    """Track a run: FINISHED when the block ends, FAILED when it raises, KILLED (noticed later) when its process dies.

    MLflow is opened when `Tracker.run_id` is first asked for or the first batch is due: work starts without that wait.
    """
    with Tracker(settings, experiment, name, now) as tracker:
        yield tracker


def send_artifact(client: Any, run_id: str, path: Path, folder: str) -> None:
    """Copy one file or folder to a run's artifacts."""
    if path.is_dir():
        client.log_artifacts(run_id, str(path), folder or None)
    else:
        client.log_artifact(run_id, str(path), folder or None)


def _close_dead_runs(client: Any) -> None:
    """Mark runs whose process on this machine is gone as KILLED: a kill -9 could not say so itself."""
    ids = [e.experiment_id for e in client.search_experiments()]
    for run in client.search_runs(ids, "attributes.status = 'RUNNING'", max_results=1000) if ids else ():
        process = run.data.tags.get(PROCESS_TAG, "")
        host, _, rest = process.partition("/")
        pid = rest.partition("/")[0]
        if host == socket.gethostname() and pid.isdigit() and process != _process(int(pid)):
            client.set_terminated(run.info.run_id, "KILLED")


def _process(pid: int) -> str:
    """Name a process so that a later one with the same number is told apart; ``""`` when there is none."""
    import psutil

    try:
        return f"{socket.gethostname()}/{pid}/{psutil.Process(pid).create_time():.0f}"
    except psutil.NoSuchProcess:
        return ""
