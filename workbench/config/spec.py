"""Spec strings: ``rsi(14)``, ``lstm(epochs=20)``, ``planted(strength=0.2, seed=7)``.

One small grammar names features, models, position rules and synthetic markets in YAML, in notebooks and on
the command line. Arguments are literals only; nothing is evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from workbench.errors import ConfigError

Literal = int | float | str | bool | None


@dataclass(frozen=True)
class Spec:
    """A name with literal arguments.

    ``str(spec)`` is the canonical form: keyword arguments sorted, one space after each comma.
    """

    name: str
    args: tuple[Literal, ...] = ()
    kwargs: Mapping[str, Literal] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        parts = [repr(a) for a in self.args] + [f"{k}={self.kwargs[k]!r}" for k in sorted(self.kwargs)]
        return f"{self.name}({', '.join(parts)})" if parts else self.name

    def __hash__(self) -> int:
        return hash(str(self))


def parse_spec(text: str) -> Spec:
    """Parse ``name`` or ``name(literal, key=literal)``.

    Raises
    ------
    ConfigError
        When the text is not a plain call with literal arguments.
    """
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"a spec must be text such as 'rsi(14)', got {text!r}")
    if text.strip().isidentifier():  # a bare name may be a word of Python, such as the source "import"
        return Spec(text.strip())
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as err:
        raise ConfigError(
            f"spec {text!r} cannot be read ({err.msg}); write it like 'rsi(14)' or 'lstm(epochs=20)'"
        ) from err
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ConfigError(f"spec {text!r} is not of the form name(arguments); write it like 'rsi(14)'")
    args = tuple(_literal(a, text) for a in node.args)
    kwargs: dict[str, Literal] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ConfigError(f"spec {text!r} must not use '**'")
        kwargs[keyword.arg] = _literal(keyword.value, text)
    return Spec(node.func.id, args, MappingProxyType(kwargs))


def _literal(node: ast.expr, text: str) -> Literal:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as err:
        raise ConfigError(
            f"spec {text!r}: argument {ast.unparse(node)!r} is not a number, a text or true/false"
        ) from err
    if not isinstance(value, int | float | str | bool | type(None)):
        raise ConfigError(f"spec {text!r}: argument {value!r} is not a number, a text or true/false")
    return value
