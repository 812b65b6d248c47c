"""The page of finished comparisons: two runs, what differs between them, and what explains the difference in profit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import panel as pn
import param

from workbench import charts
from workbench.apps import parts, sections
from workbench.apps.numbers import run_words
from workbench.apps.parts import Tile
from workbench.apps.runpage import RunPage, headline
from workbench.charts.tables import EMPTY, number, percent, signed_percent, whole
from workbench.tracking import list_records, read_record

if TYPE_CHECKING:
    from workbench.config import Settings
    from workbench.tracking import RunRecord

_COMPARED = ("backtest", "train", "sweep", "walkforward")
_KINDS = {"all that differ": "", "only in A": "only_a", "only in B": "only_b", "in both, changed": "changed"}
_MOST = 200


class ComparePage(RunPage):
    """State of the page: the two runs that are compared, of all finished runs that left returns.

    A pair that was compared before is opened; for another pair the page names the command, for it computes nothing.

    Parameters
    ----------
    record : RunRecord or None
        The comparison to open with; None shows how to make one.
    settings : Settings, optional
        Where runs and other comparisons are looked for; default those of the environment.
    """

    a = param.Selector(default=None, objects={}, label="A")
    b = param.Selector(default=None, objects={}, label="B")

    nothing = "No two runs have been compared yet."
    command = "workbench run compare"
    has_equity = False

    def __init__(self, record: RunRecord | None, settings: Settings | None = None) -> None:
        super().__init__(record, settings)
        self._compared = self._pairs()
        if record is not None:
            self._compared.setdefault(pair_of(record), record.run_id)
        runs = self._finished()
        chosen = pair_of(record) if record is not None else tuple(reversed([*runs.values()][:2]))
        for name, run_id in zip(("a", "b"), chosen, strict=False):
            full = next((v for v in runs.values() if v.startswith(run_id)), run_id)
            found = runs if full in runs.values() else {**runs, full[:8]: full}
            self.param[name].objects = found
            setattr(self, name, full)
            self.param.watch(self._choose, name)

    def _finished(self) -> dict[str, str]:
        table = list_records(self._settings)
        rows = table[table["notebook"].isin(_COMPARED)].head(_MOST).to_dict("records")
        return {run_words(row): str(row["run_id"]) for row in rows}

    def _pairs(self) -> dict[tuple[str, str], str]:
        """Return the comparisons that were made, the latest of each pair, by the ids of A and B."""
        table = list_records(self._settings)
        pairs: dict[tuple[str, str], str] = {}
        for run_id in table.loc[table["notebook"] == "compare", "run_id"].head(_MOST):
            pairs.setdefault(pair_of(read_record(str(run_id), self._settings)), str(run_id))
        return pairs

    def _choose(self, _event: Any) -> None:
        run_id = self._known()
        if run_id is not None and (self.record is None or run_id != self.record.run_id):
            self.record = read_record(run_id, self._settings)
            if pn.state.location:
                pn.state.location.update_query(run=run_id)
        self._place.objects = self._compared_view() if run_id is not None else [self._command_view()]

    def _known(self) -> str | None:
        """Return the comparison of A and B as chosen, where one was made."""
        return next((v for k, v in self._compared.items() if _same(k, (self.a, self.b))), None)

    def view(self) -> Any:
        """Return the page as one Panel object."""
        parts.load_panel()
        if self.record is None and len(self.param["a"].objects) < 2:
            return self._empty()
        css = {"stylesheets": [parts.WIDGET_CSS], "margin": (0, 10, 0, 0), "width": 500}
        bar = pn.FlexBox(
            *(pn.widgets.Select.from_param(self.param[n], **css) for n in ("a", "b")), margin=(0, 0, 10, 0)
        )
        self._place = parts.column(*(self._compared_view() if self.record is not None else [self._command_view()]))
        return pn.Column(bar, self._place, sizing_mode="stretch_width", margin=0)

    def _compared_view(self) -> list[Any]:
        self._head = parts.markup(self._head_html(), margin=(0, 0, 10, 0))
        self._tiles = parts.markup(parts.tiles(self._first_screen()), margin=(0, 0, 8, 0))
        self._tabs = parts.LazyTabs(self._pages())
        return [self._head, self._tiles, self._tabs.view]

    def _command_view(self) -> Any:
        if self.a == self.b:
            return parts.markup(parts.notice("A and B are the same run; choose two."))
        return parts.empty_state(
            "A and B have not been compared yet.", f"workbench run compare -p a={self.a[:12]} -p b={self.b[:12]}"
        )

    def _head_html(self) -> str:
        gap = self.record.metrics.get("pnl_difference", float("nan"))
        words = "A and B earned the same" if gap == 0 else f"B earned {percent(gap, 2)} more than A"
        if gap < 0:
            words = f"B earned {percent(-gap, 2)} less than A"
        return headline(parts.badge(words, "calm", "Total return on the cash at the start"), self._line())

    def _line(self) -> str:
        e = self.record.environment
        names = [f"{k.upper()}: {e.get(f'{k}_name', '')} {str(e.get(k, ''))[:8]}" for k in ("a", "b")]
        return f"{' · '.join(names)} · compared {self.record.finished[:16].replace('T', ' ')} UTC"

    def _first_screen(self) -> list[Tile]:
        m = self.record.metrics
        return [
            Tile("A earned", _percent(m, "pnl_a"), "of the cash at the start"),
            Tile("B earned", _percent(m, "pnl_b"), "of the cash at the start"),
            Tile("B less A", _percent(m, "pnl_difference"), "what the parts explain"),
            Tile("Trades only in A", _count(m, "n_only_a"), f"{_count(m, 'n_same')} are the same"),
            Tile("Trades only in B", _count(m, "n_only_b"), f"{_count(m, 'n_changed')} changed"),
            Tile("Bars that differ", _count(m, "n_bars_differing"), "net returns"),
            Tile("Correlation", _number(m, "returns_correlation"), "of the net returns of both"),
        ]

    def _pages(self) -> list[tuple[str, Any]]:
        return [
            ("Overview", self._overview),
            ("Differences", self._differences),
            ("Attribution", self._attribution),
            ("Trades", self._trades),
            ("Lineage", self._lineage),
        ]

    def _overview(self) -> Sequence[Any]:
        curves = sections.drawn(self.record, "returns", charts.compare_equity_chart)
        parts_of_it = sections.drawn(self.record, "attribution", charts.attribution_chart)
        return self._or_empty([*curves, *parts_of_it], "This comparison left no returns.")

    def _differences(self) -> Sequence[Any]:
        if not self.record.has("differences"):
            return [parts.card(parts.markup("Nothing differs: both runs have the same data, code and parameters."))]
        table = self.record.frame("differences")
        names = {str(s): str(s) for s in dict.fromkeys(table["section"])}
        return parts.redrawn(
            {"section": {"all": "", **names}},
            lambda section: [
                parts.table(
                    charts.differences_table(table[table["section"] == section] if section else table), height=720
                )
            ],
        )

    def _attribution(self) -> Sequence[Any]:
        built = sections.drawn(self.record, "attribution", charts.attribution_chart, _parts_table)
        if self.record.has("decomposition"):
            ways = self.record.frame("decomposition")
            names = {str(v): str(v) for v in dict.fromkeys(ways["view"])}
            built += parts.redrawn(
                {"seen_by": names},
                lambda seen_by: [parts.table(_parts_table(ways[ways["view"] == seen_by].drop(columns="view")))],
            )
        return self._or_empty(built, "This comparison left no attribution.")

    def _trades(self) -> Sequence[Any]:
        if not self.record.has("trade_differences"):
            return [parts.card(parts.markup("Both runs made the same trades, or one of them kept none."))]
        table = self.record.frame("trade_differences")
        return parts.redrawn(
            {"kind": _KINDS},
            lambda kind: [parts.table(charts.trade_differences_table(table, kind=kind or None, limit=300), height=640)],
        )


def compare_page(record: RunRecord | None, settings: Settings | None = None) -> Any:
    """Return the page of comparisons, opened on ``record``; None shows how to make a first one."""
    return ComparePage(record, settings).view()


def pair_of(record: RunRecord) -> tuple[str, str]:
    """Return the ids of the runs that a comparison is of."""
    found = [str(record.environment.get(n) or record.parameters.get(n) or "") for n in ("a", "b")]
    return found[0], found[1]


def _same(one: tuple[str, str], two: tuple[str, str]) -> bool:
    return all(x and y and (x.startswith(y) or y.startswith(x)) for x, y in zip(one, two, strict=True))


def _parts_table(table: Any) -> Any:
    shares = table.assign(pnl=[signed_percent(float(v), 3) for v in table["pnl"]])
    if "share" in table:
        shares = shares.assign(share=[percent(float(v)) for v in table["share"]])
    return charts.frame_table(
        shares.rename(columns={"pnl": "B less A", "share": "share of the difference"}),
        caption="Parts of the difference",
    )


def _percent(m: Mapping[str, float], key: str) -> str:
    return signed_percent(m[key]) if m.get(key) == m.get(key) and key in m else EMPTY


def _count(m: Mapping[str, float], key: str) -> str:
    return whole(m[key]) if key in m else EMPTY


def _number(m: Mapping[str, float], key: str) -> str:
    return number(m[key], 3) if m.get(key) == m.get(key) and key in m else EMPTY
