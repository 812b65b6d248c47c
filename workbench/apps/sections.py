"""The tabs that pages of judged runs share: luck, periods, holdings, trades, costs, folds, lineage.

Each function takes a finished record and returns Panel objects for the frames the run left; what it did not leave is
left out, so an older record opens too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbench import charts
from workbench.apps import parts

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking import RunRecord

_ROLLING: dict[str, Callable[[pd.DataFrame], Any]] = {
    "Sharpe ratio": charts.rolling_sharpe_chart,
    "volatility": charts.rolling_volatility_chart,
    "beta to buy and hold": charts.rolling_beta_chart,
}


def drawn(record: RunRecord, frame: str, *builders: Callable[[pd.DataFrame], Any]) -> list[Any]:
    """Return one card with what each builder makes of a frame; nothing where the run left no such frame."""
    if not record.has(frame):
        return []
    table = record.frame(frame)
    return [parts.card(*(parts.shown(build(table)) for build in builders))]


def overview(record: RunRecord, *, log_scale: bool = True) -> list[Any]:
    """Return equity and drawdown beside the gates, and below them the measures with their baselines."""
    curves = drawn(record, "returns", lambda f: charts.equity_chart(f, log=log_scale), charts.drawdown_chart)
    if not curves:
        return []
    numbers = parts.card(parts.table(charts.metrics_table(record.metrics, record.baselines), height=560))
    gates = [parts.card(parts.table(charts.gates_table(record.verdict)))] if record.verdict.get("gates") else []
    return [parts.beside(*curves, parts.column(*gates, numbers), weights=(1, 1), least=parts.WIDE)]


def luck(record: RunRecord) -> list[Any]:
    """Return how sure the figures are: intervals, honesty, nulls, trials, and the paths of combinatorial folds."""
    built = parts.pairs([*drawn(record, "intervals", charts.intervals_chart), *honesty(record)])
    built += nulls(record)
    built += trials(record)
    built += parts.pairs(
        [*drawn(record, "paths", charts.paths_chart), *drawn(record, "paths", charts.path_sharpe_chart)]
    )
    return built


def honesty(record: RunRecord) -> list[Any]:
    """Return how far the Sharpe ratio can be believed, where the run was counted."""
    if "deflated_sharpe_ratio" not in record.metrics:
        return []
    return [parts.card(parts.table(charts.honesty_table(record.metrics)))]


def trials(record: RunRecord) -> list[Any]:
    """Return every trial on this data set with this run's own marked."""
    return drawn(record, "trials", lambda f: charts.trials_chart(f, record.trial.get("number")))


def nulls(record: RunRecord) -> list[Any]:
    """Return what the same trading earns by chance, one null at a time."""
    if not record.has("nulls"):
        return []
    table = record.frame("nulls")
    draws = record.frame("null_draws") if record.has("null_draws") else table.iloc[:0]
    names = {str(n).replace("_", " "): str(n) for n in table["null"]}
    chosen = parts.redrawn(
        {"null": names},
        lambda null: [parts.chart(charts.null_chart(draws, table, null=null))],
        record.has("null_draws"),
    )
    return [*chosen, parts.card(parts.table(charts.nulls_table(table)))]


def periods(record: RunRecord) -> list[Any]:
    """Return when a run earned what it did: years, months, rolling risk, falls, crises, states of the market."""
    if not record.has("returns"):
        return []
    returns = record.frame("returns")
    built = [
        parts.card(parts.shown(charts.calendar_table(returns))),
        parts.card(parts.chart(charts.annual_chart(returns))),
        *parts.redrawn(
            {"rolling": {k: k for k in _ROLLING}}, lambda rolling: [parts.chart(_ROLLING[rolling](returns))]
        ),
        *parts.pairs([
            parts.card(parts.chart(charts.drawdown_periods_chart(returns))),
            parts.card(parts.table(charts.drawdown_periods_table(returns))),
        ]),
    ]  # fmt: skip
    crises = drawn(record, "crises", lambda f: charts.crises_chart(returns, f), charts.crises_table)
    return [*built, *crises, *drawn(record, "regimes", charts.regimes_chart, charts.regimes_table)]


def holdings(record: RunRecord) -> list[Any]:
    """Return what was held: sides, leverage, turnover, allocation, and how single bars, days and months came out."""
    limit = record.parameters.get("max_leverage")
    left = drawn(record, "positions", charts.sides_chart, charts.allocation_chart)
    right = drawn(record, "positions", charts.allocation_table, charts.exposure_table)
    if record.has("account"):
        account = record.frame("account")
        pictures = [charts.leverage_chart(account, limit=limit), charts.turnover_chart(account)]
        right = [parts.card(*(parts.chart(p) for p in pictures)), *right]
    built = parts.pairs([*left, *([parts.column(*right)] if right else [])])
    if record.has("returns"):
        returns = record.frame("returns")
        built += parts.redrawn(
            {"returns_of": {"bars": "bar", "days": "day", "months": "month"}},
            lambda returns_of: [parts.chart(charts.returns_histogram_chart(returns, every=returns_of))],
        )
    return built


def trades(record: RunRecord) -> list[Any]:
    """Return the round trips: statistics, results, excursions, both sides, and the list of them."""
    if not record.has("trades"):
        return []
    table, capital = record.frame("trades"), record.parameters.get("capital")
    what = {"returns": "return", "profit and loss": "pnl", "holding times": "bars"}
    results = parts.redrawn(
        {"histogram_of": what},
        lambda histogram_of: [parts.chart(charts.trade_histogram_chart(table, what=histogram_of, capital=capital))],
    )
    reasons = [parts.table(charts.exit_reasons_table(table))] if "exit_reason" in table else []
    statistics = parts.card(parts.table(charts.trade_statistics_table(table)), *reasons)
    sides = parts.card(
        parts.chart(charts.side_equity_chart(table, capital=capital)), parts.chart(charts.trade_returns_chart(table))
    )
    excursions = [parts.card(parts.chart(charts.excursions_chart(table)))] if "mae" in table else []
    return [
        *parts.pairs([statistics, *results]),
        sides,
        *excursions,
        *parts.redrawn(_kinds(table), lambda **chosen: [_listed(table, capital, **chosen)]),
    ]


def _kinds(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return what the list of trades can be narrowed to, by column."""
    columns = [c for c in ("side", "exit_reason", "symbol") if c in table]
    found = {c: list(dict.fromkeys(table[c].dropna().astype(str))) for c in columns}
    return {c: {"all": "", **{v.replace("_", " "): v for v in found[c]}} for c in columns if len(found[c]) > 1}


def _listed(table: pd.DataFrame, capital: float | None, **chosen: str) -> Any:
    for column, value in chosen.items():
        table = table[table[column].astype(str) == value] if value else table
    return parts.table(charts.trades_table(table, limit=300, capital=capital), height=560)


def costs(record: RunRecord) -> list[Any]:
    """Return what was paid, at which cost nothing would be left, and how much capital the market could take."""
    m, capital = record.metrics, record.parameters.get("capital")
    paid = [
        *drawn(record, "costs", lambda f: charts.cost_kinds_chart(f, equity=capital),
               lambda f: charts.cost_kinds_table(f, equity=capital)),
        *drawn(record, "fills", lambda f: charts.liquidity_table(f, capital=capital)),
    ]  # fmt: skip
    curve = drawn(
        record,
        "cost_curve",
        lambda f: charts.cost_curve_chart(f, m.get("cost_bps"), break_even_bps=m.get("break_even_bps")),
    )
    room = drawn(
        record,
        "capacity",
        lambda f: charts.capacity_chart(f, best=m.get("capacity_best"), break_even=m.get("capacity_break_even")),
    )
    return [*paid, *parts.pairs([*curve, *room])]


def folds(record: RunRecord) -> list[Any]:
    """Return the folds of a model's walk-forward and whether its probabilities were worth their names."""
    built = drawn(record, "folds", charts.folds_chart)
    built += [parts.card(parts.table(charts.folds_table(record.frame("folds")), height=460))] if built else []
    built += drawn(record, "reliability", charts.reliability_chart)
    if record.has("forecasts"):
        forecasts = record.frame("forecasts")
        symbols = {str(s): s for s in dict.fromkeys(forecasts.reset_index()["symbol"])}
        built += parts.redrawn(
            {"symbol": symbols}, lambda symbol: [parts.chart(charts.probability_chart(forecasts, symbol=symbol))]
        )
    return built


def lineage(record: RunRecord) -> Sequence[Any]:
    """Return what it takes to make the run again: parameters, data, trial, environment."""
    facts = {
        "Parameters": record.parameters,
        "Data set": record.dataset,
        "Trial": record.trial,
        "Environment": record.environment,
    }
    tables = [parts.card(parts.table(charts.facts_table(f, caption=c))) for c, f in facts.items() if f]
    if record.trial:
        again = f"Made again and compared, bit for bit: <code>workbench reproduce {record.run_id[:12]}</code>"
        tables.append(parts.card(parts.markup(again)))
    if len(tables) < 2:
        return tables or [parts.card(parts.markup("This run left no lineage."))]
    left, *right = tables
    return [parts.beside(left, parts.column(*right), weights=(1, 1))]
