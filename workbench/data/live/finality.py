"""When a bar is final: a state machine of one symbol that knows neither network nor clock.

A bar is final only when its fresh successor has begun. What was there when a connection began is never proof: the
first snapshot only primes, and a bar whose whole life was not seen comes from REST before anything after it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from workbench.data.live.updates import Row

Emitted = tuple[Row, bool, bool]
"""A bar, whether it is final, and whether it came from REST."""

_MONDAY_MS = 4 * 86_400_000  # 1970-01-01 was a Thursday; weekly bars begin on Mondays
_WEEK_MS = 7 * 86_400_000


def sound_row(row: Row, step_ms: int) -> bool:
    """Tell whether a row keeps the bars convention and lies on the grid of its time frame."""
    time, open_, high, low, close, volume = row
    if not isinstance(time, int) or any(not isinstance(v, int | float) or not math.isfinite(v) for v in row):
        return False
    anchor = _MONDAY_MS if step_ms % _WEEK_MS == 0 else 0
    on_grid = time > 0 and (time - anchor) % step_ms == 0
    return on_grid and 0 < low <= min(open_, close) and high >= max(open_, close) and volume >= 0


class BarFinality:
    """Turn updates of one symbol's bars into bars in order: unclosed ones between, each final exactly once.

    Parameters
    ----------
    step_ms : int
        Length of a bar in milliseconds.
    settle : float
        Seconds for which a closed bar is held back, so that a message that overtook another can still mend it.
    patience : float
        A bar whose last message came longer than this before its successor's first has not been seen to its end.
    confirm : bool
        Take every closed bar from REST (bars built of trades: the venue's own bar is the truth).
    rest : bool
        Whether there is a REST to repair from; without one what was not seen whole is left out and counted.

    Attributes
    ----------
    next_time : int or None
        Open of the next bar that becomes final; ``None`` until the first update or `begin`.
    counts : Counter
        duplicates, disordered, revisions, dropped, repaired, absent, missing.

    Notes
    -----
    All times called ``now`` are seconds of any clock that never goes back. Within a bar volume never falls and high
    and low only widen; an update that breaks this is old and is put aside, and the bar is confirmed by REST.
    """

    def __init__(
        self, step_ms: int, *, settle: float = 0.0, patience: float = math.inf, confirm: bool = False, rest: bool = True
    ) -> None:
        self.step_ms, self.settle, self.patience, self.confirm, self.rest = step_ms, settle, patience, confirm, rest
        self.next_time: int | None = None
        self.current: Row | None = None
        self.counts: Counter[str] = Counter()
        self._closing: Row | None = None
        self._due = math.inf
        self._whole = False  # the current bar began on this connection and nothing about it was odd
        self._primed = False
        self._seen = -math.inf
        self._last_final: Row | None = None

    @property
    def need(self) -> tuple[int, int] | None:
        """What must come from REST before readers see more: from this open time to before that one."""
        if self.next_time is None or self.current is None or self._closing is not None:
            return None
        return (self.next_time, self.current.time) if self.next_time < self.current.time else None

    @property
    def due(self) -> float:
        """When `tick` has something to emit; infinity where nothing waits."""
        return self._due

    def begin(self, rows: Sequence[Row]) -> list[Row]:
        """Start from a REST history and return its final bars: all but the newest, whose successor is not known."""
        if not rows:
            return []
        self.next_time, self.current = rows[-1].time, rows[-1]
        self._last_final = rows[-2] if len(rows) > 1 else None
        self._whole = self._primed = False
        return list(rows[:-1])

    def connected(self) -> None:
        """Say that a new connection begins: what it shows first only primes."""
        self._whole = self._primed = False
        self._forget_closing()

    def doubt(self) -> None:
        """Say that something may have been lost: the bars in the air are confirmed by REST."""
        self._whole = False
        self._forget_closing()

    def update(self, rows: Iterable[Row], now: float) -> list[Emitted]:
        """Take rows of one message, oldest first, and return what readers see of it."""
        rows = list(rows)
        if not self._primed and rows:  # a snapshot of past bars and the current one
            newest = max(rows, key=lambda row: row.time)
            if self.current is None or newest.time >= self.current.time:
                return self._prime(newest, now)
        out: list[Emitted] = []
        for row in rows:
            out += self._one(row, now)
        return out

    def tick(self, now: float) -> list[Emitted]:
        """Emit the bar that was held back, where its time has come."""
        if self._closing is None or now < self._due:
            return []
        return [*self._release(), *self._go_on()]

    def repair(self, rows: Sequence[Row], now: float, *, trust: bool = False) -> list[Emitted]:
        """Take a REST answer, oldest first, that was asked from `next_time` on.

        All its bars but the newest are final. ``trust`` is for an answer that still ends before the current bar
        after several tries: what the WebSocket claimed to be current is then dropped.
        """
        if not rows or self.next_time is None:
            return []
        self._forget_closing()
        out: list[Emitted] = [(row, True, True) for row in rows[:-1] if row.time >= self.next_time]
        newest = rows[-1]
        for row, _, _ in out:
            self.counts["repaired"] += 1
            self.counts["absent"] += (row.time - self.next_time) // self.step_ms
            self.next_time, self._last_final = row.time + self.step_ms, row
        if newest.time > self.next_time:
            self.counts["absent"] += (newest.time - self.next_time) // self.step_ms
            self.next_time = newest.time
        self._adopt(newest, now, trust)
        return out if self.need else [*out, *self._show(rest=True)]

    def behind(self, rows: Sequence[Row]) -> bool:
        """Tell whether a REST answer shows trades that no message told of: the stream is frozen."""
        if self.current is None:
            return any(row.volume > 0 for row in rows)
        slack = 1 + 1e-6  # sums of trades differ from the venue's own by rounding
        return any(
            (row.time > self.current.time and row.volume > 0)
            or (row.time == self.current.time and row.volume > self.current.volume * slack)
            for row in rows
        )

    def _prime(self, row: Row, now: float) -> list[Emitted]:
        self._primed, self._whole, self._seen = True, False, now
        if self.next_time is None:
            self.next_time = row.time
        if self.current is None or row.time > self.current.time or row.volume >= self.current.volume:
            self.current = row
        return self._go_on()

    def _one(self, row: Row, now: float) -> list[Emitted]:
        known = self.current
        if known is None:  # not even a snapshot yet
            return self._prime(row, now)
        if row.time > known.time:
            return self._successor(known, row, now)
        if row.time == known.time:
            return self._same(known, row, now)
        self._late(row)
        return []

    def _same(self, known: Row, row: Row, now: float) -> list[Emitted]:
        self._seen = now
        if row == known:
            self.counts["duplicates"] += 1
            return []
        if row.volume < known.volume or row.high < known.high or row.low > known.low:
            self.counts["disordered"] += 1
            self._whole = False
            return []
        self.current = row
        return self._show()

    def _successor(self, known: Row, row: Row, now: float) -> list[Emitted]:
        out = self._release()  # a bar shorter than the time to settle
        seen_whole = self._whole and known.time == self.next_time and row.time == known.time + self.step_ms
        seen_whole = seen_whole and now - self._seen <= self.patience and not self.confirm
        self.current, self._whole, self._seen = row, True, now
        if seen_whole:
            self._closing, self._due = known, now + self.settle
            return out if self.settle > 0 else [*out, *self._release(), *self._show()]
        return [*out, *self._go_on()]

    def _late(self, row: Row) -> None:
        closing = self._closing
        if closing is not None and row.time == closing.time:
            if row == closing:
                self.counts["duplicates"] += 1
                return
            self.counts["disordered"] += 1
            if self.rest:
                self._forget_closing()
            elif row.volume >= closing.volume:
                self._closing = row
        elif self._last_final is not None and row.time == self._last_final.time:
            older = row.volume < self._last_final.volume  # sent before the bar closed, overtaken by its end
            self.counts["duplicates" if row == self._last_final else "disordered" if older else "revisions"] += 1
        else:
            self.counts["disordered"] += 1

    def _adopt(self, newest: Row, now: float, trust: bool) -> None:
        known = self.current
        if known is None or newest.time > known.time:
            self.current, self._whole, self._seen = newest, False, now
        elif newest.time == known.time:
            if not self._primed and newest.volume > known.volume:  # once messages flow, they lead
                self.current = newest
        elif trust:
            self.counts["dropped"] += 1
            self.current, self._whole, self._seen = newest, False, now

    def _go_on(self) -> list[Emitted]:
        """Show the current bar, unless bars before it are still to come."""
        if self.need and not self.rest and self.current is not None and self.next_time is not None:
            self.counts["missing"] += (self.current.time - self.next_time) // self.step_ms
            self.next_time = self.current.time
        return self._show()

    def _show(self, rest: bool = False) -> list[Emitted]:
        blocked = self.need is not None or self._closing is not None
        return [] if blocked or self.current is None else [(self.current, False, rest)]

    def _release(self) -> list[Emitted]:
        if self._closing is None:
            return []
        row, self._closing, self._due = self._closing, None, math.inf
        self.next_time, self._last_final = row.time + self.step_ms, row
        return [(row, True, False)]

    def _forget_closing(self) -> None:
        """Let REST say what the bar that was held back was: `need` then begins with it."""
        if self.rest:
            self._closing, self._due = None, math.inf
