"""Bars of a higher time frame made of stored ones, kept beside them with a note of their origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.data.shaping.resampling import resample, resample_share
from workbench.data.store.barstore import BarStore
from workbench.data.store.kept import FINDING_COLUMNS
from workbench.data.timeframes import canonical_timeframe, timeframe_delta
from workbench.errors import DataError

MIXED = "mixed"
"""Source of a higher bar whose lower bars came from several venues."""


@dataclass(frozen=True)
class Resampled:
    """What was stored: version, bars, how many of them were made with bars missing, and the version they came from."""

    version: int
    bars: int
    with_holes: int
    from_version: int


def resample_stored(
    store: BarStore, source: str, symbol: str, lower: str, higher: str, *, min_share: float = 0.0
) -> Resampled:
    """Make bars of a higher time frame of stored ones and keep them under the same source and symbol.

    Bars whose lower bars came from another venue or were repaired say so. What is stored at the higher time frame is
    never changed: where a stored bar has other values, the write is refused.

    Parameters
    ----------
    min_share : float
        Higher bars made of a smaller share of the expected bars are left out (0 to 1).

    Raises
    ------
    DataError
        When the series is not stored, ``higher`` is no multiple of ``lower``, or stored bars contradict the new ones.
    """
    small, large = canonical_timeframe(lower), canonical_timeframe(higher)
    if timeframe_delta(large) <= timeframe_delta(small):
        raise DataError(f"{large} is not a higher time frame than {small}; exchange them")
    bars, number = store.read_version(source, symbol, small)
    made = resample(bars, large, lower=small, min_share=min_share)
    made = made[made.notna().any(axis=1)]
    share = resample_share(bars, large, lower=small).loc[made.index, symbol]
    told = store.provenance(source, symbol, small, version=number)
    first = pd.DataFrame([["resampled", symbol, made.index[0], "time", float(number),
        f"{large} bars made of {small} bars, version {number}", False]], columns=list(FINDING_COLUMNS))  # fmt: skip
    version = store.write(
        source,
        symbol,
        large,
        made,
        findings=first,
        provenance=_provenance(told, pd.DatetimeIndex(made.index), timeframe_delta(large)),
    )
    return Resampled(version, len(made), int((share < 1.0).sum()), number)


def _provenance(told: pd.DataFrame, opens: pd.DatetimeIndex, delta: pd.Timedelta) -> pd.DataFrame:
    """Return one row a higher bar: the one venue of its lower bars or ``mixed``, and whether any was repaired."""
    starts, stops = told.index.searchsorted(opens), told.index.searchsorted(opens + delta)
    codes = told["source"].cat.codes.to_numpy()
    changes = np.concatenate([[0], np.cumsum(codes[1:] != codes[:-1])])  # equal at both ends: one venue throughout
    repaired = np.concatenate([[0], np.cumsum(told["repaired"].to_numpy())])
    names = told["source"].astype(str).to_numpy()[starts].astype(object)
    names[changes[stops - 1] != changes[starts]] = MIXED
    return pd.DataFrame({"source": names, "repaired": repaired[stops] > repaired[starts]}, index=opens)
