"""Every chart draws the numbers it is given, with units, on a real Bokeh figure."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench import charts, risk
from workbench.charts.tail import var_frame
from workbench.errors import DataError
from workbench.tracking import RunRecord


@pytest.fixture(autouse=True)
def no_hook_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """HoloViews only warns when a finishing step of a figure fails; here it is an error."""
    with caplog.at_level(logging.WARNING):
        yield
    assert "could not be applied" not in caplog.text


def data_of(figure: Any, column: str) -> np.ndarray:
    """Return a column of the first data source that holds it."""
    return next(np.asarray(r.data_source.data[column]) for r in figure.renderers if column in r.data_source.data)


def test_equity_is_compounded_and_labelled(record: RunRecord) -> None:
    returns = record.frame("returns")
    figure = charts.to_bokeh(charts.equity_chart(returns))
    expected = np.prod(1 + returns["strategy"].to_numpy())
    assert data_of(figure, "strategy")[-1] == pytest.approx(expected, rel=1e-12)
    assert "log scale" in figure.title.text
    assert "filled at the next open" in figure.xaxis[0].axis_label
    assert [i.label.value for i in figure.legend[0].items] == ["strategy", "zero", "persistence", "buy and hold"]


def test_ruin_falls_back_to_a_linear_axis() -> None:
    returns = pd.DataFrame({"strategy": [0.1, -1.0, 0.0]}, index=pd.date_range("2020", periods=3, tz="UTC"))
    assert "log" not in charts.to_bokeh(charts.equity_chart(returns)).title.text


def test_a_vanishing_baseline_does_not_squash_the_log_axis() -> None:
    n = 3000
    returns = pd.DataFrame(
        {"strategy": np.full(n, -0.0005), "persistence": np.full(n, -0.01)},
        index=pd.date_range("2020", periods=n, tz="UTC"),
    )
    figure = charts.to_bokeh(charts.equity_chart(returns))
    lowest = 0.9995**n
    assert figure.y_range.start == pytest.approx(lowest / 100)
    assert "persistence: below the axis" in figure.xaxis[0].axis_label
    assert data_of(figure, "persistence")[-1] == pytest.approx(0.99**n)
    assert "toPrecision" in figure.yaxis[0].formatter.code


def test_only_a_market_that_rests_leaves_hours_out(bars: pd.DataFrame) -> None:
    around = bars.set_axis(pd.date_range("2020-01-01", periods=len(bars), freq="h", tz="UTC", name="time"))
    price = charts.candles_chart(around).children[0][0]
    assert "closed hours" not in price.title.text


def test_drawdown_is_negative_percent_with_limits(record: RunRecord) -> None:
    from bokeh.models import Span

    returns = record.frame("returns")
    figure = charts.to_bokeh(charts.drawdown_chart(returns, warn=0.1, halt=0.2))
    assert data_of(figure, "strategy").min() == pytest.approx(-risk.max_drawdown(returns["strategy"]))
    assert sorted(s.location for s in figure.select({"type": Span})) == [-0.2, -0.1]
    assert figure.yaxis[0].formatter.format == "0.0%"
    assert figure.y_range.start <= -0.2


def test_baselines_differ_by_more_than_colour(record: RunRecord) -> None:
    figure = charts.to_bokeh(charts.equity_chart(record.frame("returns")))
    dashes = {str(r.glyph.line_dash) for r in figure.renderers}
    assert len(dashes) == 4


def test_long_series_are_thinned(make_bars: Callable[..., pd.DataFrame]) -> None:
    times = pd.date_range("2018", periods=45_000, freq="h", tz="UTC", name="time")
    returns = pd.DataFrame({"strategy": np.random.default_rng(1).normal(0, 1e-3, 45_000)}, index=times)
    page = charts.html_fragment(charts.equity_chart(returns))
    assert len(page) < 400_000


def test_folds_have_three_bands_each(record: RunRecord) -> None:
    folds = record.frame("folds")
    figure = charts.to_bokeh(charts.folds_chart(folds))
    assert [i.label.value for i in figure.legend[0].items] == ["train", "purged and embargoed", "test"]
    assert all(len(r.data_source.data["fold"]) == len(folds) for r in figure.renderers)
    assert f"{folds['n_purged'].sum()} training rows purged" in figure.title.text


def test_months_compound_and_carry_signs(record: RunRecord) -> None:
    returns = record.frame("returns")["strategy"]
    figure = charts.to_bokeh(charts.monthly_table(returns))
    cells = pd.DataFrame({k: data_of(figure, k) for k in ("month", "y", "zvalues")})
    january = (1 + returns["2015-01"]).prod() - 1
    cell = cells[(cells["y"] == "2015") & (cells["month"] == "Jan")]
    assert cell["zvalues"].iloc[0] == pytest.approx(january, rel=1e-12)
    year = cells[(cells["y"] == "2015") & (cells["month"] == "year")]
    assert year["zvalues"].iloc[0] == pytest.approx((1 + returns["2015"]).prod() - 1, rel=1e-12)
    assert set(data_of(figure, "text")[0][:1]) <= {"+", "-"}


def test_var_line_knows_nothing_of_its_own_bar(record: RunRecord) -> None:
    returns = record.frame("returns")["strategy"]
    frame = var_frame(returns, confidence=0.95, window=250)
    t = frame.index[100]
    before = returns[returns.index < t].iloc[-250:]
    assert frame.loc[t, "var_line"] == pytest.approx(-risk.value_at_risk(before, confidence=0.95), rel=1e-12)
    shocked = returns.copy()
    shocked[t] = -0.5
    again = var_frame(shocked, confidence=0.95, window=250)
    assert again.loc[t, "var_line"] == frame.loc[t, "var_line"]
    assert again.loc[t, "exceeded"]


def test_var_chart_counts_its_exceedances(record: RunRecord) -> None:
    returns = record.frame("returns")["strategy"]
    figure = charts.to_bokeh(charts.var_chart(returns, window=250))
    n = int(var_frame(returns, confidence=0.95, window=250)["exceeded"].sum())
    assert f"{n} exceedances" in figure.title.text
    with pytest.raises(DataError, match="shorter window"):
        charts.var_chart(returns.iloc[:50], window=250)


def test_exposure_sums_positions(record: RunRecord) -> None:
    positions = record.frame("positions")
    figure = charts.to_bokeh(charts.exposure_chart(positions))
    assert data_of(figure, "net")[-1] == pytest.approx(positions.iloc[-1].sum())
    assert data_of(figure, "gross")[-1] == pytest.approx(positions.iloc[-1].abs().sum())


def test_candles_are_hollow_when_rising_and_leave_no_gaps(bars: pd.DataFrame) -> None:
    from workbench.charts import candle_rows

    rows = candle_rows(bars, "SPX")
    rising = bars["close"]["SPX"].to_numpy() >= bars["open"]["SPX"].to_numpy()
    assert (rows["fill"].to_numpy() == np.where(rising, 0.0, 1.0)).all()
    assert (np.diff(rows["i"]) == 1).all()
    with pytest.raises(DataError, match="these symbols are: SPX, NASDAQ"):
        candle_rows(bars, "DOGE")


def test_candle_chart_links_its_panes_and_places_indicators(bars: pd.DataFrame) -> None:
    from bokeh.plotting import figure

    close = bars["close"]["SPX"]
    indicators = pd.DataFrame({"ema(20)": close.ewm(20).mean(), "rsi(14)": close * 0 + 50})
    chart = charts.candles_chart(bars, "SPX", indicators=indicators, last=250)
    panes = list(chart.select({"type": figure}))
    assert len(panes) == 3  # price, volume, rsi
    assert len({p.x_range.id for p in panes}) == 1
    price = next(p for p in panes if p.title is not None and p.title.text)
    assert "last 250 of 1,500 bars" in price.title.text
    assert "closed hours left out" in price.title.text
    assert [i.label.value for i in price.legend[0].items] == ["ema(20)"]


def test_a_bar_without_a_trade_is_left_out(bars: pd.DataFrame) -> None:
    holes = bars.copy()
    holes.loc[holes.index[5], (slice(None), "SPX")] = np.nan
    assert len(charts.candle_rows(holes, "SPX")) == len(bars) - 1


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("training_chart", "training"),
        ("reliability_chart", "reliability"),
        ("probability_chart", "forecasts"),
        ("costs_chart", "costs"),
    ],
)
def test_other_charts_of_a_run_draw(record: RunRecord, name: str, frame: str) -> None:
    figure = charts.to_bokeh(getattr(charts, name)(record.frame(frame)))
    assert figure.renderers
    assert figure.title.text
    assert figure.xaxis[0].axis_label
    assert figure.yaxis[0].axis_label is not None


def test_training_marks_the_best_epoch(record: RunRecord) -> None:
    history = record.frame("training")
    best = history.groupby("epoch")["valid_loss"].mean().idxmin()
    assert f"best at epoch {best}" in charts.to_bokeh(charts.training_chart(history)).title.text


def test_prices_of_several_symbols(bars: pd.DataFrame) -> None:
    assert charts.to_bokeh(charts.price_chart(bars)).yaxis[0].axis_label == "relative price"


@pytest.mark.parametrize("name", ["equity_chart", "drawdown_chart", "folds_chart", "exposure_chart", "training_chart"])
def test_nothing_to_draw_is_one_clear_line(name: str) -> None:
    with pytest.raises(DataError, match="no rows to draw"):
        getattr(charts, name)(pd.DataFrame({"strategy": []}))


def test_all_charts_fit_one_page_without_any_address(record: RunRecord, bars: pd.DataFrame) -> None:
    page = charts.html_page([charts.equity_chart(record.frame("returns")), charts.candles_chart(bars)], title="a & b")
    outside = re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=", page)
    assert not outside
    assert page.count("<title>a &amp; b</title>") == 1


def charts_of_a_run(record: RunRecord, bars: pd.DataFrame) -> list[Any]:
    returns = record.frame("returns")
    return [
        charts.equity_chart(returns),
        charts.drawdown_chart(returns),
        charts.exposure_chart(record.frame("positions").rename(columns={"SPX": "BTC/USDT"})),
        charts.folds_chart(record.frame("folds")),
        charts.monthly_table(returns["strategy"]),
        charts.var_chart(returns["strategy"]),
        charts.training_chart(record.frame("training")),
        charts.reliability_chart(record.frame("reliability")),
        charts.probability_chart(record.frame("forecasts")),
        charts.price_chart(bars),
        charts.candles_chart(bars),
    ]


def test_every_tooltip_finds_its_columns(record: RunRecord, bars: pd.DataFrame) -> None:
    from bokeh.models import HoverTool
    from bokeh.plotting import figure

    for chart in charts_of_a_run(record, bars):
        model = charts.to_bokeh(chart)
        hovers = list(model.select({"type": HoverTool}))
        assert hovers, model
        for hover in hovers:
            named = re.findall(r"@\{?(\w+)", " ".join(text for _, text in hover.tooltips))
            targets = (
                next(iter(model.select({"type": figure}))).renderers if hover.renderers == "auto" else hover.renderers
            )
            for renderer in targets:
                if (
                    hover.renderers != "auto"
                    or "Rect" in type(renderer.glyph).__name__
                    or "Quad" in type(renderer.glyph).__name__
                ):
                    missing = set(named) - set(renderer.data_source.data)
                    assert not missing, (model.title, missing)
