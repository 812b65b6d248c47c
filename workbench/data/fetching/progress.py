"""Progress of a fetch: bars, rate and time left, in a terminal, in a notebook, or not at all."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Protocol, Self


class Progress(Protocol):
    """What a fetch tells while it runs; the library itself prints nothing."""

    def begin(self, label: str, bars: int) -> None:
        """One series begins; so many bars are missing."""
        ...

    def advance(self, bars: int) -> None:
        """So many more bars are there, or known not to exist."""
        ...

    def note(self, text: str) -> None:
        """Something happened that a person should see."""
        ...

    def end(self) -> None:
        """The series is done."""
        ...


class Silent:
    """No progress shown."""

    def begin(self, label: str, bars: int) -> None:
        """Show nothing."""

    def advance(self, bars: int) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""


class TerminalBar:
    """A bar of a terminal, on standard error: series done, bars, bars a second, time left.

    Use it as a context manager: leaving it gives the terminal back.
    """

    def __init__(self, n_series: int = 1) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.fields[place]} {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("bars {task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task: Any = None
        self._n_series, self._series, self._total = n_series, 0, 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()

    def begin(self, label: str, bars: int) -> None:
        """Start the line of a series."""
        self._series += 1
        place = f"{self._series}/{self._n_series}" if self._n_series > 1 else ""
        self._task = self._bar.add_task(label, total=bars, place=place, rate="")

    def advance(self, bars: int) -> None:
        """Move the line on."""
        if self._task is not None:
            self._bar.advance(self._task, bars)
            speed = self._bar.tasks[self._task].speed
            self._bar.update(self._task, rate=f"{speed:,.0f}/s" if speed else "")

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(text, highlight=False)

    def end(self) -> None:
        """Fill the line: what is not there yet is not expected any more."""
        if self._task is not None:
            self._bar.stop_task(self._task)
        self._task = None


class NotebookBar:
    """tqdm's bar, drawn as a widget in a notebook."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, label: str, bars: int) -> None:
        """Start the bar of a series."""
        from tqdm.auto import tqdm

        self._bar = tqdm(total=bars, desc=label, unit="bar", unit_scale=True)

    def advance(self, bars: int) -> None:
        """Move the bar on."""
        if self._bar is not None:
            self._bar.update(bars)

    def note(self, text: str) -> None:
        """Write a line above the bar."""
        if self._bar is not None:
            self._bar.write(text)

    def end(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def notebook_progress() -> Progress:
    """Return a bar where the caller runs in a notebook's kernel, else none."""
    return NotebookBar() if "ipykernel" in sys.modules else Silent()
