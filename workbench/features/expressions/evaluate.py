"""Evaluation of trees: symbol by symbol, so that a symbol's arrays stay in the processor's cache for all features.

What looks across symbols is computed first, for all of them; above it a tree goes on symbol by symbol. A node that
stands in several features is computed once a symbol.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from workbench.errors import ConfigError, DataError, WorkbenchError
from workbench.features.expressions.higher import HigherBars, Rows, check_multiple, higher_bars
from workbench.features.expressions.panels import run_panel_feature
from workbench.features.expressions.program import Program
from workbench.features.expressions.tree import (
    Call,
    Field,
    Higher,
    Node,
    Number,
    Operation,
    fields_of,
    is_cross,
    is_panel_call,
    walk,
)
from workbench.features.market import Market, Own
from workbench.typing import FloatArray

_PARALLEL = 4_000_000
"""Values (rows × symbols × features) from which on several threads pay."""


class Series(NamedTuple):
    """Values over a symbol's own bars, and the first row that has one."""

    values: Any
    start: int


def evaluate(
    market: Market,
    roots: list[tuple[str, Node]],
    out: FloatArray,
    *,
    base: int | None = None,
    failed: Callable[[int, WorkbenchError], None] | None = None,
) -> None:
    """Compute features.

    Parameters
    ----------
    roots
        Text as it was written, and tree.
    out
        float64, (n_roots, n_symbols, n_bars): written to.
    base
        Length of the bars in nanoseconds; needed where a tree names a higher time frame.
    failed
        Called with the number of a root and its error; the root's rows become NaN and the rest goes on. None: the
        first error is raised.

    Raises
    ------
    DataError
        Naming the feature: a missing field, or a feature that fails or returns what it must not.
    """
    plans = [_Root(k, text, node, fields_of(node), is_panel_call(node)) for k, (text, node) in enumerate(roots)]
    live = _Live(out, failed)
    panels: dict[str, FloatArray] = {}
    for root in plans:
        with live.guarded(root.number):
            market.require(root.text, root.fields)
            for node in walk(root.node):
                if is_cross(node) and node.text not in panels:
                    panels[node.text] = across(market, root.text, node, panels, base)

    fits = bool(roots) and all(Program.fits(node) for _, node in roots) and not live.dead
    program = Program(roots, _run_on_present) if fits else None

    def one(symbol: int) -> None:
        if program is not None and _run_program(program, market, symbol, plans, out):
            return
        scope = SymbolScope(market, symbol, panels, base)
        with np.errstate(all="ignore"):
            for root in plans:
                if root.number not in live.dead:
                    with live.guarded(root.number):
                        scope.write(root, out[root.number, symbol])

    n_symbols = len(market.symbols)
    workers = min(os.cpu_count() or 1, 8, n_symbols)
    if workers > 1 and out.size >= _PARALLEL:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, range(n_symbols)))
    else:
        for symbol in range(n_symbols):
            one(symbol)


def _run_program(program: Program, market: Market, symbol: int, plans: list[_Root], out: FloatArray) -> bool:
    """Run a symbol by the program where its rows are the same for all features; False where it must go node by node."""
    owns = {id(own): own for own in (market.own(symbol, root.fields) for root in plans)}
    if len(owns) > 1:
        return False
    try:
        with np.errstate(all="ignore"):
            program.run(next(iter(owns.values())), list(out[:, symbol]))
    except WorkbenchError:
        return False  # node by node it is known whose error it is
    return True


def evaluate_single(market: Market, text: str, root: Node, base: int | None = None) -> FloatArray | None:
    """Return the column of a plain feature on bars of one symbol without holes, without a copy; None elsewhere."""
    if len(market.symbols) != 1 or not isinstance(root, Call) or any(is_cross(n) for n in walk(root)):
        return None
    market.require(text, fields_of(root))
    own = market.own(0, fields_of(root))
    if own.rows is not None or not all(isinstance(c, Field) for c in root.children):
        return None
    values = SymbolScope(market, 0, {}, base).series(text, root, own).values
    return values.copy() if np.may_share_memory(values, market.values) else values  # the caller may write to it


def first_rows(market: Market, root: Node, base: int | None = None) -> list[int]:
    """Return for each symbol the own bar from which on the tree has a value, as its declarations say."""
    panels: dict[str, FloatArray] = {}
    for node in walk(root):
        if is_cross(node) and node.text not in panels:
            panels[node.text] = across(market, root.text, node, panels, base)
    fields = fields_of(root)
    with np.errstate(all="ignore"):
        return [
            SymbolScope(market, j, panels, base).series(root.text, root, market.own(j, fields)).start
            for j in range(len(market.symbols))
        ]


class _Root(NamedTuple):
    """A feature to compute: its number, its text, its tree and what follows from the tree."""

    number: int
    text: str
    node: Node
    fields: frozenset[str]
    panel: bool


class _Live:
    """Which roots have failed, and whom to tell."""

    def __init__(self, out: FloatArray, failed: Callable[[int, WorkbenchError], None] | None) -> None:
        self._out, self._failed = out, failed
        self.dead: set[int] = set()

    @contextmanager
    def guarded(self, k: int) -> Iterator[None]:
        """Hand a root's error to the caller who asked for it."""
        try:
            yield
        except WorkbenchError as err:
            if self._failed is None:
                raise
            self._out[k] = np.nan
            if k not in self.dead:
                self.dead.add(k)
                self._failed(k, err)


class SymbolScope:
    """One symbol's series by node; what was computed is kept while the symbol is at hand."""

    def __init__(self, market: Market, symbol: int, panels: dict[str, FloatArray], base: int | None) -> None:
        self._market, self._symbol, self._panels, self._base = market, symbol, panels, base
        self._known: dict[tuple[int, str], Series] = {}
        self._higher: dict[tuple[int, str, frozenset[str]], HigherBars] = {}

    def write(self, root: _Root, out: FloatArray) -> None:
        """Compute a root and write it to a column over all rows."""
        if root.panel:
            out[:] = self._panels[root.node.text][self._symbol]  # as returned: the checks want to see all of it
            return
        own = self._market.own(self._symbol, root.fields)
        if own.rows is not None:
            own.spread(self.series(root.text, root.node, own).values, out)
            return
        made = self.series(root.text, root.node, own, out)
        if made.values is not out:
            out[:] = made.values

    def series(self, text: str, node: Node, rows: Rows, out: FloatArray | None = None) -> Series:
        """Return a node's series over rows; into ``out`` where it is free to choose."""
        key = (id(rows), node.text)
        if key in self._known:
            return self._known[key]
        if isinstance(node, Field):
            return Series(rows.field(node.name), 0)
        if isinstance(node, Number):
            return Series(np.float64(node.value), 0)
        if node.text in self._panels and isinstance(rows, Own):
            made = self._from_panel(node, rows)
        elif isinstance(node, Call):
            made = self._call(text, node, rows)
        elif isinstance(node, Operation):
            made = self._operation(text, node, rows, out)
        else:
            made = self._at(text, node, rows)
        self._known[key] = made
        return made

    def _from_panel(self, node: Node, own: Own) -> Series:
        values = own.own(self._panels[node.text][self._symbol])
        present = ~np.isnan(values)
        return Series(values, int(present.argmax()) if present.any() else values.size)

    def _call(self, text: str, node: Call, rows: Rows) -> Series:
        inputs = [self.series(text, c, rows) for c in node.children]
        start = min(max((s.start for s in inputs), default=0), rows.size)
        arrays = [_array(s.values, rows.size)[start:] for s in inputs]
        values = _run_on_present(text, node, arrays)
        if node.own_warmup is None:
            present = ~np.isnan(values)
            own = int(present.argmax()) if present.any() else values.size
        else:
            own = node.own_warmup
        return Series(values if not start else _padded(values, start), min(start + own, rows.size))

    def _operation(self, text: str, node: Operation, rows: Rows, out: FloatArray | None) -> Series:
        inputs = [self.series(text, c, rows) for c in node.children]
        before = max(s.start for s in inputs)
        start = min(before + node.lookback, rows.size)
        values = np.empty(rows.size) if out is None else out
        values[:start] = np.nan
        if start < rows.size:
            arrays = [s.values if np.ndim(s.values) == 0 else s.values[before:] for s in inputs]
            node.operator.function(values[before:], *arrays, **node.parameters)
            values[before:start] = np.nan
        return Series(values, start)

    def higher(self, rows: Rows, node: Higher) -> HigherBars:
        """Return the complete higher bars that a node runs on, with the fields that it reads."""
        fields = fields_of(node) | {"time"}
        key = (id(rows), node.timeframe, fields)
        if key not in self._higher:
            self._higher[key] = higher_bars(rows, fields, node.timeframe, self._length(rows) or 0)
        return self._higher[key]

    def _length(self, rows: Rows) -> int | None:
        return rows.length if isinstance(rows, HigherBars) else self._base

    def _at(self, text: str, node: Higher, rows: Rows) -> Series:
        length = self._length(rows)
        if length is None:
            raise DataError(
                f"feature {text!r}: the bar length cannot be told from {rows.size} bars; name it: timeframe='1h'"
            )
        try:
            same = check_multiple(node.timeframe, length) == length
        except ConfigError as err:
            raise ConfigError(f"feature {text!r}: {err}") from err
        if same:
            return self.series(text, node.child, rows)
        higher = self.higher(rows, node)
        inner = self.series(text, node.child, higher)
        values = np.empty(rows.size)
        higher.visible(_array(inner.values, higher.size), values)
        return Series(values, int(np.searchsorted(higher.seen, inner.start + 1)))


def _run_on_present(text: str, node: Call, arrays: list[Any]) -> FloatArray:
    """Run an indicator on the rows on which every computed input has a value; the others are skipped, as holes are."""
    computed = [a for a, c in zip(arrays, node.children, strict=True) if not isinstance(c, Field | Number)]
    missing = [m for m in map(np.isnan, computed) if m.any()]
    if not missing:
        return run_indicator(text, node, arrays)
    present = ~np.logical_or.reduce(missing)
    values = np.full(present.size, np.nan)
    values[present] = run_indicator(text, node, [a[present] for a in arrays])
    return values


def run_indicator(text: str, node: Call, arrays: list[Any]) -> FloatArray:
    """Run an indicator on arrays and hold it to its contract.

    Raises
    ------
    DataError
        Naming the feature that fails, writes to its inputs or returns anything but one float64 array of their length.
    """
    feature = node.feature
    n_rows = arrays[0].size
    if n_rows == 0:
        return np.empty(0)
    if not feature.trusted:
        arrays = [_read_only(a) for a in arrays]
    try:
        values = feature.function(*arrays, **node.parameters)
    except WorkbenchError:
        raise
    except Exception as err:
        if "read-only" in str(err) or "readonly" in str(err):
            raise DataError(f"feature {text!r} changes the bars it is given; work on a copy: close.copy()") from err
        raise DataError(f"feature {text!r} failed: {type(err).__name__}: {err}; run it alone to see the line") from err
    if not isinstance(values, np.ndarray) or values.shape != (n_rows,):
        shape = f"an array of shape {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise DataError(
            f"feature {text!r} returned {shape}; it must return an array of its {n_rows} rows, shape ({n_rows},)"
            + ("; write .to_numpy() at the end" if hasattr(values, "to_numpy") else "")
        )
    if values.dtype != np.float64:
        if values.dtype.kind not in "biuf":
            raise DataError(f"feature {text!r} returned {values.dtype}; it must return float64")
        values = values.astype(np.float64)
    return values


def across(market: Market, text: str, node: Node, panels: dict[str, FloatArray], base: int | None) -> FloatArray:
    """Compute a node that needs all symbols at once: (n_symbols, n_bars)."""
    if is_panel_call(node) and isinstance(node, Call):
        return run_panel_feature(market, text, node)
    assert isinstance(node, Operation)  # noqa: S101 - the only other kind that looks across
    n_symbols = len(market.symbols)
    arrays = [np.empty((n_symbols, market.n_bars)) for _ in node.children]
    fields = fields_of(node)
    out = np.empty((market.n_bars, n_symbols))
    with np.errstate(all="ignore"):
        for symbol in range(n_symbols):
            scope = SymbolScope(market, symbol, panels, base)
            own = market.own(symbol, fields)
            for child, array in zip(node.children, arrays, strict=True):
                own.spread(_array(scope.series(text, child, own).values, own.size), array[symbol])
        node.operator.function(out, *(np.ascontiguousarray(a.T) for a in arrays), **node.parameters)
    return np.ascontiguousarray(out.T)


def _array(values: Any, size: int) -> Any:
    return np.full(size, float(values)) if np.ndim(values) == 0 else values


def _padded(values: FloatArray, start: int) -> FloatArray:
    return np.concatenate([np.full(start, np.nan), values])


def _read_only(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view
