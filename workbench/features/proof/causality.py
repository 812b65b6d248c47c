"""The look-ahead check: cut the future off, and the past must not move by a bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from workbench.errors import DataError, LookAheadError, WorkbenchError
from workbench.features.columns import panel
from workbench.features.compute import Specs, compute, run_feature
from workbench.features.proof.cuts import Cuts, cut_lengths
from workbench.features.specs import BoundFeature, FeatureLike, resolve, resolve_all
from workbench.typing import Bars, BoolArray, FloatArray, Panel


def check_causality(
    spec: FeatureLike,
    bars: Bars,
    *,
    cuts: Cuts = 16,
    seed: int = 0,
    tolerance: float = 0.0,
    timeframe: str | None = None,
) -> None:
    """Refuse a feature whose earlier values change when later rows are removed.

    The feature is computed on all bars and on many beginnings of them; common rows must be equal. A peek of one bar at
    one hour of the day shows only where the cut follows such a bar: see `workbench.features.proof.cuts`.

    Parameters
    ----------
    spec
        A spec, an expression, or a registered feature.
    bars
        Bars to try it on; several symbols, of differing start, find more.
    cuts
        Number of random beginnings, their lengths in rows (then only those are tried), or ``"all"``.
    seed
        Seed of the random ones.
    tolerance
        Largest difference let pass, absolute; 0 = equal bit for bit, NaN equal to NaN.
    timeframe
        Length of the bars, for specs with a higher time frame; told from the times where left out.

    Raises
    ------
    LookAheadError
        Naming feature, bar and symbol of the first change found.
    DataError
        When the bars do not reach beyond the feature's warm-up, or the feature fails.
    """
    bound = resolve(spec)
    timeframe = timeframe_of(bars, [bound], timeframe)
    full = run_feature(bars, bound, timeframe=timeframe)
    needed = (bound.declared_warmup or 0) + 2
    if len(bars) < needed:
        raise DataError(
            f"feature {bound.text!r} needs {needed} bars for this check, got {len(bars)}; give it more bars"
        )
    for length in cut_lengths(bars, cuts, seed):
        try:
            part = run_feature(bars.iloc[:length], bound, timeframe=timeframe)
        except DataError as err:
            raise _on_beginning(err, int(length)) from err
        compare_beginning(bound, full, part, tolerance)


def find_leaks(
    bars: Bars,
    specs: Specs,
    *,
    cuts: Cuts = 16,
    seed: int = 0,
    timeframe: str | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> dict[str, WorkbenchError]:
    """Check many features at once; return what is wrong by the text of the spec, nothing for one that is causal.

    As `check_causality`, but each beginning is computed once for all that are left.
    """
    left = {b.text: b for b in resolve_all(specs)}
    timeframe = timeframe_of(bars, list(left.values()), timeframe)
    found: dict[str, WorkbenchError] = {}
    full = _whole(bars, left, timeframe, found)
    lengths = cut_lengths(bars, cuts, seed)
    for k, length in enumerate(lengths):
        progress(k / lengths.size)
        if not left:
            break
        part = compute(bars.iloc[:length], list(left.values()), timeframe=timeframe, errors="collect")
        for text, message in part.attrs["errors"].items():
            found.setdefault(text, _on_beginning(DataError(message), int(length)))  # a leak elsewhere is worse news
        for text, bound in list(left.items()):
            if text in part.attrs["errors"]:
                continue
            try:
                compare_beginning(bound, full[text], panel(part, text))
            except LookAheadError as err:
                found[text] = err
                del left[text]
    progress(1.0)
    return found


def timeframe_of(bars: Bars, bounds: list[BoundFeature], timeframe: str | None) -> str | None:
    """Return the length of the bars where a spec needs it: a beginning is too short to tell it from."""
    if timeframe is not None or not any(b.timeframes for b in bounds):
        return timeframe
    from workbench.data.timeframes import infer_timeframe

    return infer_timeframe(pd.DatetimeIndex(bars.index))


def _whole(
    bars: Bars, left: dict[str, BoundFeature], timeframe: str | None, found: dict[str, WorkbenchError]
) -> dict[str, Panel]:
    """Compute all on the whole; one that fails is moved to ``found``."""
    frame = compute(bars, list(left.values()), timeframe=timeframe, errors="collect")
    for text, message in frame.attrs["errors"].items():
        found[text] = DataError(message)
        del left[text]
    return {text: panel(frame, text) for text in left}


def _on_beginning(err: WorkbenchError, length: int) -> DataError:
    return DataError(f"{err} (on the first {length} bars only: where a window is not full the value must be NaN)")


def compare_beginning(bound: BoundFeature, full: Panel, part: Panel, tolerance: float = 0.0) -> None:
    """Raise a `LookAheadError` at the first bar on which a beginning differs from the whole."""
    a, b = full.to_numpy()[: len(part)], part.to_numpy()
    changed = ~_same(a, b, tolerance)
    if changed.any():
        when, symbol = first_place(full, changed)
        name = bound.feature.name if bound.plain else bound.text
        raise LookAheadError(f"feature {name!r} changes at {when} for {symbol} when later rows are removed")


def _same(a: FloatArray, b: FloatArray, tolerance: float) -> BoolArray:
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if tolerance > 0:
        same |= np.abs(np.where(same, 0.0, a - b)) <= tolerance
    return same


def first_place(panel: Panel, wrong: BoolArray) -> tuple[str, str]:
    """Return time and symbol of the first marked cell."""
    row = int(wrong.any(axis=1).argmax())
    when = pd.DatetimeIndex(panel.index)[row]
    seconds = ":%S" if when.second else ""
    return when.strftime(f"%Y-%m-%d %H:%M{seconds}"), str(panel.columns[int(wrong[row].argmax())])
