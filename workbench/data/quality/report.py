"""The quality report: what is wrong or odd in bars, one line a finding. It looks and tells; it mends nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.data.bars import BAR_FIELDS, VIOLATIONS, field_arrays, symbols_of, violations
from workbench.data.quality.calendars import Calendar, infer_calendar, missing_times
from workbench.data.quality.outliers import find_outliers
from workbench.data.store.kept import FINDING_COLUMNS
from workbench.data.timeframes import timeframe_delta
from workbench.data.universe.breaks import find_breaks
from workbench.data.universe.identities import IDENTITIES, Identity
from workbench.errors import DataError
from workbench.typing import Bars, BoolArray, FloatArray

KINDS = (
    "gap", "off_grid", "unsorted", "duplicate", "conflicting_duplicate", "outlier", "jump",
    "zero_volume", "no_volume", "flat", "repeated", "identity_break", "bad_print", "real_move", "resampled",
    *VIOLATIONS,
)  # fmt: skip
"""All kinds of findings; those from ``missing_value`` on break the bars convention."""

OUTLIER_SCORE = 10.0
JUMP = float(np.log(1.5))
_WINDOW = 101


@dataclass(frozen=True, eq=False)
class QualityReport:
    """Findings about bars.

    Attributes
    ----------
    findings : DataFrame
        One row a finding: kind (one of `KINDS`), symbol, time, field, value, note, set_aside (the bar was left out
        of the store by an import).
    summary : DataFrame
        One row a symbol: bars, first, last, calendar, missing_bars, coverage (bars present of bars expected, as a
        fraction), a count for each kind, and set_aside.
    timeframe : str
    """

    findings: pd.DataFrame
    summary: pd.DataFrame
    timeframe: str

    @property
    def ok(self) -> bool:
        """Whether no finding breaks the bars convention and nothing was set aside."""
        broken = self.findings["kind"].isin([*VIOLATIONS, "duplicate", "conflicting_duplicate", "unsorted"])
        return not bool(broken.any()) and not bool(self.findings["set_aside"].any())

    def count(self, kind: str) -> int:
        """Return the number of findings of a kind."""
        return int((self.findings["kind"] == kind).sum())


def quality_report(
    bars: Bars,
    timeframe: str,
    calendar: Calendar | None = None,
    findings: pd.DataFrame | None = None,
    second: Bars | None = None,
    identities: Iterable[Identity] = IDENTITIES,
    source: str = "*",
) -> QualityReport:
    """Look for defects in bars, which need not pass the door.

    Parameters
    ----------
    bars : DataFrame
        ``n_bars`` rows; UTC times in any order, even repeated; columns (field, symbol).
    timeframe : str
        Bar length.
    calendar : {"24/7", "business"}, optional
        Default: told from the times of each symbol (`workbench.data.calendars.infer_calendar`).
    findings : DataFrame, optional
        What imports found on the way (`BarStore.import_findings`); it joins the report.
    second : DataFrame, optional
        Bars that pass the door of the same symbols at another venue: outliers are then judged against them
        (`workbench.data.quality.outliers`).
    identities, source : optional
        The table of identities and the bars' source, by which ``identity_break`` is told.

    Notes
    -----
    ``gap``: a hole in the calendar; value = bars missing, time = the first of them. ``off_grid``: a time off the
    usual phase of the bar length. ``outlier``: a close that stands off both neighbours in the same direction by at
    least 10 robust deviations of log returns (1.4826 × median absolute deviation over 101 bars around it), value =
    that score; a move that stays is none. ``jump``: a close-to-close move of at least ±ln 1.5 and 10 robust
    deviations, value = the log return (splits, reused tickers). ``zero_volume`` and ``flat`` (high = low): one finding
    a bar; a series whose volume is 0 throughout has one ``no_volume`` instead. ``repeated``: all five values are those
    of an earlier bar that was neither flat nor without volume, which markets do not do by chance. ``identity_break``:
    from this bar on the symbol is another asset, known or likely (`workbench.data.universe`); value = log return over
    the break. ``bad_print`` and ``real_move``: an outlier that the second venue refutes or confirms, value = its score.
    ``resampled`` tells where a series was made of a shorter time frame.
    """
    delta = timeframe_delta(timeframe)
    if not isinstance(bars.index, pd.DatetimeIndex) or bars.index.tz is None or bars.columns.nlevels != 2:
        raise DataError("a quality report needs bars: UTC times as the index and columns (field, symbol)")
    found: list[pd.DataFrame] = [] if findings is None or findings.empty else [findings]
    table = tuple(identities)
    if second is not None:
        found.append(_judged(bars, second))
    rows = {}
    for symbol in symbols_of(bars):
        values = field_arrays(bars, symbol)
        present = ~np.isnan(np.vstack(list(values.values()))).all(axis=0)
        series = pd.DataFrame(values, index=bars.index).iloc[np.flatnonzero(present)]
        chosen = calendar or infer_calendar(_clean_times(series), delta)
        found += _series_findings(series, symbol, delta, chosen)
        found += _identity_findings(series, symbol, source, table)
        rows[symbol] = _summary_row(series, chosen)
    joined = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(FINDING_COLUMNS))
    joined = joined.reindex(columns=list(FINDING_COLUMNS)).astype({"set_aside": bool})
    joined = joined.sort_values(["symbol", "time"], kind="stable", ignore_index=True)
    summary = pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="symbol")
    summary = summary.join(_counts(joined, summary.index))
    summary.insert(4, "coverage", summary["bars"] / (summary["bars"] + summary["missing_bars"]).clip(lower=1))
    return QualityReport(joined, summary, timeframe)


def _series_findings(series: pd.DataFrame, symbol: str, delta: pd.Timedelta, calendar: Calendar) -> list[pd.DataFrame]:
    if series.empty:
        return []
    values = {f: series[f].to_numpy() for f in BAR_FIELDS}
    times = pd.DatetimeIndex(series.index)
    found = [_order_findings(series, symbol), _time_findings(times, symbol, delta, calendar)]
    for kind, field, mask in violations(values):
        found.append(_findings(kind, symbol, times, mask, field, values[field]))
    found += _price_findings(series, symbol)
    idle = values["volume"] == 0
    if idle.all():
        found.append(
            _findings(
                "no_volume",
                symbol,
                times,
                np.arange(len(times)) == 0,
                "volume",
                values["volume"],
                "the volume is 0 throughout",
            )
        )
    else:
        found.append(_findings("zero_volume", symbol, times, idle, "volume", values["volume"]))
    flat = (values["high"] == values["low"]) & (values["open"] == values["close"])
    found.append(_findings("flat", symbol, times, flat, "close", values["close"]))
    again = np.asarray(series.duplicated(list(BAR_FIELDS))) & ~flat & ~idle & ~np.asarray(times.duplicated())
    found.append(_findings("repeated", symbol, times, again, "close", values["close"], "the values of an earlier bar"))
    return [f for f in found if not f.empty]


def _identity_findings(
    series: pd.DataFrame, symbol: str, source: str, table: tuple[Identity, ...]
) -> list[pd.DataFrame]:
    sound = series[(series[["open", "close"]] > 0).all(axis=1)].sort_index()
    breaks = find_breaks(sound, symbol, source, table)
    if not breaks:
        return []
    notes = [f"{b.asset_before} before, {b.asset_after} from here on: {b.note}" if b.known else b.note for b in breaks]
    return [pd.DataFrame({
        "kind": "identity_break", "symbol": symbol, "time": pd.DatetimeIndex([b.after for b in breaks]),
        "field": "close", "value": [b.log_return for b in breaks], "note": notes, "set_aside": False,
    })]  # fmt: skip


def _judged(bars: Bars, second: Bars) -> pd.DataFrame:
    """Return the outliers that a second venue refutes or confirms."""
    told = find_outliers(bars, second)
    told = told[told["verdict"].isin(["bad_print", "real_move"])]
    return pd.DataFrame({
        "kind": told["verdict"], "symbol": told["symbol"], "time": told["time"], "field": told["field"],
        "value": told["score"], "note": told["note"], "set_aside": False,
    })  # fmt: skip


def _order_findings(series: pd.DataFrame, symbol: str) -> pd.DataFrame:
    times = pd.DatetimeIndex(series.index)
    back = np.concatenate([[False], np.diff(times.asi8) < 0])
    again = np.asarray(times.duplicated(keep="first"))
    same = np.asarray(series.reset_index().duplicated(keep="first"))
    nothing = np.full(len(times), np.nan)
    return pd.concat([
        _findings("unsorted", symbol, times, back, "time", nothing, "earlier than the bar before it"),
        _findings("duplicate", symbol, times, again & same, "time", nothing, "the same bar once more"),
        _findings("conflicting_duplicate", symbol, times, again & ~same, "time", nothing, "this time, other values"),
    ], ignore_index=True)  # fmt: skip


def _time_findings(times: pd.DatetimeIndex, symbol: str, delta: pd.Timedelta, calendar: Calendar) -> pd.DataFrame:
    clean = times.unique().sort_values()
    holes = missing_times(clean, delta, calendar) if len(clean) > 1 else []
    gaps = pd.DataFrame({
        "kind": "gap", "symbol": symbol, "time": pd.DatetimeIndex([t for t, _ in holes], tz="UTC"), "field": "time",
        "value": [float(n) for _, n in holes], "note": [f"{n} bar(s) missing" for _, n in holes], "set_aside": False,
    })  # fmt: skip
    phase = clean.as_unit("ns").asi8 % delta.value
    usual = np.unique(phase, return_counts=True)
    off = phase != usual[0][usual[1].argmax()]
    late = _findings(
        "off_grid", symbol, clean, off, "time", np.full(len(clean), np.nan), "off the usual phase of the bars"
    )
    return late if gaps.empty else gaps if late.empty else pd.concat([gaps, late], ignore_index=True)


def _price_findings(series: pd.DataFrame, symbol: str) -> list[pd.DataFrame]:
    close = series["close"]
    close = close[(close > 0) & np.isfinite(close)]
    close = close[~close.index.duplicated()].sort_index()
    if len(close) < 20:
        return []
    returns = np.diff(np.log(close.to_numpy()))
    scale = _robust_scale(returns)
    before, after = returns[:-1], -returns[1:]
    near = np.maximum(scale[:-1], scale[1:])
    score = np.where(before * after > 0, np.minimum(np.abs(before), np.abs(after)) / near, 0.0)
    spike = np.concatenate([[False], score >= OUTLIER_SCORE, [False]])
    padded = np.concatenate([[0.0], score, [0.0]])
    jump = (np.abs(returns) >= JUMP) & (np.abs(returns) >= OUTLIER_SCORE * scale)
    jump[spike[1:]] = False
    jump[1:][spike[1:-1]] = False
    times = pd.DatetimeIndex(close.index)
    return [
        _findings(
            "outlier", symbol, times, spike, "close", padded, "stands off both neighbours; value = robust z-score"
        ),
        _findings("jump", symbol, times[1:], jump, "close", returns, "value = log return from the bar before"),
    ]


def _robust_scale(returns: FloatArray) -> FloatArray:
    """Return 1.4826 × the median absolute return around each bar, never under a tenth of the series' own."""
    size = pd.Series(np.abs(returns))
    local = size.rolling(_WINDOW, center=True, min_periods=10).median().bfill().ffill().to_numpy()
    moved = size[size > 0]
    floor = 0.1 * float(moved.median()) if len(moved) else 1.0
    return 1.4826 * np.maximum(local, floor)


def _findings(
    kind: str, symbol: str, times: pd.DatetimeIndex, mask: BoolArray, field: str, values: FloatArray, note: str = ""
) -> pd.DataFrame:
    rows = np.flatnonzero(mask)
    return pd.DataFrame({
        "kind": kind, "symbol": symbol, "time": times[rows], "field": field,
        "value": values[rows].astype(float), "note": note, "set_aside": False,
    })  # fmt: skip


def _summary_row(series: pd.DataFrame, calendar: Calendar) -> dict[str, object]:
    times = series.index
    first, last = (times.min(), times.max()) if len(times) else (pd.NaT, pd.NaT)
    return {"bars": times.nunique(), "first": first, "last": last, "calendar": calendar}


def _counts(findings: pd.DataFrame, symbols: pd.Index) -> pd.DataFrame:
    """Return missing_bars, a count for each kind, and set_aside, one row a symbol."""
    gaps = findings[findings["kind"] == "gap"].groupby("symbol")["value"].sum()
    table = pd.DataFrame({"missing_bars": gaps.reindex(symbols, fill_value=0.0).astype(int)}, index=symbols)
    for kind in KINDS:
        table[kind] = (findings["kind"] == kind).groupby(findings["symbol"]).sum().reindex(symbols, fill_value=0)
    table["set_aside"] = findings["set_aside"].groupby(findings["symbol"]).sum().reindex(symbols, fill_value=0)
    return table.astype(int)


def _clean_times(series: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(series.index).unique().sort_values()
