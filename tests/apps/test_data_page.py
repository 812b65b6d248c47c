"""The data page: what is stored, where it has holes and why, where it came from and how fresh it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.apps import DataPage
from workbench.config import DataParameters, Settings, load_settings
from workbench.data import bars_of, open_store

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TABS = ["Coverage", "Gaps", "Sources", "Freshness", "Quality", "Prices"]
NOW = datetime(2024, 3, 1, 1, 30, tzinfo=UTC)


def fill(settings: Settings) -> None:
    """Three hourly series of two venues; all lack the same 30 hours, one stops a day before the others."""
    store = open_store(settings)
    times = pd.date_range("2024-01-01", "2024-02-29 23:00", freq="h", tz="UTC", name="time")
    kept = times[(times < "2024-01-20 06:00") | (times >= "2024-01-21 12:00")]
    for number, symbol in enumerate(["ADA/USDT", "BTC/USDT", "ETH/USDT"]):
        mine = kept[kept < "2024-02-28"] if number == 2 else kept
        close = 100.0 + number + np.sin(np.arange(len(mine)) / 9)
        flat = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close), index=mine).assign(volume=5.0)
        where = pd.DataFrame({"source": "binance", "repaired": False}, index=mine)
        where.loc[mine[-200:], "source"] = "kraken"
        where.loc[mine[10:20], "repaired"] = True
        store.write("binance", symbol, "1h", bars_of({symbol: flat}), provenance=where)


def parameters(**chosen: Any) -> DataParameters:
    return DataParameters.model_validate({"source": "binance", "timeframe": "1h", **chosen})


def text_of(view: Any) -> str:
    import panel as pn

    return " ".join(str(p.object) for p in view.select(pn.pane.HTML))


def opened(page: DataPage, tab: str) -> str:
    page._tabs.view.active = TABS.index(tab)
    return text_of(page._tabs.view[TABS.index(tab)])


@pytest.fixture
def page(settings: Settings) -> DataPage:
    fill(settings)
    shown = DataPage(settings, parameters(), NOW)
    shown.view()
    return shown


def test_the_numbers_of_the_first_screen(page: DataPage) -> None:
    tiles = page._tiles.object
    for words in ("4,182", "2024-01-01", "2024-02-29", ">90<", "2 of 3", "0 late, 1 stale"):
        assert words in tiles, words
    assert page._message.object == ""


def test_every_tab_says_its_part(page: DataPage) -> None:
    assert "venue down" in opened(page, "Gaps")
    assert "2 of 2 other series lack the same bars" in opened(page, "Gaps")
    assert "kraken" in opened(page, "Sources")
    assert "● fresh" in opened(page, "Freshness")
    assert "■ stale" in opened(page, "Freshness")
    assert "No venue has been asked" in opened(page, "Freshness")
    assert "Summary" in opened(page, "Quality")
    opened(page, "Prices")
    for position in (0, 2, 5):
        import panel as pn

        assert page._tabs.view[position].select(pn.pane.Bokeh)


def test_venues_are_shown_once_one_was_asked(page: DataPage, settings: Settings) -> None:
    (settings.data_dir / "venues").mkdir()
    assert "● asked as usual" in opened(page, "Freshness")


def test_another_source_changes_the_page_in_place(page: DataPage, settings: Settings) -> None:
    page.source = "sample"
    assert page.timeframe == "1d"
    assert "22,020" in page._tiles.object
    assert "SPX" in page.symbols
    assert "■ stale" in opened(page, "Freshness")


def test_no_symbol_chosen_asks_for_one(page: DataPage) -> None:
    page.symbols = []
    assert "Choose at least one symbol" in opened(page, "Quality")
    assert "Choose at least one symbol" in opened(page, "Prices")
    assert "kraken" in opened(page, "Sources")


def test_an_empty_store_names_the_command(settings: Settings) -> None:
    text = text_of(DataPage(settings, parameters(), NOW).view())
    assert "the store is empty" in text
    assert "workbench data fetch" in text


def test_a_choice_without_bars_shows_what_there_is(settings: Settings) -> None:
    fill(settings)
    text = text_of(DataPage(settings, parameters(timeframe="4h"), NOW).view())
    assert "no bars of this choice" in text
    assert "ETH/USDT" in text


def test_a_damaged_series_is_told_and_the_others_are_shown(settings: Settings) -> None:
    fill(settings)
    (entry,) = (settings.data_dir / "bars").glob(f"binance/1h/ETH*/_delta_log/{1:020d}.json")
    entry.write_text("torn")
    page = DataPage(settings, parameters(), NOW)
    page.view()
    assert "1 series cannot be read" in page._message.object
    assert ">2<" in page._tiles.object
    assert "✗ damaged" in opened(page, "Freshness")
    assert "damaged" in opened(page, "Gaps")  # the witness that cannot be read: a line in the place of the table


def test_a_synthetic_market_has_no_gaps(settings: Settings) -> None:
    page = DataPage(settings, parameters(source="gbm(seed=1, n_bars=300)"), NOW)
    page.view()
    assert "300" in page._tiles.object
    assert "drawn whole" in opened(page, "Gaps")
    assert "synthetic" in opened(page, "Sources")


@pytest.mark.browser
@pytest.mark.slow
def test_a_person_walks_the_tabs(served: Callable[..., Any], visit: Callable[[str], Any], tmp_path: Path) -> None:
    fill(load_settings({"WORKBENCH_HOME": str(tmp_path)}))
    with served(tmp_path, NOTEBOOKS) as url:
        seen = visit(f"{url}/data?source=binance&timeframe=1h")
        seen.wait_for("Missing bars", "4,182")
        seen.drawn()
        for tab, told in [("Gaps", "Gaps by cause"), ("Sources", "Bars by venue"), ("Freshness", "bars behind")]:
            seen.page.get_by_text(tab, exact=True).first.click()
            seen.wait_for(told)
        seen.page.get_by_label("Source").first.select_option("sample")
        seen.wait_for("22,020")
        seen.page.wait_for_function("() => location.search.includes('source=sample')")
