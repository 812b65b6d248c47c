"""The warm-up check: NaN on exactly the declared rows of each symbol's own bars, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.errors import DataError
from workbench.features.columns import own_bar_numbers
from workbench.features.compute import base_length, run_feature
from workbench.features.expressions.evaluate import first_rows
from workbench.features.expressions.tree import is_panel_call, walk
from workbench.features.market import Market
from workbench.features.proof.causality import first_place, timeframe_of
from workbench.features.specs import BoundFeature, FeatureLike, resolve, warmup
from workbench.typing import Bars, BoolArray, IntArray


def check_warmup(spec: FeatureLike, bars: Bars, *, timeframe: str | None = None) -> int:
    """Return the warm-up after holding the feature to it: NaN on exactly those rows of each symbol's own bars.

    Of a feature on a higher time frame the rows depend on where each symbol's bars begin; the longest is returned. A
    panel feature that declares no warm-up runs on all rows, holes included: it is held to the rows that were measured
    on symbols without holes only.

    Raises
    ------
    DataError
        Naming feature, symbol and bar of the first value that is missing, early or infinite.
    """
    bound = resolve(spec)
    timeframe = timeframe_of(bars, [bound], timeframe)
    result = run_feature(bars, bound, timeframe=timeframe)
    declared = _declared(bound, bars, timeframe)
    own, rows = own_bar_numbers(bars, result.columns), int(declared.max(initial=0))
    values, judged = result.to_numpy(), _judged(bound, own)
    mend = "mend the function or its warmup="
    checks: tuple[tuple[np.ndarray, Callable[[int], str], str], ...] = (
        (np.isinf(values), lambda _: "is infinite", "mend the function"),
        (
            judged & (own >= declared) & np.isnan(values),
            lambda j: f"is NaN after its warm-up of {declared[j]} bars",
            mend,
        ),
        (
            judged & (own < declared) & (own >= 0) & ~np.isnan(values),
            lambda j: f"has a value within its warm-up of {declared[j]} bars",
            mend,
        ),
        (
            (own < 0) & ~np.isnan(values),
            lambda _: "has a value where the symbol does not trade",
            "leave those rows NaN: result.where(bars['close'].notna())",
        ),
    )
    for wrong, what, cure in checks:
        if wrong.any():
            when, symbol = first_place(result, wrong)
            j = list(map(str, result.columns)).index(symbol)
            raise DataError(f"feature {bound.text!r} {what(j)}: {symbol} at {when}; {cure}")
    return rows


def _judged(bound: BoundFeature, own: IntArray) -> BoolArray:
    """Symbols whose rows of NaN are compared with the warm-up."""
    if bound.declared_warmup is None and any(is_panel_call(n) for n in walk(bound.node)):
        return np.asarray((own >= 0).all(axis=0))
    return np.ones(own.shape[1], dtype=bool)


def _declared(bound: BoundFeature, bars: Bars, timeframe: str | None) -> IntArray:
    """Rows by symbol."""
    n_symbols = len(set(bars.columns.get_level_values(1)))
    if bound.declared_warmup is None and bound.timeframes:
        market = Market(bars)
        starts = first_rows(market, bound.node, base_length(market, [bound], timeframe))
        market.forget()
        return np.asarray(starts, dtype=np.int64)
    return np.full(n_symbols, warmup(bound), dtype=np.int64)
