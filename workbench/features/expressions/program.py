"""Trees as one straight list of steps, run on each symbol in turn.

Where every look-back is declared and nothing looks across symbols or at a higher time frame, the first row of each
node is known before any bar is seen. What is left to do a symbol is to call the array functions in order, which counts
where symbols are many and short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from workbench.features.expressions.tree import Call, Field, Higher, Node, Number, Operation, is_cross, walk
from workbench.features.market import Own
from workbench.typing import FloatArray

RunCall = Callable[[str, Call, list[Any]], FloatArray]


class _Step(NamedTuple):
    """One node: where its inputs lie, the first row that they all have, its own first row, and its root or -1."""

    node: Call | Operation
    inputs: tuple[int, ...]
    before: int
    start: int
    root: int


class Program:
    """The steps of some trees; a node that stands in several is one step.

    Parameters
    ----------
    roots
        Trees; see `Program.fits`.
    run_call
        Runs an indicator on arrays and holds it to its contract.
    """

    def __init__(self, roots: list[tuple[str, Node]], run_call: RunCall) -> None:
        self._run_call = run_call
        self._texts = [text for text, _ in roots]
        self._slots: dict[str, int] = {}
        self._constants: dict[int, Any] = {}
        self._fields: dict[int, str] = {}
        self._steps: list[tuple[int, _Step]] = []
        self._starts: list[int] = []
        last = {root.text: k for k, (_, root) in enumerate(roots)}
        for _, root in roots:
            for node in walk(root):
                if node.text not in self._slots:
                    self._add(node, last.get(node.text, -1))
        self._roots = [self._slots[root.text] for _, root in roots]

    @staticmethod
    def fits(root: Node) -> bool:
        """Whether a tree can be a part of a program."""
        return all(
            not isinstance(n, Higher) and not is_cross(n) and n.warmup is not None for n in walk(root)
        ) and isinstance(root, Call | Operation)

    def run(self, own: Own, out: list[FloatArray]) -> None:
        """Compute every root on a symbol's own bars and write it to ``out``, one column over all rows a root."""
        n_rows, whole = own.size, own.rows is None
        values: list[Any] = [None] * len(self._starts)
        for slot, constant in self._constants.items():
            values[slot] = constant
        for slot, field in self._fields.items():
            values[slot] = own.field(field)
        for slot, step in self._steps:
            before = step.before
            if isinstance(step.node, Operation):
                made = out[step.root] if whole and step.root >= 0 else np.empty(n_rows)
                made[: step.start] = np.nan
                if step.start < n_rows:
                    arrays = [
                        v if not before or i in self._constants else v[before:] for i, v in self._of(step, values)
                    ]
                    step.node.operator.function(made[before:] if before else made, *arrays, **step.node.parameters)
                    made[before : step.start] = np.nan
            else:
                arrays = [
                    np.full(max(n_rows - before, 0), v) if i in self._constants else v[before:]
                    for i, v in self._of(step, values)
                ]
                made = self._run_call(self._texts[step.root], step.node, arrays)
                if before:
                    made = np.concatenate([np.full(min(before, n_rows), np.nan), made])
            values[slot] = made
        for k, slot in enumerate(self._roots):
            if values[slot] is not out[k]:
                own.spread(values[slot], out[k])

    def _of(self, step: _Step, values: list[Any]) -> list[tuple[int, Any]]:
        return [(i, values[i]) for i in step.inputs]

    def _add(self, node: Node, root: int) -> None:
        slot = self._slots[node.text] = len(self._starts)
        if isinstance(node, Number):
            self._constants[slot] = np.float64(node.value)
            self._starts.append(0)
        elif isinstance(node, Field):
            self._fields[slot] = node.name
            self._starts.append(0)
        elif isinstance(node, Call | Operation):
            inputs = tuple(self._slots[c.text] for c in node.children)
            before = max((self._starts[i] for i in inputs), default=0)
            more = node.lookback if isinstance(node, Operation) else node.own_warmup or 0
            self._starts.append(before + more)
            self._steps.append((slot, _Step(node, inputs, before, before + more, root)))
