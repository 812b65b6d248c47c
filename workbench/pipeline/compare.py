"""Two finished runs beside each other: what differs, and how much of the difference in profit each part explains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.config import Settings
from workbench.errors import ArtifactError, ConfigError
from workbench.pipeline.attribution import TRADE_COLUMNS, decompose, match_trades, profits_of, table_of

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

Progress = Callable[[float, str], None]
COMPARABLE = ("backtest", "train", "sweep", "walkforward")
"""Notebooks whose runs leave returns that can be compared."""
_DATA = ("name", "version", "content_hash", "source", "symbols", "timeframe", "n_bars", "first", "last")
_RESULTS = ("metrics", "baselines", "trades", "returns")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two runs have apart.

    Parameters
    ----------
    a, b : RunRecord
        The runs; every difference is B less A.
    metrics : dict[str, float]
        ``pnl_a``, ``pnl_b``, ``pnl_difference`` (total returns), ``n_only_a``, ``n_only_b``, ``n_changed``, ``n_same``
        (trades), ``returns_correlation`` over the bars of both, and ``n_bars_differing``.
    frames : dict[str, DataFrame]
        ``differences`` (section, field, a, b as text; only what differs), ``metrics`` (metric, a, b, difference),
        ``decomposition`` (view, source, pnl, share), ``attribution`` (source, pnl, share: one way from A to B),
        ``trade_differences`` (symbol, side, entry_time, kind, pnl_a, pnl_b, return_a, return_b) and ``returns`` (a, b).
    """

    a: RunRecord
    b: RunRecord
    metrics: dict[str, float] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def equal(self) -> bool:
        """Whether the two runs found the same, whatever they were made with."""
        return not self.frames["differences"]["section"].isin(_RESULTS).any()

    def summary(self) -> str:
        """Say in one line how far the runs are apart and where."""
        m, sections = self.metrics, list(dict.fromkeys(self.frames["differences"]["section"]))
        profit = f"A earned {m['pnl_a']:+.2%}, B {m['pnl_b']:+.2%}: {m['pnl_difference']:+.2%}"
        return f"{profit}; they differ in {', '.join(sections)}" if sections else f"{profit}; nothing differs"


def compare_runs(
    a: str,
    b: str,
    settings: Settings,
    *,
    rerun: bool = False,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two finished runs in data, code, parameters, metrics, trades and returns, and split their difference.

    Parameters
    ----------
    a, b : str
        Run ids, beginnings of one, ``latest`` or ``previous`` (the run of B's notebook before B, or of any notebook
        where it has none).
    rerun : bool
        Also run the steps from A to B (`workbench.pipeline.ladder`); the attribution is then by cause.
    now : datetime, optional
        Time of the comparison, UTC; needed for ``rerun``.

    Raises
    ------
    ArtifactError
        When a run is not there or left no returns.
    ConfigError
        When the two are one run, or the steps between them cannot be run.

    Notes
    -----
    Without ``rerun`` the attribution is by trades where both runs have any, else by bars. Profits are fractions of the
    cash at the start, so their parts add up: ``Σ parts = total return of B − total return of A``.
    """
    second = _chosen(b, settings)
    first = _before(second, settings) if a == "previous" else _chosen(a, settings)
    if first.run_id == second.run_id:
        raise ConfigError(f"a and b are the same run {first.run_id[:12]}; name two runs, see 'workbench runs list'")
    earned = profits_of(first), profits_of(second)
    trades = None
    if earned[0].trades is not None and earned[1].trades is not None:
        trades = match_trades(earned[0].trades, earned[1].trades, _bar(first, second))
    decomposition = decompose(*earned, trades)
    attribution = decomposition[decomposition["view"] == ("trades" if trades is not None else "bars")]
    if rerun:
        from workbench.pipeline.ladder import ladder

        if now is None:
            raise ConfigError("rerun needs the time now; pass now=datetime.now(UTC)")
        steps = ladder(first, second, settings, now=now, progress=progress)
        attribution = table_of("steps from A to B", steps, earned[1].total - earned[0].total)
        decomposition = pd.concat([decomposition, attribution], ignore_index=True)
    returns = _returns(first, second)
    counts = _counts(trades)
    differences = pd.DataFrame(_differences(first, second, counts, returns), columns=["section", "field", "a", "b"])
    metrics = {"pnl_a": earned[0].total, "pnl_b": earned[1].total, "pnl_difference": earned[1].total - earned[0].total}
    frames = {
        "differences": differences,
        "metrics": _metrics(first, second),
        "decomposition": decomposition,
        "attribution": attribution[["source", "pnl", "share"]].reset_index(drop=True),
        "trade_differences": _shown(trades),
        "returns": returns,
    }
    return Comparison(first, second, metrics | counts | _likeness(returns), frames)


def _chosen(run: str, settings: Settings) -> RunRecord:
    from workbench.tracking import list_records, load_record

    if run == "previous":
        raise ConfigError("b is 'previous', which means the run before b; name it, or say latest")
    if run in ("", "latest"):
        table = list_records(settings)
        table = table[table["notebook"].isin(COMPARABLE)]
        if table.empty:
            raise ArtifactError("there is no finished run to compare; make two with 'workbench run backtest'")
        run = str(table["run_id"].iloc[0])
    record = load_record(run, settings=settings)
    if "returns" not in record.frames or "strategy" not in record.frames["returns"]:
        raise ArtifactError(
            f"run {record.run_id} of the notebook {record.notebook!r} left no returns of a strategy; "
            f"compare runs of {', '.join(COMPARABLE)}"
        )
    return record


def _before(second: RunRecord, settings: Settings) -> RunRecord:
    from workbench.tracking import list_records

    table = list_records(settings)
    table = table[table["notebook"].isin(COMPARABLE)]
    place = table["run_id"].tolist().index(second.run_id)
    earlier = table.iloc[place + 1 :]
    alike = earlier[earlier["notebook"] == second.notebook]
    if earlier.empty:
        raise ArtifactError(f"there is no run before {second.run_id[:12]} to compare it with; make another one first")
    return _chosen(str((earlier if alike.empty else alike)["run_id"].iloc[0]), settings)


def _bar(a: RunRecord, b: RunRecord) -> pd.Timedelta:
    """Return the longer of the two runs' usual bar lengths."""
    times = [pd.DatetimeIndex(record.frames["returns"].index) for record in (a, b)]
    steps = [pd.Series(t).diff().median() for t in times if len(t) > 1]
    return max(steps, default=pd.Timedelta(0))


def _returns(a: RunRecord, b: RunRecord) -> pd.DataFrame:
    pair = {"a": a.frames["returns"]["strategy"], "b": b.frames["returns"]["strategy"]}
    return pd.DataFrame(pair).sort_index().rename_axis("time")


def _likeness(returns: pd.DataFrame) -> dict[str, float]:
    common = returns.dropna()
    moves = len(common) > 1 and bool((common.std() > 0).all())
    return {
        "returns_correlation": float(common["a"].corr(common["b"])) if moves else math.nan,
        "n_bars_differing": float(_apart(returns)),
    }


def _apart(returns: pd.DataFrame) -> int:
    a, b = returns["a"], returns["b"]
    return int(((a != b) & ~(a.isna() & b.isna())).sum())


def _counts(trades: pd.DataFrame | None) -> dict[str, float]:
    if trades is None:
        return {}
    kinds = trades["kind"].value_counts()
    return {f"n_{kind}": float(kinds.get(kind, 0)) for kind in ("only_a", "only_b", "changed", "same")}


def _shown(trades: pd.DataFrame | None) -> pd.DataFrame:
    if trades is None:
        return pd.DataFrame(columns=list(TRADE_COLUMNS))
    return trades[trades["kind"] != "same"].reset_index(drop=True)


def _metrics(a: RunRecord, b: RunRecord) -> pd.DataFrame:
    names = list(dict.fromkeys([*a.metrics, *b.metrics]))
    table = pd.DataFrame(
        {"metric": names, **{k: [float(r.metrics.get(n, math.nan)) for n in names] for k, r in (("a", a), ("b", b))}}
    )
    return table.assign(difference=table["b"] - table["a"])


def _differences(
    a: RunRecord, b: RunRecord, counts: Mapping[str, float], returns: pd.DataFrame
) -> Iterator[tuple[str, str, str, str]]:
    yield from _apart_in("data", a.dataset, b.dataset, _DATA)
    one, two = a.environment, b.environment
    yield from _apart_in("code", {"revision": one.get("git")}, {"revision": two.get("git")})
    yield from _apart_in("code", one, two, ("lock_hash",))
    yield from _apart_in("features", one.get("features", {}), two.get("features", {}))
    yield from _apart_in("libraries", one.get("versions", {}), two.get("versions", {}))
    yield from _apart_in("environment", one, two, ("python", "platform"))
    yield from _apart_in(
        "parameters", {"notebook": a.notebook, **a.parameters}, {"notebook": b.notebook, **b.parameters}
    )
    yield from _apart_in("metrics", a.metrics, b.metrics)
    for name in dict.fromkeys([*a.baselines, *b.baselines]):
        ours, theirs = ({f"{name} {k}": v for k, v in r.baselines.get(name, {}).items()} for r in (a, b))
        yield from _apart_in("baselines", ours, theirs)
    one_sided = {"only in one run": ("n_only_a", "n_only_b"), "changed": ("n_changed", "n_changed")}
    for words, names in one_sided.items():
        values = [f"{counts.get(n, 0.0):.0f}" for n in names]
        if set(values) != {"0"}:
            yield "trades", words, values[0], values[1]
    if n := _apart(returns):
        yield "returns", "bars that differ", f"{n:,} of {len(returns):,}", f"{n:,} of {len(returns):,}"


def _apart_in(
    section: str, a: Mapping[str, Any], b: Mapping[str, Any], names: tuple[str, ...] | None = None
) -> Iterator[tuple[str, str, str, str]]:
    for name in names or tuple(dict.fromkeys([*a, *b])):
        one, two = a.get(name), b.get(name)
        if one != two and not (_nan(one) and _nan(two)):
            yield section, name, _text(one, two), _text(two, one)


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _text(value: Any, other: Any) -> str:
    """Write a value with as many digits as tell it from the other."""
    if value is None or value == "":
        return "–"
    if not isinstance(value, float) or not isinstance(other, float):
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return next((f"{value:.{d}g}" for d in (6, 9, 12) if f"{value:.{d}g}" != f"{other:.{d}g}"), repr(value))
