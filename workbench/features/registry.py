"""The registry of features: what each one is called, reads, takes as parameters and remembers.

A feature is causal: its row t uses rows up to t only. It is written in one of two forms:

- an *indicator*, ``(close, *, window: int = 14) -> array``: arrays of one symbol's own bars in, one array out;
- a *panel feature*, ``(bars, *, window: int = 14) -> frame like bars["close"]``: the bars of all symbols.

Registering it once makes it known to spec strings, to the contract tests and to the command line.
"""

from __future__ import annotations

import inspect
import keyword
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from workbench.config import did_you_mean
from workbench.errors import ConfigError
from workbench.features.codehash import Source, code_hash, deep_hash, source_of
from workbench.features.parameters import Parameter, bind, read_parameters
from workbench.typing import Bars, FloatArray, Panel

BAR_FIELDS = ("open", "high", "low", "close", "volume")
EXTRA_FIELDS = ("funding_rate", "mark", "basis", "open_interest")
"""Fields that bars of perpetuals may have beside the five."""
FIELDS = (*BAR_FIELDS, *EXTRA_FIELDS)
INPUTS = (*FIELDS, "time")
"""What an indicator may read: the fields, and the open times of the bars as int64 nanoseconds since 1970 UTC."""
Rule = Callable[..., bool]
Step = Callable[..., float]
"""One bar's inputs in, the feature's value at that bar out (NaN during the warm-up); it keeps its state."""


StepMaker = Callable[..., Step]
"""Makes a fresh `Step` from the feature's parameters by name."""


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
    form
        ``"indicator"`` or ``"panel"``.
    stream
        Makes the function that updates an indicator bar by bar; None: the stream runs the indicator itself on the
        rows that it needs.
    """

    name: str
    version: int
    inputs: tuple[str, ...]
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    warmup: int | Callable[..., int] | None
    family: str
    description: str
    references: tuple[str, ...]
    recursive: bool
    stationary: bool
    rules: Mapping[str, Rule]
    form: Literal["indicator", "panel"]
    stream: StepMaker | None
    source: Source

    def __call__(self, bars: Bars, **parameters: Any) -> Panel:
        """Compute the feature on bars, time × symbol; parameters are checked like those of a spec."""
        from workbench.features.compute import run_feature
        from workbench.features.specs import bound_to

        return run_feature(bars, bound_to(self, parameters))

    @cached_property
    def code_hash(self) -> str:
        """16 hex digits of the function's source without decorator, docstring, comments and layout.

        Functions that it calls are not part of it; see `deep_hash`.
        """
        return code_hash(self.function, self.source)

    @cached_property
    def deep_hash(self) -> str:
        """As `code_hash`, with every function and constant of its package that the function reaches."""
        return deep_hash(self.function, self.source)

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

    @cached_property
    def trusted(self) -> bool:
        """Whether it is the library's own, whose tests hold it to write to no input."""
        return str(self.function.__module__).startswith("workbench.")

    @property
    def origin(self) -> str:
        """Module that registered it; every notebook cell counts as one."""
        module = str(self.function.__module__)
        return "notebook" if module == "__main__" or module.startswith("bokeh_app_") else module


class Registry:
    """Features by name; adding the same name from elsewhere is an error, running a notebook cell again is not."""

    def __init__(self) -> None:
        self._features: dict[str, Feature] = {}
        self.parsed: dict[str, Any] = {}
        """Trees by text, kept until the registry changes; see `workbench.features.specs`."""

    def add(self, feature: Feature) -> Feature:
        """Add a feature, or replace it when the same cell or the same function of a reloaded module runs again.

        Raises
        ------
        ConfigError
            When another module, another function of the same module, an operator or a feature set holds the name.
        """
        if not feature.trusted:
            _check_free(feature.name)
        old = self._features.get(feature.name)
        if old is not None and not _same_place(old, feature):
            raise ConfigError(
                f"feature {feature.name!r} of {feature.origin} is already registered by {old.origin}"
                f" (function {old.function.__qualname__}); choose another name"
            )
        self._features[feature.name] = feature
        self.parsed.clear()
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
        self.parsed.clear()

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
    inputs: Sequence[str] = ("close",),
    version: int = 1,
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
    inputs
        Fields of the bars that the function reads; it is given only those.
    version
        Whole number from 1 on; raise it when the numbers change.
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
    fields = _checked_inputs(name, inputs, FIELDS)
    _check_name_and_version(name, version)

    def register(function: Callable[..., Panel]) -> Feature:
        declared: dict[str, Any] = dict(bounds=bounds, rules=rules, description=description, references=references)
        behaviour: dict[str, Any] = dict(warmup=warmup, family=family, recursive=recursive, stationary=stationary)
        return registry.add(_made(name, version, fields, function, "panel", None, **declared, **behaviour))

    return register


def indicator(
    name: str,
    *,
    version: int = 1,
    warmup: int | Callable[..., int] | None = None,
    family: str = "other",
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    rules: Mapping[str, Rule] | None = None,
    description: str = "",
    references: Sequence[str] = (),
    recursive: bool = False,
    stationary: bool = True,
    stream: StepMaker | None = None,
    registry: Registry = REGISTRY,
) -> Callable[[Callable[..., FloatArray]], Feature]:
    """Register a function of one symbol's own bars, ``(high, low, close, *, window: int = 14)``, all arrays.

    The names of its positional parameters say which inputs it reads: fields of the bars, or ``time``. It is given
    C-contiguous float64 arrays of shape (n,) without NaN (int64 for ``time``) which it must not write to, n from 1
    on, and returns float64 of shape (n,).

    Parameters
    ----------
    stream
        ``(**parameters)`` to a function of one bar's inputs that returns the value at that bar: the same feature,
        updated bar by bar. Worth writing for recursive features.
    name, version, warmup, family, bounds, rules, description, references, recursive, stationary
        As in `feature`.

    Examples
    --------
    >>> from workbench.features import Registry, indicator
    >>> @indicator("range_share", warmup=0, registry=Registry())
    ... def range_share(high, low, close):
    ...     return (high - low) / close
    >>> range_share.inputs
    ('high', 'low', 'close')
    """
    _check_name_and_version(name, version)

    def register(function: Callable[..., FloatArray]) -> Feature:
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        named = [p.name for p in inspect.signature(function).parameters.values() if p.kind in positional]
        fields = _checked_inputs(name, named, INPUTS)
        declared: dict[str, Any] = dict(bounds=bounds, rules=rules, description=description, references=references)
        behaviour: dict[str, Any] = dict(warmup=warmup, family=family, recursive=recursive, stationary=stationary)
        return registry.add(_made(name, version, fields, function, "indicator", stream, **declared, **behaviour))

    return register


def _made(
    name: str,
    version: int,
    inputs: tuple[str, ...],
    function: Callable[..., Any],
    form: Literal["indicator", "panel"],
    stream: StepMaker | None,
    *,
    warmup: Any,
    family: str,
    bounds: Any,
    rules: Any,
    description: str,
    references: Sequence[str],
    recursive: bool,
    stationary: bool,
) -> Feature:
    _check_warmup(name, warmup)
    n_inputs = len(inputs) if form == "indicator" else 1
    lines = (inspect.getdoc(function) or "").splitlines()
    made = Feature(
        name=name,
        version=version,
        inputs=inputs,
        function=function,
        parameters=read_parameters(name, function, bounds or {}, n_inputs=n_inputs),
        warmup=warmup,
        family=family,
        description=description or (lines[0] if lines else ""),
        references=tuple(references),
        recursive=recursive,
        stationary=stationary,
        rules=types.MappingProxyType(dict(rules or {})),
        form=form,
        stream=stream,
        source=source_of(function),
    )
    object.__setattr__(made, "__doc__", function.__doc__)
    object.__setattr__(made, "__wrapped__", function)
    return made


def _same_place(old: Feature, new: Feature) -> bool:
    if old.origin != new.origin and _file(old) != _file(new):  # one file may be imported and named in a spec
        return False
    return old.origin == "notebook" or old.function.__qualname__ == new.function.__qualname__


def _file(feature: Feature) -> str:
    code = getattr(feature.function, "__code__", None)
    return str(getattr(code, "co_filename", feature.origin))


def _check_name_and_version(name: object, version: object) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(f"feature name {name!r} must be a plain name such as 'rsi', so that specs can hold it")
    if name in INPUTS:
        raise ConfigError(
            f"feature name {name!r} is that of a field of the bars; choose another, so that specs can hold it"
        )
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ConfigError(f"feature {name!r}: version must be a whole number from 1 on, got {version!r}")


def _check_free(name: str) -> None:
    """Refuse a user's feature that would change what expressions and sets mean."""
    from workbench.features.expressions.operators import OPERATORS
    from workbench.features.sets import SETS

    for what, names in (("an operator", OPERATORS.names()), ("a feature set", SETS.names())):
        if name.lower() in map(str.lower, names):
            raise ConfigError(
                f"feature name {name!r} is that of {what}; choose another, so that specs keep their meaning"
            )


def _check_warmup(name: str, warmup: object) -> None:
    count = isinstance(warmup, int) and not isinstance(warmup, bool) and warmup >= 0
    if not (count or warmup is None or callable(warmup)):
        raise ConfigError(f"feature {name!r}: warmup must be a count of bars or a function, got {warmup!r}")


def _checked_inputs(name: str, inputs: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    fields = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    for field in fields:
        if field not in known:
            raise ConfigError(f"feature {name!r}: bars have no field {field!r}.{did_you_mean(str(field), known)}")
    if not fields or len(set(fields)) < len(fields):
        raise ConfigError(f"feature {name!r}: inputs must name one or more different fields, got {inputs!r}")
    return fields
