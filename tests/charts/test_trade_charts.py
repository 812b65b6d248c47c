"""Round trips: statistics by hand, histograms that hold every trade, excursions with their signs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import charts
from workbench.charts.tradecharts import MOST_POINTS, duration, side_frame
from workbench.charts.tradetables import trade_statistics


def trades_of(n: int = 60, seed: int = 11) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    made = rng.normal(0.002, 0.03, n)
    entry = pd.date_range("2021", periods=n, freq="D", tz="UTC")
    bars = rng.integers(1, 40, n)
    return pd.DataFrame(
        {
            "symbol": rng.choice(["A", "B"], n),
            "entry_time": entry,
            "exit_time": entry + pd.to_timedelta(bars, unit="h"),
            "side": rng.choice(["long", "short"], n),
            "pnl": made * 1000,
            "return": made,
            "bars": bars,
            "mae": np.abs(np.minimum(made, 0)) + 0.01,
            "mfe": np.maximum(made, 0) + 0.02,
            "exit_reason": rng.choice(["signal", "stop_loss"], n),
        }
    )


HAND = pd.DataFrame(
    {
        "side": ["long", "long", "short", "long", "short"],
        "return": [0.10, 0.05, -0.04, -0.02, 0.0],
        "pnl": [100.0, 50.0, -40.0, -20.0, 0.0],
        "bars": [10, 20, 4, 6, 1],
    }
)


def data_of(figure: Any, column: str) -> np.ndarray:
    return next(np.asarray(r.data_source.data[column]) for r in figure.renderers if column in r.data_source.data)


def plots(picture: Any) -> list[Any]:
    """Return the figures of a picture in reading order."""
    model = charts.to_bokeh(picture)
    parts = [p for child in getattr(model, "children", []) for p in plots(child)]
    return parts or ([model] if hasattr(model, "renderers") else [])


def test_statistics_of_five_trades_by_hand() -> None:
    known = trade_statistics(HAND)
    expected = {
        "n_trades": 5, "win_rate": 0.4, "expectancy": 0.018, "median_return": 0.0, "mean_win": 0.075,
        "mean_loss": -0.03, "payoff_ratio": 2.5, "profit_factor": 2.5,
        "largest_win": 0.10, "largest_loss": -0.04, "most_wins_in_a_row": 2,
        "most_losses_in_a_row": 2, "mean_bars": 8.2, "mean_bars_won": 15, "mean_bars_lost": 5,
    }  # fmt: skip
    assert known == pytest.approx(expected)


def test_a_trade_of_nothing_is_neither_won_nor_lost() -> None:
    known = trade_statistics(HAND.iloc[[4]])
    assert known["win_rate"] == 0
    assert np.isnan(known["profit_factor"])
    assert np.isnan(known["largest_loss"])
    assert np.isnan(trade_statistics(HAND.iloc[:0])["expectancy"])


@given(st.lists(st.sampled_from([-0.01, 0.0, 0.02]), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_streaks_and_means_agree_with_a_slow_count(made: list[float]) -> None:
    known = trade_statistics(pd.DataFrame({"return": made}))
    runs = "".join("w" if m > 0 else "l" if m < 0 else " " for m in made)
    assert known["most_wins_in_a_row"] == max(map(len, runs.replace("l", " ").split(" ")))
    assert known["most_losses_in_a_row"] == max(map(len, runs.replace("w", " ").split(" ")))
    n = known["n_trades"]
    won, lost = made.count(0.02), made.count(-0.01)
    assert known["win_rate"] == pytest.approx(won / n)
    assert known["expectancy"] == pytest.approx((0.02 * won - 0.01 * lost) / n)


def test_statistics_stand_side_by_side_with_units() -> None:
    table = charts.trade_statistics_table(HAND)
    assert [c.key for c in table.columns] == ["measure", "all", "long", "short"]
    assert table.frame.loc["win_rate", "long"] == pytest.approx(2 / 3)
    page = table._repr_html_()
    assert "40.0 %" in page
    assert "+10.00 %" in page
    assert page.count("<tr") == 16
    only_long = charts.trade_statistics_table(HAND[HAND["side"] == "long"])
    assert [c.key for c in only_long.columns] == ["measure", "all", "long"]


def test_reasons_share_out_all_trades() -> None:
    trades = trades_of()
    table = charts.exit_reasons_table(trades)
    assert table.frame["n_trades"].sum() == len(trades)
    assert table.frame["share"].sum() == pytest.approx(1)
    assert table.frame["pnl_share"].sum() == pytest.approx(trades["pnl"].sum() / trades["pnl"].abs().sum())
    assert "stop loss" in table._repr_html_()


def test_fills_by_liquidity_in_basis_points() -> None:
    fills = pd.DataFrame(
        {
            "value": [1000.0, -3000.0, 4000.0],
            "fee": [0.2, 0.6, 2.0],
            "slippage": [0.0, 0.0, 4.0],
            "liquidity": ["maker", "maker", "taker"],
        }
    )
    table = charts.liquidity_table(fills)
    assert table.frame["kind"].tolist() == ["maker", "taker", "all"]
    assert table.frame["fee_bps"].tolist() == pytest.approx([2.0, 5.0, 3.5])
    assert table.frame["slippage_bps"].tolist() == pytest.approx([0.0, 10.0, 5.0])
    assert table.frame["share"].tolist() == pytest.approx([0.5, 0.5, 1.0])
    assert charts.liquidity_table(fills.drop(columns="liquidity")).frame["kind"].tolist() == ["all"]


@pytest.mark.parametrize("what", ["pnl", "return", "bars"])
def test_histograms_hold_every_trade(what: Any) -> None:
    trades = trades_of()
    figure = charts.trade_histogram_chart(trades, what=what)
    assert data_of(figure, "count").sum() == len(trades)
    won = (trades["return"] > 0).mean()
    assert ("median" if what == "bars" else f"{won:.0%} of 60 won".replace("%", " %")) in " ".join(
        [figure.title.text, *(i.label.value for i in figure.legend[0].items)]
    )


def test_profit_is_a_share_where_the_capital_is_known() -> None:
    figure = charts.trade_histogram_chart(trades_of(), what="pnl", capital=1000.0)
    assert figure.xaxis[0].formatter.format == "0.0%"
    assert abs(data_of(figure, "left")).max() < 1


def test_the_length_of_a_bar_is_told_from_the_trades() -> None:
    trades = trades_of()
    figure = charts.trade_histogram_chart(trades, what="bars")
    assert duration(float(trades["bars"].median())) in figure.title.text  # a bar is an hour here
    assert [duration(h) for h in (0.75, 7.5, 288)] == ["45 min", "7.5 hours", "12.0 days"]


def test_trades_are_drawn_at_their_exits_by_side() -> None:
    trades = trades_of()
    trades.loc[3, "exit_time"] = pd.NaT  # open
    figure = charts.trade_returns_chart(trades)
    drawn = [r for r in figure.renderers if "value" in r.data_source.data]
    assert sum(len(r.data_source.data["value"]) for r in drawn) == len(trades) - 1
    assert {r.glyph.marker for r in drawn} == {"triangle", "inverted_triangle"}
    longs = trades[(trades["side"] == "long") & trades["exit_time"].notna()]
    assert data_of(figure, "value") == pytest.approx(longs["return"].to_numpy())


def test_of_many_trades_the_extremes_are_kept() -> None:
    trades = trades_of(3 * MOST_POINTS)
    figure = charts.trade_returns_chart(trades)
    drawn = np.concatenate([r.data_source.data["value"] for r in figure.renderers if "value" in r.data_source.data])
    assert len(drawn) <= MOST_POINTS
    assert drawn.min() == trades["return"].min()
    assert drawn.max() == trades["return"].max()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_excursions_lie_left_and_right_whatever_their_sign(sign: float) -> None:
    trades = trades_of()
    left, right = plots(charts.excursions_chart(trades.assign(mae=sign * trades["mae"])))
    assert (data_of(left, "low") < 0).all()
    assert (data_of(right, "high") > 0).all()
    winners = trades[trades["return"] > 0]
    assert f"{winners['mae'].quantile(0.9):.1%}".replace("%", " %") in left.title.text
    shapes = {r.glyph.marker for r in left.renderers if hasattr(r.glyph, "marker")}
    assert shapes == {"circle", "x"}


def test_sides_add_up_to_both() -> None:
    trades = trades_of()
    frame = side_frame(trades, 1000.0)
    assert frame["both"].iloc[-1] == pytest.approx(trades["pnl"].sum() / 1000)
    assert frame["long"].iloc[-1] == pytest.approx(trades.loc[trades["side"] == "long", "pnl"].sum() / 1000)
    figure = charts.to_bokeh(charts.side_equity_chart(trades, capital=1000.0))
    assert figure.yaxis[0].formatter.format == "0.0%"
    assert list(side_frame(trades[trades["side"] == "long"])) == ["long"]


def test_profit_is_a_share_of_the_capital_it_was_earned_with() -> None:
    trades = pd.DataFrame(
        {"exit_time": pd.to_datetime(["2024-01-02"], utc=True), "pnl": [-669.71], "return": [-0.0027]}
    )
    assert "−0.67 %" in charts.trades_table(trades, capital=100_000.0)._repr_html_()
    assert "%" not in charts.trades_table(trades).columns[1].write(-669.71)


def test_value_traded_stays_readable() -> None:
    fills = pd.DataFrame({"value": [3.7e8], "fee": [74_000.0], "slippage": [0.0], "liquidity": ["maker"]})
    assert "370 M" in charts.liquidity_table(fills)._repr_html_()
    assert "3,700.0" in charts.liquidity_table(fills, capital=1e5)._repr_html_()


def test_trades_without_a_reason_are_still_open() -> None:
    trades = pd.DataFrame({"exit_reason": ["order", ""], "return": [0.1, -0.1], "pnl": [1.0, -1.0], "bars": [2, 0]})
    assert charts.exit_reasons_table(trades).frame["reason"].tolist() == ["order", "still open"]
