"""Watching a job's processes: memory, time limit, and the end of every process it ever started."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import psutil

MARK_VARIABLE = "WORKBENCH_JOB_MARK"
MEMORY_LIMIT = 6 * 2**30
_POLL_S = 0.1
_TAIL_LINES, _LINE_BYTES = 200, 2000


@dataclass(frozen=True)
class Outcome:
    """How a supervised process ended."""

    returncode: int
    seconds: float
    timed_out: bool
    cancelled: bool
    peak_rss: int
    """Largest resident memory of one of its processes, bytes."""
    tail: str
    """Last lines of its standard error."""
    over_memory: bool = False
    """Whether a process of it was killed for its memory."""


def supervise(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    cwd: str,
    mark: str,
    limit_s: float,
    memory_limit: int = MEMORY_LIMIT,
    cancel: threading.Event | None = None,
) -> Outcome:
    """Run a command in its own process group and leave no process of it behind.

    Every process inherits ``mark`` in its environment, so those that left the group (a Jupyter kernel does, a daemon
    does) are found and ended too. The child's standard input stays open for as long as this process lives: a child
    that reads end-of-file there knows that it is alone.

    Parameters
    ----------
    limit_s : float
        Seconds after which the whole tree is killed.
    memory_limit : int
        Bytes of resident memory at which one of its processes is killed (the command itself lives on to say so).
    cancel : threading.Event, optional
        Set from another thread to kill the tree at once.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        list(command),
        env={**env, MARK_VARIABLE: mark},
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None  # noqa: S101 - PIPE was asked for
    tail = _Tail(process.stderr)
    peak, timed_out, cancelled, over_memory = 0, False, False, False
    try:
        while process.poll() is None:
            for size, member in _resident(process.pid):
                peak = max(peak, size)
                if size > memory_limit:
                    over_memory = True
                    member.kill()
            timed_out = time.monotonic() - began > limit_s
            cancelled = cancel is not None and cancel.is_set()
            if timed_out or cancelled:
                break
            time.sleep(_POLL_S)
    finally:
        end_tree(process.pid, mark)
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        text = tail.close()
    return Outcome(process.returncode, time.monotonic() - began, timed_out, cancelled, peak, text, over_memory)


def end_tree(pid: int | None, mark: str) -> int:
    """Kill a process, its descendants and every process that carries the mark; return how many were killed."""
    killed = 0
    for _ in range(5):  # a process may fork between the look and the kill
        found = {p for p in [*_descendants(pid), *_carriers(mark)] if p.pid != os.getpid()}
        if not found:
            return killed
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                killed += 1
        psutil.wait_procs(found, timeout=2)
    return killed


def _descendants(pid: int | None) -> list[psutil.Process]:
    if pid is None:
        return []
    try:
        top = psutil.Process(pid)
        return [p for p in [top, *top.children(recursive=True)] if p.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def _carriers(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK_VARIABLE) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
            continue  # it ended meanwhile, or belongs to somebody else and so is not ours


def _resident(pid: int) -> list[tuple[int, psutil.Process]]:
    sizes = []
    for process in _descendants(pid):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            sizes.append((int(process.memory_info().rss), process))
    return sizes


class _Tail:
    """Drain a pipe in the background and keep only its last lines, however much is written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines: deque[bytes] = deque(maxlen=_TAIL_LINES)
        self._stream = stream
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with contextlib.suppress(ValueError, OSError):  # the pipe was closed under us
            for line in iter(lambda: self._stream.readline(_LINE_BYTES), b""):
                self._lines.append(line)

    def close(self) -> str:
        self._thread.join(timeout=2)
        if not self._thread.is_alive():
            self._stream.close()
        return b"".join(list(self._lines)).decode(errors="replace")
