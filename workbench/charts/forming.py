"""A candle chart under a stream: which row to change and which to add when updates of bars come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.charts.candlerows import candle_rows, of_symbol, one_symbol

if TYPE_CHECKING:
    from workbench.data.live.updates import BarUpdate

_FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Change:
    """What to do to the rows that a chart shows.

    Attributes
    ----------
    last : dict of column to value
        New values of the last row; empty where it stays as it is.
    rows : DataFrame
        Rows to add after it, as of `workbench.charts.candle_rows`; may be empty.
    """

    last: dict[str, Any]
    rows: pd.DataFrame


class GrowingRows:
    """Closed bars with their indicators, and the bar that is forming without.

    An indicator of a bar that has not closed would change again, so the forming bar's are empty until it is final.

    Parameters
    ----------
    bars : DataFrame, time × (field, symbol)
        Closed bars known at the start, at least one.
    symbol : str
    specs : list of str
        Feature specs to draw; ``names`` are those of their columns v0, v1, ….
    compute : function (bars, specs) -> DataFrame
        `workbench.features.compute`.
    limit : int
        Most bars kept; the oldest are forgotten.
    """

    def __init__(
        self,
        bars: pd.DataFrame,
        symbol: str,
        specs: list[str],
        compute: Callable[[pd.DataFrame, list[str]], pd.DataFrame],
        *,
        limit: int,
    ) -> None:
        self.symbol, self._specs, self._compute, self._limit = symbol, specs, compute, limit
        self._bars = of_symbol(bars, symbol).iloc[-limit:]
        self._forgotten = 0
        self.names: list[str] = []
        self.forming: BarUpdate | None = None
        self.rows = self._closed_rows()

    @property
    def bars(self) -> pd.DataFrame:
        """The closed bars that are kept, by the house's convention."""
        return self._bars

    @property
    def last_closed(self) -> pd.Timestamp:
        """Open time of the newest closed bar."""
        return pd.Timestamp(self._bars.index[-1])

    def apply(self, updates: Iterable[BarUpdate]) -> Change:
        """Take in updates, oldest first, and say what changes on a chart that shows all rows so far.

        Updates of bars that have closed already change nothing.
        """
        known = self.last_closed.value // 1_000_000
        news = [u for u in updates if u.time > known]
        closed = {u.time: u for u in news if u.final}
        newest = max(closed, default=known)
        was = self.forming
        candidates = [was, *(u for u in news if not u.final)]
        self.forming = next((u for u in reversed(candidates) if u is not None and u.time > newest), None)
        rows = self.rows.iloc[:0]
        if closed:
            self._append([closed[t] for t in sorted(closed)])
            self.rows = self._closed_rows()
            rows = self.rows.iloc[-len(closed) :]
        if self.forming is not None and (closed or self.forming is not was):
            row = self._forming_row(self.forming)
            rows = pd.concat([rows, row]) if len(rows) else row
        if was is None or rows.empty or rows["time"].iloc[0] != pd.Timestamp(was.time, unit="ms"):
            return Change({}, rows)
        first = rows.iloc[0]
        return Change({name: first[name] for name in rows.columns if name != "i"}, rows.iloc[1:])

    def _append(self, closed: list[BarUpdate]) -> None:
        index = pd.DatetimeIndex(pd.to_datetime([u.time for u in closed], unit="ms", utc=True), name="time")
        bars = pd.concat([self._bars, self._frame(closed, index)])
        self._forgotten += max(0, len(bars) - self._limit)
        self._bars = bars.iloc[-self._limit :]

    def _frame(self, updates: list[BarUpdate], index: pd.DatetimeIndex) -> pd.DataFrame:
        columns = pd.MultiIndex.from_product([_FIELDS, [self.symbol]], names=self._bars.columns.names)
        values = [[getattr(u, field) for field in _FIELDS] for u in updates]
        frame = pd.DataFrame(values, index=index.as_unit(pd.DatetimeIndex(self._bars.index).unit), columns=columns)
        return frame[self._bars.columns]

    def _closed_rows(self) -> pd.DataFrame:
        values = one_symbol(self._compute(self._bars, self._specs), self.symbol) if self._specs else None
        self.names = [] if values is None else [str(c) for c in values.columns]
        rows = candle_rows(self._bars, self.symbol, values)
        rows["i"] += self._forgotten
        return rows

    def _forming_row(self, update: BarUpdate) -> pd.DataFrame:
        index = pd.DatetimeIndex([update.timestamp], name="time")
        row = candle_rows(self._frame([update], index), self.symbol)
        row["i"] = int(self.rows["i"].iloc[-1]) + 1
        for k in range(len(self.names)):
            row[f"v{k}"] = float("nan")
        return row
