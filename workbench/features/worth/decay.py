"""How long a feature's news lasts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.errors import ConfigError


def half_life(horizons: Sequence[int], coefficients: Sequence[float]) -> float:
    r"""Return the bars after which half of what a feature foretells has come.

    Parameters
    ----------
    horizons
        Increasing bars ahead.
    coefficients
        Information coefficients of the returns over these horizons, from the decision on.

    Returns
    -------
    float
        Bars; NaN where no coefficient is known or all are 0. Where most of it comes within the first horizon, less
        than that: along a straight line from nothing at 0 bars.

    Notes
    -----
    The foretold part of a return over h bars, in units of one bar's volatility, is
    :math:`C(h) = \mathrm{IC}(h) \sqrt{h}`. The half-life is where |C| first reaches half of its largest value. It is
    not where IC(h) has halved: that falls by :math:`1 / \sqrt{h}` even if no bit of the news is lost.

    References
    ----------
    Grinold, R. C. and Kahn, R. N. (1999). Active Portfolio Management, ch. 13. McGraw-Hill.

    Examples
    --------
    >>> half_life([1, 4, 16], [0.1, 0.05, 0.025])  # all of it comes with the first bar
    0.5
    """
    if len(horizons) != len(coefficients) or list(horizons) != sorted(set(horizons)):
        raise ConfigError(f"half_life needs one coefficient for each increasing horizon, got {list(horizons)}")
    bars = np.asarray(horizons, dtype=np.float64)
    foretold = np.asarray(coefficients, dtype=np.float64) * np.sqrt(bars)
    known = np.isfinite(foretold)
    if not known.any() or not np.abs(foretold[known]).max() > 0:
        return float("nan")
    bars, foretold = bars[known], foretold[known]
    peak = foretold[int(np.abs(foretold).argmax())]
    share = np.concatenate([[0.0], foretold / peak])
    at = np.concatenate([[0.0], bars])
    i = int(np.argmax(share >= 0.5))
    return float(at[i - 1] + (at[i] - at[i - 1]) * (0.5 - share[i - 1]) / (share[i] - share[i - 1]))
