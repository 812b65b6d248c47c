"""Features of bars that arrive one by one, equal to those of the whole."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.features.compute import Specs, base_length
from workbench.features.expressions.evaluate import SymbolScope, across
from workbench.features.expressions.tree import Call, Node, Operation, fields_of, is_cross, is_panel_call, walk
from workbench.features.market import Market
from workbench.features.registry import BAR_FIELDS
from workbench.features.specs import resolve_all
from workbench.features.streaming.series import NAN, Chain, Line
from workbench.typing import Bars, FloatArray


class FeatureStream:
    """Keeps features up to date as bars arrive.

    A new bar costs what is new: a recursive indicator with a step function moves on by one step, one that looks back a
    fixed number of rows runs on those rows, and only a recursive one without a step runs over all that is kept. The
    values equal those of `compute` on all bars to 1e-12.

    Parameters
    ----------
    specs
        As in `compute`.
    history
        Bars so far, from the first on; may have no rows.
    timeframe
        Length of the bars; told from the history where left out.

    Examples
    --------
    >>> from workbench.data import load_bars
    >>> from workbench.features import FeatureStream
    >>> bars = load_bars("gbm(seed=1, n_bars=200)", ["A"], "1h")
    >>> stream = FeatureStream(["rsi(14)", "ema(20)@4h"], bars.iloc[:-1])
    >>> stream.append(bars.iloc[-1:]).shape
    (2,)
    """

    def __init__(self, specs: Specs, history: Bars, *, timeframe: str | None = None) -> None:
        self.specs = resolve_all(specs)
        market = Market(history)
        self.symbols = market.symbols
        self._columns = history.columns
        self._places = [
            {f: market.place(f, s) for f in market.fields if market.has(f, j)} for j, s in enumerate(self.symbols)
        ]
        for bound in self.specs:
            market.require(bound.text, fields_of(bound.node))
        base = base_length(market, self.specs, timeframe)
        groups: dict[frozenset[str], list[Node]] = {}
        for bound in self.specs:
            for node in _own_rows(bound.node):
                groups.setdefault(_extra(node), []).append(node)
        self._groups = [  # a cross-section of fewer fields takes in more symbols: it goes before what builds on it
            _Group(groups[extra], extra, len(self.symbols), base) for extra in sorted(groups, key=len)
        ]
        self._panels = [n for b in self.specs for n in walk(b.node) if is_panel_call(n)]
        self._frame = history if self._panels else history.iloc[:0]
        self._times = history.index[-1:]
        self._labels = pd.MultiIndex.from_product(
            [[b.text for b in self.specs], self.symbols], names=["spec", "symbol"]
        )
        self.latest = pd.Series(np.full(len(self._labels), np.nan), self._labels)
        """The values at the newest bar, by (spec, symbol)."""
        self._replay(market, base)

    def append(self, bar: Bars) -> pd.Series:
        """Take one more bar and return the features at it.

        Parameters
        ----------
        bar
            One row of bars with the columns of the history, later than the last one.

        Raises
        ------
        DataError
            When the columns differ, or the bar is not later.
        """
        if not isinstance(bar, pd.DataFrame):
            raise DataError(
                f"a stream takes one bar as a frame of one row, got {type(bar).__name__}; append bars.iloc[[i]]"
            )
        if len(bar) != 1 or not (bar.columns is self._columns or bar.columns.equals(self._columns)):
            lacking = [" of ".join(map(str, c)) for c in self._columns if c not in bar.columns]
            raise DataError(
                f"a stream takes one bar at a time with the columns of its history, got {len(bar)} rows and"
                f" {bar.shape[1]} columns{f' without {lacking[0]}' if lacking else ''}; append bars.iloc[[i]]"
            )
        if len(self._times) and not bar.index[0] > self._times[0]:
            new, old = (f"{when:%Y-%m-%d %H:%M}" for when in (bar.index[0], self._times[0]))
            raise DataError(f"the bar of {new} is not later than the last one, {old}; append bars in order, once each")
        self._times = bar.index
        if self._panels:
            self._frame = pd.concat([self._frame, bar])
        panels = self._panel_values()
        values = bar.to_numpy(dtype=np.float64)[0].tolist()
        time = pd.DatetimeIndex(bar.index).as_unit("ns").asi8[0]
        rows = [{"time": int(time)} | {f: values[i] for f, i in places.items()} for places in self._places]
        found: dict[str, FloatArray] = {}
        for group in self._groups:
            found.update(group.advance(rows, panels | found))
        self.latest = pd.Series(
            np.concatenate([found[b.node.text] for b in self.specs]), self._labels, name=bar.index[0]
        )
        return self.latest

    def _panel_values(self) -> dict[str, FloatArray]:
        from workbench.features.expressions.panels import run_panel_feature

        if not self._panels:
            return {}
        found: dict[str, FloatArray] = {}
        for node in self._panels:
            if node.text not in found and isinstance(node, Call):
                rows = None if node.feature.recursive or node.own_warmup is None else -(node.own_warmup + 1)
                whole = rows is None or bool(self._frame.iloc[rows:].isna().any().any())
                market = Market(self._frame if whole else self._frame.iloc[rows:])
                found[node.text] = run_panel_feature(market, node.text, node)[:, -1]
        return found

    def _replay(self, market: Market, base: int | None) -> None:
        if not market.n_bars:
            return
        panels: dict[str, FloatArray] = {}
        for bound in self.specs:
            for node in walk(bound.node):
                if is_cross(node) and node.text not in panels:
                    panels[node.text] = across(market, bound.text, node, panels, base)
        found: dict[str, FloatArray] = {}
        for group in self._groups:
            found.update(group.replay(market, panels, base))
        self.latest = pd.Series(
            np.concatenate([found[b.node.text] for b in self.specs]), self._labels, name=market.index[-1]
        )


class _Group:
    """Features that read the same extra fields: a symbol's own bars are the same for all of them."""

    def __init__(self, roots: list[Node], extra: frozenset[str], n_symbols: int, base: int | None) -> None:
        self._roots = list({r.text: r for r in roots}.values())
        self._needed = sorted({f for r in roots for f in fields_of(r)} - {"time"}) or ["close"]
        crossing = list(dict.fromkeys(n.text for r in roots for n in walk(r) if is_cross(n)))
        self._fed = frozenset(crossing)
        nodes = {n.text: n for r in roots for n in walk(r)}
        self._cross: list[Node] = [nodes[text] for text in crossing]
        self._foreign = frozenset(n.text for n in self._cross if _extra(n) != extra)
        below = [c for n in self._cross if n.text not in self._foreign for c in n.children]
        self._chains = [Chain([*below, *roots], base, self._fed) for _ in range(n_symbols)]
        self._count = len(self._chains[0].order) if self._chains else 0

    def advance(self, rows: list[dict[str, float]], panels: dict[str, FloatArray]) -> dict[str, FloatArray]:
        """Move every chain on by one bar; return the values by feature, one a symbol."""
        trading = [all(row.get(f, NAN) == row.get(f, NAN) for f in self._needed) for row in rows]
        with np.errstate(all="ignore"):
            for k in range(self._count):
                text = self._chains[0].order[k].node.text
                if text in self._fed:
                    self._feed(k, trading, panels)
                    continue
                for chain, row, trades in zip(self._chains, rows, trading, strict=True):
                    if trades:
                        chain.advance(chain.order[k], row)
        return self._latest(trading, panels)

    def replay(self, market: Market, panels: dict[str, FloatArray], base: int | None) -> dict[str, FloatArray]:
        """Take a history; return the values at its last bar."""
        trading = []
        with np.errstate(all="ignore"):
            for j, chain in enumerate(self._chains):
                own = market.own(j, frozenset(self._needed))
                chain.replay(SymbolScope(market, j, panels, base), own)
                trading.append(own.rows is None or bool(own.rows[-1]))
        return self._latest(trading, {text: values[:, -1] for text, values in panels.items()})

    def _latest(self, trading: list[bool], panels: dict[str, FloatArray]) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {}
        for node in self._roots:
            if is_panel_call(node):
                found[node.text] = panels[node.text]
            else:
                found[node.text] = np.array(
                    [c.lines[node.text].value if t else NAN for c, t in zip(self._chains, trading, strict=True)]
                )
        return found

    def _feed(self, k: int, trading: list[bool], panels: dict[str, FloatArray]) -> None:
        lines: list[Line] = [chain.order[k] for chain in self._chains]
        node = lines[0].node
        if isinstance(node, Operation) and node.text not in self._foreign:
            arrays = [
                np.array(
                    [[c.lines[child.text].value if t else NAN for c, t in zip(self._chains, trading, strict=True)]]
                )
                for child in node.children
            ]
            values = np.empty_like(arrays[0])
            node.operator.function(values, *arrays, **node.parameters)
            row = values[0]
        else:
            row = panels[node.text]
        for line, value, trades in zip(lines, row, trading, strict=True):
            if trades:
                line.put_first_seen(float(value))


def _extra(node: Node) -> frozenset[str]:
    """Fields beside the five that a node reads: a bar has all five or none, of others it may lack some."""
    return fields_of(node) - {"time", *BAR_FIELDS}


def _own_rows(root: Node) -> list[Node]:
    """The root, and the cross-sections in it that are taken on other own bars than the root's."""
    return [root, *(n for n in walk(root) if is_cross(n) and not is_panel_call(n) and _extra(n) != _extra(root))]
