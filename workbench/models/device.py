"""Where to compute, decided once; and thread counts that are put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from workbench.errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """Return the torch device for ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.

    Raises
    ------
    ConfigError
        When ``cuda`` is asked for and this machine or this torch has none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device 'cuda' is not available (torch {torch.__version__} sees no GPU); "
            "use device='auto' or 'cpu', or install a CUDA build of torch"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Compute with ``count`` threads inside the block, then put the count back; 0 leaves it as it is.

    Sums are split by thread, so a fixed count is part of "same seed, same bits".
    """
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
