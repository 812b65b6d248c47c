"""What the numbers of a sweep depend on, as one hash: the same key means the same numbers."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from workbench.backtest.scale.kept import content_key
from workbench.backtest.sweeping.cells import Cells, PositionFunction
from workbench.backtest.sweeping.rules import compiled_rule


def cells_key(cells: Cells, task: str, **further: Any) -> str:
    """Return a hash of prices, rule with its code, costs, stretches and the code that computes them."""
    named = {
        "task": task,
        "rule": rule_identity(cells.function),
        "on_change": cells.on_change,
        "costs": [cells.costs.fee, cells.costs.slippage],
        "periods": cells.periods,
        "execution": cells.full_bar.identity() if cells.full_bar else "",
        "code": code_of_sweeps(),
        **further,
    }
    arrays = [cells.opens, cells.closes, cells.block_edges, cells.sketch_edges]
    return content_key(named, arrays + (cells.full_bar.arrays() if cells.full_bar else []))


def rule_identity(function: PositionFunction) -> str:
    """Name a rule: a known one by its version, one's own with a hash of its code and of all that it reaches."""
    rule = compiled_rule(function)
    if rule is not None:
        return f"{rule.name} {rule.version}"
    from workbench.features.codehash import deep_hash

    if isinstance(function, partial):
        bound = [*function.args, *function.keywords.items()]
        return f"{rule_identity(function.func)} {[deep_hash(lambda v=value: v) for value in bound]}"
    name = getattr(function, "__qualname__", type(function).__qualname__)
    owner = getattr(function, "__self__", None)  # a method's numbers depend on its object too
    own = f" {deep_hash(owner)}" if owner is not None else ""
    return f"{function.__module__}.{name} {deep_hash(function)}{own}"


@lru_cache(maxsize=1)
def code_of_sweeps() -> str:
    """Return a hash of the source of the accounting and of the sweep: changed code serves no old number."""
    room = Path(__file__).parent.parent
    files = [room / "kernel.py", room / "sweep_kernels.py", *sorted(room.glob("sweeping/*.py"))]
    files += sorted(room.glob("execution/*.py"))
    return content_key({f.name: f.read_text(encoding="utf-8") for f in files}, [])[:16]
