"""The page of the data: what the store holds, where it has holes, where the bars came from and how fresh they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import panel as pn
import param

from workbench import charts
from workbench.apps import parts
from workbench.apps.parts import Tile
from workbench.config import DataParameters, Settings
from workbench.data import (
    FRESHNESS_RULE,
    available_symbols,
    freshness,
    inspect_bars,
    month_table,
    open_store,
    source_shares,
)
from workbench.errors import WorkbenchError

MOST_SYMBOLS = 8
_WRAPPED = ".bk-btn-group { flex-wrap: wrap; gap: 4px; } .bk-btn { flex: 0 0 auto !important; }"
MAP_HEIGHT = 640
FETCH = "workbench data fetch binance BTC/USDT 1h --since 2020-01-01"
EMPTY = "There are no bars yet: the store is empty. Fetch some, or bring files with 'workbench data import FILE'."
NOTHING = "There are no bars of this choice in the store."


class DataPage(param.Parameterized):
    """State of the page: the source and time frame that are looked at, and the symbols whose bars are inspected.

    Parameters
    ----------
    settings : Settings
    parameters : DataParameters, optional
        What to open with.
    now : datetime, optional
        The time that freshness is measured at; default: when the page is opened.
    """

    source = param.Selector(default="sample", objects=["sample"], label="Source")
    timeframe = param.Selector(default="1d", objects=["1d"], label="Time frame")
    symbols = param.ListSelector(default=[], objects=[], label="Symbols of the tabs Quality and Prices")

    def __init__(
        self, settings: Settings, parameters: DataParameters | None = None, now: datetime | None = None
    ) -> None:
        super().__init__()
        self._settings = settings
        self._now = pd.Timestamp(now or datetime.now(UTC))
        p = parameters or DataParameters.model_validate({})
        self._catalogue = freshness(open_store(settings).list(), self._now)
        self.param.source.objects = list(dict.fromkeys(["sample", p.source, *self._catalogue["source"]]))
        self.source = p.source
        self._choose(p.timeframe, list(p.symbols))

    def _choose(self, timeframe: str, symbols: Sequence[str]) -> None:
        series = self._catalogue[self._catalogue["source"] == self.source]
        frames = list(dict.fromkeys([timeframe, *series["timeframe"]]))
        self.param.timeframe.objects = frames
        self.timeframe = timeframe
        self._offer(symbols)

    def _offer(self, symbols: Sequence[str]) -> None:
        offered = list(available_symbols(self.source, self.timeframe, self._settings)) or list(symbols)
        self.param.symbols.objects = offered
        self.symbols = [s for s in symbols if s in offered] or offered[:MOST_SYMBOLS]

    @param.depends("source", watch=True)
    def _change_source(self) -> None:
        if hasattr(self, "_tabs"):
            series = self._catalogue[self._catalogue["source"] == self.source]
            self._choose(series["timeframe"].iloc[0] if len(series) else "1d", [])

    @param.depends("timeframe", watch=True)
    def _change_timeframe(self) -> None:
        if hasattr(self, "_tabs"):
            self._offer(self.symbols)
            self._reload()

    @param.depends("symbols", watch=True)
    def _change_symbols(self) -> None:
        if hasattr(self, "_tabs"):
            self._reload()

    def _reload(self) -> None:
        if pn.state.location:
            pn.state.location.update_query(source=self.source, timeframe=self.timeframe)
        self._read()
        self._tabs.refresh()

    def _read(self) -> None:
        """Count what is stored of this source and time frame; a damaged series is told and the others are shown."""
        self._months = pd.DataFrame()
        self._inspected: Any = None
        try:
            self._months = month_table(self.source, self.timeframe, settings=self._settings)
            self._catalogue = freshness(open_store(self._settings).list(), self._now)
            self._message.object = self._warning()
        except WorkbenchError as err:
            self._message.object = parts.notice(str(err), "bad")
        self._tiles.object = parts.tiles(self._numbers())
        self._control.visible = bool(self.param.symbols.objects)

    def _warning(self) -> str:
        damaged = self._catalogue[self._catalogue["status"] != "ok"]
        if damaged.empty:
            return ""
        return parts.notice(
            f"{len(damaged)} series cannot be read at the newest version: {damaged['status'].iloc[0]}", "bad"
        )

    def _mine(self) -> pd.DataFrame:
        same = (self._catalogue["source"] == self.source) & (self._catalogue["timeframe"] == self.timeframe)
        return self._catalogue[same]

    def _numbers(self) -> list[Tile]:
        months, mine = self._months, self._mine()
        if months.empty:
            return []
        held, expected = int(months["held"].sum()), int(months["expected"].sum())
        missing = int((months["expected"] * (1 - months["share"].fillna(1.0))).round().sum())
        states = mine["state"].value_counts()
        return [
            Tile("Series shown", f"{months['symbol'].nunique():,}", f"{self.source}, {self.timeframe}"),
            Tile("Bars", f"{held:,}", "all symbols together"),
            Tile("From", f"{months['month'].min():%Y-%m}" if mine.empty else f"{mine['first'].min():%Y-%m-%d}", "UTC"),
            Tile("To", f"{months['month'].max():%Y-%m}" if mine.empty else f"{mine['last'].max():%Y-%m-%d}", "UTC"),
            Tile("Missing bars", f"{missing:,}", f"of {expected:,} expected between first and last"),
            Tile(
                "Fresh",
                f"{int(states.get('fresh', 0))} of {len(mine)}" if len(mine) else "drawn",
                f"{int(states.get('late', 0))} late, {int(states.get('stale', 0))} stale",
                FRESHNESS_RULE,
            ),
            Tile("On disk", charts.size_text(float(mine["bytes"].sum())), "newest versions"),
        ]

    def view(self) -> Any:
        """Return the page as one Panel object."""
        parts.load_panel()
        css = {"stylesheets": [parts.WIDGET_CSS], "margin": (0, 10, 10, 0)}
        self._message, self._tiles = parts.markup(), parts.markup()
        control = self._symbol_control(css)
        self._read()
        tabs = [
            ("Coverage", self._coverage), ("Gaps", self._gaps), ("Sources", self._sources),
            ("Freshness", self._freshness), ("Quality", self._quality), ("Prices", self._prices),
        ]  # fmt: skip
        self._tabs = parts.LazyTabs([(title, self._guarded(build)) for title, build in tabs])
        bar = pn.Row(
            pn.widgets.Select.from_param(self.param.source, width=160, **css),
            pn.widgets.Select.from_param(self.param.timeframe, width=110, **css),
            control,
            sizing_mode="stretch_width",
            margin=0,
        )
        return pn.Column(
            bar, self._message, self._tiles, pn.Spacer(height=8), self._tabs.view, sizing_mode="stretch_width", margin=0
        )

    def _symbol_control(self, css: dict[str, Any]) -> Any:
        words = f'<span style="color:var(--wb-soft,#51606d);font-size:12px">{self.param.symbols.label}</span>'
        buttons = pn.widgets.CheckButtonGroup.from_param(
            self.param.symbols, stylesheets=[*css["stylesheets"], _WRAPPED], margin=0, sizing_mode="stretch_width"
        )
        self._control = pn.Column(
            parts.markup(words, margin=(0, 0, 3, 0)),
            _scrolled(buttons, 84),
            margin=(2, 10, 10, 0),
            sizing_mode="stretch_width",
        )
        return self._control

    def _guarded(self, build: Callable[[], Sequence[Any]]) -> Callable[[], Sequence[Any]]:
        """Show an error in the place of what it kept from being shown."""

        def built() -> Sequence[Any]:
            if self._months.empty:
                return self._nothing()
            try:
                return build()
            except WorkbenchError as err:
                return [parts.markup(parts.notice(str(err), "bad"))]

        return built

    def _nothing(self) -> list[Any]:
        if not len(self._catalogue):
            return [parts.empty_state(EMPTY, FETCH)]
        rest = [parts.card(parts.table(charts.catalogue_table(self._catalogue), height=520))]
        return [parts.empty_state(NOTHING, FETCH), *rest]

    def _coverage(self) -> Sequence[Any]:
        chart = parts.chart(charts.coverage_chart(self._months))
        return [parts.card(_scrolled(chart, MAP_HEIGHT))]

    def _gaps(self) -> Sequence[Any]:
        from workbench.data.quality.gaps import gap_table

        if self._mine().empty:
            return [parts.markup(parts.notice("A synthetic market is drawn whole: it has no gaps.", "good"))]
        gaps = gap_table(open_store(self._settings), self.source, self.timeframe, settings=self._settings)
        if gaps.empty:
            return [
                parts.markup(parts.notice("No bar is missing between the first and the last of any series.", "good"))
            ]
        return [
            parts.card(parts.table(charts.gap_causes_table(gaps))),
            parts.card(parts.table(charts.gaps_table(gaps), height=560)),
        ]

    def _sources(self) -> Sequence[Any]:
        shares = source_shares(self.source, self.timeframe, settings=self._settings)
        chart = parts.chart(charts.shares_chart(shares))
        return [
            parts.card(_scrolled(chart, MAP_HEIGHT)),
            parts.card(parts.table(charts.shares_table(shares), height=420)),
        ]

    def _freshness(self) -> Sequence[Any]:
        rule = parts.markup(
            f'<p style="color:var(--wb-soft,#51606d);font-size:12.5px;margin:0 0 8px">Measured when the page was '
            f"opened. {FRESHNESS_RULE}</p>"
        )
        table = parts.table(charts.catalogue_table(self._catalogue, now=self._now), height=560)
        return [parts.card(rule, table), self._venues()]

    def _venues(self) -> Any:
        if not (self._settings.data_dir / "venues").is_dir():
            return parts.card(
                parts.markup("<p style='margin:4px 0'>No venue has been asked from this machine yet.</p>")
            )
        from workbench.data.venues.open import venue_states

        return parts.card(parts.table(charts.venues_table(venue_states(self._settings))))

    def _inspect(self) -> Any:
        if self._inspected is None:
            self._inspected = inspect_bars(self.source, self.symbols, self.timeframe, self._settings)
        return self._inspected

    def _quality(self) -> Sequence[Any]:
        if not self.symbols:
            return [parts.markup(parts.notice("Choose at least one symbol above."))]
        report = self._inspect()[1]
        table = report.summary.reset_index()
        table = table.drop(columns=[c for c in table.columns[7:] if not table[c].any()])  # kinds of which there is none
        summary = charts.frame_table(table, caption="Summary", percents=("coverage",))
        return [
            parts.card(parts.table(summary)),
            parts.card(parts.table(charts.quality_table(report.findings), height=520)),
        ]

    def _prices(self) -> Sequence[Any]:
        if not self.symbols:
            return [parts.markup(parts.notice("Choose at least one symbol above."))]
        bars = self._inspect()[0]
        few = bars.loc[:, bars.columns.get_level_values("symbol").isin(self.symbols[:MOST_SYMBOLS])]
        return [parts.card(parts.chart(charts.price_chart(few, height=420)))]


def _scrolled(item: Any, height: int) -> Any:
    """Return a column that scrolls where what it holds is higher than so many pixels."""
    styles = {"max-height": f"{height}px", "overflow-y": "auto"}
    return pn.Column(item, styles=styles, sizing_mode="stretch_width", margin=0)


def data_page(settings: Settings, parameters: DataParameters | None = None, now: datetime | None = None) -> Any:
    """Return the page of the store: coverage, gaps, sources, freshness, and the quality of chosen series."""
    return DataPage(settings, parameters, now).view()
