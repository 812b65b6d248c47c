"""The page of planted truth: how often the gates let noise pass, and how often they find what was planted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench import charts
from workbench.apps import parts, sections
from workbench.apps.parts import Tile
from workbench.apps.runpage import RunPage
from workbench.charts.tables import EMPTY, number, percent, whole
from workbench.charts.theme import label_of

if TYPE_CHECKING:
    import pandas as pd

    from workbench.config import Settings
    from workbench.tracking import RunRecord

_PROMISED, _ENOUGH = 0.05, 0.5


class TruthPage(RunPage):
    """State of the page: the measurement that is shown.

    Parameters
    ----------
    record : RunRecord or None
        The measurement to open with; None shows how to make one.
    settings : Settings, optional
        Where other measurements are looked for; default those of the environment.
    """

    nothing = "The gates have not been measured on planted truth yet."
    command = "workbench run truth"
    has_equity = False

    def _badge(self) -> str:
        m = self.record.metrics
        if not {"false_discovery_rate_low", "power"} <= set(m):
            return parts.badge("not measured", "calm", "This run left no rates")
        if m["false_discovery_rate_low"] > _PROMISED:
            return parts.badge("✗ noise passes too often", "bad", "Even the low end of the interval is above 5 %")
        if m["power"] < _ENOUGH:
            return parts.badge("✗ too little is found", "bad", "Less than half of what was planted passed the gates")
        return parts.badge("✓ the gates tell noise from signal", "good", "Noise at most 5 %, planted signals mostly")

    def _first_screen(self) -> list[Tile]:
        m = self.record.metrics
        n = [m.get(k) for k in ("n_noise", "n_planted")]
        return [
            _rate(m, "false_discovery_rate", "Noise that passed", "n_noise"),
            _rate(m, "power", "Signals found", "n_planted"),
            Tile(
                "False among those passed",
                percent(m["false_discovery_proportion"]) if "false_discovery_proportion" in m else EMPTY,
                "share of noise in all that passed",
            ),
            Tile(
                "Judged", EMPTY if None in n else whole(sum(v or 0 for v in n)), "each market new, nothing tried on it"
            ),
        ]

    def _pages(self) -> list[tuple[str, Any]]:
        return [("Rates", self._rates), ("Markets", self._markets), ("Lineage", self._lineage)]

    def _rates(self) -> Sequence[Any]:
        built = sections.drawn(self.record, "markets", charts.truth_chart, charts.truth_table)
        return self._or_empty(built, "This run judged no market.")

    def _markets(self) -> Sequence[Any]:
        if not self.record.has("markets"):
            return self._or_empty([], "This run judged no market.")
        markets = self.record.frame("markets")
        choices: dict[str, dict[str, Any]] = {
            "truth": {"all": "", **{str(k): str(k) for k in dict.fromkeys(markets["kind"])}},
            "judged_by": {"all": "", **{str(k): str(k) for k in dict.fromkeys(markets["way"])}},
            "verdict": {"all": "", "passed": "passed", "refused": "refused"},
        }
        return parts.redrawn(choices, lambda **chosen: [_listed(markets, **chosen)])


def truth_page(record: RunRecord | None, settings: Settings | None = None) -> Any:
    """Return the page of planted truth, opened on ``record``; None shows how to make a first measurement."""
    return TruthPage(record, settings).view()


def _rate(m: dict[str, float], key: str, name: str, count: str) -> Tile:
    if key not in m:
        return Tile(name, EMPTY)
    spread = f"{percent(m[f'{key}_low'], 0)} to {percent(m[f'{key}_high'], 0)}" if f"{key}_low" in m else ""
    of = f"of {whole(m[count])} · " if count in m else ""
    return Tile(name, percent(m[key]), f"{of}{spread}", "Below: number judged and exact 95 % interval")


def _listed(markets: pd.DataFrame, truth: str, judged_by: str, verdict: str) -> Any:
    chosen = markets
    wanted = {
        "kind": truth or None,
        "way": judged_by or None,
        "passed": {"passed": True, "refused": False}.get(verdict),
    }
    for column, value in wanted.items():
        chosen = chosen if value is None else chosen[chosen[column] == value]
    if chosen.empty:
        return parts.markup(parts.notice("No market is like this.", "good"))
    odds = ("deflated_sharpe_ratio", "probability_of_backtest_overfitting")
    table = _written(chosen, odds)
    return parts.table(charts.frame_table(table, caption=f"{len(chosen)} of {len(markets)} judged"), height=640)


def _written(markets: pd.DataFrame, odds: Sequence[str]) -> pd.DataFrame:
    """Return the markets as a person reads them: verdicts in words, probabilities with three decimals."""
    written = {c: [EMPTY if v != v else number(float(v), 3) for v in markets[c]] for c in odds if c in markets}
    passed = ["✓ passed" if v else "✗ refused" for v in markets["passed"]]
    refused = (
        {"refused_by": [", ".join(label_of(g) for g in str(v).split(", ")) for v in markets["refused_by"]]}
        if "refused_by" in markets
        else {}
    )
    names = {
        "kind": "truth",
        "way": "judged by",
        "sharpe_ratio": "Sharpe ratio",
        "deflated_sharpe_ratio": "DSR",
        "probability_of_backtest_overfitting": "PBO",
        "n_trials": "trials",
        "refused_by": "refused by",
    }
    return markets.assign(**written, **refused, passed=passed).rename(columns={**names, "passed": "verdict"})
