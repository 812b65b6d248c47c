"""When one fault is on: windows of time, and the words in which durations are written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.data.replay.fault_kinds import Option
from workbench.errors import ConfigError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as ``90``, ``30s``, ``1h30m`` or ``7d``.

    Raises
    ------
    ConfigError
        When it is none.
    """
    text = text.strip()
    try:
        return float(text)
    except ValueError:
        pass
    parts = _DURATION.findall(text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise ConfigError(f"{text!r} is not a duration: write such as 30s, 10m, 1h30m or 7d")
    return sum(float(amount) * _UNITS[unit] for amount, unit in parts)


@dataclass(frozen=True)
class Window:
    """One fault and its times, in seconds after the schedule's start.

    Attributes
    ----------
    kind : str
        A name of the catalogue.
    start, length : float
        When it begins, and how long it stays on (infinity: to the end, or to the next repeat).
    every : float
        Seconds from one begin to the next; 0: once.
    times : int
        At most so many requests (or sockets) are hit in each repeat; 0: all.
    on : str
        Only where host and path hold this text: ``binance``, ``kraken.com/0/public/OHLC``.
    options : mapping
        What the fault itself takes, such as ``{"retry_after": "garbage"}``.
    """

    kind: str
    start: float = 0.0
    length: float = math.inf
    every: float = 0.0
    times: int = 0
    on: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)

    def repeat_at(self, offset: float) -> int | None:
        """Return the number of the latest repeat begun by ``offset`` seconds, or ``None`` before the first."""
        if offset < self.start:
            return None
        return int((offset - self.start) // self.every) if self.every else 0

    def begin_of(self, repeat: int) -> float:
        """Return the begin of a repeat, in seconds after the schedule's start."""
        return self.start + repeat * self.every

    def end_of(self, repeat: int) -> float:
        """Return the end of a repeat."""
        return self.begin_of(repeat) + min(self.length, self.every or math.inf)

    def active(self, offset: float) -> bool:
        """Tell whether the fault is on at ``offset`` seconds."""
        repeat = self.repeat_at(offset)
        return repeat is not None and offset < self.end_of(repeat)

    def touches(self, where: str) -> bool:
        """Tell whether the fault is meant for a host and path."""
        return self.on in where

    def line(self) -> str:
        """Return the window in the language that `FaultSchedule.parse` reads."""
        options = ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in self.options.items())
        parts = [self.kind + (f"({options})" if options else "")]
        if self.start:
            parts[0] += f"@{_short(self.start)}"
        if math.isfinite(self.length):
            parts.append(f"for {_short(self.length)}")
        if self.every:
            parts.append(f"every {_short(self.every)}")
        if self.times:
            parts.append(f"x{self.times}")
        if self.on:
            parts.append(f"on {self.on}")
        return " ".join(parts)


def _short(seconds: float) -> str:
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:.10g}s"
