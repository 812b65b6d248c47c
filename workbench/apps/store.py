"""The page of the data: what the store holds, and the quality of the chosen series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import param

from workbench import charts
from workbench.apps import parts
from workbench.apps.parts import Tile
from workbench.config import DataParameters, Settings
from workbench.data import available_symbols, inspect_bars, open_store
from workbench.errors import WorkbenchError

MOST_SYMBOLS = 8
MOST_BUTTONS = 12


class DataPage(param.Parameterized):
    """State of the page: the source, time frame and symbols that are looked at.

    Parameters
    ----------
    settings : Settings
    parameters : DataParameters, optional
        What to open with.
    """

    source = param.Selector(default="sample", objects=["sample"], label="Source")
    timeframe = param.Selector(default="1d", objects=["1d"], label="Time frame")
    symbols = param.ListSelector(default=[], objects=[], label="Symbols")

    def __init__(self, settings: Settings, parameters: DataParameters | None = None) -> None:
        super().__init__()
        self._settings = settings
        p = parameters or DataParameters.model_validate({})
        self._catalogue = open_store(settings).list()
        self.param.source.objects = list(dict.fromkeys(["sample", p.source, *self._catalogue["source"]]))
        self.source = p.source
        self._choose(p.timeframe, list(p.symbols))

    def _choose(self, timeframe: str, symbols: Sequence[str]) -> None:
        series = self._catalogue[self._catalogue["source"] == self.source]
        frames = list(dict.fromkeys([timeframe, *series["timeframe"]]))
        self.param.timeframe.objects = frames
        self.timeframe = timeframe
        offered = list(available_symbols(self.source, timeframe, self._settings)) or list(symbols)
        self.param.symbols.objects = offered
        self.symbols = [s for s in symbols if s in offered] or offered[:MOST_SYMBOLS]

    @param.depends("source", watch=True)
    def _change_source(self) -> None:
        if hasattr(self, "_tabs"):
            series = self._catalogue[self._catalogue["source"] == self.source]
            self._choose(series["timeframe"].iloc[0] if len(series) else "1d", [])

    @param.depends("symbols", "timeframe", watch=True)
    def _reload(self) -> None:
        if hasattr(self, "_tabs"):
            self._read()
            self._tabs.refresh()

    def _read(self) -> None:
        self._bars, self._report = None, None
        try:
            if self.symbols:
                self._bars, self._report = inspect_bars(self.source, self.symbols, self.timeframe, self._settings)
            self._message.object = ""
        except WorkbenchError as err:
            self._message.object = parts.notice(str(err), "bad")
        self._tiles.object = parts.tiles(self._numbers())

    def _numbers(self) -> list[Tile]:
        if self._bars is None or self._report is None:
            return []
        first, last = self._bars.index[0], self._bars.index[-1]
        broken = len(self._report.findings)
        return [
            Tile("Series shown", f"{len(self.symbols)}", f"{self.source}, {self.timeframe}"),
            Tile("Bars", f"{int(self._bars['close'].notna().to_numpy().sum()):,}", "all symbols together"),
            Tile("From", f"{first:%Y-%m-%d}", "UTC"),
            Tile("To", f"{last:%Y-%m-%d}", "UTC"),
            Tile(
                "Findings",
                f"{broken:,}",
                "nothing breaks the convention" if self._report.ok else "some bars break the convention",
            ),
        ]

    def view(self) -> Any:
        """Return the page as one Panel object."""
        parts.load_panel()
        css = {"stylesheets": [parts.WIDGET_CSS], "margin": (0, 10, 10, 0)}
        self._message, self._tiles = parts.markup(), parts.markup()
        self._read()
        self._tabs = parts.LazyTabs([("Prices", self._prices), ("Quality", self._quality), ("Store", self._store)])
        bar = pn.Row(
            pn.widgets.Select.from_param(self.param.source, width=160, **css),
            pn.widgets.Select.from_param(self.param.timeframe, width=110, **css),
            self._symbol_control(css),
            sizing_mode="stretch_width",
            margin=0,
        )
        return pn.Column(
            bar, self._message, self._tiles, pn.Spacer(height=8), self._tabs.view, sizing_mode="stretch_width", margin=0
        )

    def _symbol_control(self, css: dict[str, Any]) -> Any:
        if len(self.param.symbols.objects) <= MOST_BUTTONS:
            return pn.Column(
                parts.markup(
                    '<span style="color:var(--wb-soft,#51606d);font-size:12px">Symbols</span>', margin=(0, 0, 3, 0)
                ),
                pn.widgets.CheckButtonGroup.from_param(self.param.symbols, stylesheets=css["stylesheets"], margin=0),
                margin=(2, 10, 10, 0),
            )
        return pn.widgets.MultiChoice.from_param(self.param.symbols, width=560, **css)

    def _nothing(self) -> list[Any]:
        return [parts.empty_state("There are no bars of this choice in the store.", "workbench data import FILE")]

    def _prices(self) -> Sequence[Any]:
        if self._bars is None:
            return self._nothing()
        few = self._bars.loc[:, self._bars.columns.get_level_values("symbol").isin(self.symbols[:MOST_SYMBOLS])]
        return [
            parts.card(parts.chart(charts.price_chart(few, height=420))),
            parts.card(parts.chart(charts.coverage_chart(self._bars))),
        ]

    def _quality(self) -> Sequence[Any]:
        if self._report is None:
            return self._nothing()
        table = self._report.summary.reset_index()
        table = table.drop(columns=[c for c in table.columns[7:] if not table[c].any()])  # kinds of which there is none
        summary = charts.frame_table(table, caption="Summary", percents=("coverage",))
        return [
            parts.card(parts.table(summary)),
            parts.card(parts.table(charts.quality_table(self._report.findings), height=520)),
        ]

    def _store(self) -> Sequence[Any]:
        if not len(self._catalogue):
            return [parts.empty_state("The store is empty; the sample is built in.", "workbench data import FILE")]
        return [parts.card(parts.table(charts.catalogue_table(self._catalogue), height=640))]


def data_page(settings: Settings, parameters: DataParameters | None = None) -> Any:
    """Return the page of the store and of the quality of the chosen series."""
    return DataPage(settings, parameters).view()
