"""``workbench data verify`` and ``repair``: what a user sees of a damaged store."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from workbench.cli import main
from workbench.config import Settings
from workbench.data import content_hash, open_records, open_store, synthetic_market


@pytest.fixture
def damaged(settings: Settings) -> tuple[Settings, pd.DataFrame]:
    """Two versions of bars, the file of the second torn; one sound series of funding."""
    bars = synthetic_market("gbm(seed=9, n_bars=200)", ["A"], "1h")[0]
    store = open_store(settings)
    store.write("x", "A", "1h", bars.iloc[:100])
    store.write("x", "A", "1h", bars)
    path = max((store.root / "x" / "1h" / "A").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-10])
    rates = pd.DataFrame({"rate": 1e-4, "mark_price": 100.0}, index=bars.index.rename("time"))
    open_records(settings).write("funding", "x", "A", rates)
    return settings, bars


def test_verify_and_repair_as_a_user_does(
    damaged: tuple[Settings, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, bars = damaged
    assert main(["data", "verify", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(t["series"], t["status"], t["damaged_versions"]) for t in told] == [
        ("1h", "damaged", "2"),
        ("funding", "sound", ""),
    ]
    assert main(["data", "verify"]) == 1
    assert "1 of 2 series need 'workbench data repair'" in capsys.readouterr().out
    assert main(["data", "repair", "A", "--source", "x", "--timeframe", "1h", "--yes"]) == 1
    assert f"lost: 100 row(s) from {bars.index[100]:%Y-%m-%d %H:%M}" in capsys.readouterr().out
    assert main(["data", "verify"]) == 0
    capsys.readouterr()
    assert main(["data", "repair", "A", "--source", "x", "--timeframe", "1h", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] is None
    assert content_hash(open_store(settings).read("x", "A", "1h")) == content_hash(bars.iloc[:100])
    assert list(Path(open_store(settings).root / "_quarantine").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["A", "--source", "x"], "--timeframe of bars, or --kind of records"),
        (["A", "--source", "x", "--timeframe", "1h"], "add --yes"),
        (["A", "--source", "x", "--timeframe", "1h", "--json"], "add --yes"),
        (["B", "--source", "x", "--timeframe", "1h", "--yes"], "no symbol 'B'"),
        (["A", "--source", "x", "--kind", "fundng", "--yes"], "Did you mean 'funding'"),
    ],
)
def test_wrong_words_are_one_line(
    damaged: tuple[Settings, pd.DataFrame], capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["data", "repair", *words]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert len(told.strip().splitlines()) == 1


def test_records_are_repaired_by_kind(
    damaged: tuple[Settings, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "repair", "A", "--source", "x", "--kind", "funding", "--yes"]) == 0
    assert "sound; nothing to repair" in capsys.readouterr().out
