"""Tables of what features are worth."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from workbench.charts.tables import EMPTY, Column, Table, number, percent, signed_percent

_SHIFTED, _STABLE = 0.25, 0.10


def factor_table(factors: pd.DataFrame, *, caption: str = "", limit: int = 200) -> Table:
    """Return one row a feature, the strongest first: coverage, information, what it earns, how it moves.

    Known is the share of own bars with a value; q the p-value adjusted for all that was tested; half-life in bars; the
    spread what the highest quantile earns over the lowest; PSI that of the worst part. More is in each row's tooltip.

    Parameters
    ----------
    factors : DataFrame
        The frame ``factors`` of a factor report.
    limit : int
        Rows shown; the caption says when there are more.
    """
    shown = factors.head(limit).reset_index(drop=True)
    shown = shown.assign(
        verdict=["✓ found" if f else EMPTY for f in shown["found"]],
        written=[_with_error(v, e) for v, e in zip(shown["rank_ic"], shown["rank_ic_se"], strict=True)],
    )
    marks = {(i, "verdict"): "pass" if f else "soft" for i, f in enumerate(shown["found"])}
    titles = {i: _title(row) for i, row in enumerate(shown.to_dict("records"))}
    columns = [
        Column("feature", "feature", str, True),
        Column("family", "family", str, True),
        Column("coverage", "known", percent),
        Column("written", "rank IC ± error", str),
        Column("rank_ic_t", "t", lambda v: _signed(v, 1)),
        Column("q_value", "q", _probability),
        Column("verdict", "verdict", str, True),
        Column("half_life", "half-life", lambda v: number(v, 1)),
        Column("spread", "spread", signed_percent),
        Column("turnover", "turnover", percent),
        Column("psi_worst", "PSI", lambda v: number(v, 2)),
        Column("flags", "remarks", lambda v: v or EMPTY, True, True),
    ]
    more = f" (first {limit:,} of {len(factors):,})" if len(factors) > limit else ""
    return Table(shown, columns, caption + more, marks, titles)


def importance_table(importance: pd.DataFrame, *, caption: str = "") -> Table:
    """Return what shuffling costs and what each feature gains alone, log loss in thousandths of a nat."""
    shown = importance.sort_values("mda_log_loss", ascending=False, kind="stable").reset_index(drop=True)
    columns = [Column("feature", "feature", str, True)] if "feature" in shown else []
    if "members" in shown:
        columns = [Column("members", "features of the cluster", str, True, True)]
    for key, heading in (("mda", "shuffled"), ("sfi", "alone")):
        if f"{key}_log_loss" in shown:
            columns += [
                Column(f"{key}_log_loss", f"{heading}: log loss", lambda v: _signed(1e3 * v, 2)),
                Column(f"{key}_log_loss_se", "± error", lambda v: number(1e3 * v, 2)),
                Column(f"{key}_accuracy", f"{heading}: accuracy", signed_percent),
                Column(f"{key}_accuracy_se", "± error", lambda v: percent(v, 2)),
            ]
    return Table(shown, columns, caption)


def drift_table(drift: pd.DataFrame, *, caption: str = "", limit: int = 200) -> Table:
    """Return the stability of each feature against the first half of the bars, the least stable quarter first.

    Parameters
    ----------
    drift : DataFrame
        Columns feature, part (0 the whole second half, then its quarters), start, end, psi and ks.
    """
    wide = drift.pivot(index="feature", columns="part", values="psi").add_prefix("part_")
    whole = drift[drift["part"] == 0].set_index("feature")
    wide = wide.assign(ks=whole["ks"], worst=wide.max(axis=1))
    more = f"First {limit:,} of {len(wide):,} features" if len(wide) > limit else ""
    wide = wide.sort_values("worst", ascending=False, kind="stable").reset_index().head(limit)
    wide = wide.assign(verdict=[_stability(v) for v in wide["worst"]])
    marks = {(i, "verdict"): "fail" if v > _SHIFTED else "soft" for i, v in enumerate(wide["worst"])}
    spans = drift[drift["part"] > 0].drop_duplicates("part").set_index("part")["start"]
    columns = [
        Column("feature", "feature", str, True),
        Column("ks", "KS, second half", lambda v: number(v, 3)),
        Column("part_0", "PSI, second half", lambda v: number(v, 3)),
        *(Column(f"part_{p}", f"from {start:%b %Y}", lambda v: number(v, 3)) for p, start in spans.items()),
        Column("verdict", "worst part", str, True),
    ]
    return Table(wide, columns, caption or more, marks)


def refused_table(refused: pd.DataFrame) -> Table:
    """Return the features that were not judged, with the reason."""
    columns = [Column("feature", "feature", str, True), Column("reason", "why it was not judged", str, True, True)]
    marks = {(i, "feature"): "fail" for i in range(len(refused))}
    return Table(refused.reset_index(drop=True), columns, "Features that were refused", marks)


def _stability(psi: float) -> str:
    if math.isnan(psi):
        return EMPTY
    return "shifted" if psi > _SHIFTED else "stable" if psi < _STABLE else "somewhat moved"


def _with_error(value: float, error: float) -> str:
    return EMPTY if math.isnan(value) else f"{_signed(value, 3)} ± {number(error, 3)}"


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "−")


def _probability(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value, 3)


def _title(row: dict[Any, Any]) -> str:
    """Return what the row's tooltip tells beyond its cells."""
    parts = [
        f"{row['mode']}, {int(row['n_bars']):,} bars, cluster {row['cluster']}",
        f"mean {row['mean']:.4g}, deviation {row['std']:.4g}, skewness {row['skewness']:.2f},"
        f" kurtosis {row['kurtosis']:.1f}",
        f"ICIR {row['icir']:.3f}",
        f"monotony of the quantiles {row['monotony']:.2f}, t of their spread {row['spread_t']:.1f}",
        f"rank autocorrelation {row['rank_autocorrelation']:.2f}",
        f"KS {row['ks']:.3f}",
    ]
    return " · ".join(parts)
