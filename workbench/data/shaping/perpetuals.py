"""What belongs to a perpetual beside its bars: funding payments, mark price and basis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.config import did_you_mean
from workbench.data.bars import symbols_of
from workbench.data.files.filenames import hints_of
from workbench.data.shaping.resampling import align_higher
from workbench.data.timeframes import infer_timeframe, timeframe_delta
from workbench.errors import DataError
from workbench.typing import Bars, IntArray

if TYPE_CHECKING:
    from workbench.data.store.records import RecordStore

_RATES = ("rate", "funding_rate", "fundingRate", "fundingrate")
_MARKS = ("mark_price", "markPrice")
_TIMES = ("time", "timestamp", "date", "fundingTime", "calc_time", "datetime")
_LARGEST_RATE = 0.1


def funding_of(
    records: RecordStore,
    symbol: str,
    index: pd.DatetimeIndex,
    *,
    source: str = "binanceusdm",
    timeframe: str | None = None,
) -> pd.DataFrame:
    """Return the funding paid within each bar of a perpetual.

    A payment at time t belongs to the bar that contains t (open <= t < close). Positive rates are paid by longs to
    shorts, as a fraction of the position's value at the mark price.

    Parameters
    ----------
    index : DatetimeIndex
        Open times of the bars.
    timeframe : str, optional
        Their length; default told from the index.

    Returns
    -------
    DataFrame
        At ``index``: funding_rate (sum of the rates paid within the bar, 0.0 where none was due) and payments (count).
        Before the first and after the last recorded payment's interval the rate is NaN: nothing is known there.

    Raises
    ------
    DataError
        When no funding of the symbol is stored.
    """
    paid = records.read("funding", source, symbol)
    times = pd.DatetimeIndex(paid.index).as_unit("ns").asi8.astype(np.int64)
    return funding_in_bars(times, paid["rate"].to_numpy(np.float64), index, timeframe)


def funding_in_bars(
    times: IntArray, rates: np.ndarray, index: pd.DatetimeIndex, timeframe: str | None = None
) -> pd.DataFrame:
    """Add payments up by bar: the core of `funding_of`.

    Parameters
    ----------
    times : int64, (n_payments,)
        Increasing times in nanoseconds since 1970 UTC.
    rates : float64, (n_payments,)
    """
    delta = timeframe_delta(timeframe or infer_timeframe(index)).value
    opens = index.as_unit("ns").asi8.astype(np.int64)
    start, stop = np.searchsorted(times, opens), np.searchsorted(times, opens + delta)
    total = np.concatenate([[0.0], np.cumsum(rates)])
    counts = stop - start
    # The difference of running sums rounds; a single payment must come out as it was paid.
    single = rates[np.minimum(start, max(len(rates) - 1, 0))] if len(rates) else np.zeros(len(opens))
    sums = np.where(counts == 1, single, np.where(counts == 0, 0.0, total[stop] - total[start]))
    if len(times):
        every = int(np.median(np.diff(times))) if len(times) > 1 else delta
        outside = (opens + delta <= times[0] - every) | (opens >= times[-1] + every)
        sums = np.where(outside, np.nan, sums)
    else:
        sums = np.full(len(opens), np.nan)
    return pd.DataFrame({"funding_rate": sums, "payments": counts.astype(np.int64)}, index=index)


def with_mark(bars: Bars, mark_bars: Bars, *, timeframe: str | None = None, mark_timeframe: str | None = None) -> Bars:
    """Put the mark price and the basis beside the bars of perpetuals.

    Parameters
    ----------
    bars : DataFrame
        Bars of perpetuals.
    mark_bars : DataFrame
        Bars of their mark price (a source such as ``binanceusdm-mark``), as long or longer. A bar sees the close of the
        newest mark bar that has closed with it or before.

    Returns
    -------
    DataFrame
        The bars with two more fields: ``mark``, and ``basis`` = close / mark − 1 as a fraction. With these fields it is
        no longer a frame that `check_bars` lets in.

    Raises
    ------
    DataError
        When a symbol has no mark price.
    """
    known = symbols_of(mark_bars)
    parts = [bars]
    for symbol in symbols_of(bars):
        if symbol not in known:
            raise DataError(f"no mark price of {symbol!r}.{did_you_mean(symbol, known)}")
    symbols = list(symbols_of(bars))
    closes = pd.DataFrame(mark_bars["close"])[symbols]
    mark = align_higher(pd.DatetimeIndex(bars.index), closes, lower=timeframe, timeframe=mark_timeframe)
    apart = pd.DataFrame(bars["close"])[symbols] / mark - 1.0
    for name, panel in (("mark", mark), ("basis", apart)):
        labels = [(name, symbol) for symbol in panel.columns]
        parts.append(panel.set_axis(pd.MultiIndex.from_tuples(labels, names=["field", "symbol"]), axis=1))
    return pd.concat(parts, axis=1)


def import_funding(
    path: Path | str, records: RecordStore, source: str = "binanceusdm", symbol: str | None = None
) -> int:
    """Import a file of funding rates (Parquet, Feather or CSV) and return its version in the record store.

    Parameters
    ----------
    path : path
        Times (UTC; text, or milliseconds since 1970) as index or column, rates as a column ``rate``, ``funding_rate``
        or ``fundingRate``; freqtrade's files, which keep the rate in ``open``, are known by their name.
    symbol : str, optional
        Default: told from the file's name, as a perpetual (``BTC/USDT:USDT``).

    Raises
    ------
    DataError
        When the file has no rates or times, times repeat with different rates, or a rate is no fraction (over 10 %).
    """
    path = Path(path)
    frame = _read(path)
    name = symbol or _symbol_of(path)
    rates = frame[_column(frame, _RATES) or _freqtrade(frame, path)].astype(np.float64)
    mark = _column(frame, _MARKS)
    marks = frame[mark].astype(np.float64) if mark else pd.Series(np.nan, index=frame.index)
    found = pd.DataFrame({"rate": rates.to_numpy(), "mark_price": marks.to_numpy()}, index=_times(frame, path))
    found = found[~found.reset_index().duplicated().to_numpy()].sort_index()
    if found.index.has_duplicates:
        time = found.index[found.index.duplicated()][0]
        raise DataError(f"{path.name} has two funding rates at {time:%Y-%m-%d %H:%M}; keep one")
    wrong = found["rate"][~(found["rate"].abs() <= _LARGEST_RATE)]
    if len(wrong):
        raise DataError(
            f"{path.name} has the funding rate {wrong.iloc[0]:g} at {wrong.index[0]:%Y-%m-%d %H:%M}; rates are "
            f"fractions, such as 0.0001"
        )
    return records.write("funding", source, name, found)


def basis(bars: Bars, other: Bars) -> pd.DataFrame:
    """Return close / other close − 1 as a fraction at the times that both have: perpetual over spot, say."""
    symbols = [s for s in symbols_of(bars) if s in symbols_of(other)]
    if not symbols:
        raise DataError(f"the two have no symbol in common: {symbols_of(bars)} and {symbols_of(other)}")
    times = bars.index.intersection(other.index)
    ratio = bars["close"][symbols].loc[times] / other["close"][symbols].loc[times] - 1.0
    return pd.DataFrame(ratio)


def _read(path: Path) -> pd.DataFrame:
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": pd.read_parquet,
        ".feather": pd.read_feather,
        ".csv": pd.read_csv,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path.name} is not a file of funding rates that is known; use {', '.join(readers)}")
    try:
        frame = reader(path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (ValueError, OSError) as err:  # pyarrow's errors are both
        raise DataError(f"{path.name} cannot be read: {' '.join(str(err).split())}") from err
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()


def _column(frame: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((n for n in names if n in frame.columns), None)


def _freqtrade(frame: pd.DataFrame, path: Path) -> str:
    if "funding_rate" in path.stem and "open" in frame.columns:
        return "open"
    raise DataError(f"{path.name} has no funding rates: columns {list(map(str, frame.columns))}; one must be 'rate'")


def _times(frame: pd.DataFrame, path: Path) -> pd.DatetimeIndex:
    name = _column(frame, _TIMES)
    if name is None:
        raise DataError(f"{path.name} has no times: columns {list(map(str, frame.columns))}; one must be 'time'")
    column = frame[name]
    try:
        if pd.api.types.is_numeric_dtype(column):
            times = pd.to_datetime(column, utc=True, unit="ms")
        else:
            times = pd.to_datetime(column, utc=True)
    except (ValueError, OverflowError) as err:
        raise DataError(f"{path.name}: column {name!r} is no time ({' '.join(str(err).split())})") from None
    return pd.DatetimeIndex(times, name="time").as_unit("us")


def _symbol_of(path: Path) -> str:
    told, _ = hints_of(path.stem)
    if told is None or "/" not in told:
        raise DataError(f"the name {path.name} does not tell the symbol; give symbol='BTC/USDT:USDT'")
    return told if ":" in told else f"{told}:{told.partition('/')[2]}"
