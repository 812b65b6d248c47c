"""``workbench run features``: one line says what was found among how many tests."""

from __future__ import annotations

import pytest

from workbench.cli import main
from workbench.config import Settings


@pytest.mark.slow
def test_the_factor_report_runs_from_the_command_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    market = "source=planted(strength=0.5, seed=9, n_bars=500)"
    chosen = ["features=[volume_z(20), rsi(14)]", "symbols=[SYN]", "timeframe=1h", "horizon=1", "horizons=[1, 5]"]
    words = [word for text in (market, *chosen) for word in ("-p", text)]
    assert main(["run", "features", *words]) == 0
    shown = capsys.readouterr().out
    assert "features: 1 of 2 features found among 4 tests, largest rank IC 0." in shown
    assert main(["runs", "list", "--notebook", "features"]) == 0
    assert "2 features on SYN" in capsys.readouterr().out
