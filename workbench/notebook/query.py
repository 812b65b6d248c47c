"""A page's URL query as typed overrides of its notebook's parameters."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.config import Parameters, did_you_mean
from workbench.errors import ConfigError

RESERVED = ("run", "theme")
"""Query names that pages use themselves: the finished run to show, and dark or light."""

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def overrides_of_query(
    model: type[Parameters], arguments: Mapping[str, Sequence[bytes]]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Read a query such as ``?window=120&symbols=SPX,NASDAQ``.

    Parameters
    ----------
    model : type of Parameters
        The notebook's parameter model; its annotations give the types.
    arguments : mapping of str to sequence of bytes
        Tornado's request arguments. Names that begin with ``bokeh-`` belong to the server and are left out.

    Returns
    -------
    query : dict
        Every name with its text, the last value where one is repeated.
    overrides : dict
        The parameters among them, with the type of the parameter. A list is given by commas or by repetition.

    Raises
    ------
    ConfigError
        When a name is unknown or a text is not of the parameter's type.
    """
    texts = {k: [_decode(k, v) for v in vs] for k, vs in arguments.items() if vs and not k.startswith("bokeh-")}
    overrides: dict[str, Any] = {}
    for name, values in texts.items():
        if name in model.model_fields:
            overrides[name] = _typed(model, name, values)
        elif name not in RESERVED:
            hint = did_you_mean(name, [*model.model_fields, *RESERVED])
            raise ConfigError(f"the page's address sets {name!r}, which {model.__name__} does not have.{hint}")
    return {name: values[-1] for name, values in texts.items()}, overrides


def _decode(name: str, value: bytes | str) -> str:
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise ConfigError(f"the page's address sets {name!r} to bytes that are not UTF-8 text") from None


def _typed(model: type[Parameters], name: str, values: list[str]) -> Any:
    annotation = model.model_fields[name].annotation
    if typing.get_origin(annotation) is list:
        (item,) = typing.get_args(annotation)
        return [_scalar(model, name, item, text) for value in values for text in split_list(value)]
    return _scalar(model, name, annotation, values[-1])


def split_list(text: str) -> list[str]:
    """Split at commas outside brackets: ``"rsi(14), macd(12, 26)"`` holds two specs."""
    parts = re.split(r",(?![^(]*\))", text)
    return [part.strip() for part in parts if part.strip()]


def _scalar(model: type[Parameters], name: str, kind: Any, text: str) -> Any:
    convert: Callable[[str], Any] = _flag if kind is bool else kind
    try:
        return convert(text)
    except (ValueError, OverflowError):
        words = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise ConfigError(f"{model.__name__}.{name}: the page's address must give {words}, got {text!r}") from None


def _flag(text: str) -> bool:
    folded = text.strip().casefold()
    if folded not in _TRUE + _FALSE:
        raise ValueError(text)
    return folded in _TRUE
