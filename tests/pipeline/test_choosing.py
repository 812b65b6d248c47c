"""A walk-forward choice as a run: the procedure is the trial, the choices are traded one after the other."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from workbench.config import Settings, WalkForwardParameters
from workbench.errors import DataError
from workbench.pipeline import run_walkforward
from workbench.pipeline.choosing import choice_findings, evaluate_choices

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def small(**changes: object) -> WalkForwardParameters:
    values: dict[str, object] = {
        "source": "trending(strength=0.3, seed=2, n_bars=1200, volatility=0.3)",
        "symbols": ["A", "B"],
        "grid": ["fast 2, 5", "slow 20, 60"],
        "train_size": 400,
        "test_size": 200,
        "replicates": 100,
    }
    return WalkForwardParameters(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_procedure_is_one_trial_and_its_parts_fit_together(settings: Settings) -> None:
    first = run_walkforward(small(), settings, now=NOW)
    again = run_walkforward(small(), settings, now=NOW)
    other = run_walkforward(small(objective="total_return"), settings, now=NOW)
    assert [r.trial["n_trials"] for r in (first, again, other)] == [1, 1, 2]
    assert first.metrics["sharpe_ratio"] == again.metrics["sharpe_ratio"]
    selection, returns = first.frame("selection"), first.frame("returns")
    assert len(selection) == first.metrics["n_folds"] == 4
    assert set(selection["fast"]) <= {2, 5}
    assert (selection["test_start"] > selection["train_end"]).all()
    assert pd.Timestamp(selection["test_start"].iloc[0]) == returns.index[1]  # the first row is the decision before it
    assert list(returns.columns) == ["strategy", "zero", "persistence", "buy_and_hold", "equal_weight"]
    assert first.metrics["mean_in_sample"] == pytest.approx(selection["in_sample"].mean())


@pytest.mark.slow
def test_bars_of_a_test_part_do_not_move_the_choices_before_it(settings: Settings) -> None:
    def silent(share: float, words: str) -> None:
        """Report to nobody."""

    whole = evaluate_choices(small(), settings, NOW, silent)
    cut = str(whole.result.selection["test_end"].iloc[1].date())
    short = evaluate_choices(small(end=cut), settings, NOW, silent)
    columns = ["fold", "fast", "slow", "in_sample"]
    pd.testing.assert_frame_equal(short.result.selection[columns].iloc[:2], whole.result.selection[columns].iloc[:2])
    shared = short.accounts.returns.index[:-1]
    np.testing.assert_array_equal(short.accounts.returns[shared], whole.accounts.returns[shared])
    found = choice_findings(whole, settings, NOW, "run", silent)
    assert found.trial["n_trials"] == 1
    assert found.frames["positions"].abs().sum(axis=1).max() <= 1 + 1e-9


def test_folds_longer_than_the_data_are_named(settings: Settings) -> None:
    with pytest.raises(DataError, match="one fold needs train_size 4000"):
        run_walkforward(small(train_size=4000), settings, now=NOW)
