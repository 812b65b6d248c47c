"""From a spec string to a feature with its parameters: ``rsi(14)`` binds 14 to ``window``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from workbench.config import parse_spec
from workbench.errors import ConfigError, DataError
from workbench.features.registry import BAR_FIELDS, REGISTRY, Feature, Registry
from workbench.typing import Bars, Panel


@dataclass(frozen=True, eq=False)
class BoundFeature:
    """A feature with all its parameters, and the text that asked for it."""

    feature: Feature
    parameters: Mapping[str, Any]
    text: str

    def __call__(self, bars: Bars) -> Panel:
        """Run the function on bars."""
        return self.feature(bars, **self.parameters)

    @property
    def canonical(self) -> str:
        """Every parameter by position: two specs that mean the same have the same one."""
        values = ", ".join(repr(v) for v in self.parameters.values())
        return f"{self.feature.name}({values})" if values else self.feature.name

    @property
    def declared_warmup(self) -> int | None:
        """Declared rows of NaN at the start, or None where the author declared none."""
        declared = self.feature.warmup
        return int(declared(**self.parameters)) if callable(declared) else declared


FeatureLike: TypeAlias = str | Feature | BoundFeature


def resolve(spec: FeatureLike, registry: Registry = REGISTRY) -> BoundFeature:
    """Return the feature that a spec names, with all parameters checked.

    Raises
    ------
    ConfigError
        When the text is no spec, the name is unknown or a parameter does not fit.
    """
    if isinstance(spec, BoundFeature):
        return spec
    if isinstance(spec, Feature):
        return BoundFeature(spec, MappingProxyType(spec.bind((), {})), spec.name)
    if callable(spec):
        name = getattr(spec, "__name__", "function")
        raise ConfigError(f"{name!r} is a plain function; register it with @feature({name!r}) first")
    parsed = parse_spec(spec)
    feature = registry.get(parsed.name)
    return BoundFeature(feature, MappingProxyType(feature.bind(parsed.args, parsed.kwargs)), spec)


def resolve_all(specs: FeatureLike | Iterable[FeatureLike], registry: Registry = REGISTRY) -> list[BoundFeature]:
    """Resolve one or more specs, refusing an empty list and one that names the same thing twice.

    Raises
    ------
    ConfigError
        As `resolve`; also for no spec at all, and for two specs with one meaning.
    """
    listed = [specs] if isinstance(specs, str | Feature | BoundFeature) else list(specs)
    if not listed:
        raise ConfigError("no feature is named; give one or more specs such as ['ret(1)', 'rsi(14)']")
    bound = [resolve(s, registry) for s in listed]
    seen: dict[str, str] = {}
    for one in bound:
        if one.canonical in seen:
            both = f"{seen[one.canonical]!r} and {one.text!r}"
            raise ConfigError(f"feature {one.canonical!r} is named twice, as {both}; keep one")
        seen[one.canonical] = one.text
    return bound


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


def warmup(spec: FeatureLike) -> int:
    """Return the rows of NaN at the start of a symbol's bars.

    Declared ones are returned as they are. Where the author declared none, the feature is run on a small made-up
    market and its leading rows of NaN are counted.

    Raises
    ------
    DataError
        When an undeclared one never leaves NaN there.
    """
    bound = resolve(spec)
    declared = bound.declared_warmup
    return declared if declared is not None else _measured(bound)


def _measured(bound: BoundFeature) -> int:
    counts = [v for v in bound.parameters.values() if isinstance(v, int)]
    n_bars = 200 + 4 * sum(counts)
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
    index = pd.date_range("2024-01-01", periods=n_bars, freq="h", tz="UTC", name="time")
    columns = pd.MultiIndex.from_product([BAR_FIELDS, ["X"]], names=["field", "symbol"])
    result = bound(pd.DataFrame(np.column_stack(values), index=index, columns=columns))
    known = np.flatnonzero(np.asarray(result.notna()).all(axis=1))
    if not known.size:
        raise DataError(f"feature {bound.text!r} is NaN on all {n_bars} bars of a trial market; declare its warmup=")
    return int(known[0])
