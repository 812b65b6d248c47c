"""Kernels are compiled at set-up, and none of another state of the sources is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.backtest import warm


def test_every_module_of_kernels_is_warmed_or_called_by_one_that_is() -> None:
    names = warm.kernel_modules()
    assert "workbench.backtest.kernel" in names
    assert "workbench.backtest.execution.bar_kernels" in names
    assert len(names) == len(set(names)) >= 8
    assert warm.compile_kernels() < 300


def test_what_was_compiled_from_other_sources_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "_HERE", tmp_path)
    cache = tmp_path / "execution" / "__pycache__"
    cache.mkdir(parents=True)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "execution" / "terms.py").write_text("a = 1")
    (tmp_path / "execution" / "fill_kernels.py").write_text("b = 1")
    kept, compiled = cache / "model.cpython-311.pyc", cache / "fill_kernels.fill-20.py311.nbi"
    for file in (kept, compiled):
        file.write_text("x")
    assert warm.discard_stale() == 1
    assert kept.exists()
    assert not compiled.exists()
    compiled.write_text("x")
    assert warm.discard_stale() == 0
    (tmp_path / "execution" / "fill_kernels.py").write_text("b = 2")
    assert warm.discard_stale() == 1
