"""Expressions on plain frames of bars: parsed to a tree, look-back inferred, computed symbol by symbol."""

from __future__ import annotations

from workbench.features.expressions.operators import OPERATORS, Operator, operator
from workbench.features.expressions.parsing import parse

__all__ = ["OPERATORS", "Operator", "operator", "parse"]
