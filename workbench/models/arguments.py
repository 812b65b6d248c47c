"""What a model's argument may be: one description that checks it, and prints it on a page or in the help."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.config import did_you_mean
from workbench.errors import ConfigError

MAX_LAYERS = 8
MAX_UNITS = 4096


@dataclass(frozen=True)
class Argument:
    """A named constructor argument: its type, default, bounds and help.

    ``low`` and ``high`` are inclusive, ``above`` and ``below`` exclusive. ``kind`` is ``int``, ``float``, ``str``
    or ``units`` (sizes of layers: ``(128, 64, 32)``, or ``'128-64-32'`` where only text fits, as in a spec).
    """

    kind: str
    default: Any
    help: str
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    choices: tuple[str, ...] = ()

    def check(self, where: str, name: str, value: Any) -> None:
        """Raise a `ConfigError` that names the model, the argument, the value and what would fit."""
        if not self._fits(value):
            raise ConfigError(f"{where}: {name} must be {self.describe()}, got {value!r}")

    def describe(self) -> str:
        """Say in words which values fit."""
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        if self.kind == "units":
            return f"1 to {MAX_LAYERS} layer sizes from 1 to {MAX_UNITS} such as (128, 64, 32) or '128-64-32'"
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (
                ("at least", self.low),
                ("above", self.above),
                ("at most", self.high),
                ("below", self.below),
            )
            if math.isfinite(bound)
        ]
        noun = {"int": "a whole number", "float": "a number", "str": "text"}[self.kind]
        return " ".join([noun, " and ".join(bounds)]).strip()

    def _fits(self, value: Any) -> bool:
        if self.kind == "str":
            return isinstance(value, str) and (not self.choices or value in self.choices)
        if self.kind == "units":
            return _units_fit(value)
        wanted = numbers.Integral if self.kind == "int" else numbers.Real
        if isinstance(value, bool) or not isinstance(value, wanted):
            return False
        number = float(value)
        return math.isfinite(number) and self.low <= number <= self.high and self.above < number < self.below


def parse_units(value: Any) -> tuple[int, ...]:
    """Return layer sizes from ``(128, 64, 32)``, ``[128, 64, 32]`` or ``'128-64-32'``.

    Examples
    --------
    >>> parse_units("128-64-32")
    (128, 64, 32)
    """
    parts = value.split("-") if isinstance(value, str) else value
    return tuple(int(p) for p in parts)


def _units_fit(value: Any) -> bool:
    if isinstance(value, str):
        if not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in value.split("-")):
            return False
    elif not isinstance(value, tuple | list) or any(
        isinstance(v, bool) or not isinstance(v, numbers.Integral) for v in value
    ):
        return False
    units = parse_units(value)
    return 1 <= len(units) <= MAX_LAYERS and all(1 <= u <= MAX_UNITS for u in units)


def check_arguments(where: str, known: Mapping[str, Argument], given: Mapping[str, Any]) -> None:
    """Check names, types and bounds of the given arguments.

    Raises
    ------
    ConfigError
        On the first argument that is unknown, mistyped or out of bounds.
    """
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f"{where} has no argument {name!r}.{did_you_mean(name, known)}")
        known[name].check(where, name, value)
