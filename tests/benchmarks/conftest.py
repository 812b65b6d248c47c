"""Benchmarks print figures and ratios; they assert what was computed, never how long it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

_ROWS: list[tuple[str, str, str]] = []


@pytest.fixture
def report() -> Callable[[str, str, str], None]:
    """Add a row (what, measured, target) to the table printed at the end."""
    return lambda what, measured, target: _ROWS.append((what, measured, target))


@pytest.fixture(autouse=True, scope="session")
def _table() -> Iterator[None]:
    yield
    if _ROWS:
        widths = [max(len(row[i]) for row in [("what", "measured", "target"), *_ROWS]) for i in range(3)]
        print()
        for row in [("what", "measured", "target"), *_ROWS]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
