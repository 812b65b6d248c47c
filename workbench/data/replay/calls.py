"""The log of a replay venue's requests."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

_KEPT = 20_000


@dataclass(slots=True)
class Call:
    """One request as the log keeps it. ``status`` is 0 while it is not answered, and stays 0 when it never was."""

    number: int
    time: float
    method: str
    host: str
    path: str
    params: dict[str, str]
    status: int = 0


class RequestLog:
    """Every request: the newest calls, and counts of all."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=_KEPT)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.total = 0

    def add(self, time: float, method: str, host: str, path: str, params: dict[str, str]) -> Call:
        """Count a request that has come in, and return its row."""
        self.total += 1
        self.counts[host, path] += 1
        call = Call(self.total, time, method, host, path, params)
        self.calls.append(call)
        return call

    def count(self, host: str = "", path: str = "") -> int:
        """Return how many requests came for a host (``""``: all) whose path contains ``path``."""
        return sum(n for (h, p), n in self.counts.items() if host in ("", h) and path in p)

    def clear(self) -> None:
        """Forget all calls and counts."""
        self.calls.clear()
        self.counts.clear()
        self.total = 0
