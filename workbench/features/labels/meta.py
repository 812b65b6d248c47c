"""Meta-labels: does acting on a given side pay after costs?"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from workbench.errors import ConfigError, DataError
from workbench.features.columns import panel
from workbench.features.labels.outcomes import Label
from workbench.features.labels.registry import LABELS, LabelLike, resolve
from workbench.typing import Bars, Panel


def meta_labels(
    bars: Bars,
    side: Panel,
    spec: LabelLike = "triple_barrier",
    *,
    fee_bps: float = 0.0,
    slippage_bps: float = 0.0,
) -> Label:
    """Return 1 where a position that follows the side earns more than its costs, else 0.

    A first model says on which side to be; a second one, trained on these labels, says whether to act at all, and its
    probability is a natural size.

    Parameters
    ----------
    bars
        Bars as the label needs them.
    side
        Panel like ``bars["close"]``: -1 short, 0 or NaN no position, +1 long, decided on the close of the row.
    spec
        The label whose end closes the position: ``fixed``, ``vol_scaled`` or ``triple_barrier``, whose profit-take and
        stop are mirrored for shorts.
    fee_bps, slippage_bps
        Costs of each of the two fills, in basis points of its value.

    Returns
    -------
    Label
        ``y`` 1 or 0, NaN where there is no side or its outcome is unknown; ``returns`` of the position after
        costs; ``details["gross"]`` before costs; ``t1`` the end of the position.

    Raises
    ------
    DataError
        A side of other rows or symbols, or with another value, by row and symbol.

    Notes
    -----
    With gross price return r, fee f and slippage s, a long earns ``(1 + r)(1 - s)(1 - f) / ((1 + s)(1 + f)) - 1`` and
    a short ``(1 - s)(1 - f) - (1 + r)(1 + s)(1 + f)``, both per unit of capital laid out at the open.

    References
    ----------
    López de Prado (2018), Advances in Financial Machine Learning, ch. 3.6.
    """
    bound = resolve(spec)
    if bound.kind.sided is None:
        usable = ", ".join(name for name, kind in sorted(LABELS.items()) if kind.sided is not None)
        raise ConfigError(f"label {bound.kind.name!r} has no exit that a position could follow; use one of {usable}")
    for name, value in (("fee_bps", fee_bps), ("slippage_bps", slippage_bps)):
        if not np.isfinite(value) or not 0 <= value < 10_000:
            raise ConfigError(f"{name} must be from 0 to below 10000 basis points, got {value!r}")
    like = panel(bars, bars.columns[0][0])
    chosen = _checked_side(side, like)
    outcome = bound.kind.sided(bars, chosen.where(chosen != 0), **bound.parameters)
    gross = outcome.returns
    sign = chosen[gross.columns]
    fee, slippage = fee_bps / 1e4, slippage_bps / 1e4
    less, more = (1 - slippage) * (1 - fee), (1 + slippage) * (1 + fee)
    net = ((1 + gross) * less / more - 1).where(sign > 0, less - (1 - gross) * more)
    unknown = gross.isna()
    return replace(
        outcome,
        y=(net > 0).astype(np.float64).mask(unknown),
        t1=outcome.t1.mask(unknown),
        returns=net.mask(unknown),
        held=outcome.held.mask(unknown),
        details=MappingProxyType({**outcome.details, "gross": gross}),
        spec=f"meta({bound.canonical}, fee_bps={fee_bps!r}, slippage_bps={slippage_bps!r})",
    )


def _checked_side(side: Panel, like: Panel) -> Panel:
    if not isinstance(side, pd.DataFrame) or not side.index.equals(like.index):
        raise DataError("side must be a panel with the rows of the bars; build it like bars['close']")
    missing = [c for c in like.columns if c not in side.columns]
    if missing or len(side.columns) != len(like.columns):
        raise DataError(f"side must have the symbols {list(like.columns)}, got {list(side.columns)}")
    values = side[like.columns].astype(np.float64)
    wrong = ~(values.isna() | values.isin([-1.0, 0.0, 1.0])).to_numpy()
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"side is {values.to_numpy()[row, column]} at {values.index[row]} for {values.columns[column]};"
            " it must be -1, 0, 1 or NaN: take the sign of the forecast"
        )
    return values
