"""The command line as a user meets it: help, JSON, one line and exit code 2 for a mistake."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.cli.nightly import planned
from workbench.config import Settings

ROOT = Path(__file__).resolve().parents[2]
VERBS = ["nightly", "run", "app", "up", "lab", "doctor", "data", "features", "models", "runs"]
LEAVES = [
    "data import",
    "data list",
    "data show",
    "data check",
    "data fetch",
    "data fill",
    "data gaps",
    "data repair",
    "data resample",
    "data serve-replay",
    "data sql",
    "data universe",
    "data venues",
    "data verify",
    "features list",
    "features check",
    "models list",
    "models promote",
    "models rollback",
    "runs list",
    "runs relog",
]


@pytest.mark.parametrize("words", ["", *VERBS, *LEAVES])
def test_everything_has_help(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Usage: workbench" in shown
    for leaf in words.split():
        assert leaf in shown


@pytest.mark.parametrize("words", LEAVES)
def test_help_offers_no_option_that_says_nothing(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"]) == 0
    shown = capsys.readouterr().out.replace("--no-funding", "")  # which differs from saying nothing of funding
    assert not re.search(r"--no-|--empty-|default: (False|\(\)|\"\")", shown)


def test_what_is_on_can_be_put_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--help"]) == 0
    assert "--no-open-browser" in capsys.readouterr().out


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nightyl"], "nightyl"),
        (["nightly", "--jbos", "2"], "--jbos"),
        (["app", "--port", "many"], "many"),
        (["app", "--port", "0"], "port 0 is not between"),
        (["data", "show", "SPY"], "SPY"),
        (["data", "show", "SPX", "--timeframe", "1q"], "1q"),
        (["data", "show", "SPX", "--source", "planted(strength=7)"], "strength"),
        (["data", "show", "SPX", "--source", "nowhere"], "nowhere"),
        (["data", "import"], "no file named"),
        (["data", "fetch", "binance", "BTC/USDT", "1h"], "--since is missing. See 'workbench data fetch --help'."),
        (["data", "fetch", "binance", "BTC/USDT", "1h", "--since"], "--since requires an argument"),
        (["data", "repair", "--source", "import"], "SYMBOL is missing"),
        (["data", "venues", "--no-json"], "Unknown option: --no-json"),
        (["run", "backtest", "-p", "train_sze=3"], "Did you mean 'train_size'"),
        (["run", "backtest", "-p", "train_size"], "train_size"),
        (["run", "nothing"], "unknown notebook 'nothing'"),
        (["run", "backtest", "-p", "model=logistc"], "Did you mean 'logistic'"),
        (["run", "backtest", "-p", "rule=sing"], "Did you mean 'sign'"),
        (["run", "backtest", "-p", "features=[rsii(14)]"], "Did you mean 'rsi'"),
        (["run", "backtest", "-p", "symbols=[SPY]"], "SPY"),
        (["run", "backtest", "-p", "source=import"], "workbench data import FILE"),
        (["run", "backtest", "-p", "start=2015-01-01", "-p", "end=2014-01-01"], "is not before end"),
        (["run", "backtest", "-p", "start=2015-02-30"], "2015-02-30"),
        (["run", "backtest", "-p", "start=2015"], "write a date like 2015-01-31"),
        (["run", "backtest", "-p", "start=2190-01-01"], "2190"),
        (["run", "backtest", "-p", "train_size=999999"], "999"),
        (["run", "backtest", "-p", "symbols=SPX"], "write [SPX]"),
        (["run", "backtest", "-p", "symbols=[SPX, SPX]"], "named twice"),
        (["run", "backtest", "--timeout", "-1"], "--timeout must be at least 1"),
        (["run", "data", "-p", "source=smaple"], "Did you mean 'sample'"),
        (["run", "risk_center", "-p", "run=nope"], "nope"),
        (["run", "features", "-p", "features=[rsii(14)]"], "Did you mean 'rsi'"),
        (["run", "features", "-p", "horizons=[5, 1]"], "horizons must increase"),
        (["run", "backtest", "-p", "=3"], "write it like horizon=10"),
        (["nightly", "-f", "."], "is a folder"),
        (["runs", "list", "--notebook", "backtset"], "Did you mean 'backtest'"),
        (["runs", "list", "--limit", "0"], "--limit must be at least 1"),
        (["nightly", "-f", "nothing.yaml"], "does not exist"),
        (["models", "promote", "nobody"], "nobody"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    settings: Settings, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert "Traceback" not in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    "words", [["runs", "list"], ["data", "list"], ["features", "list"], ["doctor"], ["models", "list"]]
)
def test_json_is_one_document_and_nothing_else(
    settings: Settings, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*words, "--json"])
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_a_mistake_with_json_is_one_document_too(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "backtest", "-p", "train_sze=3", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "ConfigError"


def test_dates_are_written_as_people_write_them(settings: Settings) -> None:
    jobs = planned("backtest", None, ["start=2010-01-01", "end=2015-01-01T12:00"], None)
    assert (jobs[0].parameters.flat()["start"], jobs[0].parameters.flat()["end"]) == ("2010-01-01", "2015-01-01T12:00")


def test_a_full_disk_is_one_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit on file size stands for the full disk: every write fails as it would there."""
    (settings.home / "experiments").mkdir(exist_ok=True)
    code = (
        "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); from workbench.cli import main;"
        "code = main(['nightly', '-f', sys.argv[1]]); sys.stderr.flush(); os._exit(code)"  # past coverage's own writing
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "experiments" / "sample_live_chart.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_data_commands_from_import_to_check(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "\n".join(f"2024-01-01T{h:02d}:00:00Z,{10 + h},{11 + h},{9 + h},{10.5 + h},100" for h in range(12) if h != 5)
    path = tmp_path / "BTCUSDT-1h.csv"
    path.write_text(f"time,open,high,low,close,volume\n{rows}\n")
    assert main(["data", "import", str(path), "--json"]) == 0
    imported = json.loads(capsys.readouterr().out)
    assert imported["refused"] == []
    assert main(["data", "list", "--json"]) == 0
    series = json.loads(capsys.readouterr().out)
    assert [(s["source"], s["symbol"], s["timeframe"], s["bars"]) for s in series] == [("import", "BTC/USDT", "1h", 11)]
    assert main(["data", "show", "BTC/USDT", "--source", "import", "--timeframe", "1h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_bars"] == 11
    assert main(["data", "check", "BTC/USDT", "--source", "import", "--timeframe", "1h", "--json"]) == 0
    assert [f["kind"] for f in json.loads(capsys.readouterr().out)] == ["gap"]


def test_a_refused_file_leaves_the_others(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "ETHUSDT-1d.csv", tmp_path / "empty.csv"
    good.write_text(
        "time,open,high,low,close,volume\n2024-01-01,1,2,1,2,5\n2024-01-02,2,3,1,2,5\n2024-01-03,2,3,1,2,5\n"
    )
    bad.write_text("")
    assert main(["data", "import", str(bad), str(good), "--json"]) == 2
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)["imported"]) == 1
    assert "empty.csv" in shown.err


def test_features_check_says_ok_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "check"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) >= 15
    assert all(line.endswith(": ok") for line in lines)


def test_doctor_names_each_check(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) in (0, 1)
    findings = {f["check"]: f for f in json.loads(capsys.readouterr().out)}
    assert {
        "python",
        "packages",
        "data",
        "experiments",
        "notebooks",
        "disk",
        "mlflow",
        "ledger",
        "browser",
    } <= findings.keys()


def test_doctor_finds_a_torn_database(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.experiments_dir.mkdir(parents=True)
    settings.ledger_path.write_bytes(b"not a database at all" * 100)
    assert main(["doctor", "--json"]) == 1
    findings = {f["check"]: f for f in json.loads(capsys.readouterr().out)}
    assert findings["ledger"]["status"] == "fail"


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(  # noqa: S602 - a pipe is the point
        f"{sys.executable} -m workbench features list | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
