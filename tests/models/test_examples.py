"""The examples in the docstrings are run."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["arguments", "registry", "split", "windows"])
def test_docstring_examples(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"workbench.models.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
