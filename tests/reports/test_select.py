"""What a nightly would run: everything is refused in one line before a kernel starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config import Settings
from workbench.errors import ConfigError
from workbench.reports.select import select_jobs

ROOT = Path(__file__).resolve().parents[2]


def write(settings: Settings, name: str, text: str) -> Path:
    settings.experiments_dir.mkdir(parents=True, exist_ok=True)
    path = settings.experiments_dir / name
    path.write_text(text)
    return path


def test_the_shipped_experiments_are_in_order(settings: Settings) -> None:
    for path in (ROOT / "experiments").glob("*.yaml"):
        write(settings, path.name, path.read_text())
    selection = select_jobs(settings)
    notebooks = [job.notebook for job in selection.jobs]
    assert notebooks[0] == "data"
    assert notebooks[-1] == "risk_center"
    assert {"live_chart", "features", "train", "backtest", "sweep", "walkforward", "truth"} < set(notebooks)
    assert len(notebooks) == 12
    (job, why), (other, _) = selection.skipped
    assert {job.name, other.name} == {"crypto", "crypto_sweep"}
    assert why.startswith(
        "source 'import' holds no 1h bars of BTC/USDT, ETH/USDT; bring them with 'workbench data import"
    )


def test_a_named_file_without_bars_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"crypto.yaml: source 'import' holds no 1h bars"):
        select_jobs(settings, [ROOT / "experiments" / "crypto.yaml"])


def test_files_outside_the_nightly_run_only_when_named(settings: Settings) -> None:
    path = write(settings, "later.yaml", "notebook: data\nnightly: false\n")
    assert select_jobs(settings).jobs == ()
    assert [job.name for job in select_jobs(settings, [path]).jobs] == ["later"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("notebook: backtest\nparameters: {train_sze: 500}", "no parameter 'train_sze'. Did you mean 'train_size'?"),
        ("notebook: backtest\nparameters: {train_size: many}", "BacktestParameters.train_size"),
        ("notebook: backtest\nparameters: {fee_bps: -1}", "got -1"),
        ("notebook: backtest\nparameters: {start: '2015-01-01', end: '2014-01-01'}", "exchange them"),
        ("notebook: backtset", "unknown notebook 'backtset'. Did you mean 'backtest'?"),
        ("notebook: backtest\nparameters: {symbols: [SPY]}", "the sample has no 1d bars of 'SPY'. Did you mean 'SPX'?"),
        (
            "notebook: live_chart\nparameters: {symbol: APPL}",
            "the sample has no 1d bars of 'APPL'. Did you mean 'AAPL'?",
        ),
        ("notebook: backtest\nparameters: {timeframe: 1h}", "the sample has no 1h bars of 'SPX'"),
        ("notebook: backtest\nparameters: {features: ['rsi14']}", "rsi14"),
        ("notebook: backtest\nparameters: {features: ['rsi(wndow=14)']}", "rsi"),
        ("notebook: live_chart\nparameters: {indicators: [emaa(20)]}", "emaa"),
        ("notebook: features\nparameters: {features: [rsii]}", "rsii"),
        ("notebook: features\nparameters: {horizons: [5, 1]}", "horizons must increase"),
        ("notebook: features\nparameters: {model: logistc}", "Did you mean 'logistic'?"),
        ("notebook: features\nparameters: {start: '2031-01-01'}", "2031-01-01"),
        ("notebook: [", "is not YAML"),
        ("- a\n- b", "must hold 'notebook:'"),
        ("notebook: data\ntimeout_s: 0", "timeout_s"),
    ],
)
def test_each_mistake_is_one_line_that_names_the_file(settings: Settings, text: str, words: str) -> None:
    write(settings, "good.yaml", "notebook: data\n")
    write(settings, "momentum.yaml", text)
    with pytest.raises(ConfigError) as caught:
        select_jobs(settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "momentum.yaml" in str(caught.value) or "notebook" in text[:20]


def test_a_synthetic_market_needs_no_import(settings: Settings) -> None:
    path = write(settings, "p.yaml", "notebook: backtest\nparameters: {source: 'gbm(seed=1)', symbols: [ANY]}\n")
    assert [job.name for job in select_jobs(settings, [path]).jobs] == ["p"]


def test_two_jobs_of_one_name_are_refused(settings: Settings) -> None:
    write(settings, "a.yaml", "notebook: backtest\nmatrix: {horizon: [1, 2]}\n")
    write(settings, "a-1.yaml", "notebook: backtest\n")
    with pytest.raises(ConfigError, match="2 jobs are called 'a-1'"):
        select_jobs(settings)


def test_no_experiments_at_all(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="no experiment files"):
        select_jobs(settings)


def test_a_missing_file(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        select_jobs(settings, ["nowhere.yaml"])
