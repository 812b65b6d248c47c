"""Fixtures shared by all rooms."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from workbench.config import Settings, load_settings

# No time limits: machines are shared and noisy. In CI the same examples each time; elsewhere new ones are looked for.
hypothesis.settings.register_profile(
    "workbench",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("workbench")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("WORKBENCH_TEST_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Refuse every connection that would leave the machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            local = host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
            assert local, f"a test tried to reach {address}"
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty workbench home in a temporary folder, with the project's own notebooks."""
    for name in [n for n in os.environ if n.startswith("WORKBENCH_") and n != "WORKBENCH_TEST_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_NOTEBOOKS", str(ROOT / "notebooks"))
    return load_settings()


@pytest.fixture
def rng() -> np.random.Generator:
    """The one seed of the tests."""
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of real market files; its tests are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no folder of real market files beside the checkout (set WORKBENCH_TEST_DATA to one)")
    return SHARED_DATA
