"""The room opens nothing heavy, and its charts show themselves in an executed notebook."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from workbench import charts


def test_names_are_sorted_and_reachable() -> None:
    assert charts.__all__ == sorted(charts.__all__)
    assert all(callable(getattr(charts, name)) for name in charts.__all__)
    with pytest.raises(AttributeError, match="no attribute 'pie_chart'"):
        _ = charts.pie_chart


def test_importing_opens_no_plotting_library() -> None:
    code = (
        "import sys, workbench.charts, workbench.apps;"
        "bad = {'bokeh', 'holoviews', 'hvplot', 'panel', 'param'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("mode", ["light", "dark", "auto"])
def test_theme_css_names_what_bokeh_reads(mode: str) -> None:
    css = charts.theme_css(mode)
    assert "--bk-grid-line-color" in css
    assert "--bk-major-label-text-color" in css


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("paper", ["#ffffff", "#171d23"])
def test_series_stand_out_on_both_papers(paper: str) -> None:
    from workbench.charts.theme import CYCLE, STYLES

    for color in {*CYCLE, *(s.color for s in STYLES.values())}:
        assert contrast(color, paper) >= 3.0, (color, paper)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_is_readable_on_its_paper(mode: str) -> None:
    css = charts.theme_css(mode)
    values = dict(re.findall(r"--chart-(\w+):(#\w{6})", css))
    for ink in ("ink", "soft", "good", "bad"):
        assert contrast(values[ink], values["paper"]) >= 4.5, ink


@pytest.mark.slow
def test_a_chart_shows_itself_in_an_executed_notebook() -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = [
        "import pandas as pd\nfrom workbench import charts\ncharts.enable_notebook()",
        "times = pd.date_range('2020', periods=3, tz='UTC')\n"
        "charts.equity_chart(pd.DataFrame({'strategy': [0.01, -0.02, 0.03]}, index=times))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    loaded = notebook.cells[0].outputs[0]["data"]["text/html"]
    shown = notebook.cells[1].outputs[0]["data"]["text/html"]
    assert "Bokeh" in loaded
    assert len(loaded) > 1_000_000
    assert "Equity: growth of 1.00" in shown
    assert not re.findall(r"""<(?:script|link)[^>]+(?:src|href)=""", loaded + shown)
