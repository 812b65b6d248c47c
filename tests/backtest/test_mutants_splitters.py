"""What mutants of the splitters survived: records, refusals to the bar, and edges of sizes and label ends."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest

from workbench.backtest import CombinatorialPurged, PurgedKFold, WalkForward, nested_selection, split_lockbox
from workbench.backtest.validation.purging import grouped
from workbench.backtest.validation.spans import check_size, moved
from workbench.errors import ConfigError, DataError

DAYS = pd.date_range("2024-01-01", periods=12, tz="UTC")


def records():
    """Return one of every record of the room."""
    outer, inner = WalkForward(6, 3), PurgedKFold(2)
    return [
        outer,
        inner,
        CombinatorialPurged(4, 2),
        outer.split(DAYS, DAYS)[0],
        inner.split(DAYS, DAYS)[0],
        CombinatorialPurged(4, 2).split(DAYS, DAYS)[0],
        nested_selection(lambda c, *_: float(c), 2, DAYS, DAYS, outer=outer, inner=inner),
        split_lockbox(DAYS, DAYS, share=0.2),
        grouped("test", DAYS, DAYS, 3, 0),
    ]


@pytest.mark.parametrize("record", records(), ids=lambda r: type(r).__name__)
def test_records_do_not_change(record):
    name = next(iter(record.__dataclass_fields__))
    with pytest.raises(FrozenInstanceError):
        setattr(record, name, None)


@pytest.mark.parametrize("record", records()[5:], ids=lambda r: type(r).__name__)
def test_records_of_arrays_are_told_apart_by_identity(record):
    """Comparing arrays field by field has no single answer."""
    assert record == record
    assert record != replace(record)
    assert len({record, replace(record)}) == 2


def test_paths_want_every_split_once():
    splitter = CombinatorialPurged(4, 2)
    folds = splitter.split(DAYS, DAYS)
    forecasts = [np.full(len(f.test), f.number, dtype=float) for f in folds]
    cases = [(folds[:-1], forecasts), (folds, forecasts[:-1]), (folds[:-1], forecasts[:-1])]
    cases += [(folds * 2, forecasts), (folds, forecasts * 2), (folds * 2, forecasts * 2)]
    for some_folds, some_forecasts in cases:
        words = f"6 splits, got {len(some_folds)} folds, {len(some_forecasts)} forecasts"
        with pytest.raises(DataError, match=words):
            splitter.assemble(some_folds, some_forecasts)
    short = [*forecasts[:2], forecasts[2][:-1], *forecasts[3:]]
    with pytest.raises(DataError, match=r"split 2 are \(5,\), its test part has 6 rows"):
        splitter.assemble(folds, short)
    wide = [forecasts[0][:, None].repeat(2, axis=1), *(f[:, None] for f in forecasts[1:])]
    with pytest.raises(DataError, match=r"split 1 are \(6, 1\)"):
        splitter.assemble(folds, wide)
    joined = splitter.assemble(folds, forecasts)
    np.testing.assert_array_equal(joined, splitter.paths().repeat(3, axis=1))


def test_refusals_tell_what_there_was():
    with pytest.raises(DataError, match="10D \\+ test_size 3D, got 12 bars from 2024-01-01 .* to 2024-01-12 "):
        WalkForward("10D", "3D").split(DAYS, DAYS)
    nothing = DAYS[:0]
    with pytest.raises(DataError, match="got no bar; choose"):
        WalkForward("2D", "1D").split(nothing, nothing)
    with pytest.raises(DataError, match="one fold needs train_size 9 .* = 13 bars, got 12;"):
        WalkForward(9, 4).split(DAYS, DAYS)
    late = WalkForward(2, 2, expanding=True, anchor="2024-01-10")
    with pytest.raises(DataError, match="= 4 bars, got 3;"):
        late.split(DAYS, DAYS)
    with pytest.raises(DataError, match="leaves 12 rows to search on and 0 locked, of 12 up to 2024-01-12 "):
        split_lockbox(DAYS, DAYS, start="2024-01-13")
    with pytest.raises(DataError, match="leaves 0 rows to search on and 12 locked, of 12 up to 2024-01-12 "):
        split_lockbox(DAYS, DAYS, start="2024-01-01")
    with pytest.raises(DataError, match="0 rows to search on and 0 locked, of 0 up to None"):
        split_lockbox(nothing, nothing, start="2024-01-01")
    with pytest.raises(DataError, match="the label of 2024-01-05 .* ends before it, at 2024-01-04 "):
        PurgedKFold(3).split(DAYS, [*DAYS[:4], DAYS[3], *DAYS[5:]])
    with pytest.raises(DataError, match="share of 0.95 locks all of 12 bars"):
        split_lockbox(DAYS, DAYS, share=0.95)
    for share in (-0.1, 0.0, 1.0):
        with pytest.raises(ConfigError, match="share must lie in"):
            split_lockbox(DAYS, DAYS, share=share)


def test_the_least_sizes_are_taken_and_one_less_is_not():
    assert len(WalkForward(9, 3).split(DAYS, DAYS)) == 1
    assert len(WalkForward("9D", "3D").split(DAYS, DAYS)) == 1
    assert len(PurgedKFold(12).split(DAYS, DAYS)) == 12
    for make in (lambda: PurgedKFold(1), lambda: CombinatorialPurged(1, 1), lambda: CombinatorialPurged(3, 0)):
        with pytest.raises(ConfigError, match="must be at least"):
            make()
    for make in (lambda: WalkForward(0, 1), lambda: WalkForward(1, 0), lambda: WalkForward(1, 1, step=0)):
        with pytest.raises(ConfigError, match="must be at least 1, got 0"):
            make()
    with pytest.raises(ConfigError, match="min_test must be at least 1, got 0"):
        WalkForward(1, 1, min_test=0)
    with pytest.raises(ConfigError, match="must be below n_groups 3, got 3"):
        CombinatorialPurged(3, 3)
    with pytest.raises(ConfigError, match="above zero, got '0D'"):
        check_size("test", "size", "0D", 1)
    check_size("test", "size", "1D", 1)
    assert moved(DAYS[0], "1D", -1) == DAYS[0] - pd.Timedelta("1D")


def test_one_bar_at_a_time_by_bars_and_by_the_calendar():
    for splitter in (WalkForward(1, 1), WalkForward("1D", "1D")):
        folds = splitter.split(DAYS[:4], DAYS[:4])
        assert [(f.train.tolist(), f.test.tolist()) for f in folds] == [([0], [1]), ([1], [2]), ([2], [3])]
        assert [f.number for f in folds] == [0, 1, 2]


def test_the_last_test_part_counts_from_min_test_on():
    for min_test, last in ((1, [10, 11]), (2, [10, 11]), (3, [7, 8, 9])):
        for splitter in (WalkForward(4, 3, min_test=min_test), WalkForward("4D", "3D", min_test=min_test)):
            assert splitter.split(DAYS, DAYS)[-1].test.tolist() == last


def test_an_embargo_beyond_the_first_bar_begins_there():
    """Seven bars before bar 4 there is none: no label ends before the first bar, so nothing is left."""
    with pytest.raises(DataError, match="fold 0 has no training bar left after purging 4 bars .* at 2024-01-01 "):
        WalkForward(4, 2, embargo=7).split(DAYS, DAYS)
    fold = WalkForward(4, 2, embargo=1).split(DAYS, DAYS)[0]
    assert fold.train.tolist() == [0, 1, 2]
    assert (fold.n_purged, fold.labels_before, fold.window_start) == (1, DAYS[3], DAYS[0])
    assert (fold.train_start, fold.train_end, fold.test_start, fold.test_end) == (DAYS[0], DAYS[2], DAYS[4], DAYS[5])


def test_purging_to_the_bar_around_a_middle_group():
    """Labels of two days on twelve bars in four groups, by hand: what touches bars 3 to 5 or their labels is out."""
    ends = DAYS + pd.Timedelta("2D")
    fold = PurgedKFold(4).split(DAYS, ends)[1]
    assert (fold.test.tolist(), fold.train.tolist(), fold.n_purged) == ([3, 4, 5], [0, 8, 9, 10, 11], 4)
    by_bars = PurgedKFold(4, embargo=1).split(DAYS, ends)[1]
    by_time = PurgedKFold(4, embargo="1D").split(DAYS, ends)[1]
    assert by_bars.train.tolist() == by_time.train.tolist() == [0, 9, 10, 11]
    assert PurgedKFold(4, embargo=5).split(DAYS, ends)[1].train.tolist() == [0]
    unknown = ends.where(np.arange(12) != 9)
    assert PurgedKFold(4).split(DAYS, unknown)[1].train.tolist() == [0, 8, 10, 11]
    two = CombinatorialPurged(4, 2).split(DAYS, ends)[1]
    assert (two.test_groups, two.test.tolist(), two.train.tolist()) == ((0, 2), [0, 1, 2, 6, 7, 8], [11])
    assert (two.test_start, two.test_end, two.group_of.tolist()) == (DAYS[0], DAYS[8], [0, 0, 0, 2, 2, 2])


def test_nested_records_to_the_last_figure():
    """Two outer folds; configuration 1 has no score in one inner fold, configuration 0 is the better one inside."""
    told = []

    def score(configuration, train, test):
        if configuration == 1 and 0 in test:
            return np.nan
        return float(10 - 4 * configuration + test[0])

    done = nested_selection(
        score,
        2,
        DAYS,
        DAYS,
        outer=WalkForward(6, 3),
        inner=PurgedKFold(3),
        progress=lambda share, words: told.append((share, words)),
    )
    assert told == [(0.0, "outer fold 1 of 2"), (0.5, "outer fold 2 of 2"), (1.0, "2 outer folds")]
    np.testing.assert_allclose(done.inside, [[12, 9], [15, 11]])
    row = done.table.iloc[0]
    assert done.chosen.tolist() == [0, 0]
    assert (row["n_train"], row["n_test"], row["n_inner"]) == (6, 3, 3)
    assert (row["inside"], row["inside_std"], row["outside"], row["degradation"]) == (12, 2, 16, -4)
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        nested_selection(score, 0, DAYS, DAYS, outer=WalkForward(6, 3), inner=PurgedKFold(3))
    alone = nested_selection(score, 1, DAYS, DAYS, outer=WalkForward(6, 3), inner=WalkForward(3, 3))
    assert alone.table["inside_std"].isna().all()
