"""Out-of-sample forecasts: what each fold's model may see, what it gets, and what is handed over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import WalkForward, position_rule, set_tail_purge, simulate, walk_forward_forecasts
from workbench.errors import DataError
from workbench.models import build
from workbench.models.split import time_tail


@dataclass(frozen=True)
class Rows:
    """The members of a design matrix that forecasting reads."""

    X: pd.DataFrame
    y: pd.Series
    t1: pd.Series
    known: pd.Series


HORIZON = 3


@pytest.fixture
def design(rng):
    times = pd.date_range("2024-01-01", periods=160, freq="h", tz="UTC", name="time")
    index = pd.MultiIndex.from_product([times, ["A", "B"]], names=["time", "symbol"])
    X = pd.DataFrame(rng.normal(5.0, 3.0, (len(index), 3)), index=index, columns=["a", "b", "c"])
    signal = X["a"] - 5.0 + rng.normal(0, 1.0, len(index))
    ends = pd.Series(times, index=times).shift(-(HORIZON + 1))
    t1 = pd.Series(ends.reindex(index.get_level_values("time")).to_numpy(), index=index).dt.tz_convert("UTC")
    return Rows(X, pd.Series(np.sign(signal), index=index).astype(int), t1, t1.notna())


class Spy:
    """A classifier that remembers what it was given."""

    def __init__(self, lookback: int = 1):
        self.lookback = lookback
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []
        self.asked: list[np.ndarray] = []

    def fit(self, X, y):
        self.seen.append((X.copy(), y.copy()))
        return self

    def predict_proba(self, X):
        self.asked.append(X.copy())
        return np.tile([0.2, 0.3, 0.5], (len(X), 1))


def _spied(design, splitter, lookback=1):
    spies = []

    def factory(seed):
        spies.append(Spy(lookback))
        return spies[-1]

    return walk_forward_forecasts(design, factory, splitter), spies


def test_each_fold_is_standardised_on_its_own_training_rows(design):
    forecasts, spies = _spied(design, WalkForward(60, 40))
    assert len(spies) == 3
    for spy, fold in zip(spies, forecasts.folds.itertuples(), strict=True):
        inputs, labels = spy.seen[0]
        assert len(inputs) == fold.n_train == 2 * (60 - HORIZON - 1)
        np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(inputs.std(axis=0), 1, atol=1e-12)
        assert set(labels) <= {-1, 0, 1}
        assert not np.allclose(spy.asked[0].mean(axis=0), 0, atol=1e-6)


def test_windows_of_the_test_part_reach_back_over_its_edge(design):
    lookback = 8
    forecasts, spies = _spied(design, WalkForward(60, 50), lookback)
    spy = spies[0]
    asked = spy.asked[0]
    assert asked.shape == (100, lookback, 3)
    scaled = forecasts_scale(design, WalkForward(60, 50))
    times = design.X.index.get_level_values("time").unique()
    first = scaled.xs("A", level="symbol").loc[times[60 - lookback + 1] : times[60]]
    np.testing.assert_allclose(asked[0], first.to_numpy())
    assert spy.seen[0][0].shape[0] == forecasts.folds["n_train"].iloc[0] == 2 * (60 - HORIZON - 1 - (lookback - 1))


def forecasts_scale(design, splitter):
    """Return all rows in the units of the first fold's training rows."""
    times = design.X.index.get_level_values("time").unique()
    train = design.X.loc[: times[splitter.train_size - HORIZON - 2]]
    return (design.X - train.mean()) / train.std(ddof=0)


def test_the_future_cannot_reach_a_forecast(design):
    """Scramble every row and label from the second test part on: the first fold's forecasts stay what they were."""
    splitter = WalkForward(60, 40)
    times = design.X.index.get_level_values("time").unique()
    later = pd.Series(design.X.index.get_level_values("time") >= times[100], index=design.X.index)
    scrambled = design.X.copy()
    scrambled.loc[later] = 1e6
    labels = design.y.mask(later, -1).mask(design.t1 >= times[60], 1)  # also those that end in the test part
    spoiled = replace(design, X=scrambled, y=labels)
    before = walk_forward_forecasts(design, lambda seed: build("logistic", seed), splitter, seed=1).proba
    after = walk_forward_forecasts(spoiled, lambda seed: build("logistic", seed), splitter, seed=1).proba
    pd.testing.assert_frame_equal(before.loc[: times[99]], after.loc[: times[99]])
    assert not before.loc[times[100] :].equals(after.loc[times[100] :])


def test_what_is_handed_over(design):
    told = []
    forecasts = walk_forward_forecasts(
        design, lambda seed: build("logistic", seed), WalkForward(60, 40), progress=lambda s, w: told.append((s, w))
    )
    assert list(forecasts.proba.columns) == ["p_bear", "p_neutral", "p_bull", "forecast"]
    np.testing.assert_allclose(forecasts.proba[["p_bear", "p_neutral", "p_bull"]].sum(axis=1), 1)
    times = design.X.index.get_level_values("time").unique()
    assert forecasts.forecast.index.equals(times[60:])
    assert list(forecasts.forecast.columns) == ["A", "B"]
    assert forecasts.folds["accuracy"].mean() > 0.7  # the planted column is found
    assert forecasts.folds["n_test"].tolist() == [80, 80, 40]
    assert forecasts.training.empty
    assert list(forecasts.standardizer.names_) == ["a", "b", "c"]
    assert [t[1] for t in told] == ["fold 1 of 3", "fold 2 of 3", "fold 3 of 3", "3 folds"]
    assert [t[0] for t in told] == [0, 1 / 3, 2 / 3, 1]


def test_same_seed_same_forecasts_and_a_kept_history(design):
    def run():
        return walk_forward_forecasts(
            design, lambda seed: build("lstm(hidden='8', epochs=2, lookback=4)", seed), WalkForward(60, 50), seed=3
        )

    one, other = run(), run()
    pd.testing.assert_frame_equal(one.proba, other.proba)
    assert one.training["fold"].unique().tolist() == [0, 1]
    assert {"epoch", "train_loss", "valid_loss"} <= set(one.training.columns)


def test_unknown_labels_are_neither_trained_on_nor_scored(design):
    forecasts, spies = _spied(
        replace(design, known=design.known & (np.arange(len(design.known)) % 2 == 0)), WalkForward(60, 100)
    )
    assert len(spies[0].seen[0][1]) == 60 - HORIZON - 1
    all_unknown = replace(design, known=pd.Series(False, index=design.known.index))
    with pytest.raises(DataError, match="fold 0 has no training row with a known label"):
        _spied(all_unknown, WalkForward(60, 100))
    assert 0 <= forecasts.folds["accuracy"].iloc[0] <= 1


def test_a_lookback_longer_than_the_training_part_is_an_error(design):
    with pytest.raises(DataError, match="too few for windows of 70 bars; raise train_size or lower lookback"):
        _spied(design, WalkForward(60, 40), lookback=70)


def _listed(design, symbol, keep):
    """Return the design with the rows of one symbol at other times left out."""
    hours = design.X.index.get_level_values("time").unique()
    number = hours.get_indexer(design.X.index.get_level_values("time"))
    rows = (design.X.index.get_level_values("symbol") != symbol) | keep(number)
    return replace(design, **{name: getattr(design, name)[rows] for name in ("X", "y", "t1", "known")})


def test_a_symbol_that_lists_late_gets_forecasts_from_its_first_full_window_on(design, cases):
    lookback = 8
    late = _listed(design, "B", lambda number: number >= 58)
    forecasts, spies = _spied(late, WalkForward(60, 40), lookback)
    times = design.X.index.get_level_values("time").unique()
    forecast = forecasts.forecast
    assert forecast["A"].notna().all()
    assert forecast.index[forecast["B"].isna()].tolist() == times[60 : 58 + lookback - 1].tolist()
    assert forecasts.folds["n_test"].tolist() == [80, 80, 40]
    assert forecasts.folds["n_forecast"].tolist() == [75, 80, 40]
    assert len(spies[0].asked[0]) == 75
    expected = (late.y.loc[forecasts.proba.loc[: times[99]].index] == 1).mean()  # the spy always says bull
    assert forecasts.folds["accuracy"].iloc[0] == pytest.approx(expected)
    bars = cases.market(8, 160, 2)
    bars.columns = bars.columns.set_levels(["A", "B"], level="symbol")
    fills = simulate(position_rule("sign", forecast), bars).fills
    assert fills.loc[fills["symbol"] == "B", "time"].min() == times[58 + lookback]


def test_a_test_part_without_any_full_window_is_an_error(design):
    handed_over = _listed(_listed(design, "A", lambda n: n < 60), "B", lambda n: n >= 60)
    with pytest.raises(DataError, match="fold 0: none of its 5 test rows has the 8 bars .* raise test_size, lower"):
        _spied(handed_over, WalkForward(60, 5), lookback=8)


class TailSpy(Spy):
    """A spy that holds a validation tail and reads bare features."""

    learns = False

    def __init__(self, purge: int = 0, valid_share: float = 0.2):
        super().__init__()
        self.params = {"purge": purge, "valid_share": valid_share}

    def get_params(self):
        return dict(self.params)

    def set_params(self, **changes):
        self.params |= changes


@pytest.fixture
def two_calendars(rng):
    """A coin that trades every day beside a stock that rests at weekends; the one feature is the row's number."""
    days = pd.date_range("2023-01-01", periods=400, tz="UTC", name="time")
    own = {"COIN": days, "STOCK": days[days.day_of_week < 5]}
    ends = pd.concat({s: pd.Series(t, index=t).shift(-(HORIZON + 1)) for s, t in own.items()}, names=["symbol"])
    t1 = ends.swaplevel().sort_index()
    X = pd.DataFrame({"row": np.arange(len(t1), dtype=float)}, index=t1.index)
    return Rows(X, pd.Series(rng.integers(-1, 2, len(t1)), index=t1.index), t1, t1.notna())


@pytest.mark.parametrize("test_size", [30, 31, 33])
def test_no_label_of_the_head_ends_in_the_validation_tail_of_two_calendars(two_calendars, test_size):
    spies = []

    def factory(seed):
        spies.append(TailSpy())
        return spies[-1]

    walk_forward_forecasts(two_calendars, factory, WalkForward(200, test_size))
    times = two_calendars.X.index.get_level_values("time")
    needed = []
    for spy in spies:
        rows = spy.seen[0][0][:, 0].astype(int)
        head, tail = time_tail(len(rows), **spy.params)
        tail_first = times[rows[tail]][0]
        assert (two_calendars.t1.iloc[rows[head]] < tail_first).all()
        assert two_calendars.t1.iloc[rows[head.stop]] >= tail_first  # not one row more than needed
        needed.append(spy.params["purge"])
    assert len(set(needed)) > 1  # no count of rows would do for every fold


def test_a_purge_that_was_asked_for_and_a_model_without_a_tail_are_left_alone(two_calendars):
    times = two_calendars.X.index.get_level_values("time")
    for spy, purge in ((TailSpy(purge=3), 3), (TailSpy(valid_share=0.0), 0)):
        set_tail_purge(spy, times, two_calendars.t1)
        assert spy.params["purge"] == purge
    set_tail_purge(Spy(), times, two_calendars.t1)
    apart = TailSpy()
    set_tail_purge(apart, times, times)  # labels known at their own bar
    start = time_tail(len(times), 0.2, 0)[0].stop
    assert apart.params["purge"] == int((times[:start] == times[start]).sum())
    model = build("hist_gradient_boosting(patience=3)", 0)
    set_tail_purge(model, times[two_calendars.known], two_calendars.t1[two_calendars.known])
    assert model.get_params()["purge"] > 2 * (HORIZON + 1) - 2


def test_too_few_bars(design):
    with pytest.raises(DataError, match="got 160"):
        _spied(design, WalkForward(150, 40))


def test_forecasts_become_positions_and_returns(design, cases):
    forecasts, _ = _spied(design, WalkForward(60, 40))
    bars = cases.market(8, 160, 2)
    bars.columns = bars.columns.set_levels(["A", "B"], level="symbol")
    positions = position_rule("proportional", forecasts.forecast)
    result = simulate(positions, bars)
    assert result.returns.index.equals(forecasts.forecast.index)
    assert result.positions.iloc[5].tolist() == pytest.approx([0.15, 0.15], rel=0.1)
