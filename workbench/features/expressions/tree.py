"""The tree of an expression: what is computed from what, with its look-back.

Every node has a canonical text, which is also its identity: two nodes with one text are computed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from workbench.features.expressions.operators import Operator
from workbench.features.registry import Feature


@dataclass(frozen=True, eq=False)
class Field:
    """A field of the bars, or their open times."""

    name: str
    text: str = field(init=False)
    children: tuple[Node, ...] = ()
    warmup: int | None = 0
    depth: int = 0

    def __post_init__(self) -> None:
        _set(self, text=self.name)


@dataclass(frozen=True, eq=False)
class Number:
    """A constant."""

    value: float
    text: str = field(init=False)
    children: tuple[Node, ...] = ()
    warmup: int | None = 0
    depth: int = 0

    def __post_init__(self) -> None:
        plain = repr(self.value)
        _set(self, text=f"({plain})" if plain.startswith("-") else plain)  # -2 ** x would be -(2 ** x)


@dataclass(frozen=True, eq=False)
class Call:
    """A registered feature with its parameters, on its own inputs or on one series given to it.

    ``warmup`` is None where the feature declared none.
    """

    feature: Feature
    parameters: dict[str, Any]
    children: tuple[Node, ...]
    text: str = field(init=False)
    own_warmup: int | None = field(init=False)
    warmup: int | None = field(init=False)
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        plain = tuple(c.text for c in self.children) == self.feature.inputs
        parts = [] if plain else [c.text for c in self.children]
        parts += [repr(v) for v in self.parameters.values()]
        declared = self.feature.warmup
        own = int(declared(**self.parameters)) if callable(declared) else declared
        before = _longest(self.children)
        _set(
            self,
            text=f"{self.feature.name}({', '.join(parts)})" if parts else self.feature.name,
            own_warmup=own,
            depth=_depth(self.children),
            warmup=None if own is None or before is None else own + before,
        )


@dataclass(frozen=True, eq=False)
class Operation:
    """An operator on other nodes."""

    operator: Operator
    children: tuple[Node, ...]
    parameters: dict[str, Any]
    text: str = field(init=False)
    lookback: int = field(init=False)
    warmup: int | None = field(init=False)
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        lookback = self.operator.lookback(**self.parameters)
        before = _longest(self.children)
        _set(
            self,
            text=self.operator.written([c.text for c in self.children], self.parameters),
            lookback=lookback,
            depth=_depth(self.children),
            warmup=None if before is None else before + lookback,
        )


@dataclass(frozen=True, eq=False)
class Higher:
    """A node computed on bars of a higher time frame; a row sees the newest higher bar that has closed.

    ``warmup`` is None: how many rows pass before the first higher bars have closed depends on where the bars begin.
    """

    child: Node
    timeframe: str
    text: str = field(init=False)
    children: tuple[Node, ...] = field(init=False)
    warmup: int | None = None
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        inner = self.child.text
        simple = isinstance(self.child, Field | Call) or inner.endswith(")")
        text = f"{inner if simple else f'({inner})'}@{self.timeframe}"
        _set(self, text=text, children=(self.child,), depth=_depth((self.child,)))


Node: TypeAlias = Field | Number | Call | Operation | Higher


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything under it, children first; what stands twice comes twice."""
    for child in node.children:
        yield from walk(child)
    yield node


def features_of(node: Node) -> dict[str, Feature]:
    """Return the registered features of a tree by name."""
    return {n.feature.name: n.feature for n in walk(node) if isinstance(n, Call)}


def fields_of(node: Node) -> frozenset[str]:
    """Return the fields of the bars that a tree reads, ``time`` included."""
    direct = {n.name for n in walk(node) if isinstance(n, Field)}
    panels = {f for n in walk(node) if is_panel_call(n) and isinstance(n, Call) for f in n.feature.inputs}
    return frozenset(direct | panels)


def is_panel_call(node: Node) -> bool:
    """Whether a node is a feature that takes the bars of all symbols."""
    return isinstance(node, Call) and node.feature.form == "panel"


def is_cross(node: Node) -> bool:
    """Whether a node needs all symbols at once."""
    return is_panel_call(node) or (isinstance(node, Operation) and node.operator.cross)


def _longest(children: tuple[Node, ...]) -> int | None:
    found = [c.warmup for c in children]
    return None if None in found else max((w for w in found if w is not None), default=0)


def _depth(children: tuple[Node, ...]) -> int:
    return 1 + max((c.depth for c in children), default=0)


def _set(node: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(node, name, value)
