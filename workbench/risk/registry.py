"""The one list of risk measures: tables, metrics and the risk center read names, units and directions from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from workbench.config.suggest import did_you_mean
from workbench.errors import ConfigError

Unit = Literal["fraction", "ratio", "bars", "probability", "per year", "number"]
Direction = Literal["higher", "lower"]
F = TypeVar("F", bound=Callable[..., Any])

MEASURES: dict[str, Measure] = {}


@dataclass(frozen=True)
class Measure:
    """A registered measure.

    Parameters
    ----------
    name
        Machine key, such as ``sharpe_ratio``.
    function
        The pure function behind it.
    unit
        ``fraction`` (0.1 is ten percent), ``ratio``, ``bars``, ``probability``, ``per year`` or ``number``.
    direction
        Whether ``higher`` or ``lower`` is better.
    description
        First line of the function's docstring.
    reference
        Paper or book that defines it.
    summarised
        Whether `summary` reports it.
    """

    name: str
    function: Callable[..., Any]
    unit: Unit
    direction: Direction
    description: str
    reference: str
    summarised: bool = True


def measure(
    name: str, *, unit: Unit, direction: Direction, reference: str, summarised: bool = True
) -> Callable[[F], F]:
    """Register a function as the measure ``name``; the function itself is returned unchanged.

    Raises
    ------
    ConfigError
        When another function holds the name already.
    """

    def register(function: F) -> F:
        if name in MEASURES:
            raise ConfigError(f"risk measure {name!r} is registered twice; give one of the two another name")
        lines = (function.__doc__ or "").strip().splitlines() or [""]
        MEASURES[name] = Measure(name, function, unit, direction, lines[0], reference, summarised)
        return function

    return register


def get_measure(name: str) -> Measure:
    """Return a registered measure by its machine key."""
    if name not in MEASURES:
        raise ConfigError(f"unknown risk measure {name!r}.{did_you_mean(name, MEASURES)}")
    return MEASURES[name]
