"""Tables keep raw fractions and show units."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from workbench import charts
from workbench.charts.tables import number, percent, signed_percent, write_metric
from workbench.tracking import RunRecord


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(0.1234), "12.3 %"),
        (percent(-0.1234), "−12.3 %"),
        (signed_percent(0.05), "+5.00 %"),
        (number(-1234.5), "−1,234.50"),
        (write_metric("sharpe_ratio", 1.234), "1.23"),
        (write_metric("max_drawdown", 0.2), "20.0 %"),
        (write_metric("max_drawdown_duration", 1234.0), "1,234 bars"),
        (write_metric("deflated_sharpe_ratio", 0.6104), "0.610"),
        (write_metric("sharpe_ratio", math.nan), "–"),
    ],
)
def test_numbers_are_written_in_their_unit(text: str, expected: str) -> None:
    assert text == expected


def test_metrics_stay_fractions_in_the_frame(record: RunRecord) -> None:
    table = charts.metrics_table(record.metrics, record.baselines)
    assert table.frame.loc["max_drawdown", "strategy"] == record.metrics["max_drawdown"]
    assert list(table.frame.columns) == ["measure", "unit", "strategy", "zero", "persistence", "buy_and_hold"]
    assert percent(record.metrics["max_drawdown"]) in table._repr_html_()


def test_the_best_of_a_row_is_marked_by_its_direction() -> None:
    table = charts.metrics_table(
        {"max_drawdown": 0.3, "sharpe_ratio": 0.5}, {"buy_and_hold": {"max_drawdown": 0.2, "sharpe_ratio": 0.1}}
    )
    assert table.marks[(0, "buy_and_hold")] == "best"
    assert table.marks[(1, "strategy")] == "best"


def test_text_from_a_run_is_escaped() -> None:
    table = charts.facts_table({"name": "<script>alert(1)</script>"})
    assert "<script>" not in table._repr_html_()


def test_gates_say_their_outcome_in_words(record: RunRecord) -> None:
    page = charts.gates_table(record.verdict)._repr_html_()
    assert "✗ refused" in page
    assert "✓ passed" in page
    assert "0.61 &lt; 0.95" in page


def test_exposure_adds_up(record: RunRecord) -> None:
    frame = charts.exposure_table(record.frame("positions")).frame
    assert frame["net"].iloc[:-1].sum() == pytest.approx(frame["net"].iloc[-1])
    assert frame["gross"].iloc[-1] == pytest.approx(frame["gross"].iloc[:-1].sum())


def test_open_positions_know_how_long_they_are_held() -> None:
    times = pd.date_range("2020-01-01", periods=6, tz="UTC")
    positions = pd.DataFrame({"A": [0.0, 0.5, 0.5, -0.2, -0.3, -0.3], "B": [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]}, index=times)
    fills = pd.DataFrame({"time": [times[1], times[3]], "symbol": ["A", "A"], "price": [10.0, 12.0]})
    frame = charts.positions_table(positions, fills).frame
    assert frame["asset"].tolist() == ["A"]
    assert frame.loc[0, "since"] == times[3]
    assert frame.loc[0, "bars"] == 3
    assert frame.loc[0, "price"] == 12.0


def test_trades_come_latest_first_and_say_how_many(record: RunRecord) -> None:
    table = charts.trades_table(record.frame("trades"), limit=5)
    assert table.frame["exit_time"].is_monotonic_decreasing
    assert "80 round trips" in table.caption
    assert "first 5 of 80" in table.caption
