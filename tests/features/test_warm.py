"""Set-up leaves every kernel of the room compiled, for the types that it is called with."""

from __future__ import annotations

import importlib

import pytest

from workbench.features.warm import kernel_modules


def test_every_room_with_loops_is_among_them() -> None:
    rooms = {name.split(".")[2] for name in kernel_modules()}
    assert rooms == {"indicators", "kernels", "labels", "patterns", "regimes", "structure", "texts"}


@pytest.mark.slow
@pytest.mark.parametrize("name", kernel_modules())
def test_after_warming_every_public_kernel_has_been_compiled(name: str) -> None:
    """Kernels that only kernels call (``_name``) are compiled, or loaded, with their callers."""
    from numba.core.dispatcher import Dispatcher

    module = importlib.import_module(name)
    module.warm()
    own = {k: v for k, v in vars(module).items() if isinstance(v, Dispatcher) and v.py_func.__module__ == name}
    public = {k: v for k, v in own.items() if not k.startswith("_")}
    assert public
    assert [k for k, kernel in public.items() if not kernel.signatures] == []
