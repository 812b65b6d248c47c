"""The registry of features: what each one is called, reads, takes as parameters and remembers.

A feature is a causal function of bars, ``(bars, *, window: int = 14) -> frame like bars["close"]``, whose row t
uses rows up to t only. Registering it once makes it known to spec strings, to the contract tests and to the
command line.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import keyword
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.config import did_you_mean
from workbench.errors import ConfigError
from workbench.features.parameters import Parameter, bind, read_parameters
from workbench.typing import Bars, Panel

FIELDS = ("open", "high", "low", "close", "volume")
Rule = Callable[..., bool]


@dataclass(frozen=True, eq=False, repr=False)
class Feature:
    """A registered feature; calling it runs the function with checked parameters.

    Attributes
    ----------
    name, version
        The name that specs use, and a whole number that the author raises when the numbers change.
    inputs
        Fields of the bars that the function is given; it sees no other.
    parameters
        Keyword parameters of the function with type, default and bounds.
    warmup
        Rows of NaN at the start of a symbol's bars: a number, a function of the parameters, or None where the
        author declared none (it is then measured).
    recursive
        True when a value depends on all earlier rows (EMA, Wilder smoothing, running totals). Otherwise the last
        ``warmup + 1`` rows fix it.
    stationary
        False for prices, totals and other levels that wander; better not given to a model raw.
    code_hash
        16 hex digits of the function's source without decorator, docstring, comments and layout. Functions that it
        calls are not part of it.
    """

    name: str
    version: int
    inputs: tuple[str, ...]
    function: Callable[..., Panel]
    parameters: tuple[Parameter, ...]
    warmup: int | Callable[..., int] | None
    family: str
    description: str
    references: tuple[str, ...]
    recursive: bool
    stationary: bool
    rules: Mapping[str, Rule]
    code_hash: str

    def __call__(self, bars: Bars, **parameters: Any) -> Panel:
        """Run the function on bars; parameters are checked like those of a spec."""
        return self.function(bars, **self.bind((), parameters))

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters by name; positional values bind in the order of the function's keywords.

        Raises
        ------
        ConfigError
            An unknown, missing, doubled, mistyped or out-of-bounds parameter, or a broken rule between two.
        """
        values = bind(self.name, self.parameters, args, kwargs)
        for text, rule in self.rules.items():
            if not rule(**values):
                seen = ", ".join(f"{k}={v!r}" for k, v in values.items())
                raise ConfigError(f"feature {self.name!r} needs {text}, got {seen}; change one of them")
        return values

    def __repr__(self) -> str:
        return f"<feature {self.name}({', '.join(map(str, self.parameters))}) v{self.version}>"

    @property
    def origin(self) -> str:
        """Module that registered it; every notebook cell counts as one."""
        module = str(self.function.__module__)
        return "notebook" if module == "__main__" or module.startswith("bokeh_app_") else module


class Registry:
    """Features by name; adding the same name from elsewhere is an error, running a notebook cell again is not."""

    def __init__(self) -> None:
        self._features: dict[str, Feature] = {}

    def add(self, feature: Feature) -> Feature:
        """Add a feature, or replace it when the same cell or the same function of a reloaded module runs again.

        Raises
        ------
        ConfigError
            When another module, or another function of the same module, holds the name.
        """
        old = self._features.get(feature.name)
        if old is not None and not _same_place(old, feature):
            raise ConfigError(
                f"feature {feature.name!r} of {feature.origin} is already registered by {old.origin}"
                f" (function {old.function.__qualname__}); choose another name"
            )
        self._features[feature.name] = feature
        return feature

    def get(self, name: str) -> Feature:
        """Return a feature.

        Raises
        ------
        ConfigError
            When the name is unknown; the nearest known one is suggested.
        """
        if name not in self._features:
            raise ConfigError(f"there is no feature {name!r}.{did_you_mean(str(name), self._features)}")
        return self._features[name]

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._features)

    def discard(self, name: str) -> None:
        """Forget a feature; an unknown name is fine."""
        self._features.pop(name, None)

    def __iter__(self) -> Iterator[Feature]:
        return iter([self._features[n] for n in self.names()])

    def __len__(self) -> int:
        return len(self._features)

    def __contains__(self, name: object) -> bool:
        return name in self._features


REGISTRY = Registry()


def feature(
    name: str,
    *,
    version: int = 1,
    inputs: Sequence[str] = ("close",),
    warmup: int | Callable[..., int] | None = None,
    family: str = "other",
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    rules: Mapping[str, Rule] | None = None,
    description: str = "",
    references: Sequence[str] = (),
    recursive: bool = False,
    stationary: bool = True,
    registry: Registry = REGISTRY,
) -> Callable[[Callable[..., Panel]], Feature]:
    """Register a function ``(bars, *, window: int = 14)`` that returns a frame like ``bars["close"]``.

    Parameters
    ----------
    name
        A Python name; specs such as ``name(14)`` use it.
    version
        Whole number from 1 on; raise it when the numbers change.
    inputs
        Fields of the bars that the function reads; it is given only those.
    warmup
        Rows of NaN at the start of a symbol's own bars: a number, or a function that takes the parameters by name.
        None: not declared, measured when asked for.
    bounds
        Lowest and highest value by parameter, both allowed, None = open. A whole-number parameter without bounds
        counts bars and must be at least 1.
    rules
        Relations between parameters: text such as ``"fast < slow"`` to a function of all parameters by name.
    recursive, stationary, description, references, family
        See `Feature`; the description defaults to the first line of the docstring.

    Raises
    ------
    ConfigError
        When the declaration is not usable, or the name is taken by another module.

    Examples
    --------
    >>> from workbench.features import Registry, feature
    >>> @feature("momentum", inputs=("close",), warmup=lambda window: window, registry=Registry())
    ... def momentum(bars, *, window: int = 10):
    ...     return bars["close"] / bars["close"].shift(window) - 1
    >>> momentum.name, momentum.version
    ('momentum', 1)
    """
    fields = _checked_inputs(name, inputs)
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(f"feature name {name!r} must be a plain name such as 'rsi', so that specs can hold it")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ConfigError(f"feature {name!r}: version must be a whole number from 1 on, got {version!r}")

    def register(function: Callable[..., Panel]) -> Feature:
        parameters = read_parameters(name, function, bounds or {})
        lines = (inspect.getdoc(function) or "").splitlines()
        made = Feature(
            name, version, fields, function, parameters, warmup, family, description or (lines[0] if lines else ""),
            tuple(references), recursive, stationary, types.MappingProxyType(dict(rules or {})), code_hash(function),
        )  # fmt: skip
        object.__setattr__(made, "__doc__", function.__doc__)
        object.__setattr__(made, "__wrapped__", function)
        return registry.add(made)

    return register


def code_hash(function: Callable[..., Any]) -> str:
    """Return 16 hex digits of a function's source without decorators, docstring, comments and layout.

    Where no source is kept (a plain Python prompt), the compiled code is hashed instead.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        text = repr(_compiled(function.__code__)) if inspect.isfunction(function) else repr(function)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
    node = tree.body[0]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node.decorator_list = []
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(node).encode()).hexdigest()[:16]


def _compiled(code: types.CodeType) -> tuple[Any, ...]:
    constants = tuple(_compiled(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts)
    return (code.co_code, constants, code.co_names, code.co_varnames)


def _same_place(old: Feature, new: Feature) -> bool:
    if old.origin != new.origin:
        return False
    return old.origin == "notebook" or old.function.__qualname__ == new.function.__qualname__


def _checked_inputs(name: str, inputs: Sequence[str]) -> tuple[str, ...]:
    fields = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    for field in fields:
        if field not in FIELDS:
            raise ConfigError(f"feature {name!r}: bars have no field {field!r}.{did_you_mean(str(field), FIELDS)}")
    if not fields or len(set(fields)) < len(fields):
        raise ConfigError(f"feature {name!r}: inputs must name one or more different fields, got {inputs!r}")
    return fields
