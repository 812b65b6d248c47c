"""Two runs side by side: the lead, the waterfall, what differs, which trades."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import charts
from workbench.charts.comparison import lead_of, waterfall


def pair_of() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    index = pd.date_range("2020", periods=300, tz="UTC", name="time")
    a = rng.normal(0.004, 0.02, 300)
    return pd.DataFrame({"a": a, "b": a - 0.001}, index=index)


def test_the_lead_is_the_ratio_of_the_two_equities() -> None:
    pair = pair_of()
    above, below = charts.compare_equity_chart(pair).children
    expected = (1 + pair["a"]).prod() / (1 + pair["b"]).prod() - 1
    lead = next(np.asarray(r.data_source.data["lead"]) for r in below.renderers)
    assert lead[-1] == pytest.approx(expected)
    assert above.title.text == f"A ends {expected:.1%} ahead of B".replace("%", " %")
    assert above.x_range is below.x_range
    assert [i.label.value for i in above.legend[0].items] == ["A", "B"]
    assert above.renderers[0].glyph.line_dash != above.renderers[1].glyph.line_dash


def test_equal_runs_are_said_to_be_equal_and_ruin_ends_the_lead() -> None:
    same = pair_of().assign(b=lambda f: f["a"])
    assert charts.compare_equity_chart(same).children[0].title.text == "A ends as far as B"
    ruined = pd.DataFrame({"a": [0.1, 0.1, 0.0], "b": [0.0, -1.0, 0.0]})
    assert lead_of(ruined).isna().tolist() == [False, True, True]
    assert "nothing to show" in charts.compare_equity_chart(pair_of()[["a"]]).title.text


ATTRIBUTION = pd.DataFrame(
    {"source": ["data", "parameters", "unexplained"], "pnl": [0.04, -0.10, 0.01], "share": [-0.8, 2.0, -0.2]}
)


def test_each_bar_of_the_waterfall_starts_where_the_last_ended() -> None:
    table = waterfall(ATTRIBUTION)
    assert table["start"].tolist() == pytest.approx([0, 0.04, -0.06, 0])
    assert table["end"].tolist() == pytest.approx([0.04, -0.06, -0.05, -0.05])
    figure = charts.attribution_chart(ATTRIBUTION)
    assert figure.title.text == "From A to B: −5.00 %, the largest part by parameters (−10.00 %)"
    assert list(figure.renderers[0].data_source.data["share"]) == ["−80.0 %", "200.0 %", "−20.0 %", "100.0 %"]


@given(st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_the_parts_of_a_waterfall_add_up_to_the_whole(pnl: list[float]) -> None:
    table = waterfall(pd.DataFrame({"source": list("abcdefgh")[: len(pnl)], "pnl": pnl}))
    assert table["end"].iloc[-1] == pytest.approx(sum(pnl), abs=1e-12)
    assert (table["end"] - table["start"]).tolist() == pytest.approx(table["pnl"].tolist())


def test_differences_name_each_section_once() -> None:
    frame = pd.DataFrame(
        [
            ("data", "end", pd.Timestamp("2023", tz="UTC"), None),
            ("data", "n_bars", 100.0, 120.0),
            ("code", "revision", "abc", "def"),
        ],
        columns=["section", "field", "a", "b"],
    )
    table = charts.differences_table(frame)
    assert table.caption == "3 differences"
    assert table.frame["head"].tolist() == ["data", "", "code"]
    assert table.frame["a"].tolist() == ["2023-01-01", "100", "abc"]
    assert table.frame["b"].iloc[0] == "–"
    assert "nothing: both runs" in charts.differences_table(frame.iloc[:0])._repr_html_()


TRADES = pd.DataFrame(
    {
        "symbol": ["X", "Y", "X"],
        "entry_time": pd.date_range("2020", periods=3, tz="UTC"),
        "kind": ["only_a", "changed", "only_b"],
        "pnl_a": [0.01, 0.02, np.nan],
        "pnl_b": [np.nan, 0.05, -0.02],
    }
)


def test_trades_that_differ_are_counted_and_ordered_by_what_they_cost() -> None:
    table = charts.trade_differences_table(TRADES)
    assert table.caption == (
        "Trades that differ: 1 only in A, 1 only in B, 1 in both, other profit; together +0.00 % for B"
    )
    assert table.frame["difference"].tolist() == pytest.approx([0.03, -0.02, -0.01])
    one: Any = charts.trade_differences_table(TRADES, kind="only_b")
    assert one.caption == "Trades only in B: 1; together −2.00 % for B"
    assert "words" not in [c.key for c in one.columns]
