"""Random expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from workbench.features.expressions import OPERATORS, Operator

LEAVES = ("open", "high", "low", "close", "volume", "rsi(3)", "ema(4)", "ret", "obv", "atr(3)", "hour", "stoch_k(4, 2)")
UNITS = {"window": (4, 9), "periods": (0, 5), "lag": (1, 3), "buckets": (2, 4), "q": (0.1, 0.9), "share": (0.0, 0.4)}
FRAMES = ("2h", "4h", "1d")
OTHER = {"exponent": 0.5, "low": -3.0, "high": 200.0, "empty": -1.0}


def _parameters(operator: Operator, rng: np.random.Generator) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for parameter in operator.parameters:
        low, high = UNITS.get(parameter.name, (0, 0))
        if parameter.name in OTHER:
            made[parameter.name] = OTHER[parameter.name]
        else:
            made[parameter.name] = (
                int(rng.integers(low, high)) if parameter.kind is int else float(round(rng.uniform(low, high), 2))
            )
    return made


def _text(rng: np.random.Generator, depth: int, cross: bool, frames: tuple[str, ...] = FRAMES) -> str:
    """An expression; ``cross`` allows operators that look across symbols. A time frame holds none, and no finer one."""
    draw = rng.random()
    if depth == 0 or draw < 0.15:
        return str(rng.choice(LEAVES))
    if draw < 0.25:
        k = int(rng.integers(len(frames)))
        return f"({_text(rng, depth - 1, False, frames[k:])})@{frames[k]}"
    if draw < 0.32:
        return f"{rng.choice(['ema', 'sma', 'rsi'])}({_text(rng, depth - 1, cross, frames)} + 0, 3)"
    operators = [o for o in OPERATORS if cross or not o.cross]
    operator = operators[int(rng.integers(len(operators)))]
    args = [_text(rng, depth - 1, cross, frames) for _ in range(operator.n_args)]
    if operator.n_args > 1 and not operator.looks_back and rng.random() < 0.3:
        args[int(rng.integers(operator.n_args))] = str(rng.choice(["2", "-1.5", "0"]))
    return operator.written(args, _parameters(operator, rng))


@pytest.fixture(scope="session")
def random_expression() -> Callable[[int, int], str]:
    """Seed and depth to a text that parses."""
    return lambda seed, depth: _text(np.random.default_rng(seed), depth, True)
