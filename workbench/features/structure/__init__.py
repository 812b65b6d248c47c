"""Smart-money concepts, causal: every event has the bar at which it is known, and only then is it a feature.

Features are numbers a bar and register on import; events are a table, for charts to draw at their origin.
"""

from __future__ import annotations

from workbench.features.structure import levels, swings, zones  # noqa: F401 - their features register here
from workbench.features.structure.events import (
    EVENT_COLUMNS,
    EVENT_KINDS,
    gap_events,
    level_events,
    liquidity_events,
    order_block_events,
    smart_money_events,
    structure_events,
    swing_events,
)
from workbench.features.structure.trackers import PERIODS, SESSIONS

__all__ = [
    "EVENT_COLUMNS",
    "EVENT_KINDS",
    "PERIODS",
    "SESSIONS",
    "gap_events",
    "level_events",
    "liquidity_events",
    "order_block_events",
    "smart_money_events",
    "structure_events",
    "swing_events",
]
