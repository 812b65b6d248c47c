"""Grids of configurations as text: ``fast 5..50..5`` and ``mode 1, 2, 5``."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.errors import ConfigError

MOST_VALUES = 100_000
Number = int | float | str


def parse_grid(lines: Sequence[str]) -> dict[str, list[Number]]:
    """Return the values of each argument, in the order given.

    Parameters
    ----------
    lines
        One argument each: a name, then ``first..last..step`` (the last included where the steps reach it; step 1 where
        left out) or values with commas between them.

    Raises
    ------
    ConfigError
        When a line cannot be read, a name comes twice, or a range is empty or does not end.

    Examples
    --------
    >>> parse_grid(["fast 5..20..5", "kind a, b"])
    {'fast': [5, 10, 15, 20], 'kind': ['a', 'b']}
    """
    grid: dict[str, list[Number]] = {}
    for line in lines:
        name, _, text = str(line).strip().replace(":", " ", 1).partition(" ")
        if not name.isidentifier() or not text.strip():
            raise ConfigError(f"grid line {line!r} must be a name and its values, such as 'fast 5..50..5'")
        if name in grid:
            raise ConfigError(f"grid names {name!r} twice; give all its values in one line")
        grid[name] = _range(line, text) if ".." in text else [_number(part) for part in _parts(line, text)]
    return grid


def _parts(line: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ConfigError(f"grid line {line!r} has an empty value; write it like 'fast 5, 10, 20'")
    return parts


def _range(line: str, text: str) -> list[Number]:
    numbers = [n for n in (_number(part.strip()) for part in text.split("..")) if not isinstance(n, str)]
    if len(numbers) not in (2, 3) or len(numbers) != text.count("..") + 1:
        raise ConfigError(f"grid line {line!r} must be first..last or first..last..step in numbers, such as 5..50..5")
    first, last = numbers[:2]
    step = numbers[2] if len(numbers) == 3 else 1
    if not step > 0 or last < first:
        raise ConfigError(f"grid line {line!r} holds no value: give a step above 0 and a last not below the first")
    count = int((last - first) / step * (1 + 1e-12)) + 1
    if count > MOST_VALUES:
        raise ConfigError(f"grid line {line!r} holds {count:,} values, at most {MOST_VALUES:,} fit; widen the step")
    if isinstance(first, int) and isinstance(step, int):
        return [first + k * step for k in range(count)]
    return [round(first + k * step, 12) for k in range(count)]


def _number(text: str) -> Number:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
