"""The live chart on a stream: what is on screen, without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.apps.sources import choice_of
from workbench.apps.streaming import StreamPage, _state_line
from workbench.config import LiveChartParameters, Settings, validate_parameters
from workbench.data import open_store
from workbench.data.live import StreamStatus


@pytest.fixture
def stream_page(settings: Settings, make_bars: Callable[..., pd.DataFrame]) -> Any:
    """A page that replays 300 hourly bars of a stored source at 20 bars a second."""
    open_store(settings).write("import", "BTC/USDT", "1h", make_bars(300, ("BTC/USDT",), freq="h"))
    page = StreamPage(
        parameters(source="replay:import", symbol="BTC/USDT", timeframe="1h", speed=20, indicators=["rsi(14)"]),
        settings,
    )
    page.view()
    yield page
    page.close()


def parameters(**values: object) -> LiveChartParameters:
    checked = validate_parameters("live_chart", values)
    assert isinstance(checked, LiveChartParameters)
    return checked


def tick_until(page: StreamPage, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, page._message.object
        page.tick()
        time.sleep(0.02)


def column(page: StreamPage, name: str) -> np.ndarray:
    return np.asarray(page._figure.source.data[name])


def test_every_bar_of_the_stream_reaches_the_chart_once(stream_page: StreamPage, settings: Settings) -> None:
    stored = open_store(settings).read("import", "BTC/USDT", "1h")["close"]["BTC/USDT"]
    tick_until(stream_page, lambda: stream_page._grown is not None)
    begun = len(column(stream_page, "i"))
    tick_until(stream_page, lambda: len(column(stream_page, "i")) >= begun + 12)
    shown = pd.Series(column(stream_page, "close"), pd.DatetimeIndex(column(stream_page, "time"), tz="UTC"))
    assert shown.index.is_unique
    assert (np.diff(shown.index.asi8) == np.diff(shown.index.asi8)[0]).all()
    np.testing.assert_array_equal(shown.iloc[:-1], stored.reindex(shown.index[:-1]))
    assert np.isfinite(column(stream_page, "v0")[14:-1]).all()


def test_state_age_and_source_are_told(stream_page: StreamPage) -> None:
    tick_until(stream_page, lambda: "replay:import" in str(stream_page._numbers.object))
    assert "data age" in str(stream_page._state.object)
    assert "live" in str(stream_page._state.object)


def test_a_stream_that_cannot_open_says_why_and_another_choice_mends_it(stream_page: StreamPage) -> None:
    stream_page.param["symbol"].objects = ["BTC/USDT", "XYZ/USDT"]
    stream_page.symbol = "XYZ/USDT"
    tick_until(stream_page, lambda: "XYZ/USDT" in str(stream_page._message.object))
    stream_page.symbol = "BTC/USDT"
    tick_until(stream_page, lambda: stream_page._grown is not None)
    assert stream_page._message.object == ""


def test_a_replay_venue_is_never_shown_as_the_real_one(settings: Settings) -> None:
    from dataclasses import replace

    page = StreamPage(parameters(source="live:binance"), replace(settings, venues_at="http://127.0.0.1:9"))
    assert page._stand_in() == "replay venue at 127.0.0.1:9, not the real one"
    assert StreamPage(parameters(source="live:binance"), settings)._stand_in() == ""


def test_the_choice_holds_venues_and_stored_sources(stream_page: StreamPage) -> None:
    offered = stream_page.param["source"].objects
    assert {"sample", "import", "live:binance", "live:kraken", "replay:import"} <= set(offered)


def status(state: str, age_s: float, detail: str = "") -> StreamStatus:
    return StreamStatus(state=state, source="live:binance", age_s=age_s, last_message=0.0, detail=detail)


def test_polling_says_that_bars_come_only_while_they_come() -> None:
    assert "bars come by REST" in _state_line(status("polling", 6.0))
    line = _state_line(status("polling", 20.0, "connection lost: reset"))
    assert "bars come by REST" not in line
    assert "no connection: neither WebSocket nor REST answers" in line
    assert "connection lost: reset" in line


def test_a_stream_that_failed_at_once_leaves_no_word_of_connecting(stream_page: StreamPage) -> None:
    stream_page.param["symbol"].objects = ["BTC/USDT", "XYZ/USDT"]
    stream_page.symbol = "XYZ/USDT"
    tick_until(stream_page, lambda: "XYZ/USDT" in str(stream_page._message.object))
    assert stream_page._place.objects == []
    assert stream_page._state.object == ""


def test_another_source_is_opened_with_the_symbol_that_was_looked_at(
    settings: Settings, make_bars: Callable[..., pd.DataFrame]
) -> None:
    store = open_store(settings)
    for symbol in ("ADA/USDT", "ETH/USDT"):
        store.write("binance", symbol, "1h", make_bars(50, (symbol,), freq="h"))
    assert choice_of(settings, "live:binance", "ETH/USDT") == {"symbol": "ETH/USDT", "timeframe": "1m"}
    assert choice_of(settings, "live:binance", "ADA/USDT")["symbol"] == "BTC/USDT"  # not known to stream there
    assert choice_of(settings, "live:binanceusdm", "ETH/USDT")["symbol"] == "BTC/USDT:USDT"
    assert choice_of(settings, "binance", "ETH/USDT") == {"symbol": "ETH/USDT", "timeframe": "1h"}
    assert choice_of(settings, "binance", "SPX") == {"symbol": "ADA/USDT", "timeframe": "1h"}
    assert choice_of(settings, "sample", "IBM") == {"symbol": "IBM", "timeframe": "1d"}
    assert choice_of(settings, "sample", "ETH/USDT")["symbol"] == "AAPL"
