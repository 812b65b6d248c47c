"""The factor report: everything in this room for many features at once, from panels to frames.

To look at a feature is to look at the data. A report over K features and H horizons makes K × H tests; their p-values
are adjusted together, so that the share of false ones among those marked as found is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.features.worth.clusters import Clusters, cluster_features, rank_correlations
from workbench.features.worth.decay import half_life
from workbench.features.worth.distribution import (
    QUANTILES,
    SHIFTED,
    coverage,
    describe,
    histograms,
    kolmogorov_smirnov,
    population_stability,
)
from workbench.features.worth.errors import adjusted_p_values
from workbench.features.worth.information import Information, Mode, information, mode_of
from workbench.features.worth.quantiles import quantile_numbers, quantile_returns, rank_autocorrelation, turnover
from workbench.typing import FloatArray, Panel

FALSE_DISCOVERY_RATE = 0.05
LEAST_EVENTS = 30
"""Values beside the most common one that a feature needs: of fewer events no t-statistic is normal."""
TWIN = 0.95
"""Absolute rank correlation from which two features count as one and the same."""
_SPARSE, _MANY_OUTLIERS = 0.9, 0.01
_MOST_BLOCKS = 60
_LATER_PARTS = 4


@dataclass(frozen=True, eq=False)
class FactorReport:
    """What each of many features is worth, as frames.

    Attributes
    ----------
    overview
        One row per feature, in the order given; see `factor_report`.
    decay
        feature, horizon, ic, rank_ic with errors, t, p and q values.
    ic
        First bar of a block × feature: mean rank information coefficient of the block, at the chosen horizon.
    quantiles
        feature, quantile (1 the lowest), mean excess forward return and its error.
    drift
        feature, part (0 all of the second half, 1 to 4 its quarters), start, end, psi, ks, against the first half.
    histograms
        feature, left, right, first, last: shares of the first and the second half.
    correlation
        Feature × feature rank correlations, like ones beside each other.
    horizon
        Bars of the label.
    """

    overview: pd.DataFrame
    decay: pd.DataFrame
    ic: pd.DataFrame
    quantiles: pd.DataFrame
    drift: pd.DataFrame
    histograms: pd.DataFrame
    correlation: pd.DataFrame
    horizon: int

    @property
    def n_tests(self) -> int:
        """Features times horizons: the tests whose p-values were adjusted together."""
        return len(self.decay)


def factor_report(
    features: Mapping[str, Panel],
    forward: Mapping[int, Panel],
    trades: Panel,
    horizon: int,
    *,
    n_quantiles: int = 5,
    threshold: float = 0.7,
) -> FactorReport:
    """Judge features against the returns that followed.

    Parameters
    ----------
    features
        Panels by spec, time × symbol, all with the same rows and columns.
    forward
        Forward returns by horizon in bars, panels of the same shape; ``horizon`` among them.
    trades
        True where a symbol has a bar.
    horizon
        The one that the overview, the coefficient over time and the quantile returns are about.
    n_quantiles
        Fewer are made where there are fewer symbols to compare.
    threshold
        Absolute correlation that joins features to a cluster.

    Returns
    -------
    FactorReport
        Of each feature ``mode``, ``n_bars`` (bars with a coefficient), ``coverage``, ``n_events`` (values other than
        the median); mean, std, skewness, kurtosis, outliers and quantiles; ``ic`` and ``rank_ic`` with ``_se`` and
        ``_t``, ``p_value`` and ``q_value`` of the rank coefficient, ``found`` (q-value at most 5 %, and 30 events or
        more), ``icir``, ``half_life`` (where |t| is 2 or more at some horizon), ``spread`` with ``_se`` and ``_t``,
        ``monotony``, ``turnover``, ``rank_autocorrelation``, ``psi``, ``ks``, ``psi_worst`` (of the drift's parts),
        ``cluster``, ``twin`` (another feature that is nearly the same) and ``flags`` in words.

    Notes
    -----
    ``icir`` is the mean coefficient in standard deviations of the bars' coefficients across symbols, of the blocks'
    along time. Symbols listed later change what is pooled, and so the drift.
    """
    if horizon not in forward:
        raise DataError(f"no forward return over {horizon} bars is given, only over {sorted(forward)}")
    if not features:
        raise DataError("no feature is given to judge; name one or more")
    judged = {name: _Judged(name, panel, forward, trades, horizon, n_quantiles) for name, panel in features.items()}
    decay = _with_q_values(pd.concat([j.decay() for j in judged.values()], ignore_index=True))
    names = list(features)
    stacked = np.column_stack([j.x.ravel() for j in judged.values()])
    correlation = rank_correlations(stacked)
    clusters = cluster_features(correlation, threshold)
    overview = pd.DataFrame([j.overview() for j in judged.values()])
    overview = _completed(overview, decay, correlation, clusters, horizon)
    ordered = [names[i] for i in clusters.order]
    return FactorReport(
        overview=overview,
        decay=decay,
        ic=pd.DataFrame({name: j.blocks() for name, j in judged.items()}),
        quantiles=pd.concat([j.quantiles() for j in judged.values()], ignore_index=True),
        drift=pd.concat([j.drift() for j in judged.values()], ignore_index=True),
        histograms=pd.concat([j.histogram() for j in judged.values()], ignore_index=True),
        correlation=pd.DataFrame(correlation, index=names, columns=names).loc[ordered, ordered],
        horizon=horizon,
    )


class _Judged:
    """One feature with what its frames share: mode, coefficients by horizon, quantile numbers."""

    def __init__(
        self, name: str, panel: Panel, forward: Mapping[int, Panel], trades: Panel, horizon: int, n_quantiles: int
    ) -> None:
        self.name, self.horizon = name, horizon
        self.times = pd.DatetimeIndex(panel.index)
        self.x: FloatArray = panel.to_numpy(dtype=np.float64)
        self.trades = trades.to_numpy(dtype=bool)
        self.mode: Mode = mode_of(self.x)
        returns = {h: f.to_numpy(dtype=np.float64) for h, f in sorted(forward.items())}
        self.forward = returns[horizon]
        self.rank = {h: information(self.x, f, h, mode=self.mode) for h, f in returns.items()}
        self.pearson = {h: information(self.x, f, h, mode=self.mode, rank=False) for h, f in returns.items()}
        across = self.mode == "cross-section"
        self.n_quantiles = max(2, min(n_quantiles, _usual_width(self.x))) if across else n_quantiles
        self.numbers = quantile_numbers(self.x, self.n_quantiles, self.mode)
        self.returns = quantile_returns(self.numbers, self.forward, horizon, self.n_quantiles, self.mode)

    def overview(self) -> dict[str, Any]:
        told, rank, pearson = describe(self.x), self.rank[self.horizon], self.pearson[self.horizon]
        first, second = self._halves()
        return {
            "feature": self.name,
            "mode": self.mode,
            "n_bars": rank.estimate.n,
            "coverage": coverage(self.x, self.trades),
            "n_events": _events(self.x),
            "mean": told.mean, "std": told.std, "skewness": told.skewness, "kurtosis": told.kurtosis,
            "outliers": told.outliers,
            **{f"q{100 * q:02.0f}": v for q, v in zip(QUANTILES, told.quantiles, strict=True)},
            **_written("ic", pearson), **_written("rank_ic", rank),
            "icir": self._icir(),
            "half_life": self._half_life(),
            "spread": self.returns.spread.value,
            "spread_se": self.returns.spread.standard_error,
            "spread_t": self.returns.spread.t,
            "monotony": self.returns.monotony,
            "turnover": turnover(self.numbers),
            "rank_autocorrelation": rank_autocorrelation(self.x, self.mode),
            "psi": population_stability(first, second), "ks": kolmogorov_smirnov(first, second),
            "psi_worst": float(self.drift()["psi"].max()),
        }  # fmt: skip

    def decay(self) -> pd.DataFrame:
        rows = []
        for h, rank in self.rank.items():
            row = {"feature": self.name, "horizon": h, "n_bars": rank.estimate.n, "lags": rank.lags}
            row |= _written("ic", self.pearson[h]) | _written("rank_ic", rank)
            rows.append(row | {"p_value": rank.estimate.p_value})
        return pd.DataFrame(rows)

    def blocks(self) -> pd.Series:
        """Mean term of each of at most 60 stretches of bars, long enough to hold five labels."""
        terms = self.rank[self.horizon].terms
        length = max(-(-len(terms) // _MOST_BLOCKS), 5 * self.horizon, 20)
        starts = np.arange(0, len(terms), length)
        known = np.isfinite(terms)
        sums, counts = (np.add.reduceat(v, starts) for v in (np.where(known, terms, 0.0), known.astype(float)))
        usable = counts >= length / 4  # a block with few bars says nothing
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(usable, sums / counts, np.nan)
        return pd.Series(values, index=self.times[starts].rename("time"))

    def quantiles(self) -> pd.DataFrame:
        means = self.returns.means
        return pd.DataFrame({
            "feature": self.name,
            "quantile": np.arange(1, len(means) + 1),
            "mean": [m.value for m in means],
            "se": [m.standard_error for m in means],
        })  # fmt: skip

    def drift(self) -> pd.DataFrame:
        n = len(self.x)
        edges = np.linspace(n // 2, n, _LATER_PARTS + 1).astype(int)
        parts = [(n // 2, n), *pairwise(edges)]
        first = self.x[: n // 2]
        rows = [
            {
                "feature": self.name, "part": i, "start": self.times[a], "end": self.times[b - 1],
                "psi": population_stability(first, self.x[a:b]), "ks": kolmogorov_smirnov(first, self.x[a:b]),
            }
            for i, (a, b) in enumerate(parts)
            if b > a
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def histogram(self) -> pd.DataFrame:
        edges, first, last = histograms(*self._halves())
        return pd.DataFrame({
            "feature": self.name, "left": edges[:-1], "right": edges[1:], "first": first, "last": last,
        })  # fmt: skip

    def _halves(self) -> tuple[FloatArray, FloatArray]:
        middle = len(self.x) // 2
        return self.x[:middle], self.x[middle:]

    def _icir(self) -> float:
        values = self.rank[self.horizon].terms if self.mode == "cross-section" else self.blocks().to_numpy()
        values = values[np.isfinite(values)]
        spread = float(values.std(ddof=1)) if values.size > 2 else 0.0
        return float(values.mean()) / spread if spread > 0 else float("nan")

    def _half_life(self) -> float:
        if not any(abs(r.estimate.t) >= 2 for r in self.rank.values()):
            return float("nan")  # of noise it would be a number too
        return half_life(list(self.rank), [r.estimate.value for r in self.rank.values()])


def _usual_width(x: FloatArray) -> int:
    known = np.isfinite(x).sum(axis=1)
    return int(np.median(known[known > 0])) if (known > 0).any() else 0


def _events(x: FloatArray) -> int:
    values = x[np.isfinite(x)]
    return int((values != np.median(values)).sum()) if values.size else 0


def _written(key: str, found: Information) -> dict[str, float]:
    e = found.estimate
    return {key: e.value, f"{key}_se": e.standard_error, f"{key}_t": e.t}


def _with_q_values(decay: pd.DataFrame) -> pd.DataFrame:
    return decay.assign(q_value=adjusted_p_values(decay["p_value"].to_numpy()))


def _completed(
    overview: pd.DataFrame, decay: pd.DataFrame, correlation: FloatArray, clusters: Clusters, horizon: int
) -> pd.DataFrame:
    chosen = decay[decay["horizon"] == horizon].set_index("feature").loc[overview["feature"]]
    names = overview["feature"].tolist()
    table = overview.assign(
        p_value=chosen["p_value"].to_numpy(),
        q_value=chosen["q_value"].to_numpy(),
        found=(chosen["q_value"].to_numpy() <= FALSE_DISCOVERY_RATE) & (overview["n_events"] >= LEAST_EVENTS),
        cluster=clusters.labels + 1,
        twin=[_twin(i, correlation, names) for i in range(len(names))],
    )
    return table.assign(flags=[_flags(row) for row in table.to_dict("records")])


def _twin(i: int, correlation: FloatArray, names: list[str]) -> str:
    others = np.abs(np.nan_to_num(correlation[i], nan=0.0))
    others[i] = 0.0
    return names[int(others.argmax())] if others.size > 1 and others.max() >= TWIN else ""


def _flags(row: Mapping[Any, Any]) -> str:
    words = [
        (row["n_events"] == 0, "constant"),
        (0 < row["n_events"] < LEAST_EVENTS, f"rare: {row['n_events']} events"),
        (row["coverage"] < _SPARSE, "sparse"),
        (row["psi_worst"] > SHIFTED, "drifts"),
        (row["outliers"] > _MANY_OUTLIERS, "outliers"),
        (bool(row["twin"]), f"like {row['twin']}"),
    ]
    return ", ".join(text for applies, text in words if applies)
