"""The first screen of a run's report: verdict, gates, measures against baselines, trial, costs, timing and data."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.notebook.facts import facts_about

if TYPE_CHECKING:
    from workbench.config import RiskCenterParameters
    from workbench.tracking import RunRecord

_LEADING = (
    "annual_return", "annual_volatility", "sharpe_ratio", "sortino_ratio", "calmar_ratio", "max_drawdown",
    "max_drawdown_duration", "value_at_risk", "expected_shortfall", "hit_rate", "exposure", "turnover",
    "accuracy", "directional_accuracy", "probabilistic_sharpe_ratio", "deflated_sharpe_ratio",
)  # fmt: skip
_CSS = """
.wb-screen>div{min-width:0}
.wb-screen{display:grid;grid-template-columns:minmax(0,1fr);gap:1rem;font-variant-numeric:tabular-nums;color:var(--chart-ink,#1d252d)}
.wb-verdict{padding:.8rem 1.2rem;border-left:6px solid var(--wb-mark);border-radius:.4rem;
  background:color-mix(in srgb,var(--wb-mark) 9%,transparent)}
.wb-verdict b{font-size:1.15rem;color:var(--chart-ink,#1d252d)}
.wb-verdict p{margin:.25rem 0 0;max-width:none}
.wb-gates{list-style:none;display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:.1rem 1.5rem;
  margin:.5rem 0 0;padding:0;font-size:.875rem}
.wb-gates .refused{font-weight:600}
.wb-two{display:grid;grid-template-columns:minmax(0,7fr) minmax(0,3fr);gap:1.8rem}
@media (max-width:56rem){.wb-two{grid-template-columns:minmax(0,1fr)}}
.wb-facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.55rem 1.6rem;margin:0;
  align-content:start;font-size:.9rem}
.wb-facts dt{font-size:.78rem;color:var(--chart-soft,#51606d)}
.wb-facts dd{margin:0;overflow-wrap:anywhere;line-height:1.35}
.wb-facts small{color:var(--chart-soft,#51606d);font-size:.8rem}
"""


@dataclass(frozen=True)
class Html:
    """A piece of HTML that a notebook shows."""

    text: str

    def _repr_html_(self) -> str:
        return self.text


def overview(record: RunRecord) -> Html:
    """Return what a reader must see first of a run.

    The verdict in words with each gate, the measures beside the baselines after costs, how many configurations were
    tried on this data set, fees and slippage, the timing convention and the exact data.

    Parameters
    ----------
    record : RunRecord
        A finished run of `backtest` or `train`.
    """
    from workbench.charts import metrics_table

    leading = {k: record.metrics[k] for k in _LEADING if k in record.metrics}
    table = metrics_table(leading, record.baselines)._repr_html_()
    return screen_of([_verdict(record), f'<div class="wb-two"><div>{table}</div>{facts_of(facts_about(record))}</div>'])


def risk_overview(record: RunRecord, parameters: RiskCenterParameters) -> Html:
    """Return the drawdown state of a run and its one-bar value at risk and expected shortfall by method.

    Parameters
    ----------
    record : RunRecord
        A finished run with the frame ``returns``.
    parameters : RiskCenterParameters
        Confidence of the tail measures and the drawdowns at which the state turns.
    """
    from workbench import risk
    from workbench.charts import risk_table

    returns = record.frame("returns")["strategy"]
    now = float(risk.drawdown(returns).iloc[-1])
    state = risk.drawdown_state(now, parameters.drawdown_warn, parameters.drawdown_halt)
    color = {"OK": "#00897b", "WARN": "#b8860b", "HALT": "#d55e00"}[state]
    words = (
        f"Drawdown {now:.1%} at the last bar, deepest {risk.max_drawdown(returns):.1%}; "
        f"WARN from {parameters.drawdown_warn:.0%}, HALT from {parameters.drawdown_halt:.0%}."
    )
    measures = {
        f"{label} over one bar, confidence {parameters.confidence:.1%}": {
            "historical": function(returns, confidence=parameters.confidence),
            "gaussian": function(returns, confidence=parameters.confidence, method="gaussian"),
        }
        for label, function in (("value at risk", risk.value_at_risk), ("expected shortfall", risk.expected_shortfall))
    }
    return screen_of(
        [
            notice_of(color, f"State: {state}", f"<p>{words}</p>"),
            facts_of(facts_about(record)),
            risk_table(measures)._repr_html_(),
        ]
    )


def screen_of(parts: list[str]) -> Html:
    """Return the parts of a screen below each other."""
    return Html(f'<style>{_CSS}</style><div class="wb-screen">{"".join(f"<div>{p}</div>" for p in parts)}</div>')


def notice_of(color: str, title: str, body: str) -> str:
    """Return the HTML of a band with a title; ``body`` is HTML."""
    return f'<div class="wb-verdict" style="--wb-mark:{color}"><b>{html.escape(title)}</b>{body}</div>'


def _verdict(record: RunRecord) -> str:
    gates = list(record.verdict.get("gates", []))
    n_refused = sum(not g["passed"] for g in gates)
    if not gates:
        return notice_of("#7b8794", "Not judged", "<p>No gate was asked.</p>")
    if record.verdict.get("passed"):
        color, title = "#00897b", f"Passed all {len(gates)} gates: may be promoted"
    else:
        color, title = "#d55e00", f"Refused by {n_refused} of {len(gates)} gates: not to be promoted"
    return notice_of(color, title, f'<ul class="wb-gates">{"".join(_gate(g) for g in gates)}</ul>')


def _gate(gate: Mapping[str, Any]) -> str:
    sign, kind = ("✓", "passed") if gate["passed"] else ("✗", "refused")
    return f'<li class="{kind}">{sign} {html.escape(_in_words(str(gate["text"])))}</li>'


def _in_words(text: str) -> str:
    """Return the words of a gate as a reader writes them: ``n_fills 81848 >= 30`` as ``fills 81,848 ≥ 30``."""
    from workbench.charts.theme import label_of

    words = label_of(text).replace(">=", "≥").replace("<=", "≤")
    return re.sub(r"\d{4,}", lambda m: f"{int(m[0]):,}", re.sub(r"(?<=\s)-(?=\d)", "−", words))


def facts_of(facts: Mapping[str, tuple[str, str]]) -> str:
    """Return the HTML of named facts, each with a note in small print."""
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(text)}<br><small>{html.escape(note)}</small></dd></div>"
        for name, (text, note) in facts.items()
    )
    return f'<dl class="wb-facts">{rows}</dl>'
