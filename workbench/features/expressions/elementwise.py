"""Operators that look at one bar at a time: arithmetic, comparison, logic and plain functions.

Comparisons and logic give 1.0 and 0.0; any number but 0 counts as true.
"""

from __future__ import annotations

import numpy as np

from workbench.features.expressions.operators import operator
from workbench.typing import FloatArray


@operator("add", sign="+")
def add(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """Sum of two series."""
    np.add(x, y, out=out)


@operator("sub", sign="-")
def sub(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """Difference of two series."""
    np.subtract(x, y, out=out)


@operator("mul", sign="*")
def mul(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """Product of two series."""
    np.multiply(x, y, out=out)


@operator("div", sign="/")
def div(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """Quotient of two series; a zero below gives an infinity, which the checks name by row."""
    np.divide(x, y, out=out)


@operator("mod", sign="%")
def mod(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """Remainder, with the sign of the divisor."""
    np.mod(x, y, out=out)


@operator("power", sign="**")
def power(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """x to the power y."""
    np.power(x, y, out=out)


@operator("neg", sign="-")
def neg(out: FloatArray, x: FloatArray) -> None:
    """Negative."""
    np.negative(x, out=out)


@operator("gt", sign=">")
def gt(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 where x is above y."""
    out[:] = x > y


@operator("ge", sign=">=")
def ge(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 where x is at least y."""
    out[:] = x >= y


@operator("lt", sign="<")
def lt(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 where x is below y."""
    out[:] = x < y


@operator("le", sign="<=")
def le(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 where x is at most y."""
    out[:] = x <= y


@operator("eq", sign="==")
def eq(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 where both are equal."""
    out[:] = x == y


@operator("ne", sign="!=")
def ne(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 where they differ."""
    out[:] = x != y


@operator("both", sign="&", aliases=("and",))
def both(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 where both are true."""
    out[:] = (x != 0) & (y != 0)


@operator("either", sign="|", aliases=("or",))
def either(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """1 where one is true."""
    out[:] = (x != 0) | (y != 0)


@operator("not_", sign="~", aliases=("not",))
def not_(out: FloatArray, x: FloatArray) -> None:
    """1 where x is 0."""
    out[:] = x == 0


@operator("where", aliases=("if",))
def where(out: FloatArray, condition: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """x where the condition is true, else y."""
    np.copyto(out, np.where(condition != 0, x, y))


@operator("abs")
def absolute(out: FloatArray, x: FloatArray) -> None:
    """Absolute value."""
    np.abs(x, out=out)


@operator("sign")
def sign(out: FloatArray, x: FloatArray) -> None:
    """-1, 0 or 1."""
    np.sign(x, out=out)


@operator("log")
def log(out: FloatArray, x: FloatArray) -> None:
    """Natural logarithm."""
    with np.errstate(invalid="ignore", divide="ignore"):
        np.log(x, out=out)


@operator("log1p")
def log1p(out: FloatArray, x: FloatArray) -> None:
    """ln(1 + x)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        np.log1p(x, out=out)


@operator("exp")
def exp(out: FloatArray, x: FloatArray) -> None:
    """Exponential."""
    np.exp(x, out=out)


@operator("sqrt")
def sqrt(out: FloatArray, x: FloatArray) -> None:
    """Square root."""
    with np.errstate(invalid="ignore"):
        np.sqrt(x, out=out)


@operator("tanh")
def tanh(out: FloatArray, x: FloatArray) -> None:
    """Hyperbolic tangent: squeezes into -1 to 1."""
    np.tanh(x, out=out)


@operator("floor")
def floor(out: FloatArray, x: FloatArray) -> None:
    """Largest whole number not above x."""
    np.floor(x, out=out)


@operator("signed_power", bounds={"exponent": (0.01, 10.0)})
def signed_power(out: FloatArray, x: FloatArray, *, exponent: float) -> None:
    """sign(x) times abs(x) to the exponent."""
    np.multiply(np.sign(x), np.abs(x) ** exponent, out=out)


@operator("clip", bounds={"low": (None, None), "high": (None, None)})
def clip(out: FloatArray, x: FloatArray, *, low: float, high: float) -> None:
    """x held between two numbers."""
    np.clip(x, low, high, out=out)


@operator("greater")
def greater(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """The larger of two series, bar by bar."""
    np.maximum(x, y, out=out)


@operator("less")
def less(out: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """The smaller of two series, bar by bar."""
    np.minimum(x, y, out=out)


@operator("safe_div", bounds={"empty": (None, None)})
def safe_div(out: FloatArray, x: FloatArray, y: FloatArray, *, empty: float = 0.0) -> None:
    """Quotient of two series; ``empty`` where the divisor is 0."""
    zero = y == 0
    np.divide(x, np.where(zero, 1.0, y), out=out)
    out[zero] = empty
