"""The clock that venues and streams are handed: nothing below the command line reads the machine's own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Time that passes: the machine's, a replay's at n×, or a test's."""

    def now(self) -> float:
        """Return seconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, of unknown origin."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let so many seconds of this clock pass."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since 1970 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back, of unknown origin."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
