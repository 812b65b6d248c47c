"""The risk center: where a finished run stands against its limits, what it holds and what it may lose."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import param

from workbench import charts, risk
from workbench.apps import parts
from workbench.apps.numbers import run_choices, run_line
from workbench.apps.parts import Tile
from workbench.charts.tables import moment, percent, signed_percent
from workbench.config import RiskCenterParameters, Settings, load_settings
from workbench.errors import WorkbenchError
from workbench.tracking.records import read_record, record_folder

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

_WORDS = {"OK": "NORMAL", "WARN": "WARN", "HALT": "HALT"}
_KINDS = {"OK": "good", "WARN": "warn", "HALT": "bad"}
_SIGNS = {"OK": "●", "WARN": "▲", "HALT": "■"}


class RiskCenterPage(param.Parameterized):
    """State of the page: the limits and the confidence, which redraw what depends on them.

    Parameters
    ----------
    record : RunRecord or None
        None shows how to make a run.
    parameters : RiskCenterParameters, optional
        Limits, confidence and window to open with.
    settings : Settings, optional
        Where other runs are looked for; default those of the environment.
    """

    run = param.Selector(default=None, objects={}, label="Run")
    confidence = param.Selector(default=0.95, objects=[0.9, 0.95, 0.975, 0.99], label="Confidence of VaR and ES")
    window = param.Integer(default=63, bounds=(10, 5000), label="Bars of rolling measures")
    warn = param.Number(default=0.10, bounds=(0, 1), inclusive_bounds=(False, False), label="WARN at drawdown")
    halt = param.Number(default=0.20, bounds=(0, 1), inclusive_bounds=(False, False), label="HALT at drawdown")

    def __init__(
        self,
        record: RunRecord | None,
        parameters: RiskCenterParameters | None = None,
        settings: Settings | None = None,
    ) -> None:
        p = parameters or RiskCenterParameters.model_validate({})
        self.param.confidence.objects = sorted({*self.param.confidence.objects, p.confidence})
        super().__init__(confidence=p.confidence, window=p.window, warn=p.drawdown_warn, halt=p.drawdown_halt)
        self.record: Any = record
        self._settings = settings or load_settings()
        if record is not None and record.has("returns"):
            self.param["run"].objects = run_choices(record, self._settings, self._with_returns)
            self.run = record.run_id

    def _with_returns(self, table: pd.DataFrame) -> pd.DataFrame:
        left = [(record_folder(str(r), self._settings) / "returns.parquet").is_file() for r in table["run_id"]]
        return table[left]

    def view(self) -> Any:
        """Return the page as one Panel object."""
        parts.load_panel()
        if self.record is None or not self.record.has("returns"):
            return parts.empty_state("There is no finished backtest whose risk could be shown.", "workbench nightly")
        self._take(self.record)
        self._head, self._tiles, self._tail = parts.markup(), parts.markup(), parts.markup()
        self._message, self._under = parts.markup(), parts.card()
        self._var, self._rolling = parts.card(), parts.card()
        self._right = pn.Column(*self._tables(), self._rolling, sizing_mode="stretch_width", margin=0)
        self._redraw()
        self.param.watch(self._open, "run")
        self.param.watch(lambda _event: self._redraw(), ["confidence", "window", "warn", "halt"])
        left = pn.Column(self._under, self._var, sizing_mode="stretch_width", margin=0)
        gap = pn.Spacer(height=10)
        body = parts.beside(left, self._right, weights=(3, 2))
        return pn.Column(
            self._controls(),
            self._message,
            self._head,
            gap,
            self._tiles,
            gap.clone(height=12),
            body,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _take(self, record: RunRecord) -> None:
        self._returns = record.frame("returns")["strategy"].dropna()
        self._positions = record.frame("positions") if record.has("positions") else None
        self.record = record

    def _open(self, event: Any) -> None:
        if event.new == self.record.run_id:
            return
        try:
            self._take(read_record(event.new, self._settings))
        except WorkbenchError as err:
            self._message.object = parts.notice(str(err), "bad")
            return
        self._message.object = ""
        self._right.objects = [*self._tables(), self._rolling]
        self._redraw()
        if pn.state.location:
            pn.state.location.update_query(run=event.new)

    def _controls(self) -> Any:
        css = {"stylesheets": [parts.WIDGET_CSS], "margin": (0, 10, 10, 0)}
        return pn.Row(
            pn.widgets.Select.from_param(self.param.run, width=440, **css),
            pn.widgets.Select.from_param(self.param.confidence, width=180, **css),
            pn.widgets.IntInput.from_param(self.param.window, width=180, step=21, **css),
            pn.widgets.FloatInput.from_param(self.param.warn, width=150, step=0.01, format="0.0%", **css),
            pn.widgets.FloatInput.from_param(self.param.halt, width=150, step=0.01, format="0.0%", **css),
            sizing_mode="stretch_width",
            margin=0,
        )

    def _tables(self) -> list[Any]:
        tables = [parts.card(self._tail)]
        if self._positions is not None:
            tables.insert(0, parts.card(parts.table(charts.exposure_table(self._positions))))
            fills = self.record.frame("fills") if self.record and self.record.has("fills") else None
            tables.append(parts.card(parts.table(charts.positions_table(self._positions, fills))))
        return tables

    def _redraw(self) -> None:
        if not self.warn < self.halt:
            self._head.object = parts.notice(
                f"WARN {self.warn:.1%} must be below HALT {self.halt:.1%}; change one of them.", "bad"
            )
            return
        below = risk.drawdown(self._returns)
        self._head.object = self._state(below)
        self._tiles.object = parts.tiles(self._numbers(below))
        self._tail.object = charts.risk_table(self._tails(), caption="Loss of one bar, share of equity")._repr_html_()
        returns = self._returns.to_frame()
        self._under.objects = [
            parts.chart(charts.equity_chart(returns, height=230)),
            parts.chart(charts.drawdown_chart(returns, warn=self.warn, halt=self.halt, height=210)),
        ]
        self._var.objects = [parts.chart(self._var_chart())]
        self._rolling.objects = [parts.chart(c) for c in self._rolling_charts()]

    def _state(self, below: pd.Series) -> str:
        state = risk.drawdown_state(float(below.iloc[-1]), self.warn, self.halt)
        codes = (below >= self.warn).astype(int) + (below >= self.halt).astype(int)
        changed = codes.index[(codes != codes.iloc[-1]).to_numpy()]
        later = codes.index[codes.index > changed[-1]] if len(changed) else codes.index
        room = {
            "OK": f"{percent(self.warn - float(below.iloc[-1]))} of equity left to WARN",
            "WARN": f"{percent(self.halt - float(below.iloc[-1]))} of equity left to HALT",
            "HALT": f"lifts when the drawdown is below {percent(self.halt)}",
        }[state]
        mark = parts.badge(f"{_SIGNS[state]} {_WORDS[state]}", _KINDS[state])
        told = f"since {moment(later[0])} UTC · drawdown {percent(float(below.iloc[-1]))} · {room}"
        return (
            '<div style="display:flex;gap:14px;align-items:center;flex-wrap:wrap;color:var(--wb-soft,#51606d)">'
            f"{mark}<span>{told}</span><span>{html.escape(run_line(self.record))}</span></div>"
        )

    def _numbers(self, below: pd.Series) -> list[Tile]:
        c = self.confidence
        items = [
            Tile("Drawdown now", percent(float(below.iloc[-1])), f"largest {percent(float(below.max()))}"),
            Tile(
                f"VaR {c:.1%}, one bar",
                percent(risk.value_at_risk(self._returns, confidence=c), 2),
                "historical, whole run",
            ),
            Tile(
                f"Expected shortfall {c:.1%}",
                percent(risk.expected_shortfall(self._returns, confidence=c), 2),
                "mean loss beyond VaR",
            ),
            Tile("Annual volatility", percent(risk.annual_volatility(self._returns)), "whole run"),
        ]
        if self._positions is not None:
            last = self._positions.fillna(0.0).iloc[-1]
            items += [
                Tile("Gross exposure", percent(float(last.abs().sum())), f"at {moment(self._positions.index[-1])} UTC"),
                Tile("Net exposure", signed_percent(float(last.sum()), 1), "long minus short"),
            ]
        return items

    def _tails(self) -> dict[str, dict[str, float]]:
        r, c = self._returns, self.confidence
        return {
            f"value at risk {c:.1%}": {
                m: risk.value_at_risk(r, confidence=c, method=m) for m in ("historical", "gaussian")
            },
            f"expected shortfall {c:.1%}": {
                m: risk.expected_shortfall(r, confidence=c, method=m) for m in ("historical", "gaussian")
            },
        }

    def _var_chart(self) -> Any:
        return charts.var_chart(
            self._returns, confidence=self.confidence, window=max(self.window, min(250, len(self._returns) // 3))
        )

    def _rolling_charts(self) -> list[Any]:
        r, w = self._returns, self.window
        if len(r) <= w:
            return []
        frame = pd.DataFrame({"annual_volatility": risk.rolling_volatility(r, w)})
        ratio = pd.DataFrame({"sharpe_ratio": risk.rolling_sharpe_ratio(r, w)})
        return [
            charts.rolling_risk_chart(frame, window=w, height=190),
            charts.rolling_risk_chart(ratio, window=w, number="0.0", height=190),
        ]


def risk_center_page(
    record: RunRecord | None, parameters: RiskCenterParameters | None = None, settings: Settings | None = None
) -> Any:
    """Return the risk center of a finished run; None shows how to make a first one."""
    return RiskCenterPage(record, parameters, settings).view()
