"""Several normalisers one after another, and their way from and to specs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, Self, overload, runtime_checkable

import numpy as np
import pandas as pd

from workbench.config import did_you_mean, parse_spec
from workbench.errors import ConfigError, DataError
from workbench.features.normalize.fractional import FractionalDifference
from workbench.features.normalize.ranks import RankGauss
from workbench.features.normalize.standardizer import RobustStandardizer, Standardizer
from workbench.features.normalize.training import check_fitted
from workbench.typing import FloatArray, Json


@runtime_checkable
class Normaliser(Protocol):
    """Learns from training rows, and then transforms any rows."""

    def fit(self, X: Any) -> Any: ...
    def transform(self, X: Any) -> Any: ...
    def to_spec(self) -> Json: ...


class Chain:
    """Apply normalisers in order; each learns from what the ones before it make of the training rows.

    Rows that a step turns into NaN (the window of a fractional difference) are left out of the training of the next
    ones, and stay NaN in the result.

    Parameters
    ----------
    steps
        Normalisers, or their specs such as ``"frac_diff(0.4)"`` and ``"robust(clip=4)"``.

    Examples
    --------
    >>> import numpy as np
    >>> from workbench.features.normalize import Chain
    >>> chain = Chain(["frac_diff(1)", "zscore"]).fit(np.array([[1.0], [2.0], [4.0]]))
    >>> chain.transform(np.array([[1.0], [3.0]])).tolist()
    [[nan], [1.0]]
    """

    n_rows_: int

    def __init__(self, steps: Sequence[Normaliser | str]) -> None:
        self.steps = steps

    def fit(self, X: pd.DataFrame | FloatArray) -> Self:
        """Fit the steps one after another on the training rows.

        Raises
        ------
        DataError
            Where a step refuses its rows, or leaves the next one none.
        """
        made = [normaliser(step) if isinstance(step, str) else step for step in self.steps]
        if not made:
            raise ConfigError("a chain needs at least one normaliser; give it such as Chain(['zscore'])")
        rows: Any = X
        for number, step in enumerate(made):
            step.fit(rows)
            if number + 1 < len(made):
                rows = _known(step.transform(rows))
                if not len(rows):
                    raise DataError(
                        f"step {number} ({type(step).__name__}) leaves none of {len(X)} training rows to the next;"
                        " give more rows or a shorter window"
                    )
        self.fitted_: list[Normaliser] = made
        self.n_rows_ = len(X)
        return self

    @overload
    def transform(self, X: pd.DataFrame) -> pd.DataFrame: ...
    @overload
    def transform(self, X: FloatArray) -> FloatArray: ...
    def transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Return X through all steps; rows in a window that is not full are NaN."""
        check_fitted(self, "fitted_")
        rows: Any = X
        for step in self.fitted_:
            rows = step.transform(rows)
        return rows

    def fit_transform(self, X: pd.DataFrame | FloatArray) -> pd.DataFrame | FloatArray:
        """Fit on X and return it transformed."""
        return self.fit(X).transform(X)

    def to_spec(self) -> Json:
        """Return the steps' specs as plain JSON values."""
        check_fitted(self, "fitted_")
        return {"kind": "chain", "steps": [step.to_spec() for step in self.fitted_], "n_rows": self.n_rows_}

    @classmethod
    def from_spec(cls, spec: Json) -> Self:
        """Rebuild one from `to_spec`; see `Standardizer.from_spec`."""
        try:
            if spec["kind"] != "chain":
                raise DataError(f"this is the spec of {spec['kind']!r}, not of a chain; give the right one")
            fitted = [from_spec(step) for step in spec["steps"]]
            n_rows = int(spec["n_rows"])
        except (KeyError, TypeError) as err:
            raise DataError(f"the spec of a chain lacks or garbles {err}; write it again with to_spec()") from err
        made = cls(fitted)
        made.fitted_, made.n_rows_ = fitted, n_rows
        return made


_BY_NAME: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"zscore": Standardizer, "robust": RobustStandardizer, "rank_gauss": RankGauss, "frac_diff": FractionalDifference}
)
_BY_KIND: Mapping[str, Callable[[Json], Any]] = MappingProxyType(
    {
        "standardizer": Standardizer.from_spec,
        "robust_standardizer": RobustStandardizer.from_spec,
        "rank_gauss": RankGauss.from_spec,
        "frac_diff": FractionalDifference.from_spec,
        "chain": Chain.from_spec,
    }
)


def normaliser(spec: str) -> Normaliser:
    """Return the unfitted normaliser that a spec names: zscore, robust, rank_gauss or frac_diff, with its arguments.

    Raises
    ------
    ConfigError
        An unknown name or argument.
    """
    parsed = parse_spec(spec)
    if parsed.name not in _BY_NAME:
        raise ConfigError(f"there is no normaliser {parsed.name!r}.{did_you_mean(parsed.name, _BY_NAME)}")
    try:
        return _BY_NAME[parsed.name](*parsed.args, **parsed.kwargs)
    except TypeError as err:
        raise ConfigError(f"normaliser {spec!r}: {str(err).split('__init__() ')[-1]}; see its help") from err


def from_spec(spec: Json) -> Normaliser:
    """Rebuild any fitted normaliser from what its ``to_spec`` returned.

    Raises
    ------
    DataError
        When the spec is of no kind known here, or its numbers do not fit together.
    """
    kind = spec.get("kind") if isinstance(spec, Mapping) else None
    if not isinstance(kind, str) or kind not in _BY_KIND:
        raise DataError(f"there is no normaliser of kind {kind!r}.{did_you_mean(str(kind), _BY_KIND)}")
    return _BY_KIND[kind](spec)


def _known(rows: Any) -> Any:
    if isinstance(rows, pd.DataFrame):
        return rows.dropna()
    return rows[~np.isnan(rows).any(axis=-1)]
