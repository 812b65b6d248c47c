"""The overlays of the live chart in a real browser: what a person sees when the switches are on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.config import load_settings
from workbench.data import open_store

ROOT = Path(__file__).resolve().parents[2]
_MODELS = "[...Bokeh.documents[0]._all_models.values()]"
_LAYER = f"name => {_MODELS}.find(m => m.name == name).data_source.data"
_N = f"name => Object.values(({_LAYER})(name))[0].length"
_RANGE = f"() => {{ const r = {_MODELS}.find(m => m.type == 'Range1d'); return [r.start, r.end]; }}"
_NEWEST = f"() => {_MODELS}.find(m => m.type == 'ColumnDataSource' && m.data.i).data.i.at(-1)"
_FIGURES = f"() => {_MODELS}.filter(m => m.type == 'Figure').map(m => m.id).join()"

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, make_bars: Callable[..., pd.DataFrame], served: Any
) -> Iterator[str]:
    """The live chart over 2,000 hourly bars of a stored symbol."""
    home = tmp_path_factory.mktemp("home")
    store = open_store(load_settings({"WORKBENCH_HOME": str(home)}))
    store.write("import", "BTC/USDT", "1h", make_bars(2000, ("BTC/USDT",), seed=1, freq="h"))
    with served(home, ROOT / "notebooks") as url:
        yield f"{url}/live_chart?source=import&symbol=BTC/USDT&timeframe=1h"


def click(seen: Any, name: str) -> None:
    seen.page.get_by_role("button", name=name).click()


def wait(seen: Any, condition: str) -> None:
    seen.page.wait_for_function(f"() => {condition}", timeout=60_000)


def n_drawn(seen: Any, *layers: str) -> list[int]:
    return [seen.page.evaluate(_N, layer) for layer in layers]


def test_switches_draw_and_clear_without_a_new_figure(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(address)
    seen.wait_for("paused")
    seen.drawn()
    figures = seen.page.evaluate(_FIGURES)
    assert n_drawn(seen, "order_block", "swing", "pattern", "trend") == [0, 0, 0, 0]
    assert "order block" not in seen.text()
    click(seen, "Smart money")
    click(seen, "Patterns")
    text = seen.wait_for("order block, bullish or bearish", "change of character", "at the bar it was known")
    assert "up trend" not in text
    wait(seen, f"({_N})('swing') > 3 && ({_N})('pattern_label') > 0")
    wait(seen, "location.search.includes('overlays=smart_money%2Cpatterns')")
    assert set(seen.page.evaluate(_LAYER, "swing")["text"]) <= {"HH", "HL", "LH", "LL"}
    click(seen, "Smart money")
    wait(seen, f"({_N})('swing') == 0 && ({_N})('pattern_label') > 0")
    assert seen.page.evaluate(_FIGURES) == figures


def test_boxes_follow_each_step_and_the_window_a_hand_moves(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(f"{address}&overlays=smart_money,regimes&theme=dark")
    seen.wait_for("paused", "up trend", "order block")
    seen.drawn()
    for _ in range(4):
        newest = seen.page.evaluate(_NEWEST)
        click(seen, "Step")
        wait(seen, f"({_NEWEST})() == {newest + 1}")
        wait(seen, f"Math.max(...({_LAYER})('order_block').right) == {newest + 2.5}")
        for layer, edge in (("bos", "x1"), ("choch", "x1"), ("trend", "x1")):
            assert all(x <= newest + 1.5 for x in seen.page.evaluate(_LAYER, layer)[edge])
    latest = min(seen.page.evaluate(_LAYER, "swing")["x"])
    seen.page.mouse.move(500, 500)
    seen.page.mouse.down()
    seen.page.mouse.move(1100, 500, steps=8)
    seen.page.mouse.up()
    wait(seen, f"Math.min(...({_LAYER})('swing').x) < {latest}")
    start, end = seen.page.evaluate(_RANGE)
    wait(seen, f"({_LAYER})('swing').x.every(x => x >= {start} && x <= {end})")


def test_restart_shows_the_window_it_began_with(address: str, visit: Callable[[str], Any]) -> None:
    seen = visit(f"{address}&overlays=smart_money")
    seen.wait_for("paused")
    begun, newest = seen.page.evaluate(_RANGE), seen.page.evaluate(_NEWEST)
    for k in range(5):
        click(seen, "Step")
        wait(seen, f"({_NEWEST})() == {newest + k + 1} && ({_RANGE})()[1] > {begun[1] + k}")
    click(seen, "Restart")
    wait(seen, f"({_NEWEST})() == {newest} && Math.abs(({_RANGE})()[1] - {begun[1]}) < 0.01")
    click(seen, "Step")  # and goes along from there
    wait(seen, f"Math.abs(({_RANGE})()[1] - {begun[1] + 1}) < 0.01")


@pytest.mark.parametrize("width", [480, 900])
def test_a_narrow_window_is_not_wider_than_the_screen(address: str, visit: Callable[[str], Any], width: int) -> None:
    seen = visit(f"{address}&overlays=smart_money,patterns,regimes")
    seen.page.set_viewport_size({"width": width, "height": 900})
    seen.wait_for("paused", "order block")
    seen.drawn()
    wait(seen, f"document.documentElement.scrollWidth <= {width}")


def test_an_unknown_overlay_is_told(address: str, visit: Callable[[str], Any]) -> None:
    visit(f"{address}&overlays=smart_mony").wait_for("failed in cell", "Did you mean 'smart_money'?")
