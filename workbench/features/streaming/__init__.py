"""Features of bars that arrive one by one."""

from __future__ import annotations

from workbench.features.streaming.stream import FeatureStream

__all__ = ["FeatureStream"]
