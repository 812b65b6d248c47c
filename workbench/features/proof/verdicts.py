"""Every check of a feature at once, one verdict each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from workbench.errors import DataError, WorkbenchError
from workbench.features.compute import run_feature
from workbench.features.proof.causality import find_leaks
from workbench.features.proof.cuts import Cuts
from workbench.features.proof.streams import check_stream
from workbench.features.proof.warmups import check_warmup
from workbench.features.registry import REGISTRY, Feature, Registry
from workbench.features.specs import BoundFeature, resolve
from workbench.typing import Bars


class FeatureCheck(NamedTuple):
    """The outcome of one feature's checks; ``message`` says what failed, or what was checked."""

    name: str
    ok: bool
    message: str


def check_all(
    bars: Bars,
    *,
    registry: Registry = REGISTRY,
    seed: int = 0,
    names: Iterable[str] | None = None,
    cuts: Cuts = 16,
    progress: Callable[[float], None] = lambda _: None,
) -> list[FeatureCheck]:
    """Check every registered feature at its default parameters, one outcome each, sorted by name.

    Looked at: it runs, changes nothing it is given, repeats itself, is NaN on exactly its warm-up of each symbol's own
    bars, emits no infinity, does not look ahead, and gives the same bar by bar.

    Parameters
    ----------
    names
        Only these.
    cuts
        See `workbench.features.check_causality`.
    progress
        Told the share that is done.
    """
    wanted = sorted(registry.names() if names is None else names)
    failed: dict[str, WorkbenchError] = {}
    bound: dict[str, BoundFeature] = {}
    notes: dict[str, str] = {}
    for name in wanted:
        feature = registry.get(name)
        try:
            lacking = [f for f in feature.inputs if f != "time" and f not in bars.columns.unique(0)]
            if lacking:
                raise DataError(
                    f"feature {name!r} needs the field {lacking[0]!r}, which these bars lack; give bars with it"
                )
            bound[name] = resolve(feature)
        except WorkbenchError as err:
            failed[name] = err
    for name, one in list(bound.items()):
        try:
            _check_repeats(one, bars)
        except WorkbenchError as err:
            failed[name] = err
            del bound[name]
    leaks = find_leaks(bars, list(bound.values()), cuts=cuts, seed=seed, progress=progress) if bound else {}
    failed.update({n: leaks[n] for n in bound if n in leaks})
    for name in bound:
        if name not in failed:
            try:
                notes[name] = _other_checks(registry.get(name), bars)
            except WorkbenchError as err:
                failed[name] = err
    return [_verdict(n, failed.get(n), notes.get(n, "")) for n in wanted]


def _check_repeats(bound: BoundFeature, bars: Bars) -> None:
    if not run_feature(bars, bound).equals(run_feature(bars, bound)):
        raise DataError(
            f"feature {bound.text!r} gives other values when it is run again; remove its randomness or state"
        )


def _other_checks(feature: Feature, bars: Bars) -> str:
    rows = check_warmup(feature, bars)
    check_stream(feature, bars, n_bars=8)
    return f"causal, warm-up {rows}"


def _verdict(name: str, error: WorkbenchError | None, note: str) -> FeatureCheck:
    if error is None:
        return FeatureCheck(name, True, note)
    return FeatureCheck(name, False, f"{type(error).__name__}: {error}")
