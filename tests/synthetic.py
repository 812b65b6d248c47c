"""A seeded record of a finished run, as the pipeline leaves it, for the tests of charts and pages."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench import risk
from workbench.tracking import RunRecord

MEASURES = (
    "total_return",
    "annual_return",
    "annual_volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "max_drawdown_duration",
    "hit_rate",
    "value_at_risk",
    "expected_shortfall",
)
NAMES = ("strategy", "zero", "persistence", "buy_and_hold")


def synthetic_bars(
    n_bars: int = 1500, symbols: tuple[str, ...] = ("SPX", "NASDAQ"), seed: int = 3, freq: str = "B"
) -> pd.DataFrame:
    """Bars of a seeded random walk, in the bars convention."""
    rng = np.random.default_rng(seed)
    times = pd.date_range("2012-01-02", periods=n_bars, freq=freq, tz="UTC", name="time")
    fields = {}
    for symbol in symbols:
        close = 100 * np.exp(np.cumsum(rng.normal(2e-4, 0.01, n_bars)))
        opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.002, n_bars))
        spread = np.abs(rng.normal(0, 0.004, (2, n_bars)))
        fields["open", symbol], fields["close", symbol] = opened, close
        fields["high", symbol] = np.maximum(opened, close) * (1 + spread[0])
        fields["low", symbol] = np.minimum(opened, close) * (1 - spread[1])
        fields["volume", symbol] = rng.lognormal(13, 0.4, n_bars)
    frame = pd.DataFrame(fields, index=times)
    frame.columns = pd.MultiIndex.from_tuples(frame.columns, names=["field", "symbol"])
    order = [(f, s) for f in ("open", "high", "low", "close", "volume") for s in symbols]
    return frame[order]


def synthetic_record(
    run_id: str = "a1b2c3d4e5f60718293a4b5c6d7e8f90", *, notebook: str = "backtest", seed: int = 5
) -> RunRecord:
    """A finished run over 1,250 business days with every frame that pages draw."""
    rng = np.random.default_rng(seed)
    n_bars = 1250
    times = pd.date_range("2014-01-02", periods=n_bars, freq="B", tz="UTC", name="time")
    market = rng.normal(3e-4, 0.010, n_bars)
    returns = pd.DataFrame(
        {
            "strategy": 0.4 * market + rng.normal(1e-4, 0.004, n_bars),
            "zero": np.zeros(n_bars),
            "persistence": -0.3 * market + rng.normal(-1e-4, 0.004, n_bars),
            "buy_and_hold": market,
        },
        index=times,
    )
    positions = pd.DataFrame(
        rng.uniform(-0.5, 0.5, (n_bars, 2)), index=times, columns=pd.Index(["SPX", "NASDAQ"], name="symbol")
    )
    measures = {name: {k: v for k, v in risk.summary(returns[name]).items() if k in MEASURES} for name in NAMES}
    metrics = measures.pop("strategy") | {
        "exposure": risk.exposure(positions),
        "turnover": 21.4,
        "deflated_sharpe_ratio": 0.61,
        "accuracy": 0.412,
        "n_trades": 80.0,
    }
    return RunRecord(
        run_id=run_id,
        notebook=notebook,
        name="sample_momentum",
        started="2026-01-31T02:00:00+00:00",
        finished="2026-01-31T02:00:41+00:00",
        parameters={
            "source": "sample",
            "symbols": "SPX, NASDAQ",
            "timeframe": "1d",
            "model": "logistic",
            "horizon": 5,
            "train_size": 1000,
            "test_size": 250,
            "fee_bps": 5.0,
            "slippage_bps": 2.0,
            "seed": 7,
            "confidence": 0.95,
        },
        dataset={
            "name": "sample:1d:NASDAQ+SPX",
            "version": "1",
            "content_hash": "9f2b51aa03",
            "n_bars": 5031,
            "first": str(times[0]),
            "last": str(times[-1]),
            "source": "sample",
            "symbols": ["SPX", "NASDAQ"],
            "timeframe": "1d",
        },
        metrics=metrics,
        baselines=measures,
        trial={
            "number": 3,
            "n_trials": 12,
            "is_new": True,
            "first_seen": "2026-01-31T02:00:41+00:00",
            "config_hash": "77ab01",
            "sharpe_variance": 0.0004,
        },
        verdict={
            "passed": False,
            "gates": [
                {
                    "name": "deflated_sharpe_ratio",
                    "value": 0.61,
                    "threshold": 0.95,
                    "passed": False,
                    "text": "0.61 < 0.95",
                },
                {"name": "max_drawdown", "value": 0.12, "threshold": 0.25, "passed": True, "text": "0.12 <= 0.25"},
            ],
        },
        environment={"git": "0bd1e9c", "lock_hash": "51aa", "python": "3.11.9", "seed": 7},
        frames=_frames(rng, times, returns, positions),
    )


def _frames(
    rng: np.random.Generator, times: pd.DatetimeIndex, returns: pd.DataFrame, positions: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    folds = pd.DataFrame(
        [
            {
                "fold": k,
                "train_start": times[125 * k],
                "train_end": times[125 * k + 490],
                "test_start": times[125 * k + 500],
                "test_end": times[125 * k + 624],
                "n_train": 980,
                "n_test": 250,
                "n_purged": 12,
                "accuracy": 0.38 + 0.01 * k,
            }
            for k in range(6)
        ]
    )
    entry = np.sort(rng.choice(len(times) - 20, 80, replace=False))
    trades = pd.DataFrame(
        {
            "symbol": rng.choice(["SPX", "NASDAQ"], 80),
            "side": rng.choice(["long", "short"], 80),
            "entry_time": times[entry],
            "exit_time": times[entry + 10],
            "entry_price": rng.uniform(90, 110, 80),
            "exit_price": rng.uniform(90, 110, 80),
            "units": rng.uniform(0.001, 0.005, 80),
            "pnl": rng.normal(0, 0.004, 80),
            "return": rng.normal(0, 0.02, 80),
            "bars": 10,
        }
    )
    epochs = np.arange(1, 21)
    training = pd.concat(
        pd.DataFrame(
            {
                "fold": k,
                "epoch": epochs,
                "train_loss": 1.1 * np.exp(-epochs / 12) + 0.35,
                "learning_rate": 1e-3,
                "valid_loss": 1.0 * np.exp(-epochs / 9) + 0.012 * epochs + 0.5,
                "grad_norm": rng.uniform(0.3, 1.0, 20),
            }
        )
        for k in range(2)
    )
    edges = np.linspace(0, 1, 16)
    middle = (edges[:-1] + edges[1:]) / 2
    reliability = pd.DataFrame(
        {
            "bin": range(15),
            "confidence": middle,
            "accuracy": np.clip(middle * 0.8 + 0.08, 0, 1),
            "count": [0] * 5 + [90, 400, 300, 150, 80, 40, 20, 9, 4, 1],
        }
    )
    rows = pd.MultiIndex.from_product([times[500:], ["SPX", "NASDAQ"]], names=["time", "symbol"])
    proba = rng.dirichlet([4, 3, 4], len(rows))
    forecasts = pd.DataFrame(proba, columns=["p_bear", "p_neutral", "p_bull"], index=rows).reset_index()
    forecasts["label"], forecasts["forward_return"] = rng.integers(-1, 2, len(rows)), rng.normal(0, 0.01, len(rows))
    fills = trades[["entry_time", "symbol", "units", "entry_price"]].rename(
        columns={"entry_time": "time", "entry_price": "price"}
    )
    fills["value"] = fills["units"] * fills["price"]
    fills["fee"], fills["slippage"] = fills["value"] * 5e-4, fills["value"] * 2e-4
    costs = pd.DataFrame(
        {"fee": rng.uniform(0, 1e-4, len(times)), "slippage": rng.uniform(0, 5e-5, len(times))}, index=times
    )
    return {
        "returns": returns,
        "positions": positions,
        "fills": fills,
        "trades": trades,
        "folds": folds,
        "forecasts": forecasts,
        "training": training.reset_index(drop=True),
        "reliability": reliability,
        "costs": costs.rename_axis("time").reset_index(),
    }


def synthetic_factor_record(run_id: str = "c0ffee5e60718293a4b5c6d7e8f90aa1", *, seed: int = 5) -> RunRecord:
    """A finished factor report of five features on four symbols, one of them planted, one a near copy, one refused."""
    from workbench.features.worth import factor_report

    rng = np.random.default_rng(seed)
    n_bars, symbols = 600, ["AAPL", "GOOG", "IBM", "MSFT"]
    times = pd.date_range("2014-01-02", periods=n_bars, freq="B", tz="UTC", name="time")

    def frame(values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values, index=times, columns=pd.Index(symbols, name="symbol"))

    signal = rng.standard_normal((n_bars, len(symbols)))
    returns = 0.01 * (0.2 * signal + rng.standard_normal(signal.shape))
    total = np.vstack([np.zeros((1, len(symbols))), np.cumsum(returns, axis=0)])
    panels = {
        "volume_z(20)": frame(signal),
        "mfi(14)": frame(signal + 0.1 * rng.standard_normal(signal.shape)),
        "macd_hist_norm(12, 26, 9)": frame(rng.standard_normal(signal.shape).cumsum(axis=0)),
        "rsi(14)": frame(rng.standard_normal(signal.shape)),
        "hour": frame(np.repeat(rng.standard_normal((n_bars, 1)), len(symbols), axis=1)),
    }
    forward = {
        h: frame(np.vstack([total[h:] - total[:-h], np.full((h - 1, len(symbols)), np.nan)])) for h in (1, 5, 20)
    }
    report = factor_report(panels, forward, frame(np.ones(signal.shape)) == 1, 1)
    names = list(panels)
    importance = pd.DataFrame({"feature": names, "cluster": report.overview["cluster"]})
    for key in ("mda_log_loss", "mda_accuracy", "sfi_log_loss", "sfi_accuracy"):
        importance[key], importance[f"{key}_se"] = [0.012, 0.004, -0.001, 0.0002, 0.0], 0.001
    members = importance.groupby("cluster")["feature"].agg(", ".join).rename("members").reset_index()
    clusters = members.assign(mda_log_loss=0.01, mda_log_loss_se=0.001, mda_accuracy=0.02, mda_accuracy_se=0.004)
    folds = pd.DataFrame({
        "fold": [1, 2], "test_start": times[[0, 300]], "test_end": times[[299, 599]], "n_train": 1100, "n_test": 1200,
        "n_purged": 80, "log_loss": 0.688, "prior_log_loss": 0.693, "accuracy": 0.54,
    })  # fmt: skip
    factors = report.overview.merge(importance.drop(columns="cluster"), on="feature")
    factors.insert(1, "family", ["volume", "volume", "momentum", "momentum", "calendar"])
    factors = factors.sort_values("rank_ic_t", key=np.abs, ascending=False).reset_index(drop=True)
    known = {"source": "sample", "symbols": symbols, "timeframe": "1d", "name": "sample:1d:AAPL+GOOG+IBM+MSFT"}
    span = {
        "n_bars": n_bars,
        "first": str(times[0]),
        "last": str(times[-1]),
        "version": "1",
        "content_hash": "9f2b51aa",
    }
    return RunRecord(
        run_id=run_id,
        notebook="features",
        name="6 features on AAPL, GOOG, IBM, MSFT",
        started="2026-01-31T02:00:00+00:00",
        finished="2026-01-31T02:00:21+00:00",
        parameters={"horizon": 1, "model": "logistic", "folds": 2, "embargo": 20, "end": "", "seed": seed},
        dataset={**known, **span},
        metrics={
            "n_features": 5.0, "n_refused": 1.0, "n_tests": 15.0, "n_found": float(factors["found"].sum()),
            "n_reports_before": 2.0, "log_loss": 0.688, "prior_log_loss": 0.693,
        },
        environment={"git": "0bd1e9c", "python": "3.11.9", "features": {n: f"{n} v1 77ab01" for n in names}},
        frames={
            "factors": factors, "decay": report.decay, "ic": report.ic, "quantiles": report.quantiles,
            "drift": report.drift, "histograms": report.histograms, "correlation": report.correlation,
            "importance": importance, "clusters": clusters, "folds": folds,
            "refused": pd.DataFrame({"feature": ["peek(1)"], "reason": ["feature 'peek' changes at 2014-01-02"]}),
        },
    )  # fmt: skip
