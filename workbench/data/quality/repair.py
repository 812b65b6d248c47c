"""Repairs, on request only: a plan to look at, then one write in which every mended bar carries a flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from workbench.config import Settings, did_you_mean
from workbench.data.bars import BAR_FIELDS, bars_of, symbol_frame
from workbench.data.quality.calendars import expected_between, infer_calendar
from workbench.data.quality.gaps import gap_table
from workbench.data.quality.outliers import find_outliers
from workbench.data.store.barstore import BarStore
from workbench.data.timeframes import timeframe_delta, utc_range
from workbench.errors import DataError
from workbench.typing import Bars

Method = Literal["second_source", "flat"]
METHODS = ("second_source", "flat")
FLAT = "flat"
"""Source of a bar that no venue gave: the last close carried on, with volume 0."""

NEVER_FILLED = ("delisted", "not_listed", "market_closed")
CHANGE_COLUMNS = ("time", "action", "cause", "close", "new_close", "note")
_LEVEL_BARS = 24


@dataclass(frozen=True, eq=False)
class RepairPlan:
    """What a repair would do; nothing is written before `apply_repair`.

    Attributes
    ----------
    changes : DataFrame
        One row a bar, by time: time, action (``add`` a missing bar, ``replace`` a bad print), cause (of the gap, or
        ``bad_print``), close (stored now, NaN where missing), new_close, note.
    left : DataFrame
        What stays as it is, and why: start, end, bars, cause, note.
    bars : DataFrame
        The bars to be written.
    provenance : DataFrame or None
        At the times of ``bars``: source (the venue that the bar came from, or ``flat``) and repaired, always true.
    version : int
        Version of the series that was looked at.
    """

    store: BarStore = field(repr=False)
    source: str
    symbol: str
    timeframe: str
    method: Method
    version: int
    bars: Bars | None
    provenance: pd.DataFrame | None
    changes: pd.DataFrame
    left: pd.DataFrame

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.changes.empty


def plan_repair(
    store: BarStore,
    source: str,
    symbol: str,
    timeframe: str,
    *,
    from_source: str | None = None,
    method: Method = "second_source",
    from_symbol: str | None = None,
    start: object = None,
    end: object = None,
    bad_prints: bool = True,
    tolerance: float = 0.02,
    settings: Settings | None = None,
) -> RepairPlan:
    """Work out how the gaps and bad prints of a stored series could be mended, without touching it.

    Parameters
    ----------
    from_source : str, optional
        The stored source whose bars fill in; needed for ``second_source``.
    method : {"second_source", "flat"}
        Whole bars of another venue (prices and volume as it had them), or the last close carried on with volume 0.
    from_symbol : str, optional
        Its symbol there, such as ``BTC/USD`` for ``BTC/USDT``; default the same.
    start, end : str or Timestamp, optional
        Only bars with ``start <= time < end``.
    bad_prints : bool
        Also replace bars whose outliers the second source refutes (`find_outliers`).
    tolerance : float
        A second venue whose closes differ from ours by more than this share around a gap (median over 24 bars to either
        side) does not fill it.
    settings : Settings, optional
        The home, for its identities and what venues have said of gaps.

    Raises
    ------
    DataError
        When a series is not stored, or the method lacks or does not take a second source.

    Notes
    -----
    Never filled are times at which the symbol did not trade (``delisted``, ``not_listed``) or the market rested. Bars
    of the second source that were themselves repaired are not used.
    """
    if method not in METHODS:
        raise DataError(f"unknown method {method!r} of repair.{did_you_mean(str(method), METHODS)}")
    if (method == "second_source") != (from_source is not None):
        cure = "name one with from_source" if from_source is None else "leave from_source out"
        raise DataError(f"method {method!r} {'needs' if from_source is None else 'takes no'} second source; {cure}")
    if from_source == source and (from_symbol or symbol) == symbol:
        raise DataError(f"{symbol} of {source!r} cannot mend itself; name another source")
    bars, version = store.read_version(source, symbol, timeframe)
    frame = symbol_frame(bars, symbol)
    second = origin = None
    if from_source is not None:
        second, origin = _second(store, from_source, from_symbol or symbol, timeframe)
    first, last = utc_range(start, end)
    gaps = gap_table(store, source, timeframe, [symbol], settings=settings)
    inside = [
        (first is None or a >= first) and (last is None or z <= last)
        for a, z in zip(gaps["start"], gaps["end"], strict=True)
    ]
    job = _Job(symbol, frame, second, timeframe, tolerance)
    added, changes, left = _filled(job, gaps[np.array(inside, dtype=bool)])
    if second is not None and bad_prints:
        replaced, more = _replaced(job, first, last)
        added, changes = pd.concat([added, replaced]), pd.concat([changes, more])
    changes = changes.sort_values("time", ignore_index=True)
    if not len(added):
        return RepairPlan(store, source, symbol, timeframe, method, version, None, None, changes, left)
    added = added.sort_index()
    names = FLAT if origin is None else origin.reindex(added.index).to_numpy()
    provenance = pd.DataFrame({"source": names, "repaired": True}, index=added.index)
    return RepairPlan(
        store, source, symbol, timeframe, method, version, bars_of({symbol: added}), provenance, changes, left
    )


def apply_repair(plan: RepairPlan) -> int:
    """Write a plan as one new version and return it; each written bar is flagged ``repaired`` with its source.

    The versions before stay readable. A plan without changes writes nothing and returns the version it looked at.

    Raises
    ------
    DataError
        When the series has changed since the plan was made.
    """
    now = plan.store.newest_version(plan.source, plan.symbol, plan.timeframe)
    if now != plan.version:
        raise DataError(
            f"{plan.symbol} {plan.timeframe} of {plan.source!r} has changed since the plan (version {now}, not "
            f"{plan.version}); make the plan anew"
        )
    if plan.bars is None:
        return plan.version
    mode: Literal["revise", "merge"] = "revise" if (plan.changes["action"] == "replace").any() else "merge"
    return plan.store.write(plan.source, plan.symbol, plan.timeframe, plan.bars, mode=mode, provenance=plan.provenance)


@dataclass(frozen=True, eq=False)
class _Job:
    symbol: str
    frame: pd.DataFrame
    second: pd.DataFrame | None
    timeframe: str
    tolerance: float


def _second(store: BarStore, source: str, symbol: str, timeframe: str) -> tuple[pd.DataFrame, pd.Series]:
    """Return the bars of the second source that are its own, and the venue each came from."""
    frame = symbol_frame(store.read(source, symbol, timeframe), symbol)
    told = store.provenance(source, symbol, timeframe)
    own = ~told["repaired"].to_numpy(dtype=bool)
    return frame[own], told["source"].astype(str)[own]


def _filled(job: _Job, gaps: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the bars for the gaps, one change each, and the gaps or parts of them that stay."""
    times = pd.DatetimeIndex(job.frame.index)
    delta = timeframe_delta(job.timeframe)
    calendar = infer_calendar(times, delta)
    pieces: list[pd.DataFrame] = []
    changes: list[tuple[object, ...]] = []
    left: list[tuple[object, ...]] = []
    rows = zip(*(gaps[c] for c in ("start", "end", "bars_missing", "cause", "evidence")), strict=True)
    for start, end, count, cause, evidence in rows:
        if cause in NEVER_FILLED:
            left.append((start, end, count, cause, f"not filled: {evidence}"))
            continue
        missing = expected_between(times, delta, calendar, start, end)
        missing = missing[~missing.isin(times)]
        found, note = _flat(job, missing) if job.second is None else _from_second(job, missing, start, end)
        pieces.append(found)
        changes += [(t, "add", cause, np.nan, c, note) for t, c in zip(found.index, found["close"], strict=True)]
        if len(found) < len(missing):
            left.append((start, end, len(missing) - len(found), cause, note))
    columns = ["start", "end", "bars", "cause", "note"]
    return _stack(pieces, times), _changes(changes), pd.DataFrame(left, columns=columns)


def _flat(job: _Job, missing: pd.DatetimeIndex) -> tuple[pd.DataFrame, str]:
    before = np.searchsorted(job.frame.index, missing) - 1
    close = job.frame["close"].to_numpy()[before]
    prices = dict.fromkeys(BAR_FIELDS[:4], close)
    return pd.DataFrame({**prices, "volume": 0.0}, index=missing), "the last close carried on, volume 0"


def _from_second(
    job: _Job, missing: pd.DatetimeIndex, start: pd.Timestamp, end: pd.Timestamp
) -> tuple[pd.DataFrame, str]:
    assert job.second is not None  # noqa: S101  # callers ask only with one
    delta = timeframe_delta(job.timeframe)
    near = job.frame[(job.frame.index >= start - _LEVEL_BARS * delta) & (job.frame.index < end + _LEVEL_BARS * delta)]
    shared = near.index.intersection(job.second.index)
    found = job.second.reindex(missing).dropna()
    if not len(found):
        return found, "the second source has no bar there"
    if not len(shared):
        return found.iloc[:0], "the second source has no bar around it to compare prices with"
    apart = float((near.loc[shared, "close"] / job.second.loc[shared, "close"] - 1.0).median())
    if abs(apart) > job.tolerance:
        return found.iloc[:0], f"the second source is {apart:+.2%} apart around it, more than {job.tolerance:.2%}"
    words = f"closes {apart:+.3%} apart around it ({len(shared)} bars)"
    if len(found) < len(missing):
        words += f"; the second source lacks {len(missing) - len(found)} of {len(missing)} bars"
    return found, words


def _replaced(job: _Job, first: pd.Timestamp | None, last: pd.Timestamp | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the second source's bars for the bad prints of ours."""
    assert job.second is not None  # noqa: S101
    wrong = find_outliers(bars_of({job.symbol: job.frame}), bars_of({job.symbol: job.second}))
    wrong = wrong[wrong["verdict"] == "bad_print"].drop_duplicates("time")
    if first is not None:
        wrong = wrong[wrong["time"] >= first]
    if last is not None:
        wrong = wrong[wrong["time"] < last]
    times = pd.DatetimeIndex(wrong["time"]).as_unit(pd.DatetimeIndex(job.frame.index).unit)
    found = job.second.loc[times]
    before, after = job.frame.loc[times, "close"], found["close"]
    notes = (wrong["field"] + ": " + wrong["note"]).tolist()
    rows: list[tuple[object, ...]] = [
        (t, "replace", "bad_print", old, new, note)
        for t, old, new, note in zip(times, before, after, notes, strict=True)
    ]
    return found, _changes(rows)


def _stack(pieces: Sequence[pd.DataFrame], times: pd.DatetimeIndex) -> pd.DataFrame:
    full = [p for p in pieces if len(p)]
    if not full:
        return pd.DataFrame(columns=list(BAR_FIELDS), index=times[:0], dtype=np.float64)
    joined = pd.concat(full)
    return joined.set_axis(pd.DatetimeIndex(joined.index, name="time").as_unit(times.unit), axis=0)


def _changes(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    return frame.astype({"close": np.float64, "new_close": np.float64})
