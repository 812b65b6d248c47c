"""How pages write the leading numbers of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.apps.parts import Tile, badge
from workbench.charts.tables import EMPTY, number, write_metric
from workbench.tracking import list_records

if TYPE_CHECKING:
    import pandas as pd

    from workbench.config import Settings


def run_choices(record: Any, settings: Settings, keep: Callable[[pd.DataFrame], pd.DataFrame]) -> dict[str, str]:
    """Return finished runs as a selector offers them (words -> run id), with ``record`` among them.

    Parameters
    ----------
    keep : callable
        Picks the rows of `list_records` that the page can show.
    """
    found = {run_words(row): str(row["run_id"]) for row in keep(list_records(settings)).to_dict("records")}
    if record.run_id not in found.values():
        found = {
            f"{record.finished[:16].replace('T', ' ')} · {record.name} · {record.run_id[:8]}": record.run_id,
            **found,
        }
    return found


def run_words(row: Mapping[Any, Any]) -> str:
    """Return how a selector names one row of `list_records`."""
    sharpe = row["sharpe_ratio"]
    known = sharpe is not None and not math.isnan(sharpe)
    told = f" · Sharpe {sharpe:.2f}".replace("-", "−") if known else ""
    return f"{row['finished']:%Y-%m-%d %H:%M} · {row['name']}{told} · {str(row['run_id'])[:8]}"


def run_tiles(record: Any) -> list[Tile]:
    """Return the numbers of the first screen: return, Sharpe ratio, luck, trials, costs, drawdown."""
    m = record.metrics
    hold = record.baselines.get("buy_and_hold", {})

    def tile(key: str, name: str, note: str = "") -> Tile:
        note = note or (f"buy and hold {write_metric(key, hold[key])}" if key in hold else "")
        return Tile(name, write_metric(key, m.get(key, math.nan)), note)

    overfit = m.get("probability_of_backtest_overfitting", math.nan)
    return [
        tile("annual_return", "Annual return, net"),
        tile("sharpe_ratio", "Sharpe ratio, annual", _interval(record)),
        Tile(
            "Deflated Sharpe ratio",
            write_metric("deflated_sharpe_ratio", m.get("deflated_sharpe_ratio", math.nan)),
            "chance it is above luck",
            "Probability that the true Sharpe ratio is above what the best of all trials shows by luck",
        ),
        Tile(
            "Overfitting, PBO",
            EMPTY if math.isnan(overfit) else number(overfit, 3),
            "needs ten trials" if math.isnan(overfit) else "chance the choice fails",
            "Probability that what is best in one half of the blocks is below the median in the other",
        ),
        _trials_tile(record.trial),
        _costs_tile(record),
        tile("max_drawdown", "Largest drawdown"),
    ]


def _interval(record: Any) -> str:
    if not record.has("intervals"):
        return ""
    rows = record.frame("intervals")
    rows = rows[rows["metric"] == "sharpe_ratio"]
    if rows.empty or rows[["low", "high"]].iloc[0].isna().any():
        return ""
    row = rows.iloc[0]
    return f"{row['confidence']:.0%}: {row['low']:.2f} to {row['high']:.2f}".replace("-", "−")


def _trials_tile(trial: Mapping[str, Any]) -> Tile:
    n_trials, bets = trial.get("n_trials"), trial.get("n_effective")
    again = "" if trial.get("is_new", True) else "seen before · "
    note = f"{again}number {trial.get('number', '–')}"
    if bets and n_trials and n_trials > 1:
        note = f"{bets:,.0f} independent bet{'' if bets == 1 else 's'}"
    title = f"This run is number {trial.get('number', '–')}; trials whose returns move together are one bet"
    return Tile("Trials on this data", "–" if n_trials is None else f"{n_trials:,}", note, title)


def _costs_tile(record: Any) -> Tile:
    p, level = record.parameters, record.metrics.get("break_even_bps", math.nan)
    rates = f"{p.get('fee_bps', 0):g} + {p.get('slippage_bps', 0):g} bp"
    note = "fee + slippage, each way"
    if not math.isnan(level):
        note = f"break-even {level:.1f} bp" if level > 0 else "loses before any cost"
    execution = str(p.get("execution") or "")
    title = "Fee + slippage, each way; break-even is the cost at which nothing is earned"
    return Tile("Costs per trade", rates, note, f"{title}; {execution}" if execution else title)


def swept_tile(record: Any) -> Tile:
    """Return how many cells were swept, and whether the best is one of a plateau."""
    n_cells = len(record.frame("cells")) if record.has("cells") else record.trial.get("n_cells")
    score, plateau = record.metrics.get("plateau_score", math.nan), record.metrics.get("is_plateau", math.nan)
    note = "" if math.isnan(score) else f"{'plateau' if plateau else 'spike'}, score {score:.2f}".replace("-", "−")
    best = str(record.environment.get("best", ""))
    title = f"Best: {best}. A score near 1: the neighbours of the best cell do as well" if best else ""
    return Tile("Best of cells", "–" if n_cells is None else f"{int(n_cells):,}", note, title)


def chosen_tile(record: Any) -> Tile:
    """Return what the choices promised on their training bars and what they earned after them."""
    m, objective = record.metrics, str(record.parameters.get("objective", "sharpe_ratio"))
    values = [write_metric(objective, m.get(k, math.nan)) for k in ("mean_in_sample", "mean_out_of_sample")]
    share, n = m.get("share_of_folds_above_zero", math.nan), m.get("n_folds", math.nan)
    note = "" if math.isnan(share) or math.isnan(n) else f"{round(share * n):.0f} of {n:.0f} folds above 0"
    words = f"Mean {objective.replace('_', ' ')} of the choices on their training bars, and on the test bars after them"
    return Tile("In → out of sample", " → ".join(values), note, words)


def verdict_badge(record: Any) -> str:
    """Return the promotion verdict as a badge; the reasons are its tooltip."""
    gates = record.verdict.get("gates", [])
    if not gates:
        return badge("no verdict", "calm", "This run left no promotion gates")
    failed = [g for g in gates if not g["passed"]]
    reasons = "; ".join(str(g.get("text", g["name"])) for g in failed or gates)
    if failed:
        return badge(f"✗ not promotable: {len(failed)} of {len(gates)} gates refused", "bad", reasons)
    return badge(f"✓ all {len(gates)} gates passed", "good", reasons)


def run_line(record: Any) -> str:
    """Return one line that says which run this is: name, data set, span, finish."""
    d = record.dataset
    span = " – ".join(str(d[k])[:10] for k in ("first", "last") if d.get(k))
    words = [record.name, str(d.get("name", "")), span, str(record.environment.get("best", ""))]
    finished = f"finished {record.finished[:16].replace('T', ' ')} UTC"
    return " · ".join(w for w in [*words, finished, f"run {record.run_id[:8]}"] if w)
