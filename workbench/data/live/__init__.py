"""Streams of bars: live, replayed and recorded ones look the same to their readers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.data.live.conflation import Conflated, conflate
    from workbench.data.live.finality import BarFinality
    from workbench.data.live.live import LiveStream
    from workbench.data.live.open import is_stream, open_stream
    from workbench.data.live.options import LiveOptions
    from workbench.data.live.recorded import RecordedStream, RecordingStream
    from workbench.data.live.replay import ReplayStream
    from workbench.data.live.storing import StoringStream
    from workbench.data.live.thread import StreamThread, run_in_thread
    from workbench.data.live.updates import STATES, BarUpdate, Row, Stream, StreamStatus

_NAMES = {
    "BarFinality": "finality",
    "BarUpdate": "updates",
    "Conflated": "conflation",
    "LiveOptions": "options",
    "LiveStream": "live",
    "RecordedStream": "recorded",
    "RecordingStream": "recorded",
    "ReplayStream": "replay",
    "Row": "updates",
    "STATES": "updates",
    "StoringStream": "storing",
    "Stream": "updates",
    "StreamStatus": "updates",
    "StreamThread": "thread",
    "conflate": "conflation",
    "is_stream": "open",
    "open_stream": "open",
    "run_in_thread": "thread",
}

__all__ = [
    "STATES",
    "BarFinality",
    "BarUpdate",
    "Conflated",
    "LiveOptions",
    "LiveStream",
    "RecordedStream",
    "RecordingStream",
    "ReplayStream",
    "Row",
    "StoringStream",
    "Stream",
    "StreamStatus",
    "StreamThread",
    "conflate",
    "is_stream",
    "open_stream",
    "run_in_thread",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"workbench.data.live.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'workbench.data.live' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
