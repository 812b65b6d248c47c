"""Every error a user can meet, each saying what was wrong, the value seen and the cure."""

from __future__ import annotations


class WorkbenchError(Exception):
    """Base of all errors the workbench raises on purpose; the command line prints its one line and exits with 2."""


class ConfigError(WorkbenchError, ValueError):
    """A parameter, setting or experiment file is unknown, mistyped or out of bounds."""


class DataError(WorkbenchError, ValueError):
    """Bars, files or the store break the bars convention, or hold too little."""


class BarsError(DataError):
    """One bar breaks the bars convention; ``symbol``, ``time``, ``field`` and ``value`` say which and how."""

    def __init__(
        self, message: str, *, symbol: str = "", time: object = None, field: str = "", value: object = None
    ) -> None:
        super().__init__(message)
        self.symbol, self.time, self.field, self.value = symbol, time, field, value


class GapError(DataError):
    """Bars that must be contiguous have holes."""


class LookAheadError(DataError):
    """A feature, label or model let a later row change an earlier value."""


class NotFittedError(WorkbenchError, ValueError):
    """A model or normaliser was used before ``fit``."""


class TrainingError(WorkbenchError, RuntimeError):
    """Training could not recover from NaN or infinite losses."""


class ArtifactError(WorkbenchError):
    """A stored model or record is missing, torn or does not match its checksum."""


class TrackingError(WorkbenchError):
    """The MLflow store is down, locked or refused a write; finished records are safe."""


class PromotionError(WorkbenchError):
    """A model was refused by a gate; the champion stays as it was."""


class VenueError(WorkbenchError):
    """A market venue refused, failed or fell silent."""


class JobError(WorkbenchError):
    """A notebook job failed, ran out of time or lost its kernel."""
