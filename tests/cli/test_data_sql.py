"""``workbench data sql``: a table for people, CSV and JSON for machines, one line for a mistake."""

from __future__ import annotations

import io
import json

import pytest

from workbench.cli import main
from workbench.config import Settings

QUERY = "select symbol, count(*) as n from bars where source = 'sample' group by symbol order by n desc, symbol"


def test_a_table_says_how_much_more_there_is(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sql", QUERY, "--rows", "2"]) == 0
    shown = capsys.readouterr().out
    assert "NASDAQ" in shown
    assert "GOOG" not in shown
    assert "2 of 6 rows" in shown


def test_csv_and_json_hold_everything(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sql", QUERY, "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["symbol,n", "NASDAQ,5031"]
    assert len(lines) == 7
    assert main(["data", "sql", QUERY, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == {"symbol": "NASDAQ", "n": 5031}


def test_a_query_from_standard_input(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("select 1 + 1 as two"))
    assert main(["data", "sql", "--csv"]) == 0
    assert capsys.readouterr().out == "two\n2\n"


def test_no_rows_name_the_columns(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sql", "select symbol, close from bars", "--at", "2020-01-01"]) == 0
    assert capsys.readouterr().out.strip() == "no rows; columns: symbol, close"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["select * from barz"], "there is no table 'barz'. Did you mean 'bars'?"),
        (["delete from bars"], "a query only reads"),
        (["select 1", "--rows", "0"], "--rows must be at least 1, got 0"),
        (["select 1", "--csv", "--json"], "choose one of --csv and --json"),
        (["select 1", "--at", "soon"], "at 'soon' is not a date"),
    ],
)
def test_a_mistake_is_one_line(
    settings: Settings, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["data", "sql", *words]) == 2
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told
