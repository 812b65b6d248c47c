"""The bars behind the data and live_chart notebooks."""

from __future__ import annotations

import pytest

import workbench as wb
from workbench.config import Settings
from workbench.errors import ConfigError, DataError
from workbench.notebook import chart_bars, inspect_market


def test_an_empty_list_means_all_symbols(settings: Settings) -> None:
    market = inspect_market(wb.load_config("data", {}))
    assert market is not None
    assert set(market.symbols) == {"SPX", "NASDAQ", "AAPL", "IBM", "MSFT", "GOOG"}
    assert list(market.summary["symbol"]) == sorted(market.symbols)
    assert {"bars", "first", "last", "coverage"} < set(market.summary.columns)
    assert market.sound
    assert len(market.catalogue) == 6


def test_synthetic_markets_are_inspected_too(settings: Settings) -> None:
    market = inspect_market(wb.load_config("data", {"source": "gbm(seed=1, n_bars=300)", "timeframe": "1h"}))
    assert market is not None
    assert (len(market.bars), market.sound) == (300, True)


def test_a_source_without_bars_is_one_line(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="source 'import' has no 1h bars; see 'workbench data list'"):
        inspect_market(wb.load_config("data", {"source": "import", "timeframe": "1h"}))


def test_the_app_loads_nothing_here(settings: Settings) -> None:
    assert inspect_market(wb.load_config("data", {"__name__": "bokeh_app_1"})) is None


def test_the_chart_gets_all_bars(settings: Settings) -> None:
    bars = chart_bars(wb.load_config("live_chart", {"symbol": "IBM", "start": "2012-01-03"}))
    assert list(bars.columns.get_level_values("symbol").unique()) == ["IBM"]
    assert len(bars) > 3000
    with pytest.raises(DataError, match="SPY"):
        chart_bars(wb.load_config("live_chart", {"symbol": "SPY"}))


def test_each_helper_asks_for_its_own_notebook(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="needs the configuration of the data notebook, got that of 'live_chart'"):
        inspect_market(wb.load_config("live_chart", {}))
    with pytest.raises(ConfigError, match="needs the configuration of the live_chart notebook, got that of 'data'"):
        chart_bars(wb.load_config("data", {}))
