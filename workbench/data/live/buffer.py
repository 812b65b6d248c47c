"""What a reader has not read yet: every final bar, and of each unclosed bar only its newest state."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from workbench.data.live.updates import BarUpdate
from workbench.errors import VenueError

MOST_FINALS = 200_000


class UpdateBuffer:
    """Bounded memory whatever the feed does: unclosed states replace each other, final bars are all kept in order.

    Raises
    ------
    VenueError
        By `put`, when ``most_finals`` final bars wait: the reader is gone or far too slow.
    """

    def __init__(self, most_finals: int = MOST_FINALS) -> None:
        self.most_finals = most_finals
        self._finals: deque[BarUpdate] = deque()
        self._unclosed: dict[str, BarUpdate] = {}

    def __len__(self) -> int:
        return len(self._finals) + len(self._unclosed)

    def put(self, update: BarUpdate) -> None:
        """Take one update; updates of one symbol come in order of time."""
        if not update.final:
            self._unclosed[update.symbol] = update
            return
        waiting = self._unclosed.get(update.symbol)
        if waiting is not None and waiting.time <= update.time:
            del self._unclosed[update.symbol]
        if len(self._finals) >= self.most_finals:
            raise VenueError(
                f"a reader of the stream is {len(self._finals)} final bars behind; read faster or close it"
            )
        self._finals.append(update)

    def put_all(self, updates: Iterable[BarUpdate]) -> None:
        """Take several updates."""
        for update in updates:
            self.put(update)

    def pop(self) -> BarUpdate:
        """Return the next update: final bars first, so that none is read after its successor began."""
        if self._finals:
            return self._finals.popleft()
        return self._unclosed.pop(next(iter(self._unclosed)))

    def take(self) -> list[BarUpdate]:
        """Return all that waits and forget it."""
        updates = [*self._finals, *self._unclosed.values()]
        self._finals.clear()
        self._unclosed.clear()
        return updates
