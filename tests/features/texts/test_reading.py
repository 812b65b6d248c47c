"""Files of dated texts: what is understood, and what is refused by row and column."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import ConfigError, DataError
from workbench.features import texts

CSV = """published,text,symbol,source
2024-03-01T14:30:00Z,"Bitcoin surges, again",BTC/USDT,wire
2024-03-01 09:00:00+01:00,Quiet morning,,
"Fri, 01 Mar 2024 12:00:00 GMT",Outage at a venue,ETH/USDT,blog
1709301600,In seconds,,
1709301600500,In milliseconds,,
"""


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def times(frame: pd.DataFrame) -> list[str]:
    return [f"{t:%d %H:%M:%S.%f}"[:-5] for t in frame["published"]]


def test_csv_of_all_kinds_of_times(tmp_path: Path) -> None:
    frame = texts.read(write(tmp_path, "news.csv", CSV))
    assert list(frame.columns) == ["published", "text", "symbol", "source"]
    assert str(frame["published"].dtype) == "datetime64[ns, UTC]"
    assert times(frame) == ["01 08:00:00.0", "01 12:00:00.0", "01 14:00:00.0", "01 14:00:00.5", "01 14:30:00.0"]
    assert frame["symbol"].tolist() == ["", "ETH/USDT", "", "", "BTC/USDT"]
    assert frame["text"].iloc[4] == "Bitcoin surges, again"
    assert frame.attrs["bad_rows"] == []


def test_json_lines_and_tabs_hold_the_same(tmp_path: Path) -> None:
    rows = [
        {"pubDate": "2024-03-01T14:30:00Z", "headline": "Up", "ticker": "A"},
        {"pubDate": "2024-03-01T13:00:00Z", "headline": "Down"},
    ]
    expected = [("Down", ""), ("Up", "A")]
    for name, content in (
        ("a.json", json.dumps(rows)),
        ("a.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n"),
        ("a.tsv", "pubDate\theadline\tticker\n2024-03-01T14:30:00Z\tUp\tA\n2024-03-01T13:00:00Z\tDown\t\n"),
        ("bom.csv", "\ufeffpubDate,headline,ticker\n2024-03-01T14:30:00Z,Up,A\n2024-03-01T13:00:00Z,Down,\n"),
    ):
        frame = texts.read(write(tmp_path, name, content))
        assert list(zip(frame["text"], frame["symbol"], strict=True)) == expected


def test_a_date_alone_is_known_when_the_day_is_over(tmp_path: Path) -> None:
    """At noon nobody has read what the file dates to the day only; in New York the day ends at 05:00 UTC."""
    path = write(tmp_path, "a.csv", "date,text\n2024-03-01,x\n20240301,y\n")
    assert times(texts.read(path)) == ["02 00:00:00.0"] * 2
    assert times(texts.read(path, timezone="America/New_York")) == ["02 05:00:00.0"] * 2


def test_a_named_zone_is_for_times_without_one_only(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "time,text\n2024-07-01T10:00:00,summer\n2024-07-01T10:00:00Z,utc\n")
    frame = texts.read(path, timezone="Europe/Berlin")
    assert dict(zip(frame["text"], times(frame), strict=True)) == {"summer": "01 08:00:00.0", "utc": "01 10:00:00.0"}


BAD = "published,text\n2024-03-01T10:00:00Z,good\nyesterday,x\n2024-03-01T10:00:00Z,  \n,y\n2024-03-01,a,b\n5,z\n"


def test_bad_rows_are_named_by_row_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, "bad.csv", BAD)
    with pytest.raises(DataError) as caught:
        texts.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert "bad.csv: row 3, column 'published': 'yesterday' is no time; write it like 2024-03-01T14:30:00Z" in message
    assert "row 4, column 'text': '  ' is no text" in message
    assert "and 2 more (1 of 6 rows are good)" in message
    frame = texts.read(path, errors="skip")
    assert frame["text"].tolist() == ["good"]
    assert len(frame.attrs["bad_rows"]) == 5
    assert frame.attrs["bad_rows"][3] == "row 6 has more cells than the header"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "published,txt\n2024-03-01,x\n",
            "lacks the column 'text' (it has published, txt). Did you mean 'txt'",
        ),
        ("a.csv", "when,text\n2024-03-01,x\n", "lacks the column 'published' (it has when, text)"),
        ("a.csv", "published,text\n", "holds no texts"),
        ("a.csv", "published,text\nnever,x\n", "(0 of 1 rows are good)"),
        ("a.json", "[{]", "is no JSON: "),
        ("a.json", '{"a": 1}', "holds no texts"),
        ("a.json", "[1]", "entry 1 is int, not an object"),
        ("a.txt", "x", "are read from .csv, .tsv, .json or .jsonl files, got '.txt'"),
    ],
)
def test_unusable_files(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        texts.read(write(tmp_path, name, content), errors="skip" if "never" in content else "raise")
    assert message in str(caught.value)


def test_missing_file_wrong_encoding_and_options(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read: No such file"):
        texts.read(tmp_path / "none.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("published,text\n2024-03-01,Börse\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv is not UTF-8 \(byte 27\)"):
        texts.read(latin)
    with pytest.raises(ConfigError, match="there is no time zone 'Mars'"):
        texts.read(latin, timezone="Mars")
    with pytest.raises(ConfigError, match="errors must be 'raise' or 'skip', got 'drop'"):
        texts.read(latin, errors="drop")  # type: ignore[arg-type]


def test_frames_of_ones_own_are_checked() -> None:
    good = pd.DataFrame({"published": pd.to_datetime(["2024-03-02", "2024-03-01"], utc=True), "text": ["b", "a"]})
    frame = texts.check_texts(good)
    assert frame["text"].tolist() == ["a", "b"]
    assert frame["symbol"].tolist() == ["", ""]
    for change, message in (
        ({"published": ["2024-03-02", "2024-03-01"]}, "must hold times with a zone"),
        ({"text": ["a", None]}, "row 1, column 'text' is empty"),
    ):
        with pytest.raises(DataError, match=message):
            texts.check_texts(good.assign(**change))
    with pytest.raises(DataError, match="texts lack the column 'text'"):
        texts.check_texts(good[["published"]])
    with pytest.raises(DataError, match=r"must be a frame as texts\.read returns it, got list"):
        texts.check_texts([])
