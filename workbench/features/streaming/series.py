"""One node of one symbol, bar by bar: each kind keeps just what it needs to give what the batch gives."""

from __future__ import annotations

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

    def put(self, value: float | None) -> None:
        """Take the value of the newest bar; None where the node does not begin yet. A NaN after that is a value."""
        self.value = NAN if value is None else value
        if value is not None:
            self.tail.append(value)

    def put_first_seen(self, value: float) -> None:
        """Take the value of the newest bar, of a node that begins with the first that is not NaN."""
        self.put(value if value == value or self.tail.count else None)


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
        self._kept: dict[str, Tail] = {}  # what an indicator on a computed series runs on: its values without NaN
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
        elif isinstance(node, Call) and not isinstance(node.children[0], Field):
            self._kept[node.text] = Tail(_most(node))
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
            value = self._call(node)
            if node.own_warmup is None:
                line.put_first_seen(value)
            else:
                rows = min(self.lines[c.text].tail.count for c in node.children)
                line.put(value if rows > node.own_warmup else None)
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
            if isinstance(node, Call) and (node.text in self._steps or node.text in self._kept):
                self._feed(node, [scope.series(c.text, c, rows) for c in node.children])
            if node.text in self._frames:
                self._frames[node.text].replay(scope, rows)

    def _feed(self, node: Call, inputs: list[Series]) -> None:
        start = max(i.start for i in inputs)
        columns = [i.values[start:] for i in inputs]
        present = np.logical_and.reduce([c == c for c in columns])
        if node.text in self._kept:
            self._kept[node.text].extend(columns[0][present])
            return
        step = self._steps[node.text]
        for values in zip(*(c[present].tolist() for c in columns), strict=True):
            step(*values)

    def _call(self, node: Call) -> float:
        inputs = [self.lines[c.text] for c in node.children]
        values = [i.value for i in inputs]
        if any(v != v for v in values):
            return NAN
        step = self._steps.get(node.text)
        if step is not None:
            return float(step(*values))
        tails = [i.tail for i in inputs]
        if node.text in self._kept:
            tails = [self._kept[node.text]]
            tails[0].append(values[0])
        size = tails[0].count
        if node.own_warmup is not None and size <= node.own_warmup:
            return NAN
        k = _rows(node, size)
        return float(run_indicator(node.text, node, [t.newest(k) for t in tails])[-1])

    def _operation(self, node: Operation) -> float | None:
        lines = [self.lines[c.text] for c in node.children]
        size = min((i.tail.count for i in lines if not isinstance(i.node, Number)), default=1)
        if size <= node.lookback:
            return None
        k = _rows(node, size)
        out = np.empty(k)
        arrays = [np.float64(i.value) if isinstance(i.node, Number) else i.tail.newest(k) for i in lines]
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

    def push(self, fields: dict[str, float]) -> float | None:
        """Take a bar; return the child's value at the newest higher bar that has closed by this bar's close."""
        line = self._chain.lines[self._node.child.text]
        self._gather(fields)
        return line.value if line.tail.count else None

    def _gather(self, fields: dict[str, float]) -> None:
        if self._length == self._base:
            for line in self._chain.order:
                self._chain.advance(line, fields)
            return
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
                own = isinstance(node, Call) and node.feature.stream is None and isinstance(child, Field)
                if isinstance(node, Operation) or (isinstance(node, Call) and own):
                    want(child.text, _most(node))
    return needs


def _least(node: Call | Operation) -> int | None:
    """Rows that fix a node's value; None = all."""
    if isinstance(node, Operation):
        return node.lookback + 1
    return None if node.feature.recursive or node.own_warmup is None else node.own_warmup + 1


def _block(node: Call | Operation) -> int:
    """Rows of the blocks that a node's kernels may work in: its window, or 1 where it has none."""
    window = node.parameters.get("window", 1)
    return window if isinstance(window, int) else 1


def _most(node: Call | Operation) -> int | None:
    least = _least(node)
    return None if least is None else least + 2 * _block(node)


def _rows(node: Call | Operation, size: int) -> int:
    """How many of its newest rows to run a node on, out of ``size``.

    What is left out is a whole number of windows: kernels that work in blocks of a window then see the blocks that
    they see on all bars and sum in the same order, so that a tie stays a tie.
    """
    least, block = _least(node), _block(node)
    if least is None:
        return size
    return least if block == 1 else size - max(((size - least) // block - 1) * block, 0)
