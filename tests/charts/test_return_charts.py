"""Pictures and tables of returns: years, months, distributions, rolling windows, drawdowns, crises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import charts, risk
from workbench.charts.annual import annual_frame
from workbench.charts.drawdowns import periods_frame
from workbench.charts.marks import bins_of
from workbench.charts.rollings import beta_frame, windows


def returns_of(n: int = 1000, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0005, 0.02, n)
    index = pd.date_range("2019-03-01", periods=n, freq="D", tz="UTC", name="time")
    return pd.DataFrame(
        {"strategy": 0.5 * market + rng.normal(0, 0.005, n), "zero": 0.0, "buy_and_hold": market}, index=index
    )


def plots(picture: Any) -> list[Any]:
    """Return the figures of a picture in reading order."""
    model = charts.to_bokeh(picture)
    parts = [p for child in getattr(model, "children", []) for p in plots(child)]
    return parts or ([model] if hasattr(model, "renderers") else [])


def data_of(figure: Any, column: str) -> np.ndarray:
    return next(np.asarray(r.data_source.data[column]) for r in figure.renderers if column in r.data_source.data)


def test_years_are_compounded_and_partial_ones_marked() -> None:
    returns = returns_of()
    figure = plots(charts.annual_chart(returns))[0]
    strategy = returns["strategy"]
    expected = [np.prod(1 + strategy[strategy.index.year == y]) - 1 for y in (2019, 2020, 2021)]
    assert data_of(figure, "value") == pytest.approx(expected)
    assert list(figure.xaxis[0].major_label_overrides.values()) == ["2019 *", "2020", "2021 *"]
    assert [i.label.value for i in figure.legend[0].items] == ["strategy", "buy and hold"]
    hatched = [r.glyph.hatch_pattern for r in figure.renderers]
    assert hatched[0] != hatched[1]  # not by colour alone


def test_years_hold_every_bar_of_the_record() -> None:
    returns = returns_of(2000)
    assert np.prod(1 + annual_frame(returns)["strategy"]) == pytest.approx(np.prod(1 + returns["strategy"]))


def test_the_calendar_joins_months_and_years_latest_first() -> None:
    returns = returns_of()
    table = charts.calendar_table(returns)
    months = risk.monthly_returns(returns["strategy"])
    assert list(table.frame["name"]) == ["2021", "2020", "2019", "mean"]
    assert table.frame["Apr"].iloc[1] == pytest.approx(months.loc[2020, 4])
    assert table.frame["year"].iloc[3] == pytest.approx(months["year"].mean())
    page = table._repr_html_()
    assert f"{100 * months.loc[2020, 4]:+.1f}".replace("-", "−") in page
    sign = table.marks[(1, "Apr")]
    assert sign == ("pass" if months.loc[2020, 4] > 0 else "fail")
    known = months[list(range(1, 13))].to_numpy().ravel()
    known = known[np.isfinite(known)]
    assert f"{(known > 0).mean():.0%} of {len(known)} months".replace("%", " %") in table.caption


@given(
    values=st.lists(st.floats(-1, 1, allow_nan=False), min_size=2, max_size=200),
    tail=st.sampled_from([0.0, 0.01]),
    at_zero=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_histogram_counts_every_value_once(values: list[float], tail: float, at_zero: bool) -> None:
    counts, edges = bins_of(np.array(values), tail=tail, at_zero=at_zero)
    assert counts.sum() == len(values)
    assert (np.diff(edges) > 0).all()
    if at_zero and edges[0] < 0 < edges[-1]:
        assert np.abs(edges).min() < 1e-9 * max(1.0, np.abs(edges).max())


def test_no_bar_of_returns_holds_both_signs() -> None:
    returns = returns_of()
    figure = plots(charts.returns_histogram_chart(returns))[0]
    left, right, count, color = (data_of(figure, c) for c in ("left", "right", "count", "color"))
    assert count.sum() == len(returns)
    assert count[right < 1e-12].sum() == (returns["strategy"] < 0).sum()
    assert set(color[right < 1e-12]).isdisjoint(color[left > -1e-12])


def test_days_and_months_are_compounded_and_idle_bars_left_out() -> None:
    net = pd.Series([0.01, 0.0, 0.02, -0.01], index=pd.date_range("2020", periods=4, freq="12h", tz="UTC"))
    bars = plots(charts.returns_histogram_chart(net))[0]
    assert data_of(bars, "count").sum() == 3
    assert "1 bars at exactly 0 left out" in bars.xaxis[0].axis_label
    days = plots(charts.returns_histogram_chart(net, every="day"))[0]
    assert [i.label.value for i in days.legend[0].items][1] == "mean +0.99 %"  # (1.00 % + 0.98 %) / 2
    months = plots(charts.returns_histogram_chart(net, every="month"))[0]
    assert "nothing to show" in months.title.text  # one month only


def test_rolling_sharpe_is_that_of_the_risk_room() -> None:
    returns = returns_of()
    figure = plots(charts.rolling_sharpe_chart(returns))[0]
    expected = risk.rolling_sharpe_ratio(returns["strategy"], 365)
    assert data_of(figure, "series_1")[-1] == pytest.approx(expected.iloc[-1])
    above = (expected.dropna() > 0).mean()
    assert f"above 0 {above:.0%} of the time (12 months)".replace("%", " %") in figure.title.text
    lines = [r.glyph for r in figure.renderers]
    assert lines[0].line_dash != lines[1].line_dash


def test_rolling_beta_finds_a_planted_beta() -> None:
    returns = returns_of()
    figure = plots(charts.rolling_beta_chart(returns))[0]
    assert data_of(figure, "series_1")[-1] == pytest.approx(0.5, abs=0.05)
    window = returns.iloc[-365:]
    slope = np.polyfit(window["buy_and_hold"], window["strategy"], 1)[0]
    assert beta_frame(returns, "buy_and_hold", (12,))["12 months"].iloc[-1] == pytest.approx(slope)
    flat = returns.assign(buy_and_hold=0.0)
    assert "nothing to show" in plots(charts.rolling_beta_chart(flat))[0].title.text
    assert "no returns of gold" in plots(charts.rolling_beta_chart(returns, benchmark="gold"))[0].xaxis[0].axis_label


def test_rolling_volatility_is_annual() -> None:
    figure = plots(charts.rolling_volatility_chart(returns_of(), months=(6,)))[0]
    expected = risk.rolling_volatility(returns_of()["strategy"], round(365 / 2))
    assert f"at most {expected.max():.1%} (6 months)".replace("%", " %") in figure.title.text


def test_a_short_record_is_rolled_over_a_third_of_itself_and_says_so() -> None:
    assert windows(returns_of(90)["strategy"], (6, 12)) == {"30 bars, a third of the record": 30}
    assert windows(returns_of(1000)["strategy"], (6, 12)) == {"6 months": 182, "12 months": 365}
    assert windows(returns_of(30)["strategy"], (6, 12)) == {}


PATH = [0.10, -0.10, -0.10, 0.30, 0.0, -0.05, 0.01]


def test_drawdown_periods_of_a_path_made_by_hand() -> None:
    net = pd.Series(PATH, index=pd.date_range("2020", periods=7, tz="UTC"))
    periods = periods_frame(net, 5)
    assert periods["depth"].tolist() == pytest.approx([0.19, 0.05])
    assert periods["days"].tolist() == [2.0, 1.0]  # the second is not over: until the last bar
    assert periods["to_trough"].tolist() == [1.0, 0.0]
    table = charts.drawdown_periods_table(net)
    assert "one is not over" in table.caption
    assert "19.00 %" in table._repr_html_()
    assert "2020-01-04" in table._repr_html_()  # recovered


def test_deepest_drawdowns_are_shaded_and_numbered() -> None:
    net = pd.Series(PATH, index=pd.date_range("2020", periods=7, tz="UTC"))
    figure = plots(charts.drawdown_periods_chart(net))[0]
    assert list(data_of(figure, "rank")) == ["1", "2"]
    assert list(data_of(figure, "until")) == ["2020-01-04", "not over"]
    assert data_of(figure, "below").min() == pytest.approx(-0.19)
    assert figure.title.text.startswith("Deepest drawdown 19.0 %;")


def crises_of(returns: pd.DataFrame) -> pd.DataFrame:
    rows = [("storm", "2020-02-01", "2020-03-01"), ("calm", "2021-01-01", "2021-02-01")]
    frame = pd.DataFrame(rows, columns=["name", "first", "last"])
    for c in ("first", "last"):
        frame[c] = pd.to_datetime(frame[c]).dt.tz_localize("UTC")
    return frame.assign(strategy=[0.02, -0.05], buy_and_hold=[-0.30, -0.01], max_drawdown=[0.04, 0.06])


def test_crises_start_at_nothing_and_end_at_what_was_made() -> None:
    returns = returns_of()
    figures = plots(charts.crises_chart(returns, crises_of(returns)))
    assert len(figures) == 2
    window = returns.loc["2020-02-01":"2020-03-01"]
    assert data_of(figures[0], "value")[-1] == pytest.approx(np.prod(1 + window["strategy"]) - 1)
    assert figures[0].title.text.startswith("storm: ")
    table = charts.crises_table(crises_of(returns))
    assert "better than buy and hold in 1 of 2" in table.caption
    assert table.frame["difference"].tolist() == pytest.approx([0.32, -0.04])
    assert table.marks == {(0, "difference"): "pass", (1, "difference"): "fail"}
