"""From a spec to what it means: ``rsi(14)`` binds 14 to ``window``, an expression becomes a tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.features.codehash import code_hash, deep_hash
from workbench.features.expressions.parsing import parse
from workbench.features.expressions.tree import Call, Field, Higher, Node, Operation, features_of, is_cross, walk
from workbench.features.registry import BAR_FIELDS, REGISTRY, Feature, Registry
from workbench.features.sets.catalogue import SETS
from workbench.features.userfiles import SIGN, load_named, names_file


@dataclass(frozen=True, eq=False)
class BoundFeature:
    """A feature or an expression of features with all its parameters, and the text that asked for it."""

    node: Node
    text: str

    @property
    def canonical(self) -> str:
        """Every parameter by position: two specs that mean the same have the same one."""
        return self.node.text

    @property
    def declared_warmup(self) -> int | None:
        """Rows of NaN at the start, as declared and inferred; None where an author declared none, or where it depends
        on the times of the bars (a higher time frame)."""
        return self.node.warmup

    @cached_property
    def features(self) -> Mapping[str, Feature]:
        """The registered features in it, by name."""
        return MappingProxyType(features_of(self.node))

    @property
    def feature(self) -> Feature:
        """The feature that it is.

        Raises
        ------
        ConfigError
            When it is an expression of several parts.
        """
        if self.plain and isinstance(self.node, Call):
            return self.node.feature
        raise ConfigError(f"{self.text!r} is an expression, not one registered feature; use its .features")

    @property
    def plain(self) -> bool:
        """Whether it is one registered feature on the bars' own fields."""
        return isinstance(self.node, Call) and all(isinstance(c, Field) for c in self.node.children)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters by name; of an expression, none."""
        return MappingProxyType(self.node.parameters if self.plain and isinstance(self.node, Call) else {})

    @property
    def recursive(self) -> bool:
        """Whether a value depends on all earlier rows."""
        return any(f.recursive for f in self.features.values()) or self.node.warmup is None

    @property
    def stationary(self) -> bool:
        """False for one feature that says so of itself; an expression is taken to be free of levels."""
        return not self.plain or self.feature.stationary

    @property
    def cross(self) -> bool:
        """Whether it looks across symbols."""
        return any(is_cross(n) for n in walk(self.node))

    @property
    def timeframes(self) -> tuple[str, ...]:
        """Higher time frames that it names."""
        return tuple(dict.fromkeys(n.timeframe for n in walk(self.node) if isinstance(n, Higher)))

    def version(self, *, deep: bool = False) -> str:
        """Return what it stands for in this process: canonical text, versions and code hashes.

        Parameters
        ----------
        deep
            Take in all code that is reached, helper functions included; for caches.
        """
        if self.plain and not deep:
            return f"{self.canonical} v{self.feature.version} {self.feature.code_hash}"
        parts = [f"{f.name} v{f.version} {_deep_hash(f) if deep else f.code_hash}" for f in self.features.values()]
        parts += [f"{n.text} warm-up {n.own_warmup}" for n in walk(self.node) if deep and isinstance(n, Call)]
        signs = {n.operator.name: n.operator for n in walk(self.node) if isinstance(n, Operation)}
        parts += [f"{name} {code_hash(o.function)}" for name, o in signs.items()]
        return f"{self.canonical} {hashlib.sha256('; '.join(sorted(parts)).encode()).hexdigest()[:16]}"


def _deep_hash(feature: Feature) -> str:
    """Of a user's feature it is taken anew each time: a cell or a module that it reaches may have run again."""
    return feature.deep_hash if feature.trusted else deep_hash(feature.function, feature.source)


FeatureLike: TypeAlias = str | Feature | BoundFeature


def resolve(spec: FeatureLike, registry: Registry = REGISTRY, names: Mapping[str, str] | None = None) -> BoundFeature:
    """Return the feature or expression that a spec names, with all parameters checked.

    Parameters
    ----------
    names
        Further expressions by name that the text may use.

    Raises
    ------
    ConfigError
        When the text cannot be read, a name is unknown or a parameter does not fit.
    """
    if isinstance(spec, BoundFeature):
        return spec
    if isinstance(spec, Feature):
        return bound_to(spec, {})
    if callable(spec):
        name = getattr(spec, "__name__", "function")
        raise ConfigError(f"{name!r} is a plain function; register it with @feature({name!r}) first")
    if names or not isinstance(spec, str):
        return BoundFeature(parse(spec, registry, names), spec)
    if names_file(spec):
        named = load_named(spec)
        return BoundFeature(parse(named.inner, registry, named.names), spec)
    key = f"{SETS.changes} {spec}" if "." in spec else spec  # a dot may name a set's member
    if key not in registry.parsed:
        registry.parsed[key] = BoundFeature(parse(spec, registry), spec)
    return registry.parsed[key]


def bound_to(feature: Feature, parameters: Mapping[str, Any]) -> BoundFeature:
    """Return a feature with parameters by name, the others at their defaults."""
    fields: tuple[Node, ...] = tuple(Field(f) for f in feature.inputs) if feature.form == "indicator" else ()
    return BoundFeature(Call(feature, feature.bind((), parameters), fields), feature.name)


def expand(spec: FeatureLike) -> list[FeatureLike]:
    """Return the features that a set's name, a set's file or a user's module stands for; any other spec alone."""
    if not isinstance(spec, str):
        return [spec]
    if spec in SETS:
        return list(SETS.get(spec).specs)
    return list(load_named(spec).whole) if names_file(spec) and SIGN not in spec else [spec]


def resolve_all(
    specs: FeatureLike | Iterable[FeatureLike] | Mapping[str, str], registry: Registry = REGISTRY
) -> list[BoundFeature]:
    """Resolve one or more specs, refusing an empty list and one that names the same thing twice.

    Parameters
    ----------
    specs
        One spec, several, or expressions by name, which may use each other's names. The name of a feature set stands
        for all of its features, as does the file of one (``mine.yaml``) or of a module (``mine.py``).

    Raises
    ------
    ConfigError
        As `resolve`; also for no spec at all, and for two specs with one meaning.
    """
    bound = _resolved(specs, registry, None)
    if not bound:
        raise ConfigError("no feature is named; give one or more specs such as ['ret(1)', 'rsi(14)']")
    return bound


def resolve_each(
    specs: FeatureLike | Iterable[FeatureLike] | Mapping[str, str], registry: Registry = REGISTRY
) -> tuple[list[BoundFeature], dict[str, str]]:
    """Resolve what can be; return it, and the message of each spec that is refused, by its text."""
    refused: dict[str, str] = {}
    return _resolved(specs, registry, refused), refused


def _resolved(
    specs: FeatureLike | Iterable[FeatureLike] | Mapping[str, str],
    registry: Registry,
    refused: dict[str, str] | None,
) -> list[BoundFeature]:
    """Resolve in order; an error is raised, or kept in ``refused`` where that is given."""
    bound: list[BoundFeature] = []
    seen: dict[str, str] = {}

    def take(text: str, make: Callable[[], list[BoundFeature]]) -> None:
        try:
            for one in make():
                if one.canonical in seen:
                    both = f"{seen[one.canonical]!r} and {one.text!r}"
                    raise ConfigError(f"feature {one.canonical!r} is named twice, as {both}; keep one")
                seen[one.canonical] = one.text
                bound.append(one)
        except (ConfigError, DataError) as err:
            if refused is None:
                raise
            refused[text] = str(err)

    if isinstance(specs, Mapping):
        for name, text in specs.items():
            take(name, partial(_named, name, text, registry, specs))
        return bound
    if not isinstance(specs, str | Feature | BoundFeature | Iterable):
        raise ConfigError(f"features must be a spec or a list of them, got {specs!r}; write ['ret(1)', 'rsi(14)']")
    for spec in [specs] if isinstance(specs, str | Feature | BoundFeature) else specs:
        take(str(getattr(spec, "text", spec)), partial(_listed, spec, registry))
    return bound


def _named(name: str, text: str, registry: Registry, names: Mapping[str, str]) -> list[BoundFeature]:
    return [BoundFeature(resolve(text, registry, names).node, name)]


def _listed(spec: FeatureLike, registry: Registry) -> list[BoundFeature]:
    return [resolve(s, registry) for s in expand(spec)]


def get(name: str) -> Feature:
    """Return the registered feature of that name; a miss suggests the nearest one."""
    return REGISTRY.get(name)


def canonical(spec: FeatureLike) -> str:
    """Return the one form of a spec with every parameter by position.

    Examples
    --------
    >>> from workbench.features import canonical
    >>> canonical("bollinger_upper(k=2)"), canonical("rsi")
    ('bollinger_upper(20, 2.0)', 'rsi(14)')
    """
    return resolve(spec).canonical


def warmup(spec: FeatureLike, timeframe: str = "1h") -> int:
    """Return the rows of NaN at the start of a symbol's bars.

    Declared and inferred ones are returned as they are. Where the author declared none, or a higher time frame is
    named, the feature is run on a small made-up market of bars of ``timeframe`` that begins at 00:00 UTC on a Monday,
    and its leading rows of NaN are counted.

    Raises
    ------
    DataError
        When an undeclared one never leaves NaN there.
    """
    bound = resolve(spec)
    declared = bound.declared_warmup
    return declared if declared is not None else _measured(bound, timeframe)


def longest_warmup(specs: Iterable[FeatureLike], timeframe: str = "1h") -> int:
    """Return the longest warm-up of some features, sets included; refuses what `resolve_all` refuses."""
    return max(warmup(b, timeframe) for b in resolve_all(specs))


def _measured(bound: BoundFeature, timeframe: str) -> int:
    from workbench.data.timeframes import timeframe_delta
    from workbench.features.compute import run_feature

    counts = [v for n in walk(bound.node) for v in getattr(n, "parameters", {}).values() if isinstance(v, int)]
    counts += [n.warmup or 0 for n in walk(bound.node)]
    length = timeframe_delta(timeframe)
    ratio = max((timeframe_delta(f) // length for f in bound.timeframes), default=1)
    n_bars = int((200 + 4 * sum(counts)) * max(ratio, 1))
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n_bars)))
    spread = 1 + rng.uniform(0.001, 0.01, n_bars)
    values = [
        close * rng.uniform(0.999, 1.001, n_bars),
        close * spread,
        close / spread,
        close,
        rng.uniform(1, 2, n_bars),
    ]
    index = pd.date_range("2024-01-01", periods=n_bars, freq=length, tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([BAR_FIELDS, ["X"]], names=["field", "symbol"])
    market = pd.DataFrame(np.column_stack(values), index=index, columns=columns)
    result = run_feature(market, bound, timeframe=timeframe)
    known = np.flatnonzero(np.asarray(result.notna()).all(axis=1))
    if not known.size:
        raise DataError(f"feature {bound.text!r} is NaN on all {n_bars} bars of a trial market; declare its warmup=")
    return int(known[0])
