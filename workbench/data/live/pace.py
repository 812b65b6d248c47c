"""The pace of what has happened already: moments of the past reached at n×, stopped and moved at will."""

from __future__ import annotations

import asyncio
import contextlib
import math

from workbench.errors import ConfigError


class Pace:
    """A clock of replayed moments that runs on the event loop's time.

    Parameters
    ----------
    speed : float
        Seconds of the past for one of the loop's, above 0; infinity reaches every moment at once.
    """

    def __init__(self, speed: float) -> None:
        self._speed, self._paused = _checked(speed), False
        self._moment, self._mark = math.nan, 0.0
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def speed(self) -> float:
        """Seconds of the past for one of the loop's."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        value = _checked(value)
        self._rebase()
        self._speed = value
        self._changed.set()

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    def pause(self) -> None:
        """Stand still until `resume`."""
        self._rebase()
        self._paused = True
        self._changed.set()

    def resume(self) -> None:
        """Run on."""
        self._rebase()
        self._paused = False
        self._changed.set()

    def move(self, moment: float) -> None:
        """Be at a moment (seconds since 1970 UTC) and go on from there."""
        self._loop = asyncio.get_running_loop()
        self._moment, self._mark = moment, self._loop.time()
        self._changed.set()

    def now(self) -> float:
        """Return the replayed moment, NaN before the first `move`."""
        if self._paused or self._loop is None or self._speed == math.inf:
            return self._moment
        return self._moment + (self._loop.time() - self._mark) * self._speed

    async def reach(self, moment: float) -> None:
        """Wait until a moment; returns early when the clock is moved, so look again afterwards."""
        if self._speed == math.inf and not self._paused:
            self._moment = max(moment, self._moment)
            return
        while (wait := self._wait(moment)) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if wait == math.inf else wait):
                    await self._changed.wait()
                    return

    def _wait(self, moment: float) -> float:
        return math.inf if self._paused else (moment - self.now()) / self._speed

    def _rebase(self) -> None:
        if self._loop is not None:
            self._moment, self._mark = self.now(), self._loop.time()


def _checked(speed: float) -> float:
    if not speed > 0:
        raise ConfigError(f"the speed of a replay must be above 0, got {speed:g}; use pause to stop it")
    return float(speed)
