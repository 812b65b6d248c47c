"""Errors of answers: what a venue said that cannot be used, and what it no longer keeps."""

from __future__ import annotations

from workbench.errors import DataError, VenueError


class BadAnswerError(VenueError):
    """A venue answered something that is not what was asked: a web page, torn JSON, wrong types, impossible times.

    It is asked again a stated number of times (`workbench.data.venues.retries.RULES`) before this is raised.
    """


class BadRowError(BadAnswerError):
    """One row of an otherwise good answer cannot be: it is asked for again, but the venue does not count as failing."""


class AheadRowError(BadRowError):
    """A row's time lies in the future, by our clock or by the venue's."""


class HistoryError(DataError):
    """A venue no longer has what is that old; ``earliest_ms`` is the first bar that it still has."""

    def __init__(self, message: str, *, earliest_ms: int) -> None:
        super().__init__(message)
        self.earliest_ms = earliest_ms
