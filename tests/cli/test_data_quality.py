"""Gaps, universe, repairs and resampling as typed: tables, JSON, one line for a mistake."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from workbench.cli import main
from workbench.config import Settings
from workbench.data import BarStore, bars_of, open_store, symbol_frame, synthetic_market

SYMBOLS = ("A/USDT", "B/USDT", "C/USDT")
N = 400


@pytest.fixture
def holed_store(settings: Settings) -> BarStore:
    """Three series of a venue that was down for four hours, and one of another venue that was not."""
    store = open_store(settings)
    bars = synthetic_market(f"gbm(seed=6, n_bars={N})", list(SYMBOLS), "1h")[0]
    for symbol in SYMBOLS:
        frame = symbol_frame(bars, symbol)
        store.write("venue", symbol, "1h", bars_of({symbol: frame.drop(frame.index[100:104])}))
    store.write("other", "A/USDT", "1h", bars_of({"A/USDT": symbol_frame(bars, "A/USDT")}))
    return store


def said(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(words) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


@pytest.mark.parametrize("verb", ["gaps", "universe", "fill", "resample"])
def test_each_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["data", verb, "--help"], capsys)
    assert f"Usage: workbench data {verb}" in shown
    assert verb in said(["data", "--help"], capsys)


def test_gaps_are_listed_with_their_cause(holed_store: BarStore, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(["data", "gaps", "A/USDT", "--source", "venue"], capsys)
    assert "venue_down" in shown
    assert "2 of 2 other series lack the same bars" in shown
    rows = json.loads(said(["data", "gaps", "--source", "venue", "--json"], capsys))
    assert [(r["symbol"], r["bars_missing"], r["cause"]) for r in rows] == [(s, 4, "venue_down") for s in SYMBOLS]
    assert "no gap" in said(["data", "gaps", "--source", "other"], capsys)


def test_the_universe_of_a_date_is_shown(holed_store: BarStore, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "universe", "--source", "venue", "--timeframe", "1h", "--date", "2020-01-10", "--top", "2"]
    rows = json.loads(said([*words, "--json"], capsys))
    assert [r["rank"] for r in rows] == [1, 2]
    assert rows[0]["value"] >= rows[1]["value"]
    assert rows[0]["symbol"] in said(words, capsys)


def test_a_repair_is_shown_first_and_written_when_confirmed(
    holed_store: BarStore, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "fill", "A/USDT", "--source", "venue", "--from", "other"]
    shown = said(words, capsys)
    assert "4 bar(s) to add, 0 to replace" in shown
    assert "nothing is written; say --yes" in shown
    assert holed_store.newest_version("venue", "A/USDT", "1h") == 1
    done = json.loads(said([*words, "--yes", "--json"], capsys))
    assert (done["version"], done["written"], len(done["changes"])) == (2, True, 4)
    told = holed_store.provenance("venue", "A/USDT", "1h")
    assert told["repaired"].sum() == 4
    assert "nothing to mend" in said(words, capsys)
    flat = said(["data", "fill", "B/USDT", "--source", "venue", "--flat", "--yes"], capsys)
    assert "written as version 2" in flat
    assert "version 1 stays readable" in flat


def test_bars_are_resampled_into_the_store(holed_store: BarStore, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "resample", "A/USDT", "--source", "venue", "--from", "1h", "--to", "4h"]
    shown = said(words, capsys)
    assert "made of 1h bars (version 1), kept as version 1" in shown
    times = holed_store.read("venue", "A/USDT", "4h").index
    assert times[1] - times[0] == pd.Timedelta("4h")
    done = json.loads(said([*words, "--json"], capsys))
    assert (done["version"], done["bars"], done["with_holes"]) == (1, len(times), 0)
    notes = json.loads(said(["data", "check", "A/USDT", "--source", "venue", "--timeframe", "4h", "--json"], capsys))
    assert "4h bars made of 1h bars, version 1" in [n["note"] for n in notes]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gaps", "A/USDC", "--source", "venue"], "Did you mean 'A/USDT'"),
        (["gaps", "--source", "venue", "--timeframe", "4h"], "holds no series at 4h"),
        (["universe", "--source", "venue", "--timeframe", "1h", "--date", "soon"], "is not a date"),
        (["universe", "--source", "venue", "--timeframe", "1h", "--date", "1999-01-01"], "had closed by 1999-01-01"),
        (["universe", "--source", "venue"], "--date"),
        (["fill", "A/USDT", "--source", "venue"], "name one way to mend"),
        (["fill", "A/USDT", "--source", "venue", "--from", "other", "--flat"], "name one way to mend"),
        (["fill", "A/USDT", "--source", "venue", "--from", "othr"], "Did you mean 'other'"),
        (["resample", "A/USDT", "--source", "venue", "--from", "4h", "--to", "1h"], "not a higher time frame"),
        (["resample", "A/USDT", "--source", "venue", "--from", "1h", "--to", "90m"], "multiple of 1h"),
    ],
)
def test_mistakes_are_one_line(
    holed_store: BarStore, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    told = said(["data", *words], capsys, 2)
    assert says in told
    assert "Traceback" not in told
