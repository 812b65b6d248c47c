"""From text to tree: ``close / ema(50)@4h - 1``, ``rank(rsi(14))``, ``zscore(atr(14), 100)``, ``Mean($close, 5)``.

The grammar is Python's expression grammar with one sign more, ``@4h``, which binds like a dot. The text is parsed,
never evaluated. A name is a field of the bars, a registered feature, an operator, or a name of the feature set at
hand; a call whose first value is an expression is an operator, or a feature of one input run on that series instead.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

from workbench.config import did_you_mean
from workbench.errors import ConfigError, DataError
from workbench.features.expressions import cross, elementwise, rolling  # noqa: F401 - their operators register here
from workbench.features.expressions.operators import OPERATORS, Operator
from workbench.features.expressions.tree import Call, Field, Higher, Node, Number, Operation, is_cross
from workbench.features.registry import INPUTS, Feature, Registry
from workbench.features.sets.catalogue import SETS, FeatureSet

_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Mod: "mod", ast.Pow: "power",
    ast.BitAnd: "both", ast.BitOr: "either",
    ast.Gt: "gt", ast.GtE: "ge", ast.Lt: "lt", ast.LtE: "le", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip
_UNARY: dict[type[ast.AST], str] = {ast.USub: "neg", ast.Invert: "not_", ast.Not: "not_"}
_FRAME = "at__"
_MOST_TEXT, _MOST_NODES = 4000, 400
_DEEPEST, _MOST_CANONICAL = 150, 100_000
"""Levels of a tree, and characters of its canonical text: names that use each other twice double it at each step."""


class _RefusedError(Exception):
    """Carries the reason out of the walk; `parse` adds the text."""


def parse(text: str, registry: Registry, names: Mapping[str, str] | None = None) -> Node:
    """Return the tree of an expression.

    Parameters
    ----------
    text
        The expression.
    registry
        Features that it may name.
    names
        Further expressions by name, which may name each other but not in a circle.

    Raises
    ------
    ConfigError
        When the text cannot be read, names something unknown, gives wrong parameters or runs in a circle.
    """
    return _Parser(registry, names or {}, ()).parse(text)


class _Parser:
    """Walks Python's syntax tree of one text; ``path`` holds the names being resolved, outermost first."""

    def __init__(self, registry: Registry, names: Mapping[str, str], path: tuple[str, ...]) -> None:
        self._registry, self._names, self._path = registry, names, path

    def parse(self, text: str) -> Node:
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f"a feature must be text such as 'rsi(14)', got {text!r}")
        if len(text) > _MOST_TEXT:
            raise ConfigError(
                f"feature {text[:60]!r}… has {len(text)} characters, {_MOST_TEXT} are read; name parts of it in a set"
            )
        try:
            tree = ast.parse(_python(text), mode="eval").body
        except SyntaxError as err:
            raise ConfigError(
                f"feature {_short(text)} cannot be read ({err.msg});"
                " write it like 'rsi(14)' or 'close / ema(50)@4h - 1'"
            ) from err
        except (RecursionError, MemoryError, ValueError) as err:
            raise ConfigError(f"feature {text[:60]!r}… is nested too deeply; name parts of it in a set") from err
        if sum(1 for _ in ast.walk(tree)) > 4 * _MOST_NODES:
            raise ConfigError(f"feature {text[:60]!r}… has more than {_MOST_NODES} parts; name parts of it in a set")
        try:
            return self._node(tree)
        except RecursionError as err:
            raise ConfigError(f"feature {text[:60]!r}… is nested too deeply; bracket it into shorter parts") from err
        except _RefusedError as err:
            raise ConfigError(f"feature {_short(text)}: {err}") from err

    def _node(self, tree: ast.expr) -> Node:
        made = self._made(tree)
        if made.depth > _DEEPEST:
            raise _RefusedError(f"it is nested more than {_DEEPEST} deep; bracket it into shorter parts")
        if len(made.text) > _MOST_CANONICAL:
            raise _RefusedError(f"written out it has more than {_MOST_CANONICAL} characters; use fewer parts")
        return made

    def _made(self, tree: ast.expr) -> Node:
        if isinstance(tree, ast.Constant):
            return self._number(tree)
        if isinstance(tree, ast.Name):
            return self._name(tree.id)
        if isinstance(tree, ast.UnaryOp):
            return self._unary(tree)
        if isinstance(tree, ast.BinOp):
            return self._operation(_BINARY.get(type(tree.op)), [tree.left, tree.right], tree)
        if isinstance(tree, ast.Compare):
            return self._compare(tree)
        if isinstance(tree, ast.BoolOp):
            return self._bool(tree)
        if isinstance(tree, ast.IfExp):
            return self._operation("where", [tree.test, tree.body, tree.orelse], tree)
        if isinstance(tree, ast.Attribute):
            return self._at(tree)
        if isinstance(tree, ast.Call):
            return self._call(tree)
        raise _RefusedError(
            f"{_shown(tree)!r} is not something an expression can hold; use fields, features, operators and numbers"
        )

    def _number(self, tree: ast.Constant) -> Number:
        if isinstance(tree.value, int | float) and not isinstance(tree.value, bool):
            try:
                value = float(tree.value)
            except OverflowError:
                value = math.inf
            if math.isfinite(value):
                return Number(value)
            raise _RefusedError("a number in it is too large; the largest is about 1.8e308")
        raise _RefusedError(f"{tree.value!r} stands where a series or a number is needed")

    def _name(self, name: str) -> Node:
        if name in self._names:
            return self._named(name)
        if name in INPUTS:
            return Field(name)
        if name in self._registry:
            return self._feature(self._registry.get(name), [], {})
        if name.lower() in INPUTS:
            return Field(name.lower())
        if name.lower() in self._registry:
            return self._feature(self._registry.get(name.lower()), [], {})
        raise _RefusedError(f"there is no feature or field {name!r}.{did_you_mean(name, self._known())}")

    def _named(self, name: str) -> Node:
        if name in self._path:
            circle = " → ".join([*self._path[self._path.index(name) :], name])
            raise _RefusedError(f"it runs in a circle: {circle}; take one of them out")
        return _Parser(self._registry, self._names, (*self._path, name)).parse(self._names[name])

    def _known(self) -> list[str]:
        return sorted({*self._names, *INPUTS, *self._registry.names(), *OPERATORS.names(), *SETS.names()})

    def _unary(self, tree: ast.UnaryOp) -> Node:
        if isinstance(tree.op, ast.UAdd):
            return self._node(tree.operand)
        return _operation(OPERATORS.get(_UNARY[type(tree.op)]), [self._node(tree.operand)], {})

    def _operation(self, name: str | None, trees: list[ast.expr], whole: ast.AST) -> Node:
        if name is None:
            raise _RefusedError(
                f"{_shown(whole)!r} uses a sign that is not an operator; see workbench features list --operators"
            )
        return _operation(OPERATORS.get(name), [self._node(t) for t in trees], {})

    def _compare(self, tree: ast.Compare) -> Node:
        for middle in tree.comparators[:-1]:
            if isinstance(middle, ast.BinOp) and isinstance(middle.op, ast.BitAnd | ast.BitOr):
                raise _RefusedError(
                    f"{_shown(middle)!r} is taken first, for & and | bind before comparisons; write"
                    " (close > 1) & (volume > 2), or close > 1 and volume > 2"
                )
        parts, left = [], tree.left
        for sign, right in zip(tree.ops, tree.comparators, strict=True):
            parts.append(self._operation(_BINARY.get(type(sign)), [left, right], tree))
            left = right
        return _all(parts, "both")

    def _bool(self, tree: ast.BoolOp) -> Node:
        return _all([self._node(v) for v in tree.values], "both" if isinstance(tree.op, ast.And) else "either")

    def _at(self, tree: ast.Attribute) -> Node:
        if isinstance(tree.value, ast.Name) and tree.value.id in SETS:
            return self._member(SETS.get(tree.value.id), tree.attr)
        if not tree.attr.startswith(_FRAME):
            raise _RefusedError(
                f"{_shown(tree)!r} has a dot that leads nowhere; use fields, features, operators and numbers"
            )
        return _at(self._node(tree.value), tree.attr.removeprefix(_FRAME))

    def _member(self, found: FeatureSet, name: str) -> Node:
        if name not in found.expressions:
            hint = did_you_mean(name, found.expressions)
            raise _RefusedError(f"feature set {found.name!r} has no feature {name!r}.{hint}")
        return _Parser(self._registry, found.expressions, (name,)).parse(found.expressions[name])

    def _call(self, tree: ast.Call) -> Node:
        if not isinstance(tree.func, ast.Name):
            raise _RefusedError(f"{_shown(tree.func)!r} cannot be called; write a feature's or an operator's name")
        name, n_values = tree.func.id, len(tree.args) + len(tree.keywords)
        kwargs = {k.arg: self._literal(k.value) for k in tree.keywords if k.arg is not None}
        if len(kwargs) < len(tree.keywords):
            raise _RefusedError("'**' cannot be used")
        feature = self._registry.get(name) if name in self._registry else None
        if name == "vwap" and tree.args and isinstance(tree.args[0], ast.Name) and tree.args[0].id == "session":
            return self._feature(self._registry.get("session_vwap"), [], {})
        if feature is not None and not (tree.args and self._is_series(tree.args[0])):
            return self._feature(feature, [self._literal(a) for a in tree.args], kwargs)
        found = OPERATORS.find(name, n_values)
        if found is not None and (feature is None or found.n_args > 1 or len(feature.inputs) > 1):
            return self._operator(found, tree.args, kwargs)
        if feature is not None:
            return self._on_series(feature, tree.args, kwargs)
        if name != name.lower() and name.lower() in self._registry:
            return self._call(ast.Call(ast.Name(name.lower()), tree.args, tree.keywords))
        raise _RefusedError(f"there is no feature or operator {name!r}.{did_you_mean(name, self._known())}")

    def _operator(self, found: Operator, args: list[ast.expr], kwargs: dict[str, Any]) -> Node:
        if len(args) < found.n_args:
            raise _RefusedError(f"operator {found.name!r} takes {found.n_args} series first; write {found.usage}")
        children = [self._node(a) for a in args[: found.n_args]]
        return _operation(found, children, found.bind([self._literal(a) for a in args[found.n_args :]], kwargs))

    def _on_series(self, feature: Feature, args: list[ast.expr], kwargs: dict[str, Any]) -> Node:
        if len(feature.inputs) != 1 or feature.form != "indicator" or feature.inputs == ("time",):
            reads = ", ".join(feature.inputs)
            raise _RefusedError(
                f"feature {feature.name!r} reads {reads} and cannot run on {_shown(args[0])!r}; give it parameters only"
            )
        series = self._node(args[0])
        if isinstance(series, Number):
            raise _RefusedError(f"feature {feature.name!r} needs a series, got {series.text}")
        return self._feature(feature, [self._literal(a) for a in args[1:]], kwargs, series)

    def _feature(self, feature: Feature, args: list[Any], kwargs: dict[str, Any], on: Node | None = None) -> Node:
        fields: tuple[Node, ...] = tuple(Field(f) for f in feature.inputs) if feature.form == "indicator" else ()
        return Call(feature, feature.bind(args, kwargs), fields if on is None else (on,))

    def _is_series(self, tree: ast.expr) -> bool:
        """Whether a call's first value is an expression rather than a literal."""
        if isinstance(tree, ast.Name):
            return tree.id in self._names or tree.id.lower() in INPUTS or tree.id in self._registry
        try:
            ast.literal_eval(tree)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return True
        return False

    def _literal(self, tree: ast.expr) -> Any:
        if isinstance(tree, ast.Name):
            return tree.id  # a bare word is a text: vwap(session), harmonic(gartley)
        try:
            value = ast.literal_eval(tree)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as err:
            raise _RefusedError(f"argument {_shown(tree)!r} is not a number, a text or true/false") from err
        if not isinstance(value, int | float | str | bool):
            raise _RefusedError(f"argument {value!r} is not a number, a text or true/false")
        return value


def _operation(operator: Operator, children: list[Node], parameters: dict[str, Any]) -> Node:
    if operator.cross and not any(_moves(c) for c in children):
        raise _RefusedError(f"operator {operator.name!r} needs a series, got only numbers")
    numbers = [c for c in children if isinstance(c, Number)]
    if operator.name == "neg" and numbers:
        return Number(-numbers[0].value)
    if operator.looks_back and numbers and (operator.parameters or len(numbers) == len(children)):
        raise _RefusedError(f"operator {operator.name!r} needs a series, got {numbers[0].text}")
    return Operation(operator, tuple(children), parameters)


def _moves(node: Node) -> bool:
    return not isinstance(node, Number)


def _all(parts: list[Node], name: str) -> Node:
    whole = parts[0]
    for part in parts[1:]:
        whole = _operation(OPERATORS.get(name), [whole, part], {})
    return whole


def _at(node: Node, timeframe: str) -> Node:
    """Put a node on a higher time frame; a cross-section stays outside, since it looks at one time only."""
    from workbench.data.timeframes import canonical_timeframe

    try:
        name = canonical_timeframe(timeframe)
    except DataError as err:
        raise _RefusedError(str(err)) from err
    if isinstance(node, Number):
        raise _RefusedError(f"@{name} needs a series, got {node.text}")
    if isinstance(node, Operation) and node.operator.cross:
        return Operation(
            node.operator, tuple(c if isinstance(c, Number) else _at(c, name) for c in node.children), node.parameters
        )
    if _has_cross(node):
        raise _RefusedError(
            f"{node.text!r} looks across symbols within @{name}; put @{name} on what the cross-section takes"
        )
    return Higher(node, name)


def _has_cross(node: Node) -> bool:
    return is_cross(node) or any(_has_cross(c) for c in node.children)


def _python(text: str) -> str:
    """Rewrite the two signs that Python's grammar lacks: ``$close`` and ``ema(50)@4h``."""
    plain = re.sub(r"\$(?=[A-Za-z_])", "", text.strip())
    return re.sub(r"\s*@\s*(\w+)", rf".{_FRAME}\1", plain)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 120 else f"{text[:120]!r}…"


def _shown(tree: ast.AST) -> str:
    return re.sub(rf"\.{_FRAME}", "@", ast.unparse(tree))
