"""The switches of the live chart: events follow the replay and the stream in place, and none is shown early."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from workbench.apps import LiveChartPage
from workbench.apps.streaming import StreamPage
from workbench.config import OVERLAYS, LiveChartParameters, Settings, validate_parameters
from workbench.data import open_store
from workbench.errors import ConfigError

ALL = list(OVERLAYS)


@pytest.fixture(scope="module")
def hourly(make_bars: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """1,200 hourly bars of one symbol."""
    return make_bars(1200, ("SYN",), freq="h")


def parameters(**values: Any) -> LiveChartParameters:
    checked = validate_parameters("live_chart", values)
    assert isinstance(checked, LiveChartParameters)
    return checked


def live(bars: pd.DataFrame, settings: Settings, **values: Any) -> LiveChartPage:
    chosen = {"source": "gbm(seed=1)", "symbol": "SYN", "timeframe": "1h", "indicators": [], "window": 180, **values}
    page = LiveChartPage(bars, parameters(**chosen), settings)
    page.view()
    return page


def layers(page: Any) -> dict[str, dict[str, Any]]:
    """Return the columns of every layer on the page's figure."""
    return {name: dict(source.data) for name, source in page._figure.overlays.sources.items()}


def n_drawn(page: Any) -> int:
    return sum(len(next(iter(columns.values()))) for columns in layers(page).values())


def test_each_step_shows_what_a_page_that_ends_there_shows(hourly: pd.DataFrame, settings: Settings) -> None:
    page = live(hourly, settings, overlays=ALL, start="2012-02-08")
    for _ in range(12):
        page.step(2)
        ends_here = live(hourly.iloc[: page.position], settings, overlays=ALL, start="2012-02-08")
        ends_here.step(10_000)
        assert ends_here.position == page.position
        assert layers(page) == layers(ends_here)


def test_a_step_changes_data_only_and_takes_little_time(hourly: pd.DataFrame, settings: Settings) -> None:
    page = live(hourly, settings, overlays=ALL)
    figure, sources = page._figure, dict(page._figure.overlays.sources)
    took = []
    for _ in range(60):
        began = time.perf_counter()
        page.step()
        took.append(time.perf_counter() - began)
    assert page._figure is figure
    assert all(figure.overlays.sources[name] is source for name, source in sources.items())
    assert statistics.median(took) < 0.05


def test_switches_draw_and_clear_in_place(hourly: pd.DataFrame, settings: Settings) -> None:
    page = live(hourly, settings)
    figure = page._figure
    assert n_drawn(page) == 0
    page.overlays = ["smart_money"]
    assert layers(page)["swing"]["x"]
    assert not layers(page)["pattern"]["xs"]
    page.overlays = ["smart_money", "patterns"]
    assert layers(page) == layers(live(hourly, settings, overlays=["smart_money", "patterns"]))
    page.overlays = []
    assert n_drawn(page) == 0
    assert page._figure is figure


def test_another_symbol_brings_its_own_events(make_bars: Callable[..., pd.DataFrame], settings: Settings) -> None:
    for symbol, seed in (("AAA", 1), ("BBB", 2)):
        open_store(settings).write("import", symbol, "1h", make_bars(600, (symbol,), seed=seed, freq="h"))
    both = {s: open_store(settings).read("import", s, "1h") for s in ("AAA", "BBB")}
    page = live(both["AAA"], settings, source="import", symbol="AAA", overlays=ALL)
    page.symbol = "BBB"
    assert layers(page) == layers(live(both["BBB"], settings, source="import", symbol="BBB", overlays=ALL))


def test_the_window_looked_at_chooses_the_events(hourly: pd.DataFrame, settings: Settings) -> None:
    page = live(hourly, settings, overlays=["smart_money"])
    before = page.position - 1
    page._figure.x_range.update(start=300.5, end=480.5)  # as a drag does
    assert all(300.5 <= x <= 480.5 for x in layers(page)["swing"]["x"])
    held = layers(page)["swing"]
    page.step(3)
    assert layers(page)["swing"] == held  # once moved the window stays
    page.follow()
    assert all(x >= before + 3 - 180 for x in layers(page)["swing"]["x"])
    page.step(50)
    assert max(layers(page)["swing"]["x"]) > before  # and goes along again


def test_latest_and_restart_reach_a_browser_that_followed_alone(hourly: pd.DataFrame, settings: Settings) -> None:
    page = live(hourly, settings)
    told: list[tuple[str, float]] = []
    for edge in ("start", "end"):
        page._figure.x_range.on_change(edge, lambda name, _old, new: told.append((name, new)))
    page.step(10)
    page.restart()
    last = page.position - 1
    assert {name: round(value, 3) for name, value in told} == {"start": last - 179.5, "end": last + 1.5}


def test_a_problem_is_told_and_the_chart_goes_on(hourly: pd.DataFrame, settings: Settings) -> None:
    bars = hourly.copy()
    bars["volume"] = float("nan")
    page = live(bars, settings, overlays=["smart_money"])
    assert layers(page)["swing"]["x"]
    page._events.load(bars.drop(columns=[("volume", "SYN")]), "SYN")
    page.overlays = ["patterns"]
    assert "volume" in page._message.object
    page.step()
    page._events.load(bars, "SYN")
    page.overlays = ["smart_money"]
    assert page._message.object == ""
    assert layers(page)["swing"]["x"]


def test_names_of_overlays_are_checked_and_each_counts_once() -> None:
    assert parameters(overlays=["patterns", "regimes", "patterns"]).overlays == ["patterns", "regimes"]
    with pytest.raises(ConfigError, match="no overlay 'smart_mony'. Did you mean 'smart_money'"):
        parameters(overlays=["smart_mony"])


def test_the_address_chooses_overlays() -> None:
    from workbench.notebook.query import overrides_of_query

    _, chosen = overrides_of_query(LiveChartParameters, {"overlays": [b"smart_money,patterns"]})
    assert chosen == {"overlays": ["smart_money", "patterns"]}
    assert overrides_of_query(LiveChartParameters, {"overlays": [b""]})[1] == {"overlays": []}


def test_a_stream_draws_events_of_closed_bars_only(settings: Settings, hourly: pd.DataFrame) -> None:
    bars = hourly.iloc[:400]
    open_store(settings).write("import", "SYN", "1h", bars)
    chosen = parameters(
        source="replay:import", symbol="SYN", timeframe="1h", speed=20, indicators=[], overlays=ALL, window=100
    )
    page = StreamPage(chosen, settings)
    page.view()
    try:
        tick_until(page, lambda: page._grown is not None)
        figure, begun = page._figure, len(page._grown.rows)  # type: ignore[union-attr]
        tick_until(page, lambda: len(page._grown.rows) >= begun + 8)  # type: ignore[union-attr]
        assert page._figure is figure
        assert page._grown is not None
        closed = page._grown.bars
        again = live(closed, settings, overlays=ALL, window=100, start=str(closed.index[20].date()))
        again.step(10_000)
        drawn = layers(page)
        assert drawn["swing"]["x"]
        for layer in ("swing", "order_block", "bos", "pattern"):
            assert drawn[layer] == layers(again)[layer], layer
        page.overlays = []
        assert n_drawn(page) == 0
    finally:
        page.close()


def tick_until(page: StreamPage, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, page._message.object
        page.tick()
        time.sleep(0.02)
