"""Keyword parameters of a feature: read from its signature, bound from a spec, checked with one-line errors."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.config import did_you_mean
from workbench.errors import ConfigError

_KINDS = {"int": int, "float": float, "bool": bool, "str": str}
_WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}


@dataclass(frozen=True)
class Parameter:
    """A typed keyword parameter; ``low`` and ``high`` are allowed values themselves, None = open."""

    name: str
    kind: type[Any]
    default: Any
    low: float | None = None
    high: float | None = None

    @property
    def required(self) -> bool:
        """Whether a spec must give it."""
        return self.default is inspect.Parameter.empty

    def check(self, feature: str, value: Any, *, noun: str = "feature") -> Any:
        """Return the value in its type, an int widened to float where a float is asked for.

        Raises
        ------
        ConfigError
            Naming feature, parameter, value and the cure.
        """
        if isinstance(value, np.generic):
            value = value.item()
        if self.kind is float and type(value) is int:
            value = float(value)
        if type(value) is not self.kind:
            raise ConfigError(
                f"{noun} {feature!r}: {self.name} must be {_WORDS[self.kind]}, got {value!r};"
                f" write {self._example(feature)}"
            )
        if self.kind is float and not math.isfinite(value):
            raise ConfigError(
                f"{noun} {feature!r}: {self.name} must be finite, got {value!r}; write {self._example(feature)}"
            )
        too_low = self.low is not None and value < self.low
        too_high = self.high is not None and value > self.high
        if too_low or too_high:
            raise ConfigError(
                f"{noun} {feature!r}: {self.name} must be {self._range()}, got {value!r}; {self._cure(too_low)}"
            )
        return value

    def _example(self, feature: str) -> str:
        value = {int: 14, float: 2.0, bool: True, str: "text"}[self.kind] if self.required else self.default
        return f"{feature}({self.name}={value!r})"

    def _range(self) -> str:
        if self.low is None or self.high is None:
            return f"at most {self.high}" if self.low is None else f"at least {self.low}"
        return f"between {self.low} and {self.high}"

    def _cure(self, too_low: bool) -> str:
        return f"raise it to {self.low} or more" if too_low else f"lower it to {self.high} or less"

    def __str__(self) -> str:
        default = "" if self.required else f" = {self.default!r}"
        low, high = ("…" if v is None else v for v in (self.low, self.high))
        limits = "" if self.low is None and self.high is None else f" [{low}, {high}]"
        return f"{self.name}: {self.kind.__name__}{default}{limits}"


def read_parameters(
    feature: str,
    function: Callable[..., Any],
    bounds: Mapping[str, tuple[float | None, float | None]],
    *,
    n_inputs: int = 1,
) -> tuple[Parameter, ...]:
    """Read the keyword parameters of ``(bars, *, window: int = 14)``, in order; ``n_inputs`` stand before them.

    Raises
    ------
    ConfigError
        When the function takes more than bars by position, ``*args`` or ``**kwargs``, when a parameter has no usable
        type, when bounds name no parameter or when a default breaks its own bounds.
    """
    found = list(inspect.signature(function).parameters.values())
    rest = found[n_inputs:]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not found or found[0].kind not in positional or any(p.kind is not inspect.Parameter.KEYWORD_ONLY for p in rest):
        raise ConfigError(
            f"feature {feature!r}: write its function as (bars, *, window: int = 14), bars and keyword parameters only"
        )
    for name in bounds:
        if name not in {p.name for p in rest}:
            hint = did_you_mean(name, [p.name for p in rest])
            raise ConfigError(f"feature {feature!r}: bounds name {name!r}, which is no parameter.{hint}")
    parameters = tuple(_read(feature, p, bounds.get(p.name)) for p in rest)
    for parameter in parameters:
        if not parameter.required:
            parameter.check(feature, parameter.default)
    return parameters


def _read(feature: str, found: inspect.Parameter, bounds: tuple[float | None, float | None] | None) -> Parameter:
    annotation = found.annotation
    kind = _KINDS.get(annotation) if isinstance(annotation, str) else annotation
    if annotation is inspect.Parameter.empty:
        kind = type(found.default)
    if kind not in _WORDS:
        raise ConfigError(
            f"feature {feature!r}: parameter {found.name} must be typed int, float, bool or str,"
            f" got {annotation!r}; write {found.name}: int = 14"
        )
    low, high = bounds if bounds is not None else (1 if kind is int else None, None)
    return Parameter(found.name, kind, found.default, low, high)


def bind(
    feature: str,
    parameters: Sequence[Parameter],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    noun: str = "feature",
) -> dict[str, Any]:
    """Return every parameter by name, in the function's order; see `workbench.features.Feature.bind`."""
    names = [p.name for p in parameters]
    if len(args) > len(names):
        takes = f"{len(names)} parameter{'s' * (len(names) != 1)} ({', '.join(names) or 'none'})"
        raise ConfigError(
            f"{noun} {feature!r} takes {takes}, got {len(args)} values {tuple(args)!r}; remove the extra ones"
        )
    given: dict[str, Any] = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            hint = did_you_mean(name, names) or " It takes none."
            raise ConfigError(f"{noun} {feature!r} has no parameter {name!r}.{hint}")
        if name in given:
            raise ConfigError(f"{noun} {feature!r}: {name} is given twice, {given[name]!r} and {value!r}; keep one")
        given[name] = value
    missing = [p.name for p in parameters if p.required and p.name not in given]
    if missing:
        raise ConfigError(f"{noun} {feature!r} needs {missing[0]}; write {feature}({missing[0]}=...)")
    return {p.name: p.check(feature, given[p.name], noun=noun) if p.name in given else p.default for p in parameters}
