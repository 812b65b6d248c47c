"""Sizes of windows: a number of bars, or a length of time by the calendar such as ``"3M"``."""

from __future__ import annotations

import operator
import re
from typing import Any, TypeAlias

import pandas as pd

from workbench.errors import ConfigError

Size: TypeAlias = int | str
"""A number of bars, or a length of time: ``"90min"``, ``"12h"``, ``"365D"``, ``"2W"``, ``"3M"`` (months), ``"1Y"``."""

_UNITS = {"min": "minutes", "h": "hours", "D": "days", "W": "weeks", "M": "months", "Y": "years"}
_SPAN = re.compile(r"(\d+)(min|h|D|W|M|Y)")


def check_size(owner: str, name: str, value: Size, least: int) -> None:
    """Refuse a size that is neither a number of bars from ``least`` on nor a length of time above zero."""
    if isinstance(value, str):
        found = _SPAN.fullmatch(value)
        if found is None:
            raise ConfigError(
                f"{owner}: {name} {value!r} is no length of time; give bars, or one like 90min, 12h, 365D, 2W, 3M, 1Y"
            )
        if int(found[1]) == 0:
            raise ConfigError(f"{owner}: {name} must be above zero, got {value!r}; give bars or a length such as 30D")
        return
    try:
        bars = operator.index(value)
    except TypeError:
        raise ConfigError(f"{owner}: {name} must be whole bars or a length such as 30D, got {value!r}") from None
    if bars < least:
        raise ConfigError(f"{owner}: {name} must be at least {least}, got {value}")


def moved(time: pd.Timestamp, span: str, times: int = 1) -> pd.Timestamp:
    """Return a time moved on by a length of time, or back where ``times`` is negative.

    Months and years keep the day of the month where it exists and take the last one otherwise.

    Examples
    --------
    >>> moved(pd.Timestamp("2024-01-31"), "1M"), moved(pd.Timestamp("2024-01-31"), "1M", 2)
    (Timestamp('2024-02-29 00:00:00'), Timestamp('2024-03-31 00:00:00'))
    """
    found = _SPAN.fullmatch(span)
    if found is None:
        raise ConfigError(f"{span!r} is no length of time; give one such as 90min, 12h, 365D, 2W, 3M or 1Y")
    offset: Any = {_UNITS[found[2]]: int(found[1]) * times}
    return time + pd.DateOffset(**offset)
