"""What ``workbench features show`` and ``compare`` say."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from workbench.config import did_you_mean
from workbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.features import Feature, FeatureSet
    from workbench.features.expressions import Operator

Facts = tuple[str, dict[str, Any], str]


def describe(spec: str) -> Facts:
    """Return title, facts by name, and the longer text of whatever a spec names.

    Raises
    ------
    ConfigError
        When it names nothing; the nearest name is suggested.
    """
    from workbench.features import REGISTRY, SETS
    from workbench.features.expressions import OPERATORS

    text = spec.strip()
    if text in SETS:
        return _set(SETS.get(text))
    if text in REGISTRY:
        return _feature(REGISTRY.get(text))
    named = [o for o in OPERATORS if text.lower() in (o.name, *o.aliases)]
    if named:
        return _operators(text, named)
    if text.isidentifier():
        known = [*SETS.names(), *REGISTRY.names(), *OPERATORS.names()]
        raise ConfigError(f"there is no feature, operator or feature set {text!r}.{did_you_mean(text, known)}")
    return _expression(text)


def compare_sets(one: str, other: str) -> pd.DataFrame:
    """Return the features that only one of two sets holds."""
    import pandas as pd

    from workbench.features import SETS, canonical

    first, second = ({canonical(s): s for s in SETS.get(n).specs} for n in (one, other))
    rows = [{"feature": first[c], "only in": one} for c in first if c not in second]
    rows += [{"feature": second[c], "only in": other} for c in second if c not in first]
    return pd.DataFrame(rows)


def compare_features(
    specs: list[str], source: str, symbols: list[str], timeframe: str, horizon: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row a feature (coverage, warm-up, information, turnover), and the rank correlations."""
    from workbench.data import load_bars
    from workbench.features import compute, forward_return, resolve_all
    from workbench.features.columns import panel
    from workbench.features.worth import factor_report

    bounds = resolve_all(specs)
    if len(bounds) < 2:
        raise ConfigError(f"{len(bounds)} feature is named; name two or more to compare")
    bars = load_bars(source, symbols, timeframe)
    frame = compute(bars, bounds)
    panels = {b.text: panel(frame, b.text) for b in bounds}
    for text, values in panels.items():
        if values.isna().all(axis=None):
            raise DataError(f"feature {text!r} has no value on these {len(bars)} bars; load more or shorten its window")
    labels = {horizon: forward_return(bars, horizon)[0]}
    report = factor_report(panels, labels, panel(bars, "close").notna(), horizon)
    overview = report.overview
    wanted = [c for c in ("feature", "coverage", "rank_ic", "rank_ic_t", "turnover", "psi") if c in overview.columns]
    return overview[wanted], report.correlation


def _set(found: FeatureSet) -> Facts:
    facts = {
        "version": found.version, "features": len(found), "checksum": found.checksum,
        "description": found.description, "references": "; ".join(found.references) or "–",
        "in an experiment": f"features: [{found.name}]",
    }  # fmt: skip
    lines = [n if n == e else f"{found.name}.{n} = {e}" for n, e in found.expressions.items()]
    return f"feature set {found.name}", facts, "\n".join(lines)


def _feature(found: Feature) -> Facts:
    from workbench.features import resolve

    required = any(p.required for p in found.parameters)
    facts = {
        "family": found.family,
        "reads": list(found.inputs),
        "parameters": [str(p) for p in found.parameters] or "none",
        "rules": list(found.rules) or "none",
        "warm-up": "depends on its parameters" if required else resolve(found).declared_warmup,
        "memory": "all earlier bars" if found.recursive else "its warm-up only",
        "stream": "a step a bar" if found.stream else "runs on the rows it needs",
        "fit for models": "yes" if found.stationary else "no, a level that wanders; take a stationary form",
        "version": f"{found.version}, code {found.code_hash}",
        "registered by": found.origin,
        "references": "; ".join(found.references) or "–",
    }
    return f"feature {found.name}", facts, inspect.cleandoc(found.__doc__ or found.description)


def _operators(text: str, named: list[Operator]) -> Facts:
    facts = {o.usage: f"{o.description}{' (across symbols)' if o.cross else ''}" for o in named}
    return f"operator {text}", facts, ""


def _expression(text: str) -> Facts:
    from workbench.features import resolve, warmup

    bound = resolve(text)
    facts = {
        "means": bound.canonical,
        "features": sorted(bound.features) or "none",
        "look-back": bound.declared_warmup if bound.declared_warmup is not None else f"{warmup(bound)} bars of 1h",
        "memory": "all earlier bars" if bound.recursive else "its look-back only",
        "across symbols": "yes" if bound.cross else "no",
        "time frames": list(bound.timeframes) or "the bars' own",
        "version": bound.version(),
    }
    return f"expression {text}", facts, ""
