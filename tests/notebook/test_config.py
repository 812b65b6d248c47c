"""A notebook's configuration: what it takes from globals, the environment and a page's address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import workbench as wb
from workbench.config import BacktestParameters, DataParameters, LiveChartParameters, Settings, TrainParameters
from workbench.errors import ConfigError, JobError
from workbench.notebook.query import overrides_of_query, split_list


def test_parameters_come_from_the_namespace(settings: Settings) -> None:
    cfg = wb.load_config("backtest", {"horizon": 3, "symbols": ["SPX", "NASDAQ"], "unrelated": object()})
    assert isinstance(cfg.parameters, BacktestParameters)
    assert (cfg.parameters.horizon, cfg.parameters.symbols) == (3, ["SPX", "NASDAQ"])
    assert cfg.parameters.train_size == BacktestParameters().train_size
    assert cfg.mode == "lab"
    assert cfg.settings == settings
    assert cfg.now.tzinfo is UTC


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"horizon": "5"}, "BacktestParameters.horizon"),
        ({"horizon": 0}, "got 0"),
        ({"symbols": "SPX"}, "BacktestParameters.symbols"),
        ({"start": "2015-01-01", "end": "2014-01-01"}, "exchange them"),
        ({"timeframe": "1 day"}, "unknown time frame"),
    ],
)
def test_a_bad_value_is_one_line_with_the_notebook(settings: Settings, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wb.load_config("backtest", values)
    assert words in str(caught.value)
    assert "backtest.ipynb" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_notebook_is_refused_with_a_guess(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'backtest'"):
        wb.load_config("backtset", {})


def test_the_namespace_must_be_globals(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"globals\(\), got str"):
        wb.load_config("data", "globals()")  # type: ignore[arg-type]  # the mistake under test


def test_modes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wb.load_config("data", {"__name__": "bokeh_app_0123"}).mode == "app"
    monkeypatch.setenv("WORKBENCH_MODE", "job")
    assert wb.load_config("data", {"__name__": "__main__"}).mode == "job"
    assert wb.load_config("data", {"__name__": "bokeh_app_0123"}).mode == "app"
    monkeypatch.setenv("WORKBENCH_MODE", "night")
    with pytest.raises(ConfigError, match="WORKBENCH_MODE must be lab or job, got 'night'"):
        wb.load_config("data", {"__name__": "__main__"})


def test_the_job_tells_the_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_NOW", "2026-01-31T02:00:00+00:00")
    assert wb.load_config("data", {}).now == datetime(2026, 1, 31, 2, tzinfo=UTC)
    monkeypatch.setenv("WORKBENCH_NOW", "tonight")
    with pytest.raises(ConfigError, match="WORKBENCH_NOW must be an ISO time"):
        wb.load_config("data", {})


def test_report_cells_cost_nothing_in_the_app(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    drawn: list[str] = []
    app = wb.load_config("data", {"__name__": "bokeh_app_1"})
    app.report(lambda: drawn.append("chart"))
    app.check("never asked", lambda: drawn.append("check"))
    assert drawn == []
    lab = wb.load_config("data", {})
    lab.report(lambda: drawn.append("chart"), lambda: drawn.append("table"))
    assert drawn == ["chart", "table"]
    lab.check("two pictures were drawn", lambda: len(drawn) == 2)
    assert "✓ two pictures were drawn" in capsys.readouterr().out
    with pytest.raises(JobError, match=r"check failed in data.ipynb: the sky is green"):
        lab.check("the sky is green", lambda: False)


def test_a_query_is_typed_by_the_model() -> None:
    query, overrides = overrides_of_query(
        LiveChartParameters,
        {
            "window": [b"90"],
            "speed": [b"2"],
            "symbol": [b"MSFT"],
            "bokeh-session-id": [b"x"],
            "run": [b"3f9a"],
            "theme": [b"dark"],
        },
    )
    assert overrides == {"window": 90, "speed": 2.0, "symbol": "MSFT"}
    assert query == {"window": "90", "speed": "2", "symbol": "MSFT", "run": "3f9a", "theme": "dark"}
    _, lists = overrides_of_query(LiveChartParameters, {"indicators": [b"ema(20), macd_hist(12, 26, 9)", b"rsi(14)"]})
    assert lists == {"indicators": ["ema(20)", "macd_hist(12, 26, 9)", "rsi(14)"]}
    _, sizes = overrides_of_query(TrainParameters, {"hidden": [b"16,8"], "register_model": [b"true"]})
    assert sizes == {"hidden": [16, 8], "register_model": True}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"windw": [b"90"]}, "Did you mean 'window'"),
        ({"window": [b"many"]}, "LiveChartParameters.window: the page's address must give a whole number, got 'many'"),
        ({"speed": [b"fast"]}, "must give a number"),
        ({"symbol": [b"\xff\xfe"]}, "not UTF-8"),
    ],
)
def test_a_bad_query_is_one_line(arguments: dict[str, list[bytes]], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        overrides_of_query(LiveChartParameters, arguments)
    assert words in str(caught.value)


def test_a_flag_in_a_query_must_be_a_flag() -> None:
    with pytest.raises(ConfigError, match="true or false, got 'maybe'"):
        overrides_of_query(TrainParameters, {"register_model": [b"maybe"]})


def test_lists_split_outside_brackets() -> None:
    assert split_list("a, b(1, 2),c(x=3, y=4) ,") == ["a", "b(1, 2)", "c(x=3, y=4)"]
    assert split_list("") == []
    assert DataParameters(symbols=split_list("SPX")).symbols == ["SPX"]
