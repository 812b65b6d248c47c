"""The replay venue's clock: any start, any speed, and it can be stopped and stepped."""

from __future__ import annotations

import threading

from workbench.data.venues.clock import Clock, SystemClock
from workbench.errors import ConfigError

FASTEST = 10_000.0


class ReplayClock:
    """Time that starts where it is told and runs at n times the machine's.

    Parameters
    ----------
    start : float
        Seconds since 1970 UTC; the machine's time where left out.
    speed : float
        Seconds of this clock for one of the machine's, above 0 and at most 10,000.
    frozen : bool
        Stand still until `step`, `set` or `run`.
    machine : Clock
        What is slowed down or sped up.
    """

    def __init__(
        self, start: float | None = None, speed: float = 1.0, *, frozen: bool = False, machine: Clock | None = None
    ) -> None:
        self._machine = machine or SystemClock()
        self._lock = threading.Lock()
        self._base = self._machine.now() if start is None else float(start)
        self._origin = self._base
        self._mark = self._machine.monotonic()
        self._speed = 0.0 if frozen else _checked(speed)

    @property
    def speed(self) -> float:
        """Seconds of this clock for one of the machine's; 0 while frozen."""
        return self._speed

    def now(self) -> float:
        """Return seconds since 1970 UTC."""
        with self._lock:
            return self._reading()

    def monotonic(self) -> float:
        """Return seconds since the start of this clock."""
        return self.now() - self._origin

    def sleep(self, seconds: float) -> None:
        """Let so many seconds of this clock pass: a frozen clock is stepped, a running one waited for."""
        if self._speed == 0:
            self.step(seconds)
        else:
            self._machine.sleep(max(0.0, seconds) / self._speed)

    def freeze(self) -> None:
        """Stand still from now on."""
        self._change(0.0)

    def run(self, speed: float = 1.0) -> None:
        """Run on at a speed."""
        self._change(_checked(speed))

    def step(self, seconds: float) -> float:
        """Move forward by so many seconds at once and return the new time."""
        if seconds < 0:
            raise ConfigError(f"a clock steps forward only, got {seconds} seconds")
        with self._lock:
            self._base += seconds
            return self._reading()

    def set(self, time: float) -> None:
        """Move to a time, in seconds since 1970 UTC; never back."""
        with self._lock:
            reading = self._reading()
            if time < reading:
                raise ConfigError(f"a clock goes forward only: it shows {reading:.3f}, asked to show {time:.3f}")
            self._base += time - reading

    def _change(self, speed: float) -> None:
        with self._lock:
            self._base, self._mark = self._reading(), self._machine.monotonic()
            self._speed = speed

    def _reading(self) -> float:
        return self._base + (self._machine.monotonic() - self._mark) * self._speed


def _checked(speed: float) -> float:
    if not 0 < speed <= FASTEST:
        raise ConfigError(f"the speed of a replay must be above 0 and at most {FASTEST:,.0f}, got {speed:g}")
    return float(speed)
