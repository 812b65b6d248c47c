"""The page of a finished factor report: pick a feature and see everything about it, or all of them side by side."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import param

from workbench import charts
from workbench.apps import parts
from workbench.apps.parts import Tile
from workbench.charts.tables import EMPTY, number, percent, signed_percent
from workbench.config import Settings, load_settings
from workbench.tracking import list_records, read_record

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

_NEIGHBOURS = 8


class FeaturesPage(param.Parameterized):
    """State of the page: the report that is shown, and the feature that is looked at.

    Parameters
    ----------
    record : RunRecord or None
        The report to open with; None shows how to make one.
    settings : Settings, optional
        Where other reports are looked for; default those of the environment.
    """

    run = param.Selector(default=None, objects={}, label="Report")
    feature = param.Selector(default=None, objects={}, label="Feature")

    def __init__(self, record: RunRecord | None, settings: Settings | None = None) -> None:
        super().__init__()
        self.record: Any = record
        self._settings = settings or load_settings()
        if record is not None:
            self.param["run"].objects = self._runs(record)
            self.run = record.run_id
            self._take(record)
            self.param.watch(self._open, "run")
            self.param.watch(lambda _event: self._show_feature(), "feature")

    def _runs(self, record: RunRecord) -> dict[str, str]:
        table = list_records(self._settings)
        found = {
            f"{row['finished']:%Y-%m-%d %H:%M} · {row['name']} · {row['run_id'][:8]}": str(row["run_id"])
            for row in table[table["notebook"] == record.notebook].to_dict("records")
        }
        if record.run_id not in found.values():
            found = {f"{record.finished[:16]} · {record.name} · {record.run_id[:8]}": record.run_id, **found}
        return found

    def _take(self, record: RunRecord) -> None:
        """Make a report the one that is shown, with the same feature where it has it."""
        self.record = record
        self._factors = record.frame("factors").set_index("feature", drop=False)
        options = {_option(row): str(row["feature"]) for row in self._factors.to_dict("records")}
        chosen = self.feature if self.feature in options.values() else next(iter(options.values()))
        with param.parameterized.discard_events(self):
            self.param["feature"].objects = options
            self.feature = chosen

    def _open(self, event: Any) -> None:
        if event.new == self.record.run_id:
            return
        self._take(read_record(event.new, self._settings))
        self._select.param.update(options=dict(self.param["feature"].objects), value=self.feature)
        self._head.object = self._head_html()
        self._show_feature()
        if pn.state.location:
            pn.state.location.update_query(run=event.new)

    def _show_feature(self) -> None:
        self._tiles.object = parts.tiles(self._first_screen())
        self._tabs.refresh()

    def view(self) -> Any:
        """Return the page as one Panel object."""
        parts.load_panel()
        if self.record is None:
            return parts.empty_state("No factor report has been made yet.", "workbench run features")
        self._head = parts.markup(self._head_html())
        self._tiles = parts.markup(parts.tiles(self._first_screen()))
        self._tabs = parts.LazyTabs(self._pages())
        css = {"stylesheets": [parts.WIDGET_CSS], "margin": (0, 10, 10, 0)}
        self._select = pn.widgets.Select.from_param(self.param.feature, width=380, **css)
        run = pn.widgets.Select.from_param(self.param.run, width=460, **css)
        gap = pn.Spacer(height=10)
        return pn.Column(
            pn.Row(run, self._select, sizing_mode="stretch_width", margin=0),
            self._head,
            gap,
            self._tiles,
            gap.clone(height=8),
            self._tabs.view,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _head_html(self) -> str:
        m, d = self.record.metrics, self.record.dataset
        found, n = int(m.get("n_found", 0)), int(m.get("n_features", 0))
        mark = parts.badge(
            f"{'✓ ' if found else ''}{found} of {n} features found",
            "good" if found else "calm",
            "Benjamini-Hochberg over all features and horizons: about 5 % of those found may be false",
        )
        refused = int(m.get("n_refused", 0))
        also = parts.badge(f"✗ {refused} refused", "bad", "See All features") if refused else ""
        span = f"{str(d.get('first', ''))[:10]} – {str(d.get('last', ''))[:10]}"
        horizon = self.record.parameters.get("horizon", EMPTY)
        line = (
            f"{d.get('name', '')} · {span} · {horizon} bars ahead · {int(m.get('n_tests', 0)):,} tests ·"
            f" run {self.record.run_id[:8]}"
        )
        return (
            '<div style="display:flex;gap:12px;align-items:center;flex-wrap:wrap;color:var(--wb-soft,#51606d)">'
            f"{mark}{also}<span>{html.escape(line)}</span></div>"
        )

    @property
    def _row(self) -> pd.Series:
        return self._factors.loc[self.feature]

    def _first_screen(self) -> list[Tile]:
        r = self._row
        verdict = "✓ found" if r["found"] else "not found"
        return [
            Tile("Rank IC", _signed(r["rank_ic"], 4), f"± {number(r['rank_ic_se'], 4)}"),
            Tile("t-statistic", _signed(r["rank_ic_t"], 1), f"{verdict}, q-value {_probability(r['q_value'])}",
                 "q-value: p-value adjusted for all features and horizons that were looked at"),
            Tile("Half-life", f"{_number(r['half_life'], 1)} bars", "half of its news has come"),
            Tile("Top − bottom", _percent(r["spread"]), f"t {_signed(r['spread_t'], 1)}"),
            Tile("Turnover per bar", _percent(r["turnover"], sign=False), "share changing quantile"),
            Tile("Drift, PSI", _number(r["psi_worst"], 3), "worst quarter against the first half"),
            Tile("Coverage", _percent(r["coverage"], sign=False), f"{r['mode']}, {int(r['n_bars']):,} bars"),
            Tile("Shuffled, log loss", f"{_signed(1e3 * r['mda_log_loss'], 2)} mnat",
                 f"± {_number(1e3 * r['mda_log_loss_se'], 2)}", "Mean decrease on purged test folds"),
        ]  # fmt: skip

    def _pages(self) -> list[tuple[str, Any]]:
        return [
            ("One feature", self._one),
            ("All features", self._all),
            ("Importance", self._importance),
            ("Redundancy", self._redundancy),
            ("Drift", self._drift),
            ("Lineage", self._lineage),
        ]

    def _one(self) -> Sequence[Any]:
        r, name = self.record, self.feature
        frames = {k: r.frame(k) for k in ("ic", "decay", "quantiles", "histograms", "drift")}
        left = [
            charts.coefficient_chart(frames["ic"], name),
            charts.quantile_chart(frames["quantiles"], name),
            charts.drift_chart(frames["drift"], name),
        ]
        right = [
            charts.decay_chart(frames["decay"], [name], height=260),
            charts.distribution_chart(frames["histograms"], name),
        ]
        return [
            parts.beside(
                parts.card(*[parts.chart(c) for c in left], parts.table(self._neighbours())),
                parts.card(*[parts.chart(c) for c in right], parts.table(self._more())),
                weights=(1, 1),
            )
        ]

    def _more(self) -> Any:
        """Return the numbers of this feature that no picture shows."""
        r = self._row
        alone, error = 1e3 * r["sfi_log_loss"], 1e3 * r["sfi_log_loss_se"]
        facts = {
            "family": r["family"],
            "cluster": f"{r['cluster']}: {', '.join(self._factors.index[self._factors['cluster'] == r['cluster']])}",
            "remarks": r["flags"] or EMPTY,
            "mean and deviation": f"{r['mean']:.4g} ± {r['std']:.4g}".replace("-", "−"),
            "skewness, kurtosis": f"{_number(r['skewness'], 2)}, {_number(r['kurtosis'], 1)} (Gaussian: 0, 3)",
            "quantiles 1, 50, 99 %": ", ".join(f"{r[q]:.4g}" for q in ("q01", "q50", "q99")).replace("-", "−"),
            "outliers": f"{_percent(r['outliers'], sign=False)} beyond 5 robust deviations",
            "IC (Pearson)": f"{_signed(r['ic'], 4)} ± {_number(r['ic_se'], 4)}, t {_signed(r['ic_t'], 1)}",
            "ICIR": _signed(r["icir"], 3),
            "monotony of the quantiles": _signed(r["monotony"], 2),
            "rank autocorrelation, 1 bar": _number(r["rank_autocorrelation"], 3),
            "KS, second half": _number(r["ks"], 3),
            "alone, gain in log loss": f"{_signed(alone, 2)} ± {_number(error, 2)} mnat",
        }  # fmt: skip
        return charts.facts_table(facts, caption=f"More about {self.feature}")

    def _neighbours(self) -> Any:
        """Return the features most like this one, and whether they are the stronger ones."""
        own = self.record.frame("correlation")[self.feature].drop(self.feature, errors="ignore")
        like = own.loc[own.abs().sort_values(ascending=False, kind="stable").index].head(_NEIGHBOURS)
        table = pd.DataFrame({
            "feature": like.index,
            "rank correlation": like.to_numpy(),
            "its rank IC": self._factors["rank_ic"].reindex(like.index).to_numpy(),
            "its t": self._factors["rank_ic_t"].reindex(like.index).to_numpy(),
        })  # fmt: skip
        return charts.frame_table(table, caption=f"Most like {self.feature}", decimals=3)

    def _all(self) -> Sequence[Any]:
        r, names = self.record, self._factors["feature"].tolist()
        leading = charts.leading_features(self._factors)
        refused = [parts.card(parts.table(charts.refused_table(r.frame("refused"))))] if r.has("refused") else []
        return [
            *refused,
            parts.card(parts.table(charts.factor_table(r.frame("factors")), height=560)),
            parts.beside(
                parts.card(parts.chart(charts.running_coefficient_chart(r.frame("ic"), leading))),
                parts.card(parts.chart(charts.decay_chart(r.frame("decay"), leading))),
                weights=(1, 1),
            ),
            parts.card(parts.chart(charts.quantile_map(r.frame("quantiles"), names))),
        ]

    def _importance(self) -> Sequence[Any]:
        r = self.record
        folds = parts.card(parts.table(charts.frame_table(r.frame("folds"), caption="Purged folds", decimals=4)))
        return [
            parts.beside(
                parts.card(parts.chart(charts.importance_chart(r.frame("importance")))),
                parts.card(parts.chart(charts.importance_chart(r.frame("clusters"), name="members"))),
                weights=(1, 1),
            ),
            parts.card(parts.table(charts.importance_table(r.frame("importance")))),
            folds,
        ]

    def _redundancy(self) -> Sequence[Any]:
        r = self.record
        return [
            parts.card(parts.chart(charts.correlation_map(r.frame("correlation")))),
            parts.card(parts.table(charts.importance_table(r.frame("clusters")))),
        ]

    def _drift(self) -> Sequence[Any]:
        return [parts.card(parts.table(charts.drift_table(self.record.frame("drift"))))]

    def _lineage(self) -> Sequence[Any]:
        r = self.record
        environment = {k: v for k, v in r.environment.items() if k != "features"}
        facts = [
            charts.facts_table(r.parameters, caption="Parameters"),
            charts.facts_table(r.dataset, caption="Data set"),
            charts.facts_table(environment, caption="Environment"),
            charts.facts_table(r.environment.get("features", {}), caption="Features and their code"),
        ]
        left, *right = [parts.card(parts.table(f)) for f in facts]
        return [parts.beside(left, pn.Column(*right, sizing_mode="stretch_width", margin=0), weights=(1, 1))]


def features_page(record: RunRecord | None, settings: Settings | None = None) -> Any:
    """Return the page of factor reports, opened on ``record``; None shows how to make a first one."""
    return FeaturesPage(record, settings).view()


def _option(row: Any) -> str:
    mark = " ✓" if row["found"] else ""
    return f"{row['feature']} · rank IC {_signed(row['rank_ic'], 3)}, t {_signed(row['rank_ic_t'], 1)}{mark}"


def _signed(value: float, decimals: int) -> str:
    return EMPTY if pd.isna(value) else f"{value:+.{decimals}f}".replace("-", "−")


def _number(value: float, decimals: int) -> str:
    return EMPTY if pd.isna(value) else number(float(value), decimals)


def _percent(value: float, *, sign: bool = True) -> str:
    return EMPTY if pd.isna(value) else signed_percent(float(value)) if sign else percent(float(value))


def _probability(value: float) -> str:
    return EMPTY if pd.isna(value) else "below 0.001" if value < 0.001 else number(float(value), 3)
