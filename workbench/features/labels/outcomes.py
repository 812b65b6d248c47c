"""What a label is: panels that look forward on purpose, and know when they end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.features.columns import panel
from workbench.typing import Bars, FloatArray, IntArray, Panel


@dataclass(frozen=True, eq=False)
class Label:
    """A label of every bar and symbol; all panels are time × symbol, NaN or NaT where the label is unknown.

    .. note:: Timing. The decision falls on the close of bar t, the fill at the open of the symbol's next own bar.

    Attributes
    ----------
    y
        What a model learns: a class (-1, 0, +1; 0 or 1 for meta-labels) or a number.
    t1
        Open time of the last bar that the label looks at. Purging training rows whose t1 is not before the first test
        bar removes everything that the label has seen.
    returns
        What a position from the fill to the label's end earns before costs, a fraction.
    held
        Own bars that such a position lives through, from 1 on: those after t up to ``held`` bars later. Concurrency
        and sample weights count these.
    details
        Further panels by name, such as ``barrier`` or ``t_value``.
    spec
        The canonical spec it was computed by.
    """

    y: Panel
    t1: Panel
    returns: Panel
    held: Panel
    details: Mapping[str, Panel] = field(default_factory=lambda: MappingProxyType({}))
    spec: str = ""

    @property
    def known(self) -> Panel:
        """True where the label is known."""
        return self.y.notna()

    def to_classes(self, neutral_band: float = 0.0) -> Panel:
        """Return bear (-1), neutral (0) and bull (+1): the sign of y, 0 where ``abs(y) <= neutral_band``; NaN stays.

        The band is in the unit of y: of `vol_scaled` in volatilities, so that its classes are those of `label_classes`.
        Labels that are classes of sides stay as they are under a band of 0.

        Raises
        ------
        ConfigError
            A negative band.
        """
        if not np.isfinite(neutral_band) or neutral_band < 0:
            raise ConfigError(f"neutral_band must be 0 or more, got {neutral_band!r}; 0 turns it off")
        signs = pd.DataFrame(np.sign(self.y.to_numpy()), index=self.y.index, columns=self.y.columns)
        return signs.mask(self.y.abs() <= neutral_band, 0.0)


class Outcomes:
    """Label columns under construction: one symbol's own bars at a time, framed at the end.

    ``ends`` are rows of the bars, -1 where unknown.
    """

    def __init__(self, bars: Bars, label: str, *fields: str) -> None:
        has = bars.columns.unique(0)
        for name in fields:
            if name not in has:
                raise DataError(
                    f"{label} needs the field {name!r}, which these bars lack; load bars with all five fields"
                )
        self._panels = [panel(bars, name) for name in fields]
        self.like = self._panels[0]
        self.ends = np.full(self.like.shape, -1, dtype=np.int64)
        self._columns: dict[str, FloatArray] = {}

    def each_symbol(self) -> Iterator[tuple[int, IntArray, list[FloatArray]]]:
        """Yield column number, rows of its own bars, and the fields there as contiguous arrays."""
        inputs = [p[self.like.columns].to_numpy(dtype=np.float64) for p in self._panels]
        for j in range(self.like.shape[1]):
            columns = [v[:, j] for v in inputs]
            own = np.flatnonzero(~np.logical_or.reduce([np.isnan(c) for c in columns]))
            yield j, own, [np.ascontiguousarray(c[own]) for c in columns]

    def put(self, j: int, rows: IntArray, ends: IntArray, **columns: FloatArray) -> None:
        """Set one symbol's outcomes at these rows."""
        self.ends[rows, j] = ends
        for name, values in columns.items():
            self._columns.setdefault(name, np.full(self.like.shape, np.nan))[rows, j] = values

    def frame(self, name: str) -> Panel:
        """Return one of the columns, all NaN where no symbol had any."""
        values = self._columns.get(name)
        values = np.full(self.like.shape, np.nan) if values is None else values
        return pd.DataFrame(values, index=self.like.index, columns=self.like.columns, copy=False)

    def times(self) -> Panel:
        """Return the open times of the rows in ``ends``, NaT for -1."""
        times = pd.DatetimeIndex(self.like.index)
        known = times.append(pd.DatetimeIndex([pd.NaT], tz=times.tz))  # -1 takes the NaT at the end
        frame = pd.DataFrame({j: known[self.ends[:, j]] for j in range(self.like.shape[1])}, index=self.like.index)
        frame.columns = self.like.columns
        return frame

    def label(self, y: str, *details: str) -> Label:
        """Return the label whose y is the column of that name."""
        return Label(
            y=self.frame(y),
            t1=self.times(),
            returns=self.frame("returns"),
            held=self.frame("held"),
            details=MappingProxyType({name: self.frame(name) for name in details}),
        )
