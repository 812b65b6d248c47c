"""The replay venue: a server on loopback that speaks the dialects of real venues, fed from stored or synthetic bars."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.data.replay.building import (
        SYNTHETIC_SYMBOLS,
        default_start,
        replay_of_bars,
        replay_of_store,
        synthetic_replay,
    )
    from workbench.data.replay.clock import ReplayClock
    from workbench.data.replay.fault_kinds import FAULTS, fault_table
    from workbench.data.replay.faults import Faults, open_faults
    from workbench.data.replay.market import ReplayMarket
    from workbench.data.replay.running import ReplayVenue, replay_process, replay_venue
    from workbench.data.replay.schedule import FaultSchedule

_NAMES = {
    "FAULTS": "fault_kinds",
    "SYNTHETIC_SYMBOLS": "building",
    "FaultSchedule": "schedule",
    "Faults": "faults",
    "ReplayClock": "clock",
    "ReplayMarket": "market",
    "ReplayVenue": "running",
    "fault_table": "fault_kinds",
    "open_faults": "faults",
    "default_start": "building",
    "replay_of_bars": "building",
    "replay_of_store": "building",
    "replay_process": "running",
    "replay_venue": "running",
    "synthetic_replay": "building",
}

__all__ = [
    "FAULTS",
    "SYNTHETIC_SYMBOLS",
    "FaultSchedule",
    "Faults",
    "ReplayClock",
    "ReplayMarket",
    "ReplayVenue",
    "default_start",
    "fault_table",
    "open_faults",
    "replay_of_bars",
    "replay_of_store",
    "replay_process",
    "replay_venue",
    "synthetic_replay",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"workbench.data.replay.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'workbench.data.replay' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
