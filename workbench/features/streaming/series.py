"""One node of one symbol, bar by bar: each kind keeps just what it needs to give what the batch gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.errors import ConfigError
from workbench.features.expressions.evaluate import Series, SymbolScope, run_indicator
from workbench.features.expressions.higher import Rows, check_multiple
from workbench.features.expressions.tree import Call, Field, Higher, Node, Number, Operation, fields_of, walk
from workbench.features.registry import Step
from workbench.features.streaming.tails import Tail

_WEEK = 7 * 86_400_000_000_000
_MONDAY = 4 * 86_400_000_000_000
NAN = float("nan")


class Line:
    """The values of one node for one symbol; ``tail`` holds those from its first value on."""

    def __init__(self, node: Node, keep: int | None) -> None:
        self.node = node
        self.value = node.value if isinstance(node, Number) else NAN
        time = isinstance(node, Field) and node.name == "time"
        self.tail = Tail(keep, np.int64 if time else np.float64)

    def put(self, value: float) -> None:
        """Take the value of the newest bar."""
        self.value = value
        if value == value or self.tail.count:  # before its first value a node has none; later a NaN is a value
            self.tail.append(value)


class Chain:
    """The nodes of one symbol in the order in which they are computed.

    Parameters
    ----------
    roots
        Trees to keep up to date.
    base
        Length of the bars in nanoseconds; None where no tree needs it.
    fed
        Nodes that are fed from outside: those that look across symbols.
    """

    def __init__(self, roots: list[Node], base: int | None, fed: frozenset[str] = frozenset()) -> None:
        self.lines: dict[str, Line] = {}
        self._steps: dict[str, Step] = {}
        self._frames: dict[str, Bucket] = {}
        needs = _needs(roots)
        for root in roots:
            for node in _inner(root, fed):
                if node.text not in self.lines:
                    self.lines[node.text] = Line(node, needs.get(node.text, 1))
                    self._prepare(node, base, fed)
        self.order = list(self.lines.values())

    def _prepare(self, node: Node, base: int | None, fed: frozenset[str]) -> None:
        if node.text in fed:
            return
        if isinstance(node, Call) and node.feature.stream is not None:
            self._steps[node.text] = node.feature.stream(**node.parameters)
        if isinstance(node, Higher):
            if base is None:
                raise ConfigError(f"{node.text!r} needs the length of the bars; name it: timeframe='1h'")
            self._frames[node.text] = Bucket(node, base)

    def advance(self, line: Line, fields: dict[str, float]) -> None:
        """Compute one node's value at the newest bar; its children have theirs."""
        node = line.node
        if isinstance(node, Field):
            line.value = fields[node.name]
            line.tail.append(line.value)
        elif isinstance(node, Call):
            line.put(self._call(node))
        elif isinstance(node, Operation):
            line.put(self._operation(node))
        elif isinstance(node, Higher):
            line.put(self._frames[node.text].push(fields))

    def replay(self, scope: SymbolScope, rows: Rows) -> None:
        """Take a history: every node's values at once from the batch, and each step through its inputs."""
        if not rows.size:
            return
        for line in self.order:
            node = line.node
            if isinstance(node, Number):
                continue
            values, start = scope.series(node.text, node, rows)
            line.tail.extend(values[start:])
            line.value = float(values[-1]) if start < rows.size else NAN
            if node.text in self._steps and isinstance(node, Call):
                self._walk(self._steps[node.text], [scope.series(c.text, c, rows) for c in node.children], rows.size)
            if node.text in self._frames:
                self._frames[node.text].replay(scope, rows)

    @staticmethod
    def _walk(step: Step, inputs: list[Series], size: int) -> None:
        start = max((i.start for i in inputs), default=0)
        columns = [np.full(size, i.values) if np.ndim(i.values) == 0 else i.values for i in inputs]
        for values in zip(*(c[start:].tolist() for c in columns), strict=True):
            step(*values)

    def _call(self, node: Call) -> float:
        inputs = [self.lines[c.text] for c in node.children]
        step = self._steps.get(node.text)
        if step is not None:
            values = [i.value for i in inputs]
            return NAN if any(v != v for v in values) else float(step(*values))
        size = min((i.tail.count for i in inputs if not isinstance(i.node, Number)), default=0)
        whole = node.feature.recursive or node.own_warmup is None
        if node.own_warmup is not None and size <= node.own_warmup:
            return NAN
        if size == 0:
            return NAN
        k = size if whole or node.own_warmup is None else node.own_warmup + 1
        arrays = [np.full(k, i.value) if isinstance(i.node, Number) else i.tail.newest(k) for i in inputs]
        return float(run_indicator(node.text, node, arrays)[-1])

    def _operation(self, node: Operation) -> float:
        k = node.lookback + 1
        arrays: list[Any] = []
        for child in node.children:
            line = self.lines[child.text]
            if isinstance(child, Number):
                arrays.append(np.float64(child.value))
            elif line.tail.count < k:
                return NAN
            else:
                arrays.append(line.tail.newest(k))
        out = np.empty(k)
        node.operator.function(out, *arrays, **node.parameters)
        return float(out[-1])


class Bucket:
    """A higher bar in the making, and the chain that runs on the finished ones."""

    def __init__(self, node: Higher, base: int) -> None:
        self._node, self._base = node, base
        self._length = check_multiple(node.timeframe, base)
        self._shift = _MONDAY if self._length % _WEEK == 0 else 0
        self._chain = Chain([node.child], self._length)
        self._fields = sorted(fields_of(node.child) | {"time"})
        self._begin: int | None = None
        self._bar: dict[str, float] = {}
        self._whole = False
        self._seen_first = False

    def replay(self, scope: SymbolScope, rows: Rows) -> None:
        """Take a history: the finished higher bars at once, and the bars of the one in the making."""
        if self._length == self._base:
            self._chain.replay(scope, rows)
            self._seen_first = True
            return
        higher = scope.higher(rows, self._node)
        self._chain.replay(scope, higher)
        times = rows.field("time")
        begins = (times - self._shift) // self._length * self._length + self._shift
        if times[-1] + self._base >= begins[-1] + self._length:
            self._seen_first = True
            return
        first = int(np.searchsorted(begins, begins[-1]))
        self._seen_first = first > 0
        names = [f for f in self._fields if f != "time"]
        for t in range(first, times.size):
            bar = {f: float(rows.field(f)[t]) for f in names}
            if t == first:
                self._open(int(begins[-1]), int(times[t]), bar)
            else:
                self._take(bar)

    def push(self, fields: dict[str, float]) -> float:
        """Take a bar; return the child's value at the newest higher bar that has closed by this bar's close."""
        time = int(fields["time"])
        begin = (time - self._shift) // self._length * self._length + self._shift
        if self._begin is not None and begin != self._begin:
            self._close()
        if self._begin is None:
            self._open(begin, time, fields)
        else:
            self._take(fields)
        if time + self._base >= begin + self._length:
            self._close()
        return self._chain.lines[self._node.child.text].value

    def _open(self, begin: int, time: int, fields: dict[str, float]) -> None:
        self._whole = self._seen_first or time == begin  # a first one in whose middle the bars begin is left out
        self._seen_first = True
        self._begin = begin
        self._bar = {f: fields[f] for f in self._fields if f != "time"} | {"time": begin}

    def _take(self, fields: dict[str, float]) -> None:
        for name in self._fields:
            if name in ("open", "time"):
                continue
            old, new = self._bar[name], fields[name]
            if name == "high":
                new = max(old, new)
            elif name == "low":
                new = min(old, new)
            elif name in ("volume", "funding_rate"):
                new = old + new
            self._bar[name] = new

    def _close(self) -> None:
        if self._begin is not None and self._whole:
            for line in self._chain.order:
                self._chain.advance(line, self._bar)
        self._begin = None


def _inner(root: Node, fed: frozenset[str]) -> list[Node]:
    """Nodes that a symbol computes itself: not those below a higher time frame, nor below one that is fed."""
    if root.text in fed or isinstance(root, Higher):
        return [root]
    return [n for child in root.children for n in _inner(child, fed)] + [root]


def _needs(roots: list[Node]) -> dict[str, int | None]:
    """How many newest values of each node are looked at; None = all."""
    needs: dict[str, int | None] = {}

    def want(text: str, k: int | None) -> None:
        old = needs.get(text, 1)
        needs[text] = None if old is None or k is None else max(old, k)

    for root in roots:
        for node in walk(root):
            for child in node.children:
                if isinstance(node, Operation):
                    want(child.text, node.lookback + 1)
                elif isinstance(node, Call) and node.feature.stream is None:
                    whole = node.feature.recursive or node.own_warmup is None
                    want(child.text, None if whole else (node.own_warmup or 0) + 1)
    return needs
