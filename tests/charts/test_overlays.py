"""Overlays show what is known at the newest bar, at its origin, and nothing that is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import charts
from workbench.charts.candles import CandleFigure
from workbench.charts.events import NOT_YET, ChartEvents, Pattern, chart_events
from workbench.charts.overlaylayers import COLUMNS
from workbench.charts.patternoverlay import NEWEST, known_patterns, pattern_shapes
from workbench.charts.structureoverlay import LEAST_HEIGHT, MOST_SWINGS, OPEN_ZONES, PAST_ZONES
from workbench.charts.view import View
from workbench.config import OVERLAYS
from workbench.errors import ConfigError, DataError
from workbench.features import compute
from workbench.features.structure import smart_money_events

ALL = list(OVERLAYS)


@pytest.fixture(scope="module")
def hourly(make_bars: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """1,200 hourly bars of a market that never rests."""
    return make_bars(1200, ("SYN",), freq="h")


def path(rows: Sequence[tuple[float, float, float, float]], freq: str = "h") -> pd.DataFrame:
    """Make bars of one symbol from (open, high, low, close)."""
    index = pd.date_range("2024-01-01", periods=len(rows), freq=freq, tz="UTC", name="time")
    values = np.column_stack([np.array(rows), np.full(len(rows), 1e3)])
    columns = pd.MultiIndex.from_product(
        [("open", "high", "low", "close", "volume"), ["SYN"]], names=["field", "symbol"]
    )
    return pd.DataFrame(values, index=index, columns=columns)


def drawn_at(
    bars: pd.DataFrame,
    now: int,
    known_bars: int,
    overlays: Sequence[str] = ALL,
    window: int = 180,
    events: ChartEvents | None = None,
) -> Any:
    """Draw the newest ``window`` bars at bar ``now`` from events found in the first ``known_bars``."""
    rows = charts.candle_rows(bars, "SYN").iloc[: now + 1]
    figure = charts.candle_figure(rows, [], title="", window=window)
    figure.overlays.show(overlays)
    events = events or chart_events(bars.iloc[:known_bars], "SYN", overlays)
    figure.overlays.draw(events, rows, now, figure.x_range.start, figure.x_range.end)
    return figure


def data(figure: CandleFigure) -> dict[str, dict[str, Any]]:
    """Return the columns of every layer."""
    return {layer: dict(source.data) for layer, source in figure.overlays.sources.items()}


@pytest.fixture(scope="module")
def whole(hourly: pd.DataFrame) -> ChartEvents:
    """Events of all the hourly bars."""
    return chart_events(hourly, "SYN", ALL)


@settings(max_examples=10)
@given(now=st.integers(0, 1199), window=st.integers(20, 600))
def test_what_is_drawn_at_a_bar_needs_no_bar_after_it(
    hourly: pd.DataFrame, whole: ChartEvents, now: int, window: int
) -> None:
    later = drawn_at(hourly, now, 1200, window=window, events=whole)
    assert data(later) == data(drawn_at(hourly, now, now + 1, window=window))


def test_every_layer_is_drawn_somewhere(make_bars: Callable[..., pd.DataFrame]) -> None:
    bars = make_bars(3000, ("SYN",), freq="h", seed=8)
    events, rows = chart_events(bars, "SYN", ALL), charts.candle_rows(bars, "SYN")
    figure = charts.candle_figure(rows, [], title="", window=180)
    figure.overlays.show(ALL)
    seen: set[str] = set()
    for now in range(400, 3000, 100):
        figure.overlays.draw(events, rows.iloc[: now + 1], now, now - 400.0, now + 1.5)
        for layer, columns in data(figure).items():
            assert tuple(columns) == next(layers[layer] for layers in COLUMNS.values() if layer in layers)
            sizes = {len(column) for column in columns.values()}
            assert len(sizes) == 1, layer
            seen |= {layer} if sizes != {0} else set()
    assert seen == {layer for layers in COLUMNS.values() for layer in layers}


def test_a_gap_appears_on_its_third_bar_as_a_box_from_the_middle_one_until_it_is_touched() -> None:
    bars = path(
        [(100, 101, 99, 100)] * 5
        + [(100, 101, 99, 100.5), (100.5, 110, 100, 109), (109, 112, 105, 111)]
        + [(111, 113, 108, 112)] * 3
        + [(112, 113, 104, 105), (105, 106, 104.5, 105)]
    )
    before, at, touched = (drawn_at(bars, now, 13, window=20).overlays.sources["fvg"].data for now in (6, 7, 11))
    assert before["left"] == []
    assert (at["left"], at["right"], at["bottom"], at["top"]) == ([5.5], [8.5], [101.0], [105.0])
    assert (touched["left"], touched["right"]) == ([5.5], [11.0])
    assert touched["alpha"][0] < at["alpha"][0]


def test_yesterdays_high_and_low_are_known_when_the_day_is_over() -> None:
    rows = [(100, 101, 99, 100)] * 48
    rows[5], rows[9] = (100, 107, 99, 100), (100, 101, 95, 100)
    bars = path(rows)
    during, after = (drawn_at(bars, now, 48, window=60).overlays.sources["level"].data for now in (23, 24))
    assert during["y"] == []
    assert dict(zip(after["text"], zip(after["x0"], after["y"], strict=True), strict=True)) == {
        "PDH": (5, 107.0),
        "PDL": (9, 95.0),
    }
    daily = drawn_at(path(rows, freq="D"), 47, 48, window=60).overlays.sources["level"].data
    assert set(daily["text"]) <= {"PWH", "PWL", "PWH PWL", ""}  # of a daily bar the day before is the bar before


def test_swings_are_named_by_the_standing_one_before(hourly: pd.DataFrame) -> None:
    now = 900
    shown = drawn_at(hourly, now, 1200, ["smart_money"], window=600).overlays.sources["swing"].data
    table = smart_money_events(hourly, "SYN", kinds=("swing",), as_known=hourly.index[now])
    table = table[table["ended"].isna()]
    last: dict[int, float] = {}
    words = {}
    for event in table.itertuples():
        high, level = event.direction > 0, event.level
        before = last.get(event.direction)
        higher = before is not None and level > before
        named = ("HH" if higher else "LH") if high else ("HL" if higher else "LL")
        words[hourly.index.get_loc(event.origin)] = named if before is not None else "HL"[0 if high else 1]
        last[event.direction] = level
    assert len(shown["x"]) > 10
    assert dict(zip(shown["x"], shown["text"], strict=True)) == {i: words[i] for i in shown["x"]}


def test_few_of_a_kind_are_drawn_and_none_thinner_than_a_line(make_bars: Callable[..., pd.DataFrame]) -> None:
    bars = make_bars(5000, ("SYN",), freq="h", seed=4)
    rows = charts.candle_rows(bars, "SYN")
    layers = data(drawn_at(bars, 4999, 5000, window=4998))
    for kind in ("order_block", "fvg"):
        assert 0 < len(layers[kind]["left"]) <= OPEN_ZONES[kind] + PAST_ZONES[kind]
        heights = np.array(layers[kind]["top"]) - np.array(layers[kind]["bottom"])
        assert (heights >= LEAST_HEIGHT * (rows["high"].max() - rows["low"].min()) * 0.999).all()
    assert len(layers["swing"]["x"]) == MOST_SWINGS
    assert len(layers["pattern_label"]["x"]) <= sum(NEWEST.values())


def test_regimes_are_those_of_the_features_bar_by_bar(hourly: pd.DataFrame) -> None:
    now, start, end = 1100, 700.0, 1300.0
    specs = ["trend_regime", "vol_regime", "critical_event"]
    values = compute(hourly, specs).xs("SYN", axis=1, level="symbol")
    rows = charts.candle_rows(hourly, "SYN").iloc[: now + 1]
    figure = charts.candle_figure(rows, [], title="", window=180)
    figure.overlays.show(["regimes"])
    figure.overlays.draw(chart_events(hourly, "SYN", ["regimes"]), rows, now, start, end)
    layers = data(figure)

    def covered(layer: str) -> set[int]:
        spans = zip(layers[layer]["x0"], layers[layer]["x1"], strict=True)
        return {i for x0, x1 in spans for i in range(round(x0 + 0.5), round(x1 + 0.5))}

    bars = range(700, now + 1)
    assert covered("trend") == {i for i in bars if values["trend_regime"].iloc[i] != 0}
    assert covered("wild") == {i for i in bars if values["vol_regime"].iloc[i] == 2}
    assert set(layers["shock"]["x"]) <= {i for i in bars if values["critical_event"].iloc[i] > 0}


def pattern(known: int, kind: str = "double_top", **changes: Any) -> Pattern:
    fields = dict(
        kind=kind, name=kind, direction=-1, score=0.6, known=known, bars=(known - 30, known - 20, known - 10, known),
        prices=(110.0, 100.0, 110.5, 99.0),
    )  # fmt: skip
    return Pattern(**{**fields, **changes})


def test_divergences_of_several_oscillators_are_one_and_the_better_harmonic_counts() -> None:
    points = dict(bars=(70, 80), prices=(100.0, 101.0))
    found = [
        pattern(90, "divergence", name="rsi_regular_bearish", score=0.3, **points),
        pattern(90, "divergence", name="macd_regular_bearish", score=0.5, **points),
        pattern(91, "harmonic", name="bat", score=0.4, bars=(50, 60, 70, 80, 90), prices=(1.0, 2.0, 1.5, 1.9, 1.2)),
        pattern(91, "harmonic", name="gartley", score=0.8, bars=(50, 60, 70, 80, 90), prices=(1.0, 2.0, 1.5, 1.9, 1.2)),
    ]
    told = [words for _, words in known_patterns(found, View(100, 0.0, 101.5, 90.0, 112.0))]
    assert sorted(told) == ["Bearish div. RSI+MACD", "Gartley"]
    assert list(known_patterns(found, View(89, 0.0, 90.5, 90.0, 112.0))) == []


@settings(max_examples=50)
@given(st.lists(st.integers(40, 178), min_size=1, max_size=2), st.integers(300, 1500))
def test_labels_of_patterns_lie_apart_and_within_the_frame(known: list[int], width: int) -> None:
    kinds = ("double_top", "head_shoulders", "triangle")
    shape = dict(bars=(5, 10, 15, 20, 30, 40), prices=(110.0, 100.0, 112.0, 101.0, 110.2, 100.0))
    found = [pattern(k, kind, **(shape if kind != "double_top" else {})) for k in sorted(known) for kind in kinds]
    view = View(179, 0.0, 180.0, 90.0, 112.0, float(width))
    labels = pattern_shapes(found, view)["pattern_label"]
    boxes = []
    for x, y, text, align, shift in zip(*(labels[c] for c in ("x", "y", "text", "align", "shift")), strict=True):
        long, left = 5.9 * len(text), x / view.bars_per_pixel
        boxes.append((left - long * (align == "right"), long, 370 * (112.0 - y) / 22.0 + shift))
    for k, (left, long, row) in enumerate(boxes):
        assert 0 < row < 370
        for other, length, level in boxes[:k]:
            assert left >= other + length or other >= left + long or abs(row - level) >= 20


def test_a_shape_says_its_name_its_score_and_where_it_was_known() -> None:
    view = View(100, 0.0, 101.5, 90.0, 112.0)
    shapes = pattern_shapes([pattern(80)], view)
    assert shapes["pattern_label"]["text"] == ["Double top 0.60 ▼"]
    assert shapes["pattern_label"]["x"] == [80]
    assert shapes["pattern_point"]["text"] == ["1", "2"]
    assert shapes["pattern_dashed"]["xs"] == [[60, 80]]  # the neckline, to the close that broke it
    assert shapes["pattern_dashed"]["ys"] == [[100.0, 100.0]]


def test_bars_are_numbered_as_on_the_chart(hourly: pd.DataFrame) -> None:
    plain, moved = (chart_events(hourly, "SYN", ALL, first=first) for first in (0, 500))
    for kind, columns in plain.structure.items():
        for name in ("origin", "known", "touched", "ended"):
            there = columns[name] != NOT_YET
            np.testing.assert_array_equal(columns[name][there] + 500, moved.structure[kind][name][there])
            assert (moved.structure[kind][name][~there] == NOT_YET).all()
    assert [p.bars[0] + 500 for p in plain.patterns] == [p.bars[0] for p in moved.patterns]
    assert moved.regimes["i"][0] == 500


def test_the_scale_stays_that_of_the_candles_and_nothing_is_drawn_unasked(hourly: pd.DataFrame) -> None:
    rows = charts.candle_rows(hourly, "SYN")
    figure = charts.candle_figure(rows, [], title="", window=100)
    pane = figure.layout.children[0][0]
    names = {r.name for r in pane.renderers}
    assert {layer for layers in COLUMNS.values() for layer in layers} <= names
    assert not {r.name for r in pane.y_range.renderers} & {layer for layers in COLUMNS.values() for layer in layers}
    assert all(len(next(iter(columns.values()))) == 0 for columns in data(figure).values())
    assert not figure.overlays.legend.visible


def test_the_legend_explains_what_is_on_and_switching_off_empties_it(hourly: pd.DataFrame) -> None:
    figure = drawn_at(hourly, 1199, 1200)
    legend = figure.overlays.legend
    words = legend.elements[0].html
    assert legend.visible
    for word in ("order block", "CHoCH", "PDH", "known", "up trend"):
        assert word in words
    figure.overlays.show(["regimes"])
    layers = data(figure)
    assert "order block" not in legend.elements[0].html
    assert layers["swing"]["x"] == layers["pattern_label"]["x"] == []
    assert layers["shock"]["x"] or layers["trend"]["x0"] or layers["wild"]["x0"]
    figure.overlays.show([])
    assert not legend.visible


def test_a_report_draws_the_same_without_a_widget(hourly: pd.DataFrame) -> None:
    layout = charts.candles_chart(hourly, events=["smart_money", "patterns"], last=300)
    expected = data(drawn_at(hourly, 1199, 1200, ["smart_money", "patterns"], window=302))
    pane = layout.children[0][0]
    for layer in ("order_block", "swing", "pattern"):
        assert dict(pane.select_one({"name": layer}).data_source.data) == expected[layer]
    assert [c[1] for c in layout.children] == list(range(len(layout.children)))
    page = charts.html_page([layout], title="t")
    assert "order block, bullish or bearish" in page
    assert '"name":"Div"' not in page


def test_wrong_input_is_named(hourly: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="no overlay 'smart_mony'. Did you mean 'smart_money'"):
        chart_events(hourly, "SYN", ["smart_mony"])
    with pytest.raises(DataError, match="volume"):
        chart_events(hourly.drop(columns=[("volume", "SYN")]), "SYN", ["patterns"])


@pytest.mark.parametrize("n_bars", [1, 2, 3, 15])
def test_a_chart_of_few_bars_has_few_events(make_bars: Callable[..., pd.DataFrame], n_bars: int) -> None:
    bars = make_bars(n_bars, ("SYN",), freq="h")
    layers = data(drawn_at(bars, n_bars - 1, n_bars, window=20))
    assert layers["pattern"]["xs"] == []
    assert layers["swing"]["x"] == []
