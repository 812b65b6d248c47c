"""Trend scanning: the direction of the most significant straight line ahead."""

from __future__ import annotations

import numpy as np

from workbench.features.labels.horizons import MOST_BARS
from workbench.features.labels.outcomes import Label, Outcomes
from workbench.features.labels.registry import label
from workbench.typing import Bars


@label(
    "trend_scan",
    ahead=lambda shortest, longest: longest + 1,  # noqa: ARG005 - every parameter is handed over by name
    classes=True,
    bounds={"shortest": (2, MOST_BARS), "longest": (2, MOST_BARS)},
    rules={"shortest <= longest": lambda shortest, longest: shortest <= longest},
    references=("López de Prado (2020), Machine Learning for Asset Managers, ch. 5.4",),
)
def trend_scan(bars: Bars, *, shortest: int = 5, longest: int = 20) -> Label:
    """Sign of the slope with the largest absolute t-value over all horizons from ``shortest`` to ``longest``.

    Parameters
    ----------
    bars
        Bars with the field ``open``.
    shortest, longest
        Horizons tried, in bars from the fill; a horizon of h fits h + 1 points.

    Returns
    -------
    Label
        ``y`` -1, 0, +1; details ``t_value`` of the chosen line and ``horizon``, its length in bars; ``returns``
        over that horizon.

    Notes
    -----
    For each h the line ``ln open[t + 1 + i] = a + b i + e_i``, i = 0 … h, is fitted by least squares, and
    ``t = b / se(b)``. Opens, because a position can be filled there. A perfect line counts as |t| = 1e6, a flat one
    as 0; of equal ones the shortest is taken.

    Departs from the book in ``t1``: choosing the horizon reads all of the longest one, so t1 is the end of the
    longest horizon and not of the chosen one, which would let rows that were looked at pass a purge. ``held`` likewise.
    """
    from workbench.features.labels.trend_kernels import strongest_trend

    made = Outcomes(bars, "trend_scan", "open")
    for j, own, (open_,) in made.each_symbol():
        n_known = max(own.size - longest - 1, 0)
        t_values, horizons = strongest_trend(np.log(open_), shortest, longest)
        chosen, t_values = horizons[:n_known], t_values[:n_known]
        first = np.arange(1, n_known + 1)
        made.put(
            j,
            own[:n_known],
            own[1 + longest :],
            side=np.sign(t_values),
            t_value=t_values,
            horizon=chosen.astype(np.float64),
            returns=open_[first + chosen] / open_[first] - 1,
            held=np.full(n_known, float(longest)),
        )
    return made.label("side", "t_value", "horizon")
