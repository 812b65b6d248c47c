"""The studies of execution: by hand on made bars, in short on real ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.backtest.execution import Execution
from workbench.backtest.studies import compare_stops, hybrid_saving
from workbench.backtest.studies.hybrid import day_bootstrap_error
from workbench.errors import ConfigError, DataError

HYBRID = Execution(
    order="limit", offset_bps=10.0, wait=2, then="market", fee_bps=5.0, maker_fee_bps=2.0, slippage_bps=3.0
)


def bars_of(rows: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    times = pd.date_range("2025-05-04", periods=len(rows), freq="min", tz="UTC", name="time")
    columns = dict(zip(("open", "high", "low", "close"), zip(*rows, strict=True), strict=True))
    fields = {
        k: pd.DataFrame({"A": v}, index=times, dtype=float)
        for k, v in (columns | {"volume": [1e9] * len(rows)}).items()
    }
    return pd.concat(fields, axis=1, names=["field", "symbol"])


def targets_of(values: dict[int, float], bars: pd.DataFrame) -> pd.DataFrame:
    column = pd.Series(np.nan, index=bars.index)
    for row, value in values.items():
        column.iloc[row] = value
    return column.to_frame("A")


def test_one_limit_filled_and_one_missed():
    """Bought at 99.9 by the limit; sold, the price falling away, at 99 by the time-out: 3 bp of slippage on top."""
    still = (100.0, 100.0, 100.0, 100.0)
    rows = [still, (100, 100, 99.8, 100), still, still, still, (100, 100, 99.5, 99.5), (99.5, 99.5, 99, 99), (99,) * 4]
    rows = [*rows, (99,) * 4, (99,) * 4]
    bars = bars_of(rows)
    study = hybrid_saving(targets_of({0: 0.5, 4: 0.0}, bars), bars, execution=HYBRID, rng=np.random.default_rng(0))
    assert (study.n_orders, study.share_limit, study.share_at_once, study.share_late) == (2, 0.5, 0.0, 0.5)
    assert study.market == pytest.approx(3.0)
    assert study.limit == pytest.approx(-10.0)
    late = (1 - 0.99 * (1 - 3e-4)) * 1e4
    assert study.late == pytest.approx(late)
    assert study.saved == pytest.approx(3.0 - (late - 10.0) / 2)
    assert study.saved_with_fees == pytest.approx(study.saved + 1.5)
    assert study.drift_late == pytest.approx(100.0)
    assert study.slippage_cut == pytest.approx(study.saved / 3.0)


def test_what_cannot_be_compared_is_said():
    bars = bars_of([(100.0, 100.0, 100.0, 100.0)] * 4)
    with pytest.raises(ConfigError, match="limit"):
        hybrid_saving(targets_of({0: 0.5}, bars), bars, execution=Execution(), rng=np.random.default_rng(0))
    with pytest.raises(DataError, match="no order"):
        hybrid_saving(targets_of({2: 0.5}, bars), bars, execution=HYBRID, rng=np.random.default_rng(0))


def test_the_error_of_a_mean_over_days(rng):
    """With equal days whose values are all alike the standard error is that of the days' means."""
    means = rng.normal(size=200)
    values, days = np.repeat(means, 10), np.repeat(np.arange(200), 10)
    error = day_bootstrap_error(values, days, rng, 2_000)
    assert error == pytest.approx(means.std() / np.sqrt(200), rel=0.08)


def test_stops_side_by_side():
    still = (100.0, 100.0, 100.0, 100.0)
    bars = bars_of([still, still, (100, 100, 94, 99), (99, 110, 99, 110), (110,) * 4])
    table = compare_stops(
        targets_of({0: 1.0}, bars),
        bars,
        {
            "none": Execution(fee_bps=0.0, slippage_bps=0.0),
            "tight": Execution(fee_bps=0.0, slippage_bps=0.0, stop_loss=0.05),
            "wide": Execution(fee_bps=0.0, slippage_bps=0.0, stop_loss=0.1),
        },
    )
    assert table["total_return"].tolist() == pytest.approx([0.1, -0.05, 0.1])
    assert table["n_stopped"].tolist() == [0, 1, 0]
    assert table.loc["tight", "loss_at_stop"] == pytest.approx(-0.05)


def test_real_minutes_do_not_give_the_saving_that_is_often_told(shared_data):
    """A day and a half of BTC: the limit saves something on what it fills, and the missed orders pay for it."""
    path = shared_data / "ohlcv" / "binance-usdm" / "BTCUSDT-1m-2025.parquet"
    if not path.is_file():
        pytest.skip("no one-minute perpetual bars among the real market files")
    table = pd.read_parquet(path).iloc[:6_000].rename_axis("time")
    bars = pd.concat({f: table[[f]].set_axis(["BTC"], axis=1) for f in table}, axis=1, names=["field", "symbol"])
    sides = np.random.default_rng(1).choice([-0.3, 0.3], len(bars))
    positions = pd.DataFrame({"BTC": np.where(np.arange(len(bars)) % 20 == 0, sides, np.nan)}, index=bars.index)
    execution = Execution(
        order="limit", offset_bps=1.0, wait=5, then="market", half_spread_bps=0.5, slippage_bps=1.0, maker_fee_bps=2.0
    )
    study = hybrid_saving(positions, bars, execution=execution, rng=np.random.default_rng(0))
    assert study.n_orders > 100
    assert study.share_limit + study.share_at_once + study.share_late == pytest.approx(1.0)
    assert study.limit < study.market < study.late
    assert study.drift_limit < study.drift_late
    assert study.slippage_cut < 0.84
