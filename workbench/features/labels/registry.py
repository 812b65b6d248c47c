"""Labels by spec: ``fixed(5)``, ``triple_barrier(up=2.0, down=1.0, horizon=20)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import pandas as pd

from workbench.config import did_you_mean, parse_spec
from workbench.errors import ConfigError
from workbench.features.labels.outcomes import Label
from workbench.features.parameters import Parameter, bind, read_parameters
from workbench.features.registry import Rule
from workbench.typing import Bars, Panel


class LabelFunction(Protocol):
    """Bars and keyword parameters in, a label out."""

    def __call__(self, bars: Bars, **parameters: Any) -> Label: ...


class SidedFunction(Protocol):
    """As `LabelFunction` for positions that follow a side (-1, 0, +1); its returns carry the sign of the side."""

    def __call__(self, bars: Bars, side: Panel, **parameters: Any) -> Label: ...


@dataclass(frozen=True, eq=False)
class LabelKind:
    """A registered kind of label; calling it checks the parameters and computes it.

    Attributes
    ----------
    name, parameters, description, references
        As of a feature.
    ahead
        Own bars that it looks beyond its row, of the parameters: the last ``ahead`` bars may be unknown.
    warmup
        Own bars at the start without a label, of the parameters: those of the trailing volatility.
    classes
        True when y is a class, False when it is a number.
    sided
        The same label for positions that follow a side, which meta-labels need; None where there is no exit that a
        position could follow.
    """

    name: str
    function: Callable[..., Label]
    parameters: tuple[Parameter, ...]
    ahead: Callable[..., int]
    warmup: Callable[..., int]
    classes: bool
    description: str
    references: tuple[str, ...]
    rules: Mapping[str, Rule]
    sided: Callable[..., Label] | None

    def __call__(self, bars: Bars, **parameters: Any) -> Label:
        """Compute the label with checked parameters."""
        return self.bound((), parameters).compute(bars)

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> BoundLabel:
        """Return it with all its parameters.

        Raises
        ------
        ConfigError
            An unknown, missing, doubled, mistyped or out-of-bounds parameter, or a broken rule between two.
        """
        values = bind(self.name, self.parameters, args, kwargs, noun="label")
        for text, rule in self.rules.items():
            if not rule(**values):
                seen = ", ".join(f"{k}={v!r}" for k, v in values.items())
                raise ConfigError(f"label {self.name!r} needs {text}, got {seen}; change one of them")
        return BoundLabel(self, MappingProxyType(values))


@dataclass(frozen=True, eq=False)
class BoundLabel:
    """A label with all its parameters."""

    kind: LabelKind
    parameters: Mapping[str, Any]

    @property
    def canonical(self) -> str:
        """Every parameter by position: two specs that mean the same have the same one."""
        return f"{self.kind.name}({', '.join(repr(v) for v in self.parameters.values())})"

    @property
    def ahead(self) -> int:
        """Own bars that it looks beyond its row."""
        return self.kind.ahead(**self.parameters)

    @property
    def warmup(self) -> int:
        """Own bars at the start without a label."""
        return self.kind.warmup(**self.parameters)

    def compute(self, bars: Bars) -> Label:
        """Compute it on bars."""
        return replace(self.kind.function(bars, **self.parameters), spec=self.canonical)


LabelLike: TypeAlias = str | BoundLabel | LabelKind
LABELS: dict[str, LabelKind] = {}


def label(
    name: str,
    *,
    ahead: Callable[..., int],
    warmup: Callable[..., int] = lambda **_: 0,
    classes: bool = False,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    rules: Mapping[str, Rule] | None = None,
    references: Sequence[str] = (),
    sided: Callable[..., Label] | None = None,
) -> Callable[[Callable[..., Label]], LabelKind]:
    """Register a function ``(bars, *, horizon: int = 5) -> Label`` as a kind of label.

    Raises
    ------
    ConfigError
        When the declaration is not usable, or another function holds the name.
    """

    def register(function: Callable[..., Label]) -> LabelKind:
        held = LABELS.get(name)
        if held is not None and _place(held.function) != _place(function):
            raise ConfigError(f"label {name!r} is already registered by {_place(held.function)}; choose another name")
        lines = (function.__doc__ or "").strip().splitlines()
        made = LabelKind(
            name=name,
            function=function,
            parameters=read_parameters(name, function, bounds or {}),
            ahead=ahead,
            warmup=warmup,
            classes=classes,
            description=lines[0] if lines else "",
            references=tuple(references),
            rules=MappingProxyType(dict(rules or {})),
            sided=sided,
        )
        object.__setattr__(made, "__doc__", function.__doc__)
        object.__setattr__(made, "__wrapped__", function)
        LABELS[name] = made
        return made

    return register


def resolve(spec: LabelLike) -> BoundLabel:
    """Return the label that a spec names, with all parameters checked.

    Raises
    ------
    ConfigError
        When the text is no spec, the name is unknown or a parameter does not fit.

    Examples
    --------
    >>> from workbench.features import labels
    >>> labels.resolve("triple_barrier(horizon=10)").canonical
    "triple_barrier(2.0, 1.0, 10, 20, 'volatility', 'zero')"
    """
    if isinstance(spec, BoundLabel):
        return spec
    if isinstance(spec, LabelKind):
        return spec.bound((), {})
    parsed = parse_spec(spec)
    if parsed.name not in LABELS:
        raise ConfigError(f"there is no label {parsed.name!r}.{did_you_mean(parsed.name, LABELS)}")
    return LABELS[parsed.name].bound(parsed.args, parsed.kwargs)


def compute(bars: Bars, spec: LabelLike) -> Label:
    """Compute the label that a spec names.

    Parameters
    ----------
    bars
        Bars by the house's convention; labels need ``open``, and most of them ``close``, ``high`` and ``low``.
    spec
        Such as ``"fixed(5)"``, ``"vol_scaled(10)"``, ``"triple_barrier(up=2.0, down=1.0, horizon=20)"`` or
        ``"trend_scan(5, 20)"``.

    Returns
    -------
    Label
        y, t1, returns and details, on each symbol's own bars.

    Raises
    ------
    ConfigError
        A spec that does not fit the registry.
    DataError
        A missing field.
    """
    return resolve(spec).compute(bars)


def list_labels() -> pd.DataFrame:
    """Return one row per kind of label, sorted by name; look-ahead and warm-up at the default parameters."""
    rows = []
    for name in sorted(LABELS):
        kind = LABELS[name]
        bound = kind.bound((), {})
        rows.append(
            {
                "name": name,
                "parameters": ", ".join(map(str, kind.parameters)),
                "ahead": bound.ahead,
                "warmup": bound.warmup,
                "classes": kind.classes,
                "description": kind.description.replace("`", ""),
                "references": "; ".join(kind.references),
            }
        )
    return pd.DataFrame(rows)


def _place(function: Callable[..., Label]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
