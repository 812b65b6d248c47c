"""Pictures and tables of the store: every cell and part is where the numbers say, and no meaning rests on colour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench import charts
from workbench.charts.storetables import age_text, size_text
from workbench.errors import DataError


def months_of(n_symbols: int = 3) -> pd.DataFrame:
    starts = pd.date_range("2024-01-01", periods=6, freq="MS", tz="UTC")
    held = np.array([31, 29, 0, 10, 30, 30])
    expected = np.array([31, 29, 31, 30, 31, 30])
    one = pd.DataFrame({"month": starts, "held": held, "expected": expected, "share": held / expected})
    return pd.concat([one.assign(symbol=f"S{i:03d}") for i in range(n_symbols)], ignore_index=True)


def glyphs(figure: Any) -> pd.DataFrame:
    """Return all parts of a figure as rows, with the look of each."""
    rows = []
    for renderer in figure.renderers:
        part = pd.DataFrame({k: np.asarray(v) for k, v in renderer.data_source.data.items()})
        look = renderer.glyph
        rows.append(part.assign(alpha=look.fill_alpha, hatch=str(look.hatch_pattern), color=look.fill_color))
    return pd.concat(rows, ignore_index=True)


def test_a_month_is_the_stronger_the_fuller_and_hatched_when_empty() -> None:
    figure = charts.coverage_chart(months_of())
    cells = glyphs(figure)
    assert len(cells) == 18
    mine = cells[cells["symbol"] == "S001"].sort_values("left")
    assert mine["shown"].tolist() == ["100.00 %", "100.00 %", "0.00 %", "33.33 %", "96.77 %", "100.00 %"]
    assert (mine["hatch"] == "/").tolist() == [False, False, True, False, False, False]
    full, empty, third, most = (mine["alpha"].iloc[i] for i in (0, 2, 3, 4))
    assert full > most > third > empty
    assert (mine["top"] == 1 - 0.42).all()
    assert [str(i.label.value) for i in figure.legend[0].items] == [
        "no bar at all",
        "under 50 %",
        "90 to 99 %",
        "every bar",
    ]


def test_a_share_never_reads_whole_when_it_is_not() -> None:
    months = months_of(1)
    months.loc[0, ["held", "expected", "share"]] = [99_999, 100_000, 0.99999]
    cells = glyphs(charts.coverage_chart(months)).sort_values("left")
    assert cells["shown"].iloc[0] == "99.99 %"
    assert cells["alpha"].iloc[0] < cells["alpha"].iloc[1]


def test_a_hundred_symbols_have_a_row_each_and_the_axis_twice() -> None:
    figure = charts.coverage_chart(months_of(120))
    assert len(figure.yaxis[0].ticker.ticks) == 120
    assert figure.yaxis[0].major_label_overrides[119] == "S119"
    assert figure.height >= 120 * 20
    assert len(figure.xaxis) == 2


def shares_of() -> pd.DataFrame:
    rows = [("A", "binance", 70, 5, 0.7, 0.05), ("A", "kraken", 30, 0, 0.3, 0.0), ("B", "binance", 9, 0, 1.0, 0.0)]
    return pd.DataFrame(rows, columns=["symbol", "venue", "bars", "repaired", "share", "repaired_share"])


def test_venues_add_up_to_each_bar_and_repaired_ones_are_hatched() -> None:
    parts = glyphs(charts.shares_chart(shares_of()))
    mine = parts[parts["symbol"] == "A"].sort_values("left")
    assert mine["label"].tolist() == ["binance", "binance, repaired", "kraken"]
    assert mine["left"].tolist() == pytest.approx([0, 0.65, 0.7])
    assert mine["right"].tolist() == pytest.approx([0.65, 0.7, 1.0])
    assert (mine["hatch"] == "x").tolist() == [False, True, False]
    assert mine["n"].tolist() == [65, 5, 30]
    assert mine["color"].nunique() == 2


@pytest.mark.parametrize("draw", [charts.coverage_chart, charts.shares_chart])
def test_nothing_stored_is_one_line(draw: Any) -> None:
    with pytest.raises(DataError, match="no rows to draw"):
        draw(pd.DataFrame(columns=["symbol", "month", "venue"]))


def test_every_tooltip_finds_its_columns() -> None:
    from bokeh.models import HoverTool

    for figure in (charts.coverage_chart(months_of()), charts.shares_chart(shares_of())):
        (hover,) = figure.select(HoverTool)
        for renderer in hover.renderers:
            for _, text in hover.tooltips:
                for word in text.replace("{0,0}", "").split():
                    assert not word.startswith("@") or word[1:] in renderer.data_source.data


def catalogue() -> pd.DataFrame:
    time = pd.Timestamp("2024-03-01 10:00", tz="UTC")
    return pd.DataFrame({
        "source": ["binance", "binance"], "symbol": ["A<b>", "B"], "timeframe": ["1h", "1h"], "bars": [12_345, 0],
        "first": [time, pd.NaT], "last": [time, pd.NaT], "version": [3, 2], "bytes": [1_234_567, 0],
        "updated": [time, pd.NaT], "status": ["ok", "version 2 is damaged"],
        "age": pd.Series([pd.Timedelta("3h"), pd.NaT], dtype="timedelta64[us]"), "behind": [3, 0],
        "state": ["late", "damaged"],
    })  # fmt: skip


def test_the_catalogue_says_its_state_in_words() -> None:
    text = charts.catalogue_table(catalogue(), now=datetime(2024, 3, 1, 14, tzinfo=UTC))._repr_html_()
    for words in (
        "▲ late",
        "✗ damaged",
        "3 h 0 min",
        "12,345",
        "1.2 MB",
        "freshness at 2024-03-01 14:00",
        "A&lt;b&gt;",
    ):
        assert words in text
    assert "version 2 is damaged" in text
    assert "state" not in charts.catalogue_table(catalogue().drop(columns=["age", "behind", "state"]))._repr_html_()


def test_gaps_stand_by_length_with_their_cause() -> None:
    times = pd.date_range("2024-01-01", periods=3, freq="D", tz="UTC")
    gaps = pd.DataFrame({
        "symbol": ["A", "B", "C"], "start": times, "end": times + pd.Timedelta("2h"), "bars_missing": [1, 30, 9],
        "cause": ["unknown", "venue_down", "venue_down"], "others": 0, "others_missing": 0,
        "evidence": ["e1", "e2", "e3"],
    })  # fmt: skip
    table = charts.gaps_table(gaps, limit=2)
    assert table.frame["symbol"].tolist() == ["B", "C"]
    assert "3 gaps, 40 bars missing" in table.caption
    assert "first 2 of 3 rows" in table.caption
    counts = charts.gap_causes_table(gaps)
    assert counts.frame[["cause", "gaps", "bars"]].to_numpy().tolist() == [["venue_down", 2, 39], ["unknown", 1, 1]]
    assert "venue down" in counts._repr_html_()


def test_venues_say_what_their_lamps_mean() -> None:
    states = pd.DataFrame({
        "venue": ["binance", "kraken"], "state": ["banned", "closed"], "failures": [3, 0],
        "until": [pd.Timestamp("2024-01-01 00:01:02", tz="UTC"), pd.NaT], "last_error": ["HTTP 418", ""],
        "budget_used": [0.5, 0.0], "clock_skew": [1.25, np.nan],
    })  # fmt: skip
    text = charts.venues_table(states)._repr_html_()
    for words in ("✗ banned", "● asked as usual", "2024-01-01 00:01:02", "HTTP 418", "50.0 %", "1.25 s"):
        assert words in text


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000, "2.5 MB"), (7.2e12, "7,200.0 GB")]
)
def test_sizes_are_readable(size: float, words: str) -> None:
    assert size_text(size) == words


@pytest.mark.parametrize(
    ("age", "words"), [("59s", "0 min"), ("61min", "1 h 1 min"), ("26h", "1 d 2 h"), ("400D", "400 d")]
)
def test_ages_are_readable(age: str, words: str) -> None:
    assert age_text(pd.Timedelta(age)) == words
