"""Round trips in numbers: all, by side, by the reason they ended, and fills by liquidity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.costcurves import short_money
from workbench.charts.marks import empty_table, need
from workbench.charts.tables import Column, Table, _Written, number, percent, signed_percent, whole
from workbench.charts.theme import label_of
from workbench.typing import FloatArray

_OPEN = "still open"
_NO_TRADES = "the strategy made no round trip in this range"


def trade_statistics(trades: pd.DataFrame) -> dict[str, float]:
    """Return the statistics of round trips under machine keys; returns are fractions, NaN where undefined.

    Parameters
    ----------
    trades : DataFrame
        Columns return (net, fraction of what was put in), pnl, bars.

    Notes
    -----
    A trade that made exactly 0 is neither won nor lost. Profit factor: gains over losses of ``pnl``; payoff ratio: mean
    winning return over mean losing return; expectancy: mean return per trade.
    """
    kept = trades[np.isfinite(trades["return"].to_numpy(dtype=float))] if len(trades) else trades
    values = kept["return"].to_numpy(dtype=float) if len(kept) else np.array([])
    pnl = kept["pnl"].to_numpy(dtype=float) if "pnl" in kept else values
    bars = kept["bars"].to_numpy(dtype=float) if "bars" in kept else np.full(len(values), np.nan)
    won, lost = values > 0, values < 0
    gains, losses = pnl[pnl > 0].sum(), -pnl[pnl < 0].sum()
    return {
        "n_trades": float(len(values)),
        "win_rate": _mean(won.astype(float)),
        "expectancy": _mean(values),
        "median_return": float(np.median(values)) if len(values) else np.nan,
        "mean_win": _mean(values[won]),
        "mean_loss": _mean(values[lost]),
        "payoff_ratio": _mean(values[won]) / -_mean(values[lost]) if won.any() and lost.any() else np.nan,
        "profit_factor": float(gains / losses) if losses > 0 else np.nan,
        "largest_win": float(values[won].max()) if won.any() else np.nan,
        "largest_loss": float(values[lost].min()) if lost.any() else np.nan,
        "most_wins_in_a_row": float(_streak(won)),
        "most_losses_in_a_row": float(_streak(lost)),
        "mean_bars": _mean(bars),
        "mean_bars_won": _mean(bars[won]),
        "mean_bars_lost": _mean(bars[lost]),
    }


_ROWS: dict[str, tuple[str, Callable[[float], str]]] = {
    "n_trades": ("round trips", whole),
    "win_rate": ("won", percent),
    "expectancy": ("mean return per trade (expectancy)", lambda v: signed_percent(v, 3)),
    "median_return": ("median return", lambda v: signed_percent(v, 3)),
    "mean_win": ("mean win", signed_percent),
    "mean_loss": ("mean loss", signed_percent),
    "payoff_ratio": ("payoff ratio: mean win over mean loss", number),
    "profit_factor": ("profit factor: gains over losses", number),
    "largest_win": ("largest win", signed_percent),
    "largest_loss": ("largest loss", signed_percent),
    "most_wins_in_a_row": ("most wins in a row", whole),
    "most_losses_in_a_row": ("most losses in a row", whole),
    "mean_bars": ("mean holding time, bars", lambda v: number(v, 1)),
    "mean_bars_won": ("… of winners", lambda v: number(v, 1)),
    "mean_bars_lost": ("… of losers", lambda v: number(v, 1)),
}


def trade_statistics_table(trades: pd.DataFrame) -> Table:
    """Return the statistics of all round trips beside those of longs and shorts.

    Parameters
    ----------
    trades : DataFrame
        One row per round trip in the order of entry: side (long, short), pnl and return (net), bars.
    """
    caption = "Trade statistics, net of costs"
    if not need(trades, "return"):
        return empty_table(caption, _NO_TRADES)
    ordered = trades.sort_values("exit_time", kind="stable") if "exit_time" in trades else trades
    parts = {"all": ordered}
    if "side" in ordered:
        parts |= {side: ordered[ordered["side"] == side] for side in ("long", "short")}
    frame = pd.DataFrame({name: trade_statistics(part) for name, part in parts.items() if len(part)})
    frame = frame.loc[list(_ROWS)]
    frame.insert(0, "measure", [_ROWS[k][0] for k in frame.index])
    names = [c for c in frame.columns if c != "measure"]
    texts = frame.astype(object)
    for name in names:
        texts[name] = [None if np.isnan(v) else _ROWS[str(k)][1](v) for k, v in frame[name].items()]
    columns = [Column("measure", "measure", str, True, True), *(Column(n, n) for n in names)]
    return _Written(frame, columns, caption, {}, {}, texts)


def exit_reasons_table(trades: pd.DataFrame) -> Table:
    """Return the round trips by the reason they ended, the most frequent first.

    Parameters
    ----------
    trades : DataFrame
        Columns exit_reason, return and pnl (net), bars.
    """
    caption = "Why trades ended"
    if not need(trades, "exit_reason", "return"):
        return empty_table(caption, f"{_NO_TRADES}, or the reasons were not kept")
    total = float(trades["pnl"].abs().sum()) if "pnl" in trades else 0.0
    rows = [
        {"reason": label_of(str(reason)), **trade_statistics(part),
         "pnl_share": float(part["pnl"].sum()) / total if total > 0 else np.nan}
        for reason, part in trades.groupby(trades["exit_reason"].replace("", None).fillna(_OPEN), sort=False)
    ]  # fmt: skip
    frame = pd.DataFrame(rows).sort_values("n_trades", ascending=False, kind="stable").reset_index(drop=True)
    frame["share"] = frame["n_trades"] / frame["n_trades"].sum()
    columns = [
        Column("reason", "left by", str, True),
        Column("n_trades", "trades", whole),
        Column("share", "share of trades", percent),
        Column("win_rate", "won", percent),
        Column("expectancy", "mean return", lambda v: signed_percent(v, 3)),
        Column("largest_loss", "largest loss", signed_percent),
        Column("mean_bars", "mean bars", lambda v: number(v, 1)),
        Column("pnl_share", "profit, share of all gains and losses", signed_percent),
    ]
    return Table(frame, columns, caption)


def liquidity_table(fills: pd.DataFrame, *, capital: float | None = None) -> Table:
    """Return fills by liquidity (maker, taker): value, fee and slippage in basis points of the value.

    Parameters
    ----------
    fills : DataFrame
        Columns value, fee, slippage (cash) and liquidity.
    capital : float, optional
        Starting capital in the unit of ``value``: values are then multiples of it.
    """
    caption = "Fills by liquidity"
    if not need(fills, "value", "fee"):
        return empty_table(caption, "there was no fill in this range")
    known = "liquidity" in fills and bool(fills["liquidity"].notna().any())
    kinds = fills["liquidity"].fillna("unknown") if known else pd.Series("", index=fills.index)
    parts = [*fills.groupby(kinds.to_numpy(), sort=True)] if known else []
    rows = []
    for kind, part in [*parts, ("all", fills)]:
        value = float(part["value"].abs().sum())
        slipped = float(part["slippage"].sum()) if "slippage" in part else np.nan
        rows.append(
            {
                "kind": str(kind),
                "n": float(len(part)),
                "value": value,
                "share": np.nan,
                "fee_bps": 1e4 * _over(float(part["fee"].sum()), value),
                "slippage_bps": 1e4 * _over(slipped, value),
            }
        )
    frame = pd.DataFrame(rows)
    frame["share"] = frame["value"] / (frame["value"].iloc[-1] or np.nan)
    worth = Column("value", "value traded", short_money)
    if capital:
        worth = Column("value", "value traded, × capital", lambda v: number(float(v) / capital, 1))
    columns = [
        Column("kind", "liquidity", str, True),
        Column("n", "fills", whole),
        worth,
        Column("share", "share of value", percent),
        Column("fee_bps", "fee, bp", number),
        Column("slippage_bps", "slippage, bp", number),
    ]
    return Table(frame, columns, caption, {(len(frame) - 1, c.key): "best" for c in columns})


def _over(amount: float, value: float) -> float:
    return amount / value if value > 0 else np.nan


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _streak(hits: Any) -> int:
    longest = run = 0
    for hit in hits:
        run = run + 1 if hit else 0
        longest = max(longest, run)
    return longest
