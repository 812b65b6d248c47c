"""A home with an empty MLflow store, for the tests of this room."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.config import Settings, load_settings
from workbench.tracking import prepare_store


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose new store was made once: its migrations take seconds."""
    settings = load_settings({"WORKBENCH_HOME": str(tmp_path_factory.mktemp("home"))})
    prepare_store(settings)
    return settings.home


@pytest.fixture(scope="session")
def home_in(empty_home: Path) -> Callable[[Path], Settings]:
    """The maker of homes: a copy of the empty one in a folder."""

    def make(folder: Path) -> Settings:
        shutil.copytree(empty_home, folder)
        return load_settings({"WORKBENCH_HOME": str(folder)})

    return make
