"""The index page of a nightly: one row per job with status, headline measures, verdict and links."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from workbench.reports.html import DISCLAIMER, TEMPLATES

_WORDS = {
    "ok": "done",
    "failed": "failed",
    "timeout": "out of time",
    "skipped": "skipped",
    "cancelled": "cancelled",
    "incomplete": "incomplete",
    "running": "running",
    "waiting": "waiting",
}
_SIGNS = {"ok": "✓", "skipped": "–", "running": "…", "waiting": "…"}


def render_index(state: dict[str, Any]) -> str:
    """Return the index as a self-contained HTML page.

    Parameters
    ----------
    state : dict
        ``started`` (ISO), ``seconds`` (None while running) and ``jobs`` as in ``results.json``.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    style = Path(TEMPLATES / "report" / "report.css").read_text(encoding="utf-8")
    bad = [j for j in state["jobs"] if j["status"] in {"failed", "timeout", "cancelled", "incomplete"}]
    return environment.get_template("nightly.html.j2").render(
        started=state["started"].replace("T", " ").removesuffix("+00:00"),
        seconds=state["seconds"],
        jobs=[_shown(job) for job in state["jobs"]],
        words=_words(state["jobs"]),
        bad=bool(bad),
        unfinished=any(j["status"] in {"running", "waiting"} for j in state["jobs"]),
        style=style,
        disclaimer=DISCLAIMER,
    )


def _words(jobs: list[dict[str, Any]]) -> str:
    """Count the jobs by what became of them, such as ``7 done, 1 failed, 1 skipped``."""
    statuses = [j["status"] for j in jobs]
    return ", ".join(f"{statuses.count(s)} {word}" for s, word in _WORDS.items() if s in statuses)


def _shown(job: dict[str, Any]) -> dict[str, Any]:
    headline = job["headline"]
    metrics = headline.get("metrics", {})
    found = f"{metrics['n_found']:.0f} of {metrics['n_features']:.0f} features" if "n_found" in metrics else ""
    return job | {
        "word": _WORDS.get(job["status"], job["status"]),
        "sign": _SIGNS.get(job["status"], "✗"),
        "annual_return": _percent(metrics.get("annual_return")),
        "sharpe": _number(metrics.get("sharpe_ratio")),
        "drawdown": _percent(metrics.get("max_drawdown")),
        "accuracy": "" if found else _percent(metrics.get("accuracy")),
        "found": found,
        "trial_text": _trial(headline),
        "duration": f"{job['seconds']:.0f} s" if job["seconds"] else "",
        "memory": f"{job['peak_rss'] / 2**20:,.0f} MB" if job["peak_rss"] else "",
    }


def _trial(headline: dict[str, Any]) -> str:
    if not headline.get("n_trials"):
        return ""
    text = f"{headline['trial']} of {headline['n_trials']}"
    return text if headline.get("is_new") else f"{text}, seen before"


def _percent(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:,.1%}".replace("%", " %").replace("-", "−")


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.2f}".replace("-", "−")
