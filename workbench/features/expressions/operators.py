"""The table of operators: name, arguments, parameters, look-back and the array function behind each.

An operator's function takes the output first, then one array per argument, then its parameters by name; all arrays are
of one symbol's own bars from the first row on which every argument has a value. It writes the output from row
``lookback`` on; the rows before are NaN.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.config import did_you_mean
from workbench.errors import ConfigError
from workbench.features.parameters import Parameter, bind, read_parameters


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator.

    Attributes
    ----------
    n_args
        Series that it takes, before its parameters.
    looks_back
        Whether it looks back over a symbol's bars.
    cross
        True when it looks across symbols at one time: its arrays are (n_bars, n_symbols), NaN where a symbol has no
        value.
    sign
        How it is written between its arguments, such as ``+``; empty for a name with parentheses.
    """

    name: str
    n_args: int
    parameters: tuple[Parameter, ...]
    function: Callable[..., None]
    lookback: Callable[..., int]
    looks_back: bool
    cross: bool
    aliases: tuple[str, ...]
    sign: str
    description: str

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters by name, checked."""
        return bind(self.name, self.parameters, args, kwargs, noun="operator")

    def written(self, args: Sequence[str], parameters: Mapping[str, Any]) -> str:
        """Return the canonical text of the operator on arguments."""
        if self.sign:
            return f"({self.sign}{args[0]})" if self.n_args == 1 else f"({args[0]} {self.sign} {args[1]})"
        return f"{self.name}({', '.join([*args, *(repr(v) for v in parameters.values())])})"

    @property
    def usage(self) -> str:
        """How to write it, such as ``mean(x, window: int)``."""
        names = [p for p in inspect.signature(self.function).parameters][1 : 1 + self.n_args]
        if self.sign:
            return f"{self.sign}{names[0]}" if self.n_args == 1 else f"{names[0]} {self.sign} {names[1]}"
        return f"{self.name}({', '.join([*names, *map(str, self.parameters)])})"


class Operators:
    """Operators by name and alias; names do not mind capitals, so ``Mean($close, 5)`` is ``mean(close, 5)``."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, bool], list[Operator]] = {}
        self._all: dict[str, Operator] = {}

    def add(self, operator: Operator) -> Operator:
        """Add an operator under its name and aliases."""
        self._all[operator.name] = operator
        for name in (operator.name, *operator.aliases):
            self._by_name.setdefault((name.lower(), True), []).append(operator)
        return operator

    def find(self, name: str, n_values: int) -> Operator | None:
        """Return the operator of a name that takes so many values, series and parameters together.

        One name may mean two: ``rank(x)`` looks across symbols, ``rank(x, 20)`` back in time.
        """
        found = self._by_name.get((name.lower(), True), [])
        fitting = [o for o in found if o.n_args <= n_values <= o.n_args + len(o.parameters) and _enough(o, n_values)]
        return next(iter(fitting or found), None)

    def get(self, name: str) -> Operator:
        """Return the operator of a canonical name.

        Raises
        ------
        ConfigError
            When there is none; the nearest is suggested.
        """
        if name not in self._all:
            raise ConfigError(f"there is no operator {name!r}.{did_you_mean(name, self._all)}")
        return self._all[name]

    def names(self) -> list[str]:
        """Return every name and alias that a call may use, sorted."""
        return sorted({name for name, _ in self._by_name})

    def __iter__(self) -> Iterator[Operator]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)


OPERATORS = Operators()


def operator(
    name: str,
    *,
    lookback: Callable[..., int] | int = 0,
    cross: bool = False,
    aliases: Sequence[str] = (),
    sign: str = "",
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
) -> Callable[[Callable[..., None]], Operator]:
    """Register ``(out, x, y, *, window: int)`` as an operator; see the module's first lines."""

    def register(function: Callable[..., None]) -> Operator:
        found = inspect.signature(function).parameters.values()
        n_args = sum(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in found) - 1
        made = Operator(
            name=name,
            n_args=n_args,
            parameters=read_parameters(name, function, bounds or {}, n_inputs=1 + n_args),
            function=function,
            lookback=lookback if callable(lookback) else _always(lookback),
            looks_back=lookback != 0,
            cross=cross,
            aliases=tuple(aliases),
            sign=sign,
            description=(inspect.getdoc(function) or "").split("\n", maxsplit=1)[0],
        )
        return OPERATORS.add(made)

    return register


def _always(n_rows: int) -> Callable[..., int]:
    return lambda **_: n_rows


def _enough(operator: Operator, n_values: int) -> bool:
    required = sum(p.required for p in operator.parameters)
    return n_values >= operator.n_args + required
