"""The page at ``/``: what the replay venue serves, in plain HTML."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c2733;background:#fff}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.25rem .75rem;border-bottom:1px solid #d9dee4}"
    "code{background:#f1f3f5;padding:.1rem .3rem;border-radius:3px}"
    "@media(prefers-color-scheme:dark){body{color:#dfe5ea;background:#15191d}"
    "td,th{border-color:#333b43}code{background:#242b31}}"
)


def status_page(status: dict[str, Any]) -> str:
    """Return the page of a status as `status_of` gives it."""
    clock = datetime.fromtimestamp(status["clock_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    pace = "stands still" if status["speed"] == 0 else f"runs at {status['speed']:g}×"
    rows = {
        "Clock": f"{clock}, {pace}",
        "Bars from": status["source"] or "memory",
        "Symbols": ", ".join(status["symbols"]),
        "Stands in for": ", ".join(status["hosts"]),
        "Faults": "; ".join(status["faults"]) or "none",
        "Requests": f"{status['requests']} so far",
        "Open sockets": str(status["sockets"]),
    }
    asked = "".join(
        f"<tr><td><code>{html.escape(path)}</code></td><td>{count}</td></tr>"
        for path, count in status["requests_by_path"].items()
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Replay venue</title>"
        f"<style>{_STYLE}</style></head><body><h1>Replay venue</h1><table>"
        + "".join(f"<tr><th>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items())
        + f"</table><h2>Requests by path</h2><table>{asked or '<tr><td>none yet</td></tr>'}</table>"
        "<p>The same as JSON: <a href='/status'>/status</a></p></body></html>"
    )
