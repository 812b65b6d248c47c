"""Bars as rows that a candle chart draws or streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workbench.charts.figure import need_rows
from workbench.charts.sampling import naive_utc
from workbench.charts.theme import DOWN, UP
from workbench.errors import DataError


def candle_rows(bars: pd.DataFrame, symbol: str, indicators: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row per traded bar, ready to draw or to stream.

    Parameters
    ----------
    bars : DataFrame, time × (field, symbol)
    symbol : str
    indicators : DataFrame, time × spec, optional
        Values of the symbol; column k becomes ``v{k}``.

    Returns
    -------
    DataFrame
        i (bar number), time (naive UTC), open, high, low, close, volume, top, bottom, middle and body (the
        candle), half_volume, color, fill, and v0, v1, ….
    """
    if symbol not in bars.columns.get_level_values("symbol"):
        known = ", ".join(map(str, bars.columns.get_level_values("symbol").unique()))
        raise DataError(f"there are no bars of {symbol!r} here; these symbols are: {known}")
    one = pd.DataFrame(bars.xs(symbol, axis=1, level="symbol"))
    one = one[one["close"].notna()]
    need_rows(one, f"chart of {symbol}")
    rising = (one["close"] >= one["open"]).to_numpy()
    rows = pd.DataFrame({"i": np.arange(len(one)), "time": naive_utc(one.index)})
    for name in ("open", "high", "low", "close", "volume"):
        rows[name] = one[name].to_numpy()
    rows["top"] = rows[["open", "close"]].max(axis=1)
    rows["bottom"] = rows[["open", "close"]].min(axis=1)
    rows["middle"] = (rows["top"] + rows["bottom"]) / 2
    # A bar that closed where it opened is a thin line.
    rows["body"] = np.maximum(rows["top"] - rows["bottom"], 1e-4 * rows["close"])
    rows["half_volume"] = rows["volume"] / 2
    rows["color"] = np.where(rising, UP, DOWN)
    rows["fill"] = np.where(rising, 0.0, 1.0)
    if indicators is not None:
        for k, spec in enumerate(indicators.columns):
            rows[f"v{k}"] = indicators[spec].reindex(one.index).to_numpy(dtype=np.float64)
    return rows


def latest_window(rows: pd.DataFrame, window: int) -> tuple[float, float]:
    """Return the x range that shows the last ``window`` bars."""
    last = float(rows["i"].iloc[-1])
    return last - window + 0.5, last + 1.5


def one_symbol(frame: pd.DataFrame, symbol: str) -> pd.DataFrame:
    """Return time × spec for one symbol from columns (spec, symbol); a flat frame comes back as it is."""
    if frame.columns.nlevels == 1:
        return frame
    return pd.DataFrame(frame.xs(symbol, axis=1, level=-1))


def of_symbol(bars: pd.DataFrame, symbol: str) -> pd.DataFrame:
    """Return the bars of one symbol, still in the bars convention, without times at which it does not trade."""
    one = bars.loc[:, bars.columns.get_level_values("symbol") == symbol]
    return pd.DataFrame(one[one["close"].notna().to_numpy().any(axis=1)])


def source_data(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of `candle_rows` as a ColumnDataSource keeps them."""
    return {name: rows[name].to_numpy() for name in rows.columns}


def intraday(rows: pd.DataFrame) -> bool:
    """Say whether the bars are shorter than a day."""
    return len(rows) > 1 and bool(np.median(np.diff(rows["time"].to_numpy())) < np.timedelta64(1, "D"))


def candle_legend(rows: pd.DataFrame) -> str:
    """Return how to read the candles of ``rows``: the fill, and that closed hours take no room where there are any."""
    legend = "hollow = rising, filled = falling"
    return f"{legend} · closed hours left out" if _rests(rows) else legend


def _rests(rows: pd.DataFrame) -> bool:
    """Say whether a market rests: most Saturdays have no bar; in a span without a Saturday, some steps are longer."""
    times = pd.DatetimeIndex(rows["time"])
    steps = np.diff(times.to_numpy())
    if not len(steps) or np.median(steps) > np.timedelta64(1, "D"):
        return False
    days = pd.date_range(times[0].ceil("D"), times[-1].floor("D"), freq="D")
    saturdays = days[days.day_of_week == 5]
    if len(saturdays):
        return bool(saturdays.isin(times.floor("D")).mean() < 0.5)
    return bool((steps > np.median(steps)).any())
