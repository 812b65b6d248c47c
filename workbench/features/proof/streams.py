"""The stream check: bars that arrive one by one give what the whole gives."""

from __future__ import annotations

import numpy as np

from workbench.errors import DataError
from workbench.features.compute import Specs, compute
from workbench.features.proof.causality import timeframe_of
from workbench.features.specs import resolve_all
from workbench.features.streaming import FeatureStream
from workbench.typing import Bars


def check_stream(
    specs: Specs, bars: Bars, *, n_bars: int = 40, tolerance: float = 1e-12, timeframe: str | None = None
) -> None:
    """Refuse features whose stream departs from the batch.

    The last ``n_bars`` are appended one by one to a stream that was begun on the bars before them.

    Parameters
    ----------
    tolerance
        Largest difference over ``max(1, abs(value))``.

    Raises
    ------
    DataError
        Naming feature, symbol, bar and both values of the first difference.
    """
    bounds = resolve_all(specs)
    timeframe = timeframe_of(bars, bounds, timeframe)
    batch = compute(bars, bounds, timeframe=timeframe)
    first = max(len(bars) - n_bars, 0)
    stream = FeatureStream(bounds, bars.iloc[:first], timeframe=timeframe)
    for t in range(first, len(bars)):
        here, there = stream.append(bars.iloc[t : t + 1]).to_numpy(), batch.iloc[t].to_numpy()
        apart = np.abs(here - there) / np.maximum(1.0, np.abs(there))
        wrong = ~((apart <= tolerance) | (np.isnan(here) & np.isnan(there)))
        if wrong.any():
            k = int(wrong.argmax())
            spec, symbol = tuple(batch.columns[k])
            raise DataError(
                f"feature {spec!r} is {float(here[k])!r} as a stream and {float(there[k])!r} on all bars: {symbol} at"
                f" {bars.index[t]:%Y-%m-%d %H:%M}; declare it recursive=True, or mend its stream="
            )
