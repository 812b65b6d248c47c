"""The design matrix: features and labels side by side, one row per bar and symbol, warm-up dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.features.cache import FeatureCache
from workbench.features.columns import own_bar_numbers, panel
from workbench.features.compute import compute, run_feature
from workbench.features.labels import LABEL_WINDOW, forward_return, label_classes
from workbench.features.specs import BoundFeature, FeatureLike, resolve_all
from workbench.typing import Bars, BoolArray, IntArray, Panel


@dataclass(frozen=True, eq=False)
class Design:
    """Rows for a model; all members share the MultiIndex (time, symbol), sorted.

    Attributes
    ----------
    X
        float64, one column per spec, without NaN.
    y
        -1 bear, 0 neutral, +1 bull; 0 where unknown, so look at ``known``.
    known
        False on the last ``horizon + 1`` bars of a symbol, whose label lies beyond the bars.
    forward
        The forward return that y classes, a fraction; NaN where unknown.
    t1
        When the label is known; NaT where unknown.
    last_return
        Simple return of the bar, close to close: what the persistence baseline repeats.
    warmup
        Bars dropped at the start of each symbol.
    horizon, neutral_band
        As they were asked for.
    """

    X: pd.DataFrame
    y: pd.Series
    known: pd.Series
    forward: pd.Series
    t1: pd.Series
    last_return: pd.Series
    warmup: int
    horizon: int
    neutral_band: float

    @property
    def times(self) -> pd.DatetimeIndex:
        """Bar time of each row, with repeats where several symbols trade."""
        return pd.DatetimeIndex(self.X.index.get_level_values("time"))

    @property
    def symbols(self) -> pd.Index:
        """Symbol of each row."""
        return self.X.index.get_level_values("symbol")

    def __len__(self) -> int:
        return len(self.X)


def design_matrix(
    bars: Bars,
    specs: FeatureLike | Iterable[FeatureLike],
    horizon: int = 1,
    neutral_band: float = 0.0,
    *,
    cache: FeatureCache | None = None,
) -> Design:
    """Compute features and labels and line them up.

    Parameters
    ----------
    bars
        Bars with all five fields.
    specs
        Feature specs; each becomes a column.
    horizon
        Bars that the label looks ahead from the fill at the next open.
    neutral_band
        Half width of the neutral class in trailing volatilities; see `label_classes`.
    cache
        Where computed features are kept; see `workbench.features.compute`.

    Returns
    -------
    Design
        Rows where a symbol does not trade, and the longest warm-up of each symbol's own bars, are left out. The
        warm-up is at least 1 (the last return), and at least 20 with a neutral band (its volatility).

    Raises
    ------
    DataError
        When a symbol has too few bars for one labelled row, or a feature is NaN or infinite after its warm-up.
    """
    bound = resolve_all(specs)
    forward, t1 = forward_return(bars, horizon)
    classes = label_classes(forward, bars, neutral_band, horizon=horizon)
    first = max(1, LABEL_WINDOW if neutral_band > 0 else 0)
    rows, X, warmup = _rows_and_features(bars, bound, first, horizon + 2, cache)
    y = rows.take(classes)
    known = rows.take(forward).notna().rename("known")
    returns = run_feature(bars, "ret(1)")
    return Design(
        X=X,
        y=y.fillna(0).astype(np.int64).rename("y"),
        known=known,
        forward=rows.take(forward).rename("forward"),
        t1=rows.take_times(t1).rename("t1"),
        last_return=rows.take(returns).rename("last_return"),
        warmup=warmup,
        horizon=horizon,
        neutral_band=neutral_band,
    )


def feature_matrix(bars: Bars, specs: FeatureLike | Iterable[FeatureLike]) -> pd.DataFrame:
    """Return the X of `design_matrix` alone: what a prediction needs, down to the newest bar.

    Raises
    ------
    DataError
        When a symbol has no bar beyond the warm-up, or a feature is NaN or infinite after its own.
    """
    return _rows_and_features(bars, resolve_all(specs), 1, 1)[1]


class _Rows:
    """Kept cells of a time × symbol table, symbols sorted, as a MultiIndex of rows."""

    def __init__(self, like: Panel, keep: BoolArray) -> None:
        self.order = np.argsort(like.columns.to_numpy(dtype=object))
        self.row, self.column = np.nonzero(keep[:, self.order])
        self.symbols = like.columns
        symbols = pd.Index(like.columns[self.order], name="symbol")
        levels: Any = [pd.DatetimeIndex(like.index).rename("time"), symbols]
        codes: Any = [self.row, self.column]
        self.index = pd.MultiIndex(levels=levels, codes=codes, names=["time", "symbol"], verify_integrity=False)

    def take(self, panel: Panel) -> pd.Series:
        values = panel[self.symbols].to_numpy(dtype=np.float64)[self.row, self.order[self.column]]
        return pd.Series(values, index=self.index, copy=False)

    def take_times(self, panel: Panel) -> pd.Series:
        columns = [pd.DatetimeIndex(panel[symbol]) for symbol in self.symbols]
        values = np.column_stack([c.to_numpy(dtype="datetime64[ns]") for c in columns])  # UTC, without its name
        taken = pd.DatetimeIndex(values[self.row, self.order[self.column]]).as_unit(columns[0].unit)
        zone = columns[0].tz
        return pd.Series(taken if zone is None else taken.tz_localize("UTC").tz_convert(zone), index=self.index)


def _rows_and_features(
    bars: Bars, bound: list[BoundFeature], least: int, ahead: int, cache: FeatureCache | None = None
) -> tuple[_Rows, pd.DataFrame, int]:
    frame = compute(bars, bound, cache=cache)
    close = panel(bars, "close")
    own = own_bar_numbers(bars, close.columns)
    panels = [panel(frame, b.text) for b in bound]
    warmups = [_warmup(b, p[close.columns], own) for b, p in zip(bound, panels, strict=True)]
    warmup = max(least, *warmups)
    _check_enough(bars, own, warmup, ahead, bound[int(np.argmax(warmups))].text)
    rows = _Rows(close, own >= warmup)
    X = pd.DataFrame({b.text: rows.take(p) for b, p in zip(bound, panels, strict=True)}, index=rows.index)
    _check_finite(X, dict(zip(X.columns, warmups, strict=True)))
    return rows, X, warmup


def _warmup(bound: BoundFeature, panel: Panel, own: IntArray) -> int:
    """Declared, or where none was: the longest run of NaN at the start of a symbol's own bars."""
    declared = bound.declared_warmup
    if declared is not None:
        return declared
    values = panel.to_numpy()
    firsts = [np.append(own[~np.isnan(values[:, j]), j], own[:, j].max() + 1)[0] for j in range(values.shape[1])]
    return int(max(firsts))


def _check_enough(bars: Bars, own: IntArray, warmup: int, ahead: int, longest: str) -> None:
    needed = warmup + ahead
    counts = own.max(axis=0, initial=-1) + 1
    for symbol, count in zip(panel(bars, "close").columns, counts, strict=True):
        if count < needed:
            labels = f" and the label {ahead - 1} more" if ahead > 1 else ""
            raise DataError(
                f"{symbol} has {count} bars, at least {needed} are needed: the warm-up of {longest!r} takes {warmup}"
                f"{labels}; load more bars or shorten the windows"
            )


def _check_finite(X: pd.DataFrame, warmups: dict[str, int]) -> None:
    finite = np.isfinite(X.to_numpy())
    if finite.all():
        return
    row = int((~finite).any(axis=1).argmax())
    spec = X.columns[int((~finite[row]).argmax())]
    time, symbol = X.index[row]
    raise DataError(
        f"feature {spec!r} is {X[spec].iloc[row]} at {time:%Y-%m-%d %H:%M} for {symbol}, after its warm-up of"
        f" {warmups[spec]} bars; mend the function, raise its warmup= or leave it out"
    )
