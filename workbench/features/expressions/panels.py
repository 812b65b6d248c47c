"""Features that take the bars of all symbols as a frame, and the contract they are held to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import DataError, WorkbenchError
from workbench.features.expressions.tree import Call
from workbench.features.market import Market
from workbench.typing import FloatArray


def run_panel_feature(market: Market, text: str, node: Call) -> FloatArray:
    """Run a panel feature on its own copy of its inputs and check what it returns.

    Returns
    -------
    float64, (n_symbols, n_bars)

    Raises
    ------
    DataError
        Naming the feature that fails, changes its bars or returns another shape, index or type.
    """
    given = _inputs(market, node)
    handed = given.copy(deep=False)
    try:
        result = node.feature.function(handed, **node.parameters)
    except WorkbenchError:
        raise
    except Exception as err:
        raise DataError(f"feature {text!r} failed: {type(err).__name__}: {err}; run it alone to see the line") from err
    if not _untouched(handed, given):
        raise DataError(f"feature {text!r} changes the bars it is given; work on a copy: bars['close'].copy()")
    return _checked(market, text, node, result)


def _inputs(market: Market, node: Call) -> pd.DataFrame:
    places = [market.place(field, symbol) for field in node.feature.inputs for symbol in market.symbols]
    first, last = places[0], places[-1]
    if places == list(range(first, last + 1)):
        return _one_block(market.frame.iloc[:, first : last + 1])  # neighbours: no copy
    return _one_block(market.frame.take(places, axis=1))


def _checked(market: Market, text: str, node: Call, result: object) -> FloatArray:
    n_bars, symbols = market.n_bars, market.symbols
    wanted = f"a frame like bars[{node.feature.inputs[0]!r}]: {n_bars} rows × {len(symbols)} symbols"
    if not isinstance(result, pd.DataFrame):
        raise DataError(f"feature {text!r} returned {type(result).__name__}; it must return {wanted}")
    if list(result.columns) != symbols or len(result) != n_bars:
        n_rows, n_columns = result.shape
        raise DataError(
            f"feature {text!r} returned {n_rows} rows × {n_columns} columns {list(result.columns)[:5]};"
            f" it must return {wanted} ({', '.join(map(str, symbols))[:80]})"
        )
    if not result.index.equals(market.index):
        raise DataError(f"feature {text!r} returned another index; it must return {wanted} with the bars' own times")
    if not all(pd.api.types.is_numeric_dtype(t) for t in result.dtypes):
        raise DataError(f"feature {text!r} returned {sorted(set(map(str, result.dtypes)))}; it must return float64")
    return np.ascontiguousarray(result.to_numpy(dtype=np.float64, na_value=np.nan).T)


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
