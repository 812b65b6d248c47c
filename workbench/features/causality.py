"""The look-ahead check: cut the future off, and the past must not move by a bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError, LookAheadError, WorkbenchError
from workbench.features.columns import own_bar_numbers
from workbench.features.compute import run_feature
from workbench.features.registry import REGISTRY, Registry
from workbench.features.specs import BoundFeature, FeatureLike, resolve, warmup
from workbench.typing import Bars, BoolArray, FloatArray, IntArray, Panel

_DENSE = 24  # every cut among the last bars is tried


class FeatureCheck(NamedTuple):
    """The outcome of one feature's checks; ``message`` says what failed, or what was checked."""

    name: str
    ok: bool
    message: str


def check_causality(
    spec: FeatureLike, bars: Bars, *, cuts: int | Sequence[int] = 16, seed: int = 0, tolerance: float = 0.0
) -> None:
    """Refuse a feature whose earlier values change when later rows are removed.

    The feature is computed on all bars and on many beginnings of them; common rows must be equal. Beginnings have
    1, 2, 4, 8 … rows, end at every one of the last bars, at each hour, minute and weekday that the bars hold, and at
    random bars: a peek of one bar at one hour of the day shows only where the cut follows such a bar.

    Parameters
    ----------
    spec
        A spec, or a function registered with `feature`.
    bars
        Bars to try it on; several symbols, of differing start, find more.
    cuts
        Number of random beginnings, or their lengths in rows (then only those are tried).
    seed
        Seed of the random ones.
    tolerance
        Largest difference let pass, absolute; 0 = equal bit for bit, NaN equal to NaN.

    Raises
    ------
    LookAheadError
        Naming feature, bar and symbol of the first change found.
    DataError
        When the bars do not reach beyond the feature's warm-up, or the feature fails.
    """
    bound = resolve(spec)
    full = run_feature(bars, bound)
    needed = (bound.declared_warmup or 0) + 2
    if len(bars) < needed:
        raise DataError(
            f"feature {bound.text!r} needs {needed} bars for this check, got {len(bars)}; give it more bars"
        )
    for length in _lengths(full.index, cuts, seed):
        part = _on_beginning(bars, int(length), bound)
        _compare(bound, full, part, tolerance)


def _on_beginning(bars: Bars, length: int, bound: BoundFeature) -> Panel:
    try:
        return run_feature(bars.iloc[:length], bound)
    except DataError as err:
        raise DataError(
            f"{err} (on the first {length} bars only: where a window is not full the value must be NaN)"
        ) from err


def check_all(bars: Bars, *, registry: Registry = REGISTRY, seed: int = 0) -> list[FeatureCheck]:
    """Check every registered feature at its default parameters, one outcome each, sorted by name.

    Looked at: it runs, changes nothing it is given, repeats itself, is NaN on exactly its warm-up of each symbol's own
    bars, emits no infinity, and does not look ahead.
    """
    return [FeatureCheck(f.name, *_outcome(f, bars, seed)) for f in registry]


def check_warmup(spec: FeatureLike, bars: Bars) -> int:
    """Return the warm-up after holding the feature to it: NaN on exactly those rows of each symbol's own bars.

    Raises
    ------
    DataError
        Naming feature, symbol and bar of the first value that is missing, early or infinite.
    """
    bound = resolve(spec)
    result, declared = run_feature(bars, bound), warmup(bound)
    own = own_bar_numbers(bars, result.columns)
    values = result.to_numpy()
    for wrong, what in (
        (np.isinf(values), "is infinite"),
        ((own >= declared) & np.isnan(values), f"is NaN after its warm-up of {declared} bars"),
        ((own < declared) & (own >= 0) & ~np.isnan(values), f"has a value within its warm-up of {declared} bars"),
        ((own < 0) & ~np.isnan(values), "has a value where the symbol does not trade"),
    ):
        if wrong.any():
            raise DataError(f"feature {bound.text!r} {what}: {_where(result, wrong)}; mend the function or its warmup=")
    return declared


def _outcome(feature: FeatureLike, bars: Bars, seed: int) -> tuple[bool, str]:
    try:
        bound = resolve(feature)
        rows = check_warmup(bound, bars)
        once, again = run_feature(bars, bound), run_feature(bars, bound)
        if not once.equals(again):
            return (
                False,
                f"feature {bound.text!r} gives other values when it is run again; remove its randomness or state",
            )
        check_causality(bound, bars, seed=seed)
    except WorkbenchError as err:
        return False, str(err)
    return True, f"causal, warm-up {rows}"


def _lengths(index: pd.Index, cuts: int | Sequence[int], seed: int) -> IntArray:
    n_bars = len(index)
    if not isinstance(cuts, int):
        wrong = [c for c in cuts if not 1 <= c < n_bars]
        if wrong:
            raise ConfigError(f"cuts must be between 1 and {n_bars - 1} rows, got {wrong[0]!r}; leave it out")
        return np.unique(np.asarray(cuts, dtype=np.int64))
    if cuts < 1:
        raise ConfigError(f"cuts must be at least 1, got {cuts}; leave it at 16")
    rng = np.random.default_rng(seed)
    chosen = {n_bars - 1 - i for i in range(min(_DENSE, n_bars - 1))}
    chosen.update(2**i for i in range(int(n_bars - 1).bit_length()))  # short ones show a warm-up filled from behind
    chosen.update(rng.integers(1, n_bars, size=cuts).tolist())
    times = pd.DatetimeIndex(index)
    for classes in (times.hour, times.minute, times.day_of_week):
        codes = np.asarray(classes)[:-1]
        chosen.update(1 + int(rng.choice(np.flatnonzero(codes == c))) for c in np.unique(codes))
    return np.sort(np.fromiter(chosen, dtype=np.int64))


def _compare(bound: BoundFeature, full: Panel, part: Panel, tolerance: float) -> None:
    a, b = full.to_numpy()[: len(part)], part.to_numpy()
    changed = ~_same(a, b, tolerance)
    if changed.any():
        when, symbol = _first(full, changed)
        raise LookAheadError(
            f"feature {bound.feature.name!r} changes at {when} for {symbol} when later rows are removed"
        )


def _same(a: FloatArray, b: FloatArray, tolerance: float) -> BoolArray:
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if tolerance > 0:
        same |= np.abs(np.where(same, 0.0, a - b)) <= tolerance
    return same


def _first(panel: Panel, wrong: BoolArray) -> tuple[str, str]:
    row = int(wrong.any(axis=1).argmax())
    when = pd.DatetimeIndex(panel.index)[row]
    seconds = ":%S" if when.second else ""
    return when.strftime(f"%Y-%m-%d %H:%M{seconds}"), str(panel.columns[int(wrong[row].argmax())])


def _where(panel: Panel, wrong: BoolArray) -> str:
    when, symbol = _first(panel, wrong)
    return f"{symbol} at {when}"
