"""Names for the shapes that travel between rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""float64, ``(n_bars,)`` or ``(n_bars, n_assets)``."""

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

Bars: TypeAlias = "pd.DataFrame"
"""Frame indexed by UTC bar open ``time``; columns are (field, symbol). `workbench.data.check_bars` is the door."""

Panel: TypeAlias = "pd.DataFrame"
"""Frame ``time`` × symbol, such as ``bars["close"]``."""

Json: TypeAlias = dict[str, Any]
