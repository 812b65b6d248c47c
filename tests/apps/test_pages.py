"""Viewers show the numbers of the record, change in place, and say what to do when there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench import risk
from workbench.apps import BacktestPage, DataPage, LiveChartPage, RiskCenterPage, TrainingPage
from workbench.charts.tables import percent
from workbench.config import LiveChartParameters, RiskCenterParameters, Settings, validate_parameters
from workbench.tracking import RunRecord, write_record


def text_of(view: Any) -> str:
    """Return all HTML of a Panel object."""
    import panel as pn

    return " ".join(str(p.object) for p in view.select(pn.pane.HTML))


def live(bars: pd.DataFrame, settings: Settings, **overrides: Any) -> LiveChartPage:
    parameters = validate_parameters("live_chart", {"source": "gbm(seed=1)", **overrides})
    assert isinstance(parameters, LiveChartParameters)
    page = LiveChartPage(bars, parameters, settings)
    page.view()
    return page


@pytest.mark.parametrize("page", [BacktestPage, TrainingPage, RiskCenterPage])
def test_without_a_run_the_page_names_the_command(page: Callable[..., Any], settings: Settings) -> None:
    arguments = () if page is RiskCenterPage else (settings,)
    assert "workbench " in text_of(page(None, *arguments).view())


def test_backtest_first_screen_has_costs_trials_and_verdict(record: RunRecord, settings: Settings) -> None:
    text = text_of(BacktestPage(record, settings).view())
    assert percent(record.metrics["annual_return"]) in text
    assert ">12<" in text
    assert "5 + 2 bp" in text
    assert "1 of 2 gates refused" in text
    assert "0.61 &lt; 0.95" in text


def test_every_tab_of_every_run_page_builds(record: RunRecord, settings: Settings) -> None:
    for kind in (BacktestPage, TrainingPage):
        page = kind(record, settings)
        page.view()
        for position in range(len(page._tabs.view)):
            page._tabs.view.active = position
            assert len(page._tabs.view[position].objects) >= 1


def test_a_run_without_frames_still_opens(record: RunRecord, settings: Settings) -> None:
    from dataclasses import replace

    page = BacktestPage(replace(record, frames={}), settings)
    page.view()
    for position in range(len(page._tabs.view)):
        page._tabs.view.active = position
        assert len(page._tabs.view[position].objects) >= 1


def test_choosing_another_run_changes_the_page_in_place(
    record: RunRecord, make_record: Callable[..., RunRecord], settings: Settings
) -> None:
    other = make_record("ffb2c3d4e5f60718293a4b5c6d7e8f90", seed=9)
    write_record(record, settings)
    write_record(other, settings)
    page = BacktestPage(record, settings)
    view = page.view()
    head = page._head
    assert set(page.param["run"].objects.values()) == {record.run_id, other.run_id}
    page.run = other.run_id
    assert page._head is head
    assert other.run_id[:8] in text_of(view)
    assert percent(other.metrics["annual_return"]) in text_of(view)


@pytest.mark.parametrize(
    ("warn", "halt", "word"), [(0.5, 0.6, "NORMAL"), (0.0001, 0.9, "WARN"), (0.0001, 0.0002, "HALT")]
)
def test_state_follows_the_limits(record: RunRecord, warn: float, halt: float, word: str) -> None:
    returns = record.frame("returns")
    returns.iloc[-1] = -0.02  # ends below its peak
    parameters = validate_parameters("risk_center", {"drawdown_warn": warn, "drawdown_halt": halt})
    assert isinstance(parameters, RiskCenterParameters)
    from dataclasses import replace

    page = RiskCenterPage(replace(record, frames={**record.frames, "returns": returns}), parameters)
    text = text_of(page.view())
    assert word in page._head.object
    assert percent(float(risk.drawdown(returns["strategy"]).iloc[-1])) in text


def test_risk_numbers_are_those_of_the_risk_room(record: RunRecord) -> None:
    returns = record.frame("returns")["strategy"]
    text = text_of(RiskCenterPage(record).view())
    for method in ("historical", "gaussian"):
        assert percent(risk.value_at_risk(returns, confidence=0.95, method=method), 2) in text
        assert percent(risk.expected_shortfall(returns, confidence=0.95, method=method), 2) in text


def test_the_risk_center_opens_another_run_with_returns(
    record: RunRecord, make_record: Callable[..., RunRecord], settings: Settings
) -> None:
    from dataclasses import replace

    other = make_record("ffb2c3d4e5f60718293a4b5c6d7e8f90", seed=9)
    bare = replace(other, run_id="eeb2c3d4e5f60718293a4b5c6d7e8f90", frames={})
    for one in (record, other, bare):
        write_record(one, settings)
    page = RiskCenterPage(record, settings=settings)
    view = page.view()
    assert set(page.param["run"].objects.values()) == {record.run_id, other.run_id}
    page.run = other.run_id
    returns = other.frame("returns")["strategy"]
    assert percent(risk.value_at_risk(returns, confidence=0.95), 2) in text_of(view)
    assert other.run_id[:8] in text_of(view)


def test_limits_out_of_order_are_told_and_the_picture_stays(record: RunRecord) -> None:
    page = RiskCenterPage(record)
    page.view()
    before = page._under.objects
    page.warn = 0.5
    assert "must be below HALT" in page._head.object
    assert page._under.objects == before


def test_a_new_confidence_redraws(record: RunRecord) -> None:
    page = RiskCenterPage(record)
    page.view()
    page.confidence = 0.99
    returns = record.frame("returns")["strategy"]
    assert percent(risk.value_at_risk(returns, confidence=0.99), 2) in page._tiles.object


def test_replay_reveals_one_bar_a_step_and_none_early(bars: pd.DataFrame, settings: Settings) -> None:
    page = live(bars, settings, symbol="SPX", window=60)
    known = page.position
    source = page._figure.source
    times = bars["close"]["SPX"].dropna().index.tz_localize(None)
    assert len(source.data["i"]) == known
    assert pd.Timestamp(np.asarray(source.data["time"])[-1]) == times[known - 1]
    page.step()
    assert page.position == known + 1
    assert page._figure.source is source
    assert pd.Timestamp(np.asarray(source.data["time"])[-1]) == times[known]
    assert page._figure.price_line.location == bars["close"]["SPX"].iloc[known]


def test_replay_ends_and_begins_again(bars: pd.DataFrame, settings: Settings) -> None:
    page = live(bars, settings, symbol="SPX")
    first = page.position
    page.playing = True
    page.step(10_000)
    assert page.at_end
    assert not page.playing
    assert "end of data" in page._numbers.object
    page.restart()
    assert page.position == first
    assert len(page._figure.source.data["i"]) == first


def test_replay_starts_where_the_parameter_says(bars: pd.DataFrame, settings: Settings) -> None:
    page = live(bars, settings, symbol="NASDAQ", start="2014-01-01")
    assert page.visible_rows()["time"].iloc[-1] < pd.Timestamp("2014-01-01")
    assert page._rows["time"].iloc[page.position] >= pd.Timestamp("2014-01-01")
    assert page.symbol == "NASDAQ"


def test_another_source_offers_its_own_series_and_replays_it(
    bars: pd.DataFrame, make_bars: Callable[..., pd.DataFrame], settings: Settings
) -> None:
    from workbench.data import open_store

    around = make_bars(900, ("BTC/USDT",), freq="h")
    open_store(settings).write("import", "BTC/USDT", "1h", around)
    page = live(bars, settings, symbol="SPX")
    assert "closed hours left out" in title_of(page)
    page.step(50)
    page.source = "import"
    assert (page.symbol, page.timeframe) == ("BTC/USDT", "1h")
    assert page.param["symbol"].objects == ["BTC/USDT"]
    assert page.param["timeframe"].objects == ["1h"]
    assert page.position == page._first_position()
    assert page._rows["close"].iloc[-1] == around["close"]["BTC/USDT"].iloc[-1]
    assert "import" in title_of(page)
    assert "closed hours" not in title_of(page)
    page.source = "sample"
    assert page.timeframe == "1d"
    assert "NASDAQ" in page.param["symbol"].objects


def test_a_source_that_cannot_be_read_keeps_the_picture(bars: pd.DataFrame, settings: Settings) -> None:
    page = live(bars, settings, symbol="SPX")
    figure = page._figure
    page.param["source"].objects = [*page.param["source"].objects, "gone"]
    page.source = "gone"
    assert "no 1d bars" in page._message.object
    assert page._figure is figure
    page.step()
    assert "SPX, last price" in page._numbers.object


def title_of(page: LiveChartPage) -> str:
    return str(page._figure.layout.children[0][0].title.text)


def test_the_browser_never_holds_more_than_its_share(
    make_bars: Callable[..., pd.DataFrame], settings: Settings
) -> None:
    page = live(make_bars(7000, ("SYN",), freq="h"), settings, symbol="SYN", timeframe="1h")
    page.step(500)
    assert len(page._figure.source.data["i"]) <= 5000


def test_speed_sets_bars_per_tick(bars: pd.DataFrame, settings: Settings) -> None:
    page = live(bars, settings, symbol="SPX")
    page.speed = 100.0
    known = page.position
    page._tick()
    assert page.position == known + 10  # ten bars each tenth of a second
    page.speed = 0.5
    assert page._period_ms() == 2000


def test_indicators_of_a_streamed_bar_are_those_of_the_whole_series(bars: pd.DataFrame, settings: Settings) -> None:
    from workbench.features import compute

    page = live(bars, settings, symbol="SPX", indicators=["rsi(14)"])
    page.step(5)
    whole = compute(bars, ["rsi(14)"]).xs("SPX", axis=1, level="symbol").iloc[:, 0]
    assert np.asarray(page._figure.source.data["v0"])[-1] == pytest.approx(whole.iloc[page.position - 1], rel=1e-12)


def test_data_page_shows_the_sample_and_its_quality(settings: Settings) -> None:
    page = DataPage(settings)
    text = text_of(page.view())
    assert "1999-01-04" in text
    for position in range(3):
        page._tabs.view.active = position
        assert len(page._tabs.view[position].objects) >= 1


def test_data_page_says_what_a_wrong_choice_lacks(settings: Settings) -> None:
    parameters = validate_parameters("data", {"source": "sample", "timeframe": "1h"})
    page = DataPage(settings, parameters)  # type: ignore[arg-type]  # the parameters of this notebook
    assert "no bars" in text_of(page.view())
