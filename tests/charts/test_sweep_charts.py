"""Sweeps and walk-forwards: the winner, its plateau, its neighbours, and what became of what was chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import charts, risk
from workbench.charts.overfitting import line_of
from workbench.charts.sweeplines import line_frame
from workbench.charts.sweeps import levels, parameters_of, plateau_of, surface_of
from workbench.charts.walkforward import path_sharpes
from workbench.errors import DataError


def plots(picture: Any) -> list[Any]:
    """Return the figures of a picture in reading order."""
    model = charts.to_bokeh(picture)
    parts = [p for child in getattr(model, "children", []) for p in plots(child)]
    return parts or ([model] if hasattr(model, "renderers") else [])


def data_of(figure: Any, column: str) -> np.ndarray:
    return next(np.asarray(r.data_source.data[column]) for r in figure.renderers if column in r.data_source.data)


def cells_of() -> pd.DataFrame:
    """A hill over fast and slow whose top is at 20 and 100 with short selling off."""
    rows = [
        (fast, slow, short, 1.0 - abs(fast - 20) / 20 - abs(slow - 100) / 100 - 0.3 * short)
        for short in (False, True) for fast in (10, 15, 20, 25, 30) for slow in (50, 100, 150, 200)
    ]  # fmt: skip
    cells = pd.DataFrame(rows, columns=["fast", "slow", "short", "sharpe_ratio"])
    return cells.assign(
        low=cells["sharpe_ratio"] - 0.5, high=cells["sharpe_ratio"] + 0.5, total_return=0.1, max_drawdown=0.2,
        n_trades=10, turnover=3.0, deflated_sharpe_ratio=np.where(cells["sharpe_ratio"] > 0.99, 0.97, 0.2),
    )  # fmt: skip


def test_parameters_are_what_is_not_a_statistic() -> None:
    cells = cells_of().assign(model="sma")  # one value only
    assert parameters_of(cells) == ["fast", "slow", "short"]
    assert parameters_of(cells, ["short", "slow"]) == ["slow", "short"]
    with pytest.raises(DataError, match=r"no parameter 'speed'; it has fast, slow, short"):
        parameters_of(cells, ["speed"])


def test_levels_are_sorted_and_a_missing_one_is_last() -> None:
    assert levels(pd.Series([3.0, np.nan, 1.0, 3.0])) == [1.0, 3.0, None]
    assert levels(pd.Series(["b", "a", "b"])) == ["a", "b"]


def test_the_surface_holds_the_winners_slice() -> None:
    cells = cells_of()
    figure = charts.surface_chart(cells)
    grid, xs, ys = surface_of(cells[~cells["short"]], ("fast", "slow"), "sharpe_ratio")
    assert (xs, ys) == ([10, 15, 20, 25, 30], [50, 100, 150, 200])
    assert grid[1, 2] == 1.0
    boxes = figure.renderers[0].data_source.data
    assert len(boxes["x"]) == 20
    drawn = np.full(grid.shape, "", dtype=object)
    drawn[boxes["y"], boxes["x"]] = boxes["shown"]
    assert drawn[1, 2] == "1.00"
    assert drawn[3, 0] == "−0.50"
    assert "short no" in figure.xaxis[0].axis_label
    winner = figure.renderers[-1]
    assert (winner.data_source.data["x"], winner.data_source.data["y"]) == ([2], [1])


def test_a_wide_surface_fits_the_page_and_rings_the_winner() -> None:
    a, b = (v.ravel() for v in np.meshgrid(np.arange(40), np.arange(70), indexing="ij"))
    cells = pd.DataFrame({"a": a, "b": b, "sharpe_ratio": 1 - (a - 8) ** 2 / 1000 - (b - 30) ** 2 / 1000})
    figure = charts.surface_chart(cells)
    assert figure.height <= 640
    assert len(figure.xaxis[0].ticker.ticks) <= 26
    ring = figure.renderers[-1]
    assert (ring.data_source.data["x"], ring.data_source.data["y"]) == ([30], [8])
    assert type(ring.glyph).__name__ == "Scatter"
    assert not any(type(r.glyph).__name__ == "Text" for r in figure.renderers)  # too many to write in


def test_axes_can_be_chosen_and_typos_are_named() -> None:
    figure = charts.surface_chart(cells_of(), x="short", y="fast")
    assert list(figure.xaxis[0].major_label_overrides.values()) == ["no", "yes"]
    assert "slow 100" in figure.xaxis[0].axis_label
    with pytest.raises(DataError, match="no parameter 'fastt'"):
        charts.surface_chart(cells_of(), x="fastt")
    line = cells_of().query("slow == 100 and not short")
    assert "needs two parameters" in charts.surface_chart(line).xaxis[0].axis_label


def test_plateau_and_spike_by_hand() -> None:
    grid = np.array([[1.0, 0.95, 0.1], [0.2, 0.92, 0.95], [0.95, 0.1, 0.1]])
    inside = plateau_of(grid, (0, 0), 0.9)
    assert inside.tolist() == [[True, True, False], [False, True, True], [False, False, False]]  # 0.95 below: apart
    assert plateau_of(-grid, (0, 2), 0.9).sum() == 1
    assert "a spike of 1 in" in charts.surface_chart(cells_of(), plateau=0.99).title.text
    assert "a plateau of 7 in 20 cells" in charts.surface_chart(cells_of(), plateau=0.3).title.text


@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_plateau_holds_the_winner_reaches_its_share_and_shrinks_with_it(seed: int, share: float) -> None:
    grid = np.random.default_rng(seed).uniform(0.01, 1, (5, 6))
    win = np.unravel_index(int(grid.argmax()), grid.shape)
    top = (int(win[0]), int(win[1]))
    inside = plateau_of(grid, top, share)
    assert inside[top]
    assert grid[inside].min() >= share * grid[top]
    assert (plateau_of(grid, top, (share + 1) / 2) <= inside).all()


def test_the_best_cells_come_with_interval_and_what_is_left_of_them() -> None:
    table = charts.cells_table(cells_of(), top=3)
    assert table.frame["sharpe_ratio"].tolist() == pytest.approx([1.0, 0.75, 0.75])
    assert table.frame["interval"].iloc[0] == "0.50 to 1.50"
    assert table.marks == {(i, "deflated_sharpe_ratio"): m for i, m in enumerate(["pass", "fail", "fail"])}
    assert [c.key for c in table.columns][:4] == ["place", "fast", "slow", "short"]
    assert table.caption.endswith("of 40")


def test_a_line_is_the_winners_and_the_median_is_everyones() -> None:
    cells = cells_of()
    table = line_frame(cells, "fast", ["fast", "slow", "short"], "sharpe_ratio")
    assert table["value"].tolist() == pytest.approx([0.5, 0.75, 1.0, 0.75, 0.5])
    assert table["median"].tolist() == pytest.approx(cells.groupby("fast")["sharpe_ratio"].median().tolist())
    figure = charts.parameter_chart(cells, "fast")
    assert figure.title.text == "Sharpe ratio by fast: best at 20, 1.00"
    assert data_of(figure, "high") - data_of(figure, "low") == pytest.approx(1.0)
    holes = cells[~((cells["fast"] == 10) & (cells["slow"] == 100))]  # the line begins with a hole
    assert charts.parameter_chart(holes, "fast").title.text == figure.title.text
    few = charts.parameter_chart(cells.assign(low=np.where(cells["fast"] == 20, 0.1, np.nan)), "fast")
    assert {type(r.glyph).__name__ for r in few.renderers} == {"Segment", "Line", "Scatter"}
    assert "no parameter speed" in charts.parameter_chart(cells, "speed").xaxis[0].axis_label


def test_small_multiples_have_one_tile_a_parameter() -> None:
    note, *tiles = plots(charts.parameters_chart(cells_of()))
    assert [t.title.text for t in tiles] == ["fast: best at 20", "slow: best at 100", "short: best at no"]
    assert "others at the winner's" in note.title.text


def test_overfitting_is_the_share_of_logits_at_or_below_0() -> None:
    figure = charts.overfitting_chart(pd.DataFrame({"logit": [-1.0, 0.0, 0.5, 2.0]}))
    assert figure.title.text.startswith("PBO 50 %: in so many of 4 splits")
    assert data_of(figure, "count").sum() == 4


def test_degradation_finds_a_planted_line() -> None:
    x = np.linspace(0.5, 1.5, 50)
    figure = charts.degradation_chart(pd.DataFrame({"in_sample": x, "out_of_sample": 1.0 - 0.4 * x}))
    assert "least squares, slope −0.40" in [i.label.value for i in figure.legend[0].items]
    assert "1.00 in sample became 0.60 outside; 0 % lost money" in figure.title.text
    assert figure.xaxis[0].axis_label == "Sharpe ratio in sample, per bar"
    slope, level = line_of(x, np.cos(x))
    assert (slope, level) == pytest.approx(tuple(np.polyfit(x, np.cos(x), 1)))
    assert np.isnan(line_of(np.ones(3), np.arange(3.0))[0])


@pytest.mark.parametrize(("luck", "words"), [(0.8, "above the best of luck"), (1.2, "no more than luck")])
def test_the_best_is_held_against_the_best_of_luck(luck: float, words: str) -> None:
    figure = charts.luck_chart(cells_of(), expected_maximum=luck)
    assert figure.title.text == f"40 configurations: the best has a Sharpe ratio of 1.00, {words}"
    line = next(r for r in figure.renderers if r.data_source.data.get("x") == [luck, luck])
    assert line.glyph.line_dash


def selection_of() -> pd.DataFrame:
    ends = pd.date_range("2020", periods=6, freq="90D", tz="UTC")
    return pd.DataFrame(
        {
            "fold": [1, 2, 3, 4, 5],
            "train_start": ends[0],
            "train_end": ends[:-1],
            "test_start": ends[:-1],
            "test_end": ends[1:],
            "fast": [10, 10, 20, 20, 10],
            "rule": ["up", "up", "up", "up", "up"],
            "in_sample": [1.0, 1.2, 1.4, 1.1, 1.3],
            "out_of_sample": [0.5, -0.2, 0.3, -0.1, 0.4],
        }
    )


def test_choices_over_the_folds_and_how_often_they_change() -> None:
    fast, rule = plots(charts.selection_chart(selection_of()))
    assert fast.title.text == "fast: changes 2 times in 5 folds"
    assert rule.title.text == "rule: never changes in 5 folds"
    assert data_of(fast, "y").tolist() == [10, 10, 20, 20, 10]
    assert list(rule.yaxis[0].major_label_overrides.values()) == ["up"]
    table = charts.selection_table(selection_of())
    assert table.caption == "Chosen in each fold: 2 different choices in 5 folds"
    assert [table.marks[(i, "out_of_sample")] for i in range(5)] == ["pass", "fail", "pass", "fail", "pass"]


def test_in_and_out_of_sample_stand_side_by_side() -> None:
    figure = charts.fold_sharpe_chart(selection_of())
    assert figure.title.text == "Sharpe ratio by fold: 1.20 in sample, 0.18 outside; 60 % of folds above 0"
    left, right = figure.renderers
    assert (np.asarray(left.data_source.data["x"]) < np.asarray(right.data_source.data["x"])).all()
    assert left.glyph.hatch_pattern == "/"
    total = charts.fold_sharpe_chart(selection_of(), objective="total_return")
    assert total.title.text.startswith("Total return by fold: 120.0 % in sample, 18.0 % outside")
    assert "50.0 %" in charts.selection_table(selection_of(), objective="total_return")._repr_html_()


def paths_of(k: int = 9, n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    index = pd.date_range("2020", periods=n, tz="UTC")
    return pd.DataFrame(rng.normal(0.0005, 0.01, (n, k)), index=index, columns=range(1, k + 1))


def test_paths_end_where_their_returns_lead() -> None:
    paths = paths_of()
    figure = charts.paths_chart(paths)
    ends = (1 + paths).prod()
    assert f"9 paths: from {ends.min():.2f} to {ends.max():.2f}, {(ends < 1).mean():.0%}".replace("%", " %") in (
        figure.title.text
    )
    drawn = {r.data_source.data["path"][0]: r.data_source.data["value"][-1] for r in figure.renderers
             if "path" in r.data_source.data}  # fmt: skip
    assert drawn == pytest.approx({str(c): ends[c] for c in paths})
    median = next(r for r in figure.renderers if getattr(r.glyph, "line_width", 0) == 2.6)
    assert median.data_source.data["y"][-1] == pytest.approx(ends.median())


def test_sharpe_ratios_of_the_paths_rise_and_still_ones_are_left_out() -> None:
    paths = paths_of().assign(still=0.0)
    sharpe = path_sharpes(paths)
    assert len(sharpe) == 9
    assert sharpe.is_monotonic_increasing
    assert sharpe[3] == pytest.approx(risk.sharpe_ratio(paths[3]))
    figure = charts.path_sharpe_chart(paths)
    assert data_of(figure, "value") == pytest.approx(sharpe.to_numpy())
    many = charts.path_sharpe_chart(paths_of(50, 60))
    assert data_of(many, "count").sum() == 50
