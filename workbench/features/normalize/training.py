"""What all normalisers ask of their rows: clean training rows, the same columns later, a frame for a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import DataError, NotFittedError
from workbench.typing import FloatArray, IntArray, Json

Names = tuple[str, ...] | None
Rows = pd.DataFrame | FloatArray


def training_rows(who: str, X: Rows) -> tuple[FloatArray, Names]:
    """Return values and column names of the rows to learn from.

    Raises
    ------
    DataError
        When X is empty, not two-dimensional, or holds NaN or infinity.
    """
    values = np.asarray(X, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise DataError(f"{who}.fit needs rows × features, got shape {values.shape}; pass the training rows")
    if not np.isfinite(values).all():
        column = int((~np.isfinite(values)).any(axis=0).argmax())
        name = X.columns[column] if isinstance(X, pd.DataFrame) else column
        raise DataError(f"{who}.fit got NaN or infinity in column {name!r}; drop the warm-up rows first")
    return values, tuple(map(str, X.columns)) if isinstance(X, pd.DataFrame) else None


def same_columns(who: str, X: Rows, width: int, names: Names) -> FloatArray:
    """Return the values of rows to transform; an array may have axes before the features.

    Raises
    ------
    DataError
        When the columns differ from those it was fitted on.
    """
    seen = X.shape[-1] if X.ndim else 0
    if seen != width:
        raise DataError(f"{who} was fitted on {width} features, got {seen}; use the same specs")
    if isinstance(X, pd.DataFrame) and names is not None and tuple(map(str, X.columns)) != names:
        raise DataError(f"{who} was fitted on {list(names)}, got {list(X.columns)}; use the same order")
    return X.to_numpy(dtype=np.float64) if isinstance(X, pd.DataFrame) else np.asarray(X, dtype=np.float64)


def like(X: Rows, values: FloatArray) -> Any:
    """Return the values as a frame where X is one."""
    return pd.DataFrame(values, index=X.index, columns=X.columns, copy=False) if isinstance(X, pd.DataFrame) else values


def series_rows(X: Rows, n_rows: int) -> list[IntArray]:
    """Return the rows of each series: one, or one per symbol where the index has a level ``symbol``."""
    if isinstance(X, pd.DataFrame) and "symbol" in X.index.names:
        codes, found = pd.factorize(X.index.get_level_values("symbol"))
        return [np.flatnonzero(codes == k) for k in range(len(found))]
    return [np.arange(n_rows)]


def check_fitted(who: object, name: str) -> None:
    """Refuse one that has not learned ``name`` yet."""
    if not hasattr(who, name):
        kind = type(who).__name__
        raise NotFittedError(f"{kind} is not fitted; call fit(X) on the training rows first")


def names_of(spec: Json) -> Names:
    """Return the column names of a spec."""
    names = spec["names"]
    return None if names is None else tuple(map(str, names))


@contextmanager
def reading(spec: Json, kind: str, what: str) -> Iterator[None]:
    """Turn what goes wrong while a spec is read into one line.

    Raises
    ------
    DataError
        When the spec is of another kind, or lacks or garbles a value.
    """
    try:
        if spec["kind"] != kind:
            raise DataError(f"this is the spec of {spec['kind']!r}, not of {what}; give the right one")
        yield
    except (KeyError, TypeError, ValueError) as err:
        if isinstance(err, DataError):
            raise
        raise DataError(f"the spec of {what} lacks or garbles {err}; write it again with to_spec()") from err


def check_lengths(what: str, names: Names, *columns: Sequence[Any] | FloatArray) -> None:
    """Refuse a spec whose lists do not fit together."""
    lengths = {np.shape(c)[0] if np.ndim(c) else -1 for c in columns} | ({len(names)} if names is not None else set())
    if len(lengths) > 1 or -1 in lengths:
        raise DataError(f"the spec of {what} has lists of differing lengths; write it again with to_spec()")


def check_numbers(what: str, centre: FloatArray, scale: FloatArray) -> None:
    """Refuse a spec with a centre that is not finite, or a scale that is not above 0 too."""
    if not (np.isfinite(centre).all() and np.isfinite(scale).all() and (scale > 0).all()):
        raise DataError(f"the spec of {what} holds a scale that is not positive and finite; write it again")


def spread_of(values: FloatArray) -> FloatArray:
    """Return the population standard deviation by column, 1 where the column is constant but for rounding."""
    spread = values.std(axis=0)
    rounding = 10 * np.finfo(np.float64).eps * np.abs(values).max(axis=0)
    return np.where(spread > rounding, spread, 1.0)
