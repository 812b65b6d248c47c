"""Features of bars by spec: `compute`, and the list of what is registered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.errors import DataError, WorkbenchError
from workbench.features.registry import FIELDS, REGISTRY, Registry
from workbench.features.specs import BoundFeature, FeatureLike, resolve, resolve_all
from workbench.typing import Bars, Panel


def compute(bars: Bars, specs: FeatureLike | Iterable[FeatureLike]) -> pd.DataFrame:
    """Compute features.

    Parameters
    ----------
    bars
        Bars by the house's convention, as `workbench.data.check_bars` returns them.
    specs
        Specs such as ``["rsi(14)", "ret(1)"]``, one spec, or functions registered with `feature`.

    Returns
    -------
    pandas.DataFrame
        Rows as the bars; columns (spec, symbol), the specs as they were written. Row t uses rows up to t.

    Raises
    ------
    ConfigError
        A spec that does not fit the registry, or two that mean the same.
    DataError
        A missing input, or a feature that fails, returns another shape or changes its bars; it is named.

    Notes
    -----
    A symbol's features are computed on its own bars: rows where it does not trade are skipped and stay NaN.
    """
    bound = resolve_all(specs)
    market = _Market(bars)
    frames = [market.run(one) for one in bound]
    return pd.concat(frames, axis=1, keys=[b.text for b in bound], names=["spec", "symbol"])


def run_feature(bars: Bars, spec: FeatureLike) -> Panel:
    """Compute one feature: a panel, time × symbol."""
    return _Market(bars).run(resolve(spec))


def feature_versions(specs: FeatureLike | Iterable[FeatureLike]) -> dict[str, str]:
    """Return what each spec stands for in this process, to be kept with a run or a model and compared later.

    Examples
    --------
    >>> from workbench.features import feature_versions
    >>> list(feature_versions(["rsi"]))
    ['rsi']
    >>> feature_versions(["rsi"])["rsi"].rsplit(" ", 1)[0]
    'rsi(14) v1'
    """
    bound = resolve_all(specs)
    return {b.text: f"{b.canonical} v{b.feature.version} {b.feature.code_hash}" for b in bound}


def list_features(registry: Registry = REGISTRY) -> pd.DataFrame:
    """Return one row per registered feature, sorted by family and name; warm-up at the default parameters.

    The warm-up is missing where none was declared, or where a parameter must be given.
    """
    rows = [
        {
            "name": f.name,
            "version": f.version,
            "family": f.family,
            "inputs": ", ".join(f.inputs),
            "parameters": ", ".join(map(str, f.parameters)),
            "warmup": None if any(p.required for p in f.parameters) else resolve(f).declared_warmup,
            "recursive": f.recursive,
            "stationary": f.stationary,
            "description": f.description.replace("`", ""),
            "references": "; ".join(f.references),
            "code_hash": f.code_hash,
        }
        for f in registry
    ]
    columns = list(rows[0]) if rows else ["name", "family"]
    return pd.DataFrame(rows, columns=columns).sort_values(["family", "name"], ignore_index=True)


class _Market:
    """Bars narrowed to the fields that each feature declared, cut out once per set of fields."""

    def __init__(self, bars: Bars) -> None:
        _check_layout(bars)
        self._bars = bars
        columns: Any = bars.columns
        self._place: dict[tuple[str, str], int] = {column: i for i, column in enumerate(columns)}
        self._symbols = list(dict.fromkeys(symbol for _, symbol in self._place))
        self._cut: dict[tuple[str, ...], pd.DataFrame] = {}

    def run(self, bound: BoundFeature) -> Panel:
        """Run one feature on its own copy of its inputs and check what it returns."""
        given = self._inputs(bound)
        handed = given.copy(deep=False)
        try:
            result = bound(handed)
        except WorkbenchError:
            raise
        except Exception as err:
            raise DataError(
                f"feature {bound.text!r} failed: {type(err).__name__}: {err}; run it alone to see the line"
            ) from err
        if not _untouched(handed, given):
            raise DataError(
                f"feature {bound.text!r} changes the bars it is given; work on a copy: bars['close'].copy()"
            )
        return self._checked(bound, result)

    def _inputs(self, bound: BoundFeature) -> pd.DataFrame:
        fields = bound.feature.inputs
        if fields not in self._cut:
            columns = [(field, symbol) for field in fields for symbol in self._symbols]
            for field, symbol in columns:
                if (field, symbol) not in self._place:
                    self._refuse_missing(bound, field, symbol)
            self._cut[fields] = _one_block(self._columns([self._place[c] for c in columns]))
        return self._cut[fields]

    def _columns(self, places: list[int]) -> pd.DataFrame:
        first, last = places[0], places[-1]
        if places == list(range(first, last + 1)):
            return self._bars.iloc[:, first : last + 1]  # neighbours: no copy
        return self._bars.take(places, axis=1)

    def _refuse_missing(self, bound: BoundFeature, field: str, symbol: str) -> None:
        has = list(dict.fromkeys(f for f, s in self._place if s == symbol))
        raise DataError(
            f"feature {bound.text!r} needs the field {field!r} of {symbol}, which these bars lack"
            f" (they have {', '.join(has)}); load bars with {', '.join(bound.feature.inputs)}"
        )

    def _checked(self, bound: BoundFeature, result: object) -> Panel:
        wanted = (
            f"a frame like bars[{bound.feature.inputs[0]!r}]: {len(self._bars)} rows × {len(self._symbols)} symbols"
        )
        if not isinstance(result, pd.DataFrame):
            raise DataError(f"feature {bound.text!r} returned {type(result).__name__}; it must return {wanted}")
        if list(result.columns) != self._symbols or len(result) != len(self._bars):
            n_rows, n_columns = result.shape
            raise DataError(
                f"feature {bound.text!r} returned {n_rows} rows × {n_columns} columns {list(result.columns)[:5]};"
                f" it must return {wanted} ({', '.join(map(str, self._symbols))[:80]})"
            )
        if not result.index.equals(self._bars.index):
            raise DataError(
                f"feature {bound.text!r} returned another index; it must return {wanted} with the bars' own times"
            )
        numeric = all(pd.api.types.is_numeric_dtype(t) for t in result.dtypes)
        if not numeric:
            raise DataError(
                f"feature {bound.text!r} returned {sorted(set(map(str, result.dtypes)))}; it must return float64"
            )
        return result.astype(np.float64)


def _check_layout(bars: Bars) -> None:
    if not isinstance(bars, pd.DataFrame) or bars.columns.nlevels != 2 or not isinstance(bars.index, pd.DatetimeIndex):
        raise DataError(
            "bars must be a frame with a time index and (field, symbol) columns;"
            " load them with wb.load_bars(...) or check them with wb.data.check_bars(bars)"
        )
    if not bars.columns.is_unique or not bars.index.is_unique or not bars.index.is_monotonic_increasing:
        raise DataError(
            "bars must have unique columns and unique, increasing times; check them with wb.data.check_bars(bars)"
        )
    unknown = [f for f in bars.columns.unique(0) if f not in FIELDS]
    if unknown:
        hint = did_you_mean(str(unknown[0]), FIELDS)
        raise DataError(f"bars have an unknown field {unknown[0]!r} in their first column level.{hint}")


def _one_block(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as float64 in one piece of memory, so that `_untouched` sees a write; itself where it is so."""
    values = frame.to_numpy(dtype=np.float64)
    if np.may_share_memory(values, frame.to_numpy(dtype=np.float64)):
        return frame  # pandas knows that it belongs to the bars, and copies when a result is written to
    return pd.DataFrame(values, index=frame.index, columns=frame.columns, copy=False)


def _untouched(handed: pd.DataFrame, given: pd.DataFrame) -> bool:
    """Whether a shallow copy still shares its memory: pandas copies on the first write."""
    same_labels = handed.columns is given.columns or handed.columns.equals(given.columns)
    if not same_labels or not handed.index.equals(given.index):
        return False
    return handed.empty or np.shares_memory(handed.to_numpy(), given.to_numpy())
