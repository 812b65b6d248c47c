"""How far the headline can be believed: intervals, nulls, trials, regimes, costs and capacity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import charts
from workbench.charts import inference
from workbench.charts.costcurves import break_even, halving, short_money
from workbench.charts.trialcharts import MOST_CLUSTERS, MOST_POINTS, groups, ordinal

INTERVALS = pd.DataFrame(
    [
        ("sharpe_ratio", 0.9, 0.2, 1.6, 0.95),
        ("sortino_ratio", 1.2, -0.1, 2.4, 0.95),
        ("annual_return", 0.12, 0.03, 0.2, 0.95),
        ("max_drawdown", 0.2, 0.15, 0.3, 0.95),
        ("total_return", 8.0, 4.0, 12.0, 0.95),
    ],
    columns=["metric", "value", "low", "high", "confidence"],
)


def plots(picture: Any) -> list[Any]:
    """Return the figures of a picture in reading order."""
    model = charts.to_bokeh(picture)
    parts = [p for child in getattr(model, "children", []) for p in plots(child)]
    return parts or ([model] if hasattr(model, "renderers") else [])


def data_of(figure: Any, column: str) -> np.ndarray:
    return next(np.asarray(r.data_source.data[column]) for r in figure.renderers if column in r.data_source.data)


def test_figures_of_one_unit_and_size_share_an_axis() -> None:
    ratios, shares, far = plots(charts.intervals_chart(INTERVALS))
    assert list(data_of(ratios, "metric")) == ["Sharpe ratio", "Sortino ratio"]
    assert list(data_of(shares, "metric")) == ["annual return", "max drawdown"]
    assert list(data_of(far, "metric")) == ["total return"]
    assert ratios.title.text == "Sharpe ratio 0.20 to 1.60 (95 %): above 0"
    assert all(f.x_range.start < 0 < f.x_range.end for f in (ratios, shares, far))


def test_an_interval_that_holds_0_is_hollow_and_named() -> None:
    ratios = plots(charts.intervals_chart(INTERVALS))[0]
    assert list(data_of(ratios, "hollow")) == [1.0, 0.0]
    assert "hollow: the interval holds 0" in ratios.xaxis[0].axis_label
    table = charts.intervals_table(INTERVALS)
    assert table.frame["zero"].tolist() == ["no", "yes", "no", "–", "no"]
    assert table.marks[(1, "zero")] == "fail"
    assert "95 % confidence" in table.caption
    assert not inference.tested_against_zero("annual_volatility")
    assert not inference.tested_against_zero("hit_rate")
    last_first = plots(charts.intervals_chart(INTERVALS.iloc[::-1]))
    assert "Sharpe ratio" in data_of(last_first[0], "metric")  # under the title that speaks of it


def draws_of() -> tuple[pd.DataFrame, pd.DataFrame]:
    values = np.linspace(-1, 1, 201)
    draws = pd.DataFrame({"null": "random_entries", "value": values})
    nulls = pd.DataFrame(
        [("random_entries", 0.9, 0.0, 12 / 202, 201)], columns=["null", "observed", "mean", "p_value", "n_draws"]
    )
    return draws, nulls


def test_a_null_counts_the_draws_that_did_as_well() -> None:
    figure = charts.null_chart(*draws_of())
    assert figure.title.text == "Random entries: 11 of 201 draws did as well by chance, p = 0.059"
    assert data_of(figure, "count").sum() == 201
    assert "observed 0.90" in [i.label.value for i in figure.legend[0].items]
    table = charts.nulls_table(draws_of()[1])
    assert table.marks == {(0, "p_value"): "fail"}
    assert charts.nulls_table(draws_of()[1], level=0.1).marks == {(0, "p_value"): "pass"}


def test_every_null_is_drawn_unless_one_is_named() -> None:
    draws, nulls = draws_of()
    both = pd.concat([draws, draws.assign(null="shuffled")])
    rows = pd.concat([nulls, nulls.assign(null="shuffled", p_value=0.5)])
    titles = [f.title.text for f in plots(charts.null_chart(both, rows))]
    assert [t.split(":")[0] for t in titles] == ["Random entries", "Shuffled"]
    assert "p = 0.500" in charts.null_chart(both, rows, null="shuffled").title.text
    assert "nothing to show" in charts.null_chart(both, rows, null="other").title.text


def test_the_odds_are_judged_and_explained_and_unknown_keys_passed_over() -> None:
    table = charts.honesty_table(
        {
            "deflated_sharpe_ratio": 0.97,
            "n_trials": 1234.0,
            "n_effective": 7.3,
            "probability_of_overfitting": 0.61,
            "minimum_track_record_length": float("inf"),
            "minimum_backtest_length": float("nan"),
            "sharpe_ratio": 1.0,
        }
    )
    page = table._repr_html_()
    assert table.frame["key"].tolist() == [
        "deflated_sharpe_ratio",
        "n_trials",
        "n_effective_trials",
        "minimum_track_record_length",
        "probability_of_backtest_overfitting",
    ]
    assert [table.marks.get((i, "value")) for i in range(5)] == ["pass", None, None, None, "fail"]
    for text in ("0.970", "1,234", "7.3", "never", "0.610"):
        assert f">{text}<" in page


def trials_of(n: int = 30) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": np.arange(1, n + 1),
            "first_seen": pd.date_range("2024", periods=n, tz="UTC"),
            "sharpe_ratio": np.sin(np.arange(n)),
            "cluster": np.arange(n) % 7,
            "config": [f"sma(fast={i})" for i in range(n)],
        }
    )


def test_this_run_is_ringed_and_ranked_among_the_trials() -> None:
    trials = trials_of()
    figure = charts.trials_chart(trials, current=2)
    rank = int((trials["sharpe_ratio"] > trials["sharpe_ratio"].iloc[1]).sum()) + 1
    assert f"30 trials in 7 clusters: this run is the {ordinal(rank)} best" in figure.title.text
    words = [i.label.value for i in figure.legend[0].items]
    assert words[0] == "best so far"
    assert words[-1] == "this run"
    ring = figure.renderers[-1]
    assert ring.data_source.data["number"].tolist() == [2]
    assert ring.glyph.fill_alpha == 0
    best = next(r for r in figure.renderers if type(r.glyph).__name__ == "Step")
    assert (np.diff(best.data_source.data["y"]) >= 0).all()


def test_every_trial_is_in_one_group() -> None:
    trials = trials_of()
    parts = groups(trials)
    assert len(parts) == MOST_CLUSTERS + 1
    assert sum(len(p) for _, p in parts) == len(trials)
    assert parts[-1][0].startswith("3 smaller")
    assert groups(trials.drop(columns="cluster"))[0][0] == "trials"
    alone = charts.trials_chart(trials.iloc[:1].assign(cluster=np.nan), 1)  # one trial has no cluster yet
    assert alone.title.text == "One trial: this run is the best, Sharpe ratio 0.00"


def test_of_very_many_trials_the_best_are_kept() -> None:
    trials = trials_of(3 * MOST_POINTS)
    figure = charts.trials_chart(trials)
    shown = [r.data_source.data["sharpe"] for r in figure.renderers if "sharpe" in r.data_source.data]
    assert sum(map(len, shown)) <= MOST_POINTS
    assert max(v.max() for v in shown) == trials["sharpe_ratio"].max()


@pytest.mark.parametrize(
    ("n", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th"), (1221, "1,221st")]
)
def test_ranks_are_written_as_people_do(n: int, text: str) -> None:
    assert ordinal(n) == text


REGIMES = pd.DataFrame(
    [("low_volatility", 600, 0.6, 0.2, 1.5, 0.05), ("high_volatility", 400, 0.4, -0.1, -0.4, 0.2)],
    columns=["regime", "n_bars", "share", "total_return", "sharpe_ratio", "max_drawdown"],
)


def test_regimes_are_as_wide_as_they_were_long() -> None:
    figure = charts.regimes_chart(REGIMES)
    assert figure.title.text == "By regime: best in low volatility (1.50), worst in high volatility (−0.40)"
    width = data_of(figure, "width")
    assert width.tolist() == pytest.approx([0.9, 0.12 + 0.78 * 2 / 3])
    page = charts.regimes_table(REGIMES)._repr_html_()
    assert "low volatility" in page
    assert "60.0 %" in page
    assert "annual volatility" not in page  # the frame has no such column


@given(st.floats(0.01, 5), st.floats(0.001, 0.5))
@settings(max_examples=40, deadline=None)
def test_break_even_of_a_straight_line(level: float, slope: float) -> None:
    bps = np.array([0.0, 1.0, 5.0, 30.0, 1e5])
    assert break_even(bps, level - slope * bps) == pytest.approx(level / slope, rel=1e-9)


def test_break_even_that_is_not_there() -> None:
    assert np.isnan(break_even(np.array([0.0, 1.0]), np.array([1.0, 0.5])))
    assert np.isnan(break_even(np.array([0.0, 1.0]), np.array([-1.0, -2.0])))
    assert break_even(np.array([0.0, 1.0, 2.0]), np.array([1.0, np.nan, -1.0])) == 1.0


def test_the_cost_curve_marks_break_even_and_what_was_assumed() -> None:
    curve = pd.DataFrame({"cost_bps": [0.0, 10.0, 20.0], "sharpe_ratio": [1.0, 0.5, -0.5], "annual_return": 0.1})
    figure = charts.cost_curve_chart(curve, assumed_bps=5.0)
    assert figure.title.text == "Costs: the strategy breaks even at 15.0 bp per side, 3.0× what was assumed"
    assert [i.label.value for i in figure.legend[0].items][1:] == ["break-even, 15.0 bp", "assumed in this run, 5.0 bp"]
    assert "still earning at 10.0 bp" in charts.cost_curve_chart(curve.iloc[:2]).title.text
    assert "earns nothing even at 20.0 bp" in charts.cost_curve_chart(curve.iloc[2:]).title.text
    assert "breaks even at 7.0 bp" in charts.cost_curve_chart(curve, break_even_bps=7.0).title.text


def test_capacity_ends_where_half_the_sharpe_ratio_is_gone() -> None:
    capital = 10.0 ** np.arange(3, 8)
    curve = pd.DataFrame({"capital": capital, "sharpe_ratio": [1.0, 0.9, 0.75, 0.25, 0.0]})
    assert halving(capital, curve["sharpe_ratio"].to_numpy()) == pytest.approx(10**5.5)
    assert charts.capacity_chart(curve).title.text == "Capacity: half the Sharpe ratio gone at 316 k"
    known = charts.capacity_chart(curve, best=4e6, break_even=9e6)
    assert known.title.text == "Capacity: most money earned at 4 M, nothing left at 9 M"
    assert len(known.legend[0].items) == 4
    assert "never halved" in charts.capacity_chart(curve.iloc[:2]).title.text
    assert "nothing is earned" in charts.capacity_chart(curve.assign(sharpe_ratio=-1.0)).title.text
    assert [short_money(v) for v in (950, 25_000, 1.5e6, 2e9)] == ["950", "25 k", "1.5 M", "2 bn"]


MARKETS = pd.DataFrame(
    {
        "kind": ["noise", "noise", "planted", "planted"],
        "way": ["backtest", "sweep", "backtest", "sweep"],
        "seed": [7, 7, 8, 8],
        "passed": [False, True, True, False],
        "deflated_sharpe_ratio": [0.3, 0.97, 0.99, 0.9],
        "refused_by": ["deflated Sharpe ratio, overfitting", "", "", "deflated Sharpe ratio"],
    }
)


def test_markets_of_known_truth_are_judged_right_or_wrong() -> None:
    figure = charts.truth_chart(MARKETS)
    assert figure.title.text == "1 of 2 noise markets passed; 1 of 2 planted markets passed"
    assert [i.label.value for i in figure.legend[0].items] == [
        "passed rightly, 1",
        "passed wrongly, 1",
        "refused rightly, 1",
        "refused wrongly, 1",
    ]
    table = charts.truth_table(MARKETS)
    assert table.frame["share"].tolist() == [0, 1, 1, 0]
    assert table.frame["gate"].tolist() == ["deflated Sharpe ratio, 1×", "–", "–", "deflated Sharpe ratio, 1×"]
