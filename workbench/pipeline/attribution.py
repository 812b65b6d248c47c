"""Where the difference of two runs' profits lies: by bars, by symbol, by trade, by cost; the parts add up to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from workbench.tracking import RunRecord

COLUMNS = ("view", "source", "pnl", "share")
TRADE_COLUMNS = ("symbol", "side", "entry_time", "kind", "pnl_a", "pnl_b", "return_a", "return_b")
Trade = Mapping[Any, Any]
_NOTHING = 1e-12
_STRATEGY = "strategy"


@dataclass(frozen=True, eq=False)
class Profits:
    """A run's profit in fractions of the cash it began with.

    Parameters
    ----------
    by_bar : Series
        Change of equity at each bar; its sum is the run's total return.
    by_symbol : Series or None
        Profit of each symbol after fees and slippage; None where positions or fills are not kept.
    costs : Series or None
        What was paid, by kind, positive; None where not kept.
    trades : DataFrame or None
        Round trips, ``pnl`` in fractions of the cash at the start.
    """

    by_bar: pd.Series
    by_symbol: pd.Series | None
    costs: pd.Series | None
    trades: pd.DataFrame | None

    @property
    def total(self) -> float:
        """The run's total return."""
        return float(self.by_bar.sum())


def profits_of(record: RunRecord) -> Profits:
    """Read a run's profit, and whose it was, from its frames."""
    returns = record.frame("returns")[_STRATEGY].fillna(0.0)
    equity = (1.0 + returns).cumprod()
    by_bar = equity.diff().fillna(equity - 1.0)
    capital = float(record.parameters.get("capital", 1.0))
    costs = record.frames["costs"].sum() / capital if "costs" in record.frames else None
    trades = None
    if "trades" in record.frames:
        trades = record.frame("trades")
        trades["pnl"] = trades["pnl"] / (capital * _accounts(record))
    return Profits(by_bar, _by_symbol(record, equity, capital), costs, trades)


def decompose(a: Profits, b: Profits, trades: pd.DataFrame | None = None) -> pd.DataFrame:
    """Split the difference of two profits, B less A, in every way their frames allow.

    Parameters
    ----------
    trades : DataFrame, optional
        What `match_trades` says of the two runs.

    Returns
    -------
    DataFrame
        ``view`` (bars, symbol, trades, costs), ``source``, ``pnl`` (fraction of the cash at the start, signed),
        ``share`` of the whole difference (NaN where there is none). The parts of each view sum to the whole.

    Notes
    -----
    Accounting, not causes: a bar that both runs share may differ because of what came before it. What a view cannot
    place is a part of its own, ``rest``: funding and borrowing among symbols, what the accounts of a sweep gain or lose
    by being set back to equal shares.
    """
    total = b.total - a.total
    views: dict[str, dict[str, float]] = {"bars": _by_span(a.by_bar, b.by_bar)}
    if a.by_symbol is not None and b.by_symbol is not None:
        views["symbol"] = _difference(a.by_symbol, b.by_symbol)
    if trades is not None:
        views["trades"] = _by_trade(trades)
    if a.costs is not None and b.costs is not None:
        known = {kind for costs in (a.costs, b.costs) for kind, value in costs.items() if value != 0}
        paid = {f"{kind} paid": -part for kind, part in _difference(a.costs, b.costs).items() if kind in known}
        views["costs"] = {"price moves before costs": total - sum(paid.values())} | paid
    return pd.concat([table_of(view, parts, total) for view, parts in views.items()], ignore_index=True)


def table_of(view: str, parts: Mapping[str, float], total: float) -> pd.DataFrame:
    """Return the parts of one view with their shares of the whole, and what they leave as ``rest``."""
    rest = total - sum(parts.values())
    told = {**parts, **({"rest": rest} if abs(rest) > _NOTHING else {})}
    share = [part / total if abs(total) > _NOTHING else np.nan for part in told.values()]
    return pd.DataFrame({"view": view, "source": list(told), "pnl": list(told.values()), "share": share})


def match_trades(a: pd.DataFrame, b: pd.DataFrame, bar: pd.Timedelta) -> pd.DataFrame:
    """Pair the round trips of two runs by symbol, side and entry time.

    Parameters
    ----------
    a, b : DataFrame
        Frames ``trades`` of two runs.
    bar : Timedelta
        How far apart two entries may lie. Those at the same time are paired first.

    Returns
    -------
    DataFrame
        ``symbol``, ``side``, ``entry_time`` (of A where it has the trade), ``kind`` (only_a, only_b, changed, same),
        ``pnl_a``, ``pnl_b``, ``return_a``, ``return_b``; NaN where a run lacks the trade. ``same`` trades have the same
        times, prices and returns; their profits may differ by the size of the account.
    """
    rows = []
    keys = sorted({*_keys(a), *_keys(b)})
    for symbol, side in keys:
        ours, theirs = (
            t[(t["symbol"] == symbol) & (t["side"] == side)].sort_values("entry_time", kind="stable") for t in (a, b)
        )
        first, second = ours.to_dict("records"), theirs.to_dict("records")
        for i, j in _pairs(ours["entry_time"], theirs["entry_time"], bar):
            rows.append(_trade_row(symbol, side, None if i is None else first[i], None if j is None else second[j]))
    table = pd.DataFrame(rows, columns=list(TRADE_COLUMNS))
    return table.sort_values(["entry_time", "symbol"], kind="stable", ignore_index=True)


def _keys(trades: pd.DataFrame) -> Iterable[tuple[str, str]]:
    return zip(trades["symbol"], trades["side"], strict=True)


def _pairs(a: pd.Series, b: pd.Series, bar: pd.Timedelta) -> list[tuple[int | None, int | None]]:
    """Pair sorted times: equal ones first, then those that are at most a bar apart, each once."""
    left, right = pd.DatetimeIndex(a), pd.DatetimeIndex(b)
    free: dict[pd.Timestamp, list[int]] = {}
    for j, time in enumerate(right):
        free.setdefault(time, []).append(j)
    partner = {i: free[time].pop(0) for i, time in enumerate(left) if free.get(time)}
    taken, j = set(partner.values()), 0
    for i in (i for i in range(len(left)) if i not in partner):
        while j < len(right) and (j in taken or right[j] < left[i] - bar):
            j += 1
        if j < len(right) and abs(right[j] - left[i]) <= bar:
            partner[i] = j
            taken.add(j)
    pairs: list[tuple[int | None, int | None]] = [(i, partner.get(i)) for i in range(len(left))]
    return pairs + [(None, j) for j in range(len(right)) if j not in taken]


def _trade_row(symbol: str, side: str, one: Trade | None, two: Trade | None) -> tuple[object, ...]:
    nan = float("nan")
    if one is None or two is None:
        own: Trade = one or two or {}
        pnl, earned = float(own["pnl"]), float(own["return"])
        sides = (pnl, nan, earned, nan) if two is None else (nan, pnl, nan, earned)
        return symbol, side, own["entry_time"], "only_a" if two is None else "only_b", *sides
    times = all(one[c] == two[c] or (pd.isna(one[c]) and pd.isna(two[c])) for c in ("entry_time", "exit_time"))
    numbers = [(float(one[c]), float(two[c])) for c in ("entry_price", "exit_price", "return")]
    same = times and all(
        math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(x) and math.isnan(y)) for x, y in numbers
    )
    kind = "same" if same else "changed"
    return symbol, side, one["entry_time"], kind, one["pnl"], two["pnl"], one["return"], two["return"]


def _by_trade(trades: pd.DataFrame) -> dict[str, float]:
    gained = trades["pnl_b"].fillna(0.0) - trades["pnl_a"].fillna(0.0)
    words = {
        "only_a": "trades only in A",
        "only_b": "trades only in B",
        "changed": "trades that changed",
        "same": "same trades, account of another size",
    }
    return {told: float(gained[trades["kind"] == kind].sum()) for kind, told in words.items()}


def _by_span(a: pd.Series, b: pd.Series) -> dict[str, float]:
    in_both = a.index.intersection(b.index)
    return {
        "bars of both": float(b.loc[in_both].sum() - a.loc[in_both].sum()),
        "bars only in A": -float(a.drop(in_both).sum()),
        "bars only in B": float(b.drop(in_both).sum()),
    }


def _difference(a: pd.Series, b: pd.Series) -> dict[str, float]:
    names = dict.fromkeys([*a.index, *b.index])
    return {str(name): float(b.get(name, 0.0)) - float(a.get(name, 0.0)) for name in names}


def _accounts(record: RunRecord) -> int:
    """Return how many accounts a run traded, each with the capital: a rule has one a symbol, a model one in all."""
    return len(record.frames["positions"].columns) if record.notebook in ("sweep", "walkforward") else 1


def _by_symbol(record: RunRecord, equity: pd.Series, capital: float) -> pd.Series | None:
    """Return each symbol's profit: what it is worth in the end, less what was put into it, fees included.

    None too for runs of many accounts, whose frames do not say what each account is worth.
    """
    if record.notebook not in ("backtest", "train") or not {"positions", "fills"} <= record.frames.keys():
        return None
    positions, fills = record.frame("positions"), record.frame("fills")
    last = positions.iloc[-1].fillna(0.0) * float(equity.iloc[-1])
    put_in = (fills["value"] + fills["fee"]).groupby(fills["symbol"]).sum() / capital
    return last - put_in.reindex(last.index).fillna(0.0)
