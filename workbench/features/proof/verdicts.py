"""Every check of a feature at once, one verdict each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from workbench.errors import DataError, WorkbenchError
from workbench.features.compute import run_feature
from workbench.features.proof.causality import compare_beginning, find_leaks
from workbench.features.proof.cuts import Cuts
from workbench.features.proof.streams import check_stream
from workbench.features.proof.warmups import check_warmup
from workbench.features.registry import REGISTRY, Feature, Registry
from workbench.features.specs import BoundFeature, resolve
from workbench.typing import Bars, Panel


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
    reload: Callable[[], object] | None = None,
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
    reload
        Registers the features anew. A feature that keeps what it has seen, such as a scaler fitted on its first call,
        would give beginnings what it learned from the whole: it is then also computed on a beginning first and
        forgotten.
    """
    wanted = sorted(registry.names() if names is None else names)
    unknowing = {} if reload is None else _unknowing(wanted, registry, bars.iloc[: len(bars) // 2])
    if reload is not None:
        reload()
    failed: dict[str, WorkbenchError] = {}
    bound = _bind(wanted, registry, bars, failed)
    notes: dict[str, str] = {}
    whole: dict[str, Panel] = {}
    given = bars.copy()
    for name, one in list(bound.items()):
        try:
            whole[name] = _check_repeats(one, bars, given)
        except WorkbenchError as err:
            failed[name] = err
            del bound[name]
    leaks = find_leaks(bars, list(bound.values()), cuts=cuts, seed=seed, progress=progress) if bound else {}
    failed.update({n: leaks[n] for n in bound if n in leaks})
    for name, one in bound.items():
        if name not in failed:
            try:
                if name in unknowing:
                    compare_beginning(one, whole[name], unknowing[name])
                notes[name] = _other_checks(registry.get(name), bars)
            except WorkbenchError as err:
                failed[name] = err
    return [_verdict(n, failed.get(n), notes.get(n, "")) for n in wanted]


def _bind(
    names: list[str], registry: Registry, bars: Bars, failed: dict[str, WorkbenchError]
) -> dict[str, BoundFeature]:
    """Take the features at their defaults; those that cannot run on the bars go to ``failed``."""
    bound: dict[str, BoundFeature] = {}
    for name in names:
        feature = registry.get(name)
        lacking = [f for f in feature.inputs if f != "time" and f not in bars.columns.unique(0)]
        try:
            if lacking:
                raise DataError(
                    f"feature {name!r} needs the field {lacking[0]!r}, which these bars lack; give bars with it"
                )
            bound[name] = resolve(feature)
        except WorkbenchError as err:
            failed[name] = err
    return bound


def _unknowing(names: list[str], registry: Registry, beginning: Bars) -> dict[str, Panel]:
    """Compute features that have not seen any later bar; those that fail are left to the checks that follow."""
    found: dict[str, Panel] = {}
    for name in names:
        with suppress(WorkbenchError):
            found[name] = run_feature(beginning.copy(), registry.get(name))
    return found


def _check_repeats(bound: BoundFeature, bars: Bars, given: Bars) -> Panel:
    """Return the feature on all bars, ``given`` being a copy of them that it cannot reach."""
    first = run_feature(bars, bound).copy()
    again = run_feature(bars, bound)
    if not bars.equals(given):
        bars.iloc[:] = given
        raise DataError(f"feature {bound.text!r} changes the bars it is given; work on a copy")
    if not first.equals(again):
        raise DataError(
            f"feature {bound.text!r} gives other values when it is run again; remove its randomness or state"
        )
    return first


def _other_checks(feature: Feature, bars: Bars) -> str:
    rows = check_warmup(feature, bars)
    check_stream(feature, bars, n_bars=8)
    return f"causal, warm-up {rows}"


def _verdict(name: str, error: WorkbenchError | None, note: str) -> FeatureCheck:
    if error is None:
        return FeatureCheck(name, True, note)
    return FeatureCheck(name, False, f"{type(error).__name__}: {error}")
