"""Every notebook in its three lives, with small experiments: by hand in the lab, as a job of a nightly, as a page."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest

from workbench.config import NOTEBOOKS, Settings, load_experiment, load_settings
from workbench.reports import NightlyResult, run_nightly
from workbench.tracking import read_record

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOW = datetime(2026, 1, 31, 2, tzinfo=UTC)
MARKET = "  source: planted(strength=0.7, seed=3, n_bars=700)\n  symbols: [SYN]\n  features: ['ret(1)', 'rsi(14)']\n"
# Each on a data set of its own: trials are counted per data set, and the count deflates the Sharpe ratio.
SMALL = {
    "data": "  symbols: [SPX, AAPL]\n",
    "backtest": MARKET + "  horizon: 1\n  train_size: 200\n  test_size: 100\n  replicates: 100\n  null_draws: 20\n",
    "sweep": "  source: trending(strength=0.3, seed=3, n_bars=900)\n  symbols: [SYN]\n  replicates: 100\n"
    "  grid: [fast 5, slow 20..60..20]\n  keep_cells: 1\n",
    "walkforward": "  source: trending(strength=0.3, seed=4, n_bars=900)\n  symbols: [SYN]\n  replicates: 100\n"
    "  grid: [fast 5, slow 20..60..20]\n  train_size: 300\n  test_size: 150\n",
    "truth": "  n_noise: 1\n  n_planted: 1\n  n_bars: 1200\n  n_cells: 0\n",
    "compare": "  a: previous\n  b: latest\n",
    "train": MARKET.replace("seed=3", "seed=4") + "  horizon: 1\n  hidden: [8]\n  lookback: 4\n  epochs: 2\n",
    "features": MARKET.replace("seed=3", "seed=9").replace("ret(1)", "volume_z(20)")
    + "  horizon: 1\n  horizons: [1, 5]\n",
    "live_chart": "  symbol: MSFT\n  window: 60\n",
    "risk_center": "  window: 30\n",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("lives")
    (folder / "experiments").mkdir()
    for name, text in SMALL.items():
        (folder / "experiments" / f"small_{name}.yaml").write_text(f"notebook: {name}\nparameters:\n{text}")
    return load_settings({"WORKBENCH_HOME": str(folder), "WORKBENCH_NOTEBOOKS": str(FOLDER)})


@pytest.fixture(scope="module")
def night(home: Settings) -> NightlyResult:
    return run_nightly(home, now=NOW)


def test_every_notebook_is_a_job(night: NightlyResult) -> None:
    assert {j.name: (j.status, j.error) for j in night.jobs} == {f"small_{n}": ("ok", "") for n in NOTEBOOKS}
    assert night.exit_code == 0
    index = night.index.read_text()
    assert f"{len(NOTEBOOKS)} done" in index
    assert "1 of 1" in index
    assert "1 of 2 features" in index


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data", ["Closing prices", "Gaps by cause", "Bars by venue", "every bar keeps the bars convention"]),
        ("backtest", ["gates", "trial 1 of 1 on this data set", "filled at the open of bar t+1", "buy and hold"]),
        (
            "backtest",
            ["deflated Sharpe ratio", "interval", "per traded value", "market orders", "false discoveries 0%"],
        ),
        ("backtest", ["Random entry", "MAE", "breaks even", "Average allocation", "rolling", "by kind"]),
        ("sweep", ["overfitting", "trial 1 of 3 on this data set", "PBO", "every cell was counted"]),
        ("walkforward", ["out of sample", "every fold made a choice", "chosen in every fold"]),
        ("compare", ["of starting equity", "What differs", "the parts sum to the difference"]),
        ("truth", ["of markets of noise passed", "0 of 1", "1 of 1"]),
        ("train", ["gates", "validation loss", "all losses are finite"]),
        ("features", ["1 of 2 features say something", "2 features × 2 horizons", "Newey-West", "volume_z(20)", "PSI"]),
        ("live_chart", ["MSFT: last 60 of 3,270 bars"]),
        ("risk_center", ["State: ", "expected shortfall over one bar"]),
    ],
)
def test_reports_show_what_they_promise(night: NightlyResult, name: str, words: list[str]) -> None:
    (job,) = [j for j in night.jobs if j.notebook == name]
    assert job.html_path is not None
    page = job.html_path.read_text()
    for word in words:
        assert word in page, word
    assert page.count("Bokeh = ") + page.count("Bokeh=") >= 1
    assert "ot financial advice" in page


@pytest.mark.browser
@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_reports_open_in_a_browser_with_no_network(night: NightlyResult, name: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium; install it with 'make chromium'")
    (job,) = [j for j in night.jobs if j.notebook == name]
    assert job.html_path is not None
    asked: list[str] = []
    errors: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("request", lambda r: asked.append(r.url))
        page.on("console", lambda m: errors.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.context.set_offline(True)
        page.goto(job.html_path.as_uri())
        page.locator("canvas").first.wait_for(timeout=60_000)
        n_charts = page.evaluate("Bokeh.documents.length")
        browser.close()
    computed = {"backtest": 28, "sweep": 18, "walkforward": 13, "features": 6, "train": 5, "compare": 2, "truth": 1}
    assert n_charts == (computed | {"risk_center": 4, "data": 3, "live_chart": 1})[name]
    assert [a for a in asked if not a.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []


def test_the_run_carries_its_report(night: NightlyResult, home: Settings) -> None:
    (job,) = [j for j in night.jobs if j.notebook == "backtest"]
    assert job.computed
    attached = [p for p in home.artifacts_dir.rglob("*") if p.is_file() and job.run_id in str(p)]
    names = {p.name for p in attached}
    assert {"backtest.ipynb", "report.html"} <= names
    started = datetime.fromisoformat(read_record(job.run_id, home).started)
    assert NOW <= started < NOW + timedelta(minutes=10)


def test_the_risk_center_read_the_backtest(night: NightlyResult) -> None:
    runs = {j.notebook: j for j in night.jobs}
    assert runs["risk_center"].run_id == runs["backtest"].run_id
    assert runs["risk_center"].computed is False


def test_a_second_night_has_equal_metrics_and_the_same_trial(night: NightlyResult, home: Settings) -> None:
    again = run_nightly(home, [home.experiments_dir / "small_backtest.yaml"], now=NOW)
    (first,) = [j for j in night.jobs if j.notebook == "backtest"]
    one, two = (read_record(run, home) for run in (first.run_id, again.jobs[0].run_id))
    assert one.run_id != two.run_id
    assert two.metrics == pytest.approx(one.metrics, rel=0, abs=0, nan_ok=True)
    assert two.baselines.keys() == one.baselines.keys()
    assert (one.trial["is_new"], two.trial["is_new"]) == (True, False)
    assert (two.trial["number"], two.trial["n_trials"]) == (one.trial["number"], one.trial["n_trials"])
    assert "1 of 1, seen before" in again.index.read_text()


@pytest.fixture(scope="module")
def by_hand(night: NightlyResult, home: Settings) -> dict[str, nbformat.NotebookNode]:
    """Every notebook executed cell by cell as JupyterLab does, app cell included."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(NOTEBOOKS, pool.map(lambda n: _execute(n, home), NOTEBOOKS), strict=True))


def _execute(name: str, home: Settings) -> nbformat.NotebookNode:
    import os

    from nbclient import NotebookClient
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    notebook = load_notebook_node(str(FOLDER / f"{name}.ipynb"))
    (job,) = load_experiment(home.experiments_dir / f"small_{name}.yaml").jobs
    parameterize_notebook(notebook, job.parameters.model_dump(), kernel_name="python3", language="python")
    env = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    env |= {"WORKBENCH_HOME": str(home.home), "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    client = NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute(env=env)
    return notebook


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_every_notebook_runs_by_hand(by_hand: dict[str, nbformat.NotebookNode], name: str) -> None:
    cells = {c.metadata["tags"][0]: c for c in by_hand[name].cells if c.cell_type == "code"}
    assert not [o for c in cells.values() for o in c.outputs if o.output_type == "error"]
    assert cells["report"].outputs
    shown = [o for o in cells["app"].outputs if "data" in o]
    assert shown, "the app cell shows its page in the lab too"


@pytest.fixture(scope="module")
def server(night: NightlyResult, home: Settings) -> Iterator[str]:
    """Panel's own server over the notebooks, as plain ``panel serve`` runs them."""
    import panel

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(home.home))
        patch.setenv("WORKBENCH_NOTEBOOKS", str(FOLDER))
        patch.delenv("WORKBENCH_MODE", raising=False)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        pages = {name: str(FOLDER / f"{name}.ipynb") for name in NOTEBOOKS}
        thread = panel.serve(pages, port=port, address="127.0.0.1", threaded=True, show=False, verbose=False)
        yield f"http://127.0.0.1:{port}"
        thread.stop()


def _visit(address: str, arguments: dict[str, str] | None = None) -> str:
    """Open a session as a browser does and return the page's document as text."""
    from bokeh.client import pull_session

    for _ in range(50):
        try:
            session = pull_session(url=address, arguments=arguments)
            break
        except OSError:
            time.sleep(0.2)
    else:
        pytest.fail(f"{address} did not answer")
    try:
        assert session.document.roots
        return json.dumps(session.document.to_json(), default=str)
    finally:
        session.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("backtest", "Backtests"),
        ("sweep", "Sweeps"),
        ("walkforward", "Walk-forward"),
        ("compare", "Compare"),
        ("truth", "Truth"),
        ("train", "Training"),
        ("risk_center", "Risk center"),
        ("features", "1 of 2 features found"),
        ("data", "AAPL"),
        ("live_chart", "SPX"),
    ],
)
def test_every_notebook_is_a_page(server: str, home: Settings, name: str, words: str) -> None:
    before = set(home.records_dir.iterdir())
    text = _visit(f"{server}/{name}")
    assert "Traceback" not in text
    assert words in text
    assert set(home.records_dir.iterdir()) == before, "a page loads finished runs and computes none"


def test_the_address_overlays_parameters(server: str) -> None:
    assert "IBM" in _visit(f"{server}/live_chart", {"symbol": "IBM", "window": "50"})
