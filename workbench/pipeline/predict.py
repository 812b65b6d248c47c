"""Prediction with a registered model: from bars to probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import Settings
from workbench.data import infer_timeframe, symbols_of
from workbench.errors import ArtifactError, DataError
from workbench.features import Standardizer, feature_matrix, feature_versions, resolve, warmup
from workbench.typing import Bars, Json


@dataclass(frozen=True)
class Predictor:
    """A loaded model with its standardiser and feature specs.

    ``champion(settings, name)`` loads one; checksums are compared before anything is parsed.
    """

    model: Any
    standardizer: Standardizer
    extra: Json

    def predict(self, bars: Bars, last: int = 1) -> pd.DataFrame:
        """Return probabilities for the latest bars.

        Parameters
        ----------
        bars : DataFrame
            Bars by the convention, long enough for the warm-up of every feature and the model's lookback.
        last : int
            Bars, counted from the end, to predict.

        Returns
        -------
        DataFrame
            Rows (time, symbol); ``p_bear``, ``p_neutral``, ``p_bull`` sum to 1, ``forecast`` = p_bull − p_bear. Decided
            at the close of the bar, for the return from the next open over the model's horizon.

        Raises
        ------
        DataError
            When the bars are too few, of another time frame, or of symbols the model was not trained on.
        """
        from workbench.models import windows

        self._check(bars)
        rows = feature_matrix(bars, self.extra["features"])
        index, lookback = rows.index, self.model.lookback
        X = self.standardizer.transform(rows.to_numpy()) if self.model.learns else rows.to_numpy()
        if lookback > 1:
            X, kept = windows(X, index.get_level_values("symbol").to_numpy(), lookback)
            index = index[kept]
        if len(index) == 0:
            raise DataError(f"{len(bars)} bars leave no window of {lookback} rows; load more bars")
        times = index.get_level_values("time")
        chosen = np.flatnonzero(times >= times.unique().sort_values()[-last:][0])
        proba = self.model.predict_proba(np.ascontiguousarray(X[chosen]))
        frame = pd.DataFrame(proba, index=index[chosen], columns=["p_bear", "p_neutral", "p_bull"])
        return frame.assign(forecast=frame["p_bull"] - frame["p_bear"])

    def _check(self, bars: Bars) -> None:
        strangers = sorted(set(symbols_of(bars)) - set(self.extra["symbols"]))
        if strangers:
            known = ", ".join(self.extra["symbols"])
            raise DataError(f"the model was trained on {known}, not on {strangers[0]}; give bars of those")
        needed = history_needed(self.extra["features"], self.extra["timeframe"])
        if len(bars) < needed:
            raise DataError(
                f"{len(bars)} bars are too few to predict as in the walk-forward, whose recursive features had run in; "
                f"give at least {needed} bars"
            )
        timeframe = infer_timeframe(pd.DatetimeIndex(bars.index))
        if timeframe != self.extra["timeframe"]:
            raise DataError(f"the model was trained on {self.extra['timeframe']} bars, these are {timeframe} bars")


def history_needed(features: list[str], timeframe: str = "1h") -> int:
    """Return the bars after which features no longer depend on where the bars began.

    A recursive feature (an exponential average, Wilder's RSI) forgets its seed geometrically: after eight windows its
    weight is below 2e-7. Others need their warm-up only, which the design matrix checks.
    """
    return max((8 * warmup(f, timeframe) for f in features if resolve(f).recursive), default=1)


def champion(settings: Settings, name: str) -> Predictor:
    """Load the champion of a registered model.

    Raises
    ------
    ArtifactError
        When there is no champion, its files do not match their checksums, or a feature's code is not the one it was
        trained on.
    """
    from workbench.models import load_model
    from workbench.tracking import champion_folder

    model, extra = load_model(champion_folder(settings, name))
    _refuse_changed_features(name, extra["feature_versions"])
    return Predictor(model, Standardizer.from_spec(extra["standardizer"]), extra)


def _refuse_changed_features(name: str, trained_on: dict[str, str]) -> None:
    now = feature_versions(list(trained_on))
    for spec, version in trained_on.items():
        if now[spec] != version:
            raise ArtifactError(
                f"{name} was trained on feature {version!r}, the code now holds {now[spec]!r}; "
                "train and promote it again"
            )
