"""What was held and what it cost: shares add up, stretches are means, costs are those of the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench import charts
from workbench.charts.book import allocation_frame, cost_frame, side_shares, stretches, turnover_frame


def positions_of(n: int = 1000, k: int = 3, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    index = pd.date_range("2020-01-15", periods=n, freq="4h", tz="UTC", name="time")
    return pd.DataFrame(rng.uniform(-0.3, 0.4, (n, k)), index=index, columns=[f"S{i}" for i in range(k)])


def data_of(figure: Any, column: str) -> np.ndarray:
    return next(np.asarray(r.data_source.data[column]) for r in figure.renderers if column in r.data_source.data)


def test_sides_by_hand() -> None:
    index = pd.date_range("2020", periods=2, tz="UTC")
    sides = side_shares(pd.DataFrame({"a": [0.5, -0.2], "b": [-0.3, -0.1]}, index=index))
    assert sides["long"].tolist() == [0.5, 0.0]
    assert sides["short"].tolist() == pytest.approx([-0.3, -0.3])
    assert sides["net"].tolist() == pytest.approx([0.2, -0.3])


def test_exposure_is_drawn_by_side_with_its_mean_in_the_title() -> None:
    positions = positions_of()
    figure = charts.sides_chart(positions)
    assert f"net {positions.sum(axis=1).mean():+.0%}".replace("%", " %") in figure.title.text
    assert [i.label.value for i in figure.legend[0].items] == ["long", "short", "net"]
    drawn = data_of(figure, "net")
    assert len(drawn) == 400
    assert drawn.mean() == pytest.approx(positions.sum(axis=1).mean(), abs=0.01)
    long_only = charts.sides_chart(positions.clip(lower=0))
    assert [i.label.value for i in long_only.legend[0].items] == ["long", "net"]


def test_stretches_are_means_in_order() -> None:
    frame = positions_of(1200)
    means = stretches(frame)
    assert len(means) == 400
    assert means.iloc[7].tolist() == pytest.approx(frame.iloc[21:24].mean().tolist())
    assert means.index[7] == frame.index[21]


def test_leverage_is_gross_over_equity() -> None:
    positions = positions_of()
    figure = charts.to_bokeh(charts.leverage_chart(positions, limit=1.0))
    gross = positions.abs().sum(axis=1)
    assert f"at most {gross.max():.2f}×, {gross.mean():.2f}× on average" in figure.title.text
    assert data_of(figure, "leverage").max() == pytest.approx(gross.max())
    assert [r.glyph.line_dash for r in figure.renderers] == [[], [6]]
    account = gross.to_frame("gross").assign(equity=1.0)
    same = charts.to_bokeh(charts.leverage_chart(account, limit=1.0))
    assert same.title.text == figure.title.text


def test_turnover_adds_up_each_month() -> None:
    n = 60
    index = pd.date_range("2020-01-17", periods=n, tz="UTC")
    account = pd.DataFrame({"traded": np.full(n, 0.25), "equity": np.full(n, 1.5)}, index=index)
    monthly = turnover_frame(account)
    assert monthly.tolist() == pytest.approx([15 * 0.25, 29 * 0.25, 16 * 0.25])
    figure = charts.turnover_chart(account)
    assert data_of(figure, "value") == pytest.approx(monthly.to_numpy())
    assert list(data_of(figure, "month")) == ["Jan 2020", "Feb 2020", "Mar 2020"]
    assert f"{monthly.mean():.2f}× equity a month" in figure.title.text
    assert turnover_frame(account["traded"]).equals(monthly)


def test_layers_of_the_allocation_end_at_the_sums_of_both_sides() -> None:
    positions = positions_of(300, 8)
    layers = allocation_frame(positions)
    assert list(layers.columns[-1:]) == ["others"]
    assert layers.shape == (300, 7)
    assert layers.sum(axis=1).to_numpy() == pytest.approx(positions.sum(axis=1).to_numpy())
    figure = charts.allocation_chart(positions)
    areas = [r for r in figure.renderers if type(r.glyph).__name__ == "VArea" or type(r.glyph).__name__ == "VAreaStep"]
    edges = [np.concatenate([r.data_source.data["y1"], r.data_source.data["y2"]]) for r in areas]
    assert max(e.max() for e in edges) == pytest.approx(layers.clip(lower=0).sum(axis=1).max())
    assert min(e.min() for e in edges) == pytest.approx(layers.clip(upper=0).sum(axis=1).min())


def test_average_allocation_is_ordered_and_counts_cash() -> None:
    index = pd.date_range("2020", periods=4, tz="UTC")
    held = pd.DataFrame({"a": [0.2, 0.2, 0.0, 0.0], "b": [-0.6, -0.6, -0.6, 0.6]}, index=index)
    table = charts.allocation_table(held)
    assert table.frame["asset"].tolist() == ["b", "a"]
    assert table.frame["short"].tolist() == [0.75, 0.0]
    assert table.frame["net"].tolist() == pytest.approx([-0.3, 0.1])
    assert "in cash 30.0 % on average" in table.caption


def costs_of() -> pd.DataFrame:
    index = pd.date_range("2020-01-01", "2021-01-01", periods=3, tz="UTC")
    return pd.DataFrame(
        {"fee": [1.0, 2.0, 3.0], "slippage": [0.5, 0.5, 0.0], "funding": [-1.0, 0.0, 0.0], "borrow": 0.0}, index=index
    )


def test_costs_by_kind_over_the_starting_capital() -> None:
    account = pd.DataFrame({"equity": [100.0, 90.0, 95.0]}, index=costs_of().index)
    table = cost_frame(costs_of(), account)
    assert list(table.columns) == ["fee", "slippage", "funding"]  # borrow was never charged
    assert table.iloc[-1].tolist() == pytest.approx([0.06, 0.01, -0.01])
    figure = charts.to_bokeh(charts.cost_kinds_chart(costs_of(), equity=account))
    assert "6.0 % of the starting capital in all" in figure.title.text
    assert data_of(figure, "all")[-1] == pytest.approx(0.06)
    assert len({(r.glyph.line_color, str(r.glyph.line_dash)) for r in figure.renderers}) == 4


def test_the_table_of_costs_tells_received_from_paid() -> None:
    table = charts.cost_kinds_table(costs_of(), equity=100.0)
    assert table.frame["share"].tolist()[:3] == pytest.approx([6 / 8, 1 / 8, 1 / 8])
    assert table.frame["paid"].iloc[-1] == pytest.approx(0.06)
    assert table.frame["yearly"].iloc[-1] == pytest.approx(0.06 / (366 / 365.25))
    assert "−1.00 %" in table._repr_html_()
    assert ">6.0000<" in charts.cost_kinds_table(costs_of())._repr_html_()
