"""The kernel's standard output of a job: what one cell prints is capped at its source, before it fills any memory."""

from __future__ import annotations

import threading

from ipykernel.iostream import OutStream

from workbench.errors import JobError

TEXT_LIMIT = 200_000
"""Characters of printed text kept per cell and stream."""
FLOOD_LIMIT = 20_000_000
"""Characters printed by one cell that end the job."""


class CappedStream(OutStream):
    """Keep the first part of what a cell prints, drop the rest, and raise in a cell that prints without end."""

    _cell: str = ""
    _written: int = 0

    def write(self, string: str) -> int | None:  # type: ignore[override]  # as OutStream itself does
        """Write text; see the class for its limits.

        Raises
        ------
        JobError
            In the printing cell, beyond `FLOOD_LIMIT`.
        """
        cell = str(self.parent_header.get("msg_id", ""))
        if cell != self._cell:
            self._cell, self._written = cell, 0
        before = self._written
        self._written += len(string)
        if before >= TEXT_LIMIT:
            self._refuse_flood()
            return len(string)
        if self._written > TEXT_LIMIT:
            string = (
                f"{string[: TEXT_LIMIT - before]}\n… cut here: the cell printed more than {TEXT_LIMIT:,} characters\n"
            )
        return super().write(string)

    def _refuse_flood(self) -> None:
        # Only the cell's own thread: an error would end the thread that drains what subprocesses print.
        if self._written > FLOOD_LIMIT and threading.current_thread() is threading.main_thread():
            raise JobError(f"the cell printed more than {FLOOD_LIMIT / 1e6:.0f} million characters; print less")
