"""The pages on features do what they say: their blocks are run in order, and what they show is what comes out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.features import REGISTRY, SETS, list_features
from workbench.features.expressions import OPERATORS

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs"
BLOCK = re.compile(r"^```(?P<kind>\w+)(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
HASH = re.compile(r"\b[0-9a-f]{16}\b")

# Runs in a process of its own, as a notebook would: the last expression of a cell is shown, features that are
# registered there are known to nobody else, and shell commands come between the cells.
DRIVER = """
import ast, contextlib, io, json, linecache, subprocess, sys, traceback
import pandas as pd

pd.set_option("display.width", 120, "display.max_columns", 20)
sys.path.insert(0, "")
names, shown = {"__name__": "__main__"}, []
for number, (kind, title, body) in enumerate(json.load(sys.stdin)):
    out, failed = io.StringIO(), ""
    if title:
        open(title, "a").write(("\\n\\n" if kind == "python" else "") + body)
    elif kind == "sh":
        done = subprocess.run(["bash", "-c", body], capture_output=True, text=True, timeout=240)
        out.write(done.stdout + done.stderr)
        failed = "" if done.returncode == 0 else done.stderr or done.stdout or "failed"
    else:
        cell = f"<cell {number}>"
        linecache.cache[cell] = (len(body), None, body.splitlines(keepends=True), cell)
        tree = ast.parse(body)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        try:
            with contextlib.redirect_stdout(out):
                exec(compile(tree, cell, "exec"), names)
                value = None if last is None else eval(compile(ast.Expression(last.value), cell, "eval"), names)
                if value is not None:
                    print(value)
        except Exception:
            failed = traceback.format_exc()
    shown.append([out.getvalue(), failed])
json.dump(shown, sys.stdout)
"""

Block = tuple[str, str, str, int]


def blocks(page: str) -> tuple[list[Block], dict[int, str]]:
    """Return what is to be run, in order, and what the page shows of it by the number of the block."""
    text = (PAGES / page).read_text()
    found: list[Block] = []
    expected: dict[int, str] = {}
    for match in BLOCK.finditer(text):
        kind, info, body = match["kind"], match["info"].strip(), match["body"]
        if kind == "text":
            expected[len(found) - 1] = body
            continue
        title = re.fullmatch(r'title="([\w.]+)"', info)
        if kind in ("python", "sh") or title:
            assert info in ("", "slow") or title, f"{page}: a block marked {info!r}"
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{kind} {info}" if info == "slow" else kind, title[1] if title else "", body, line))
    return found, expected


def plain(text: str) -> list[str]:
    """Lines without hashes, which differ by Python's version, and without trailing blanks."""
    return [HASH.sub("#", line.rstrip()) for line in text.strip("\n").splitlines()]


def run_page(page: str, folder: Path, *, slow: bool) -> None:
    found, expected = blocks(page)
    assert found, page
    steps = [(kind.split()[0], title, body) for kind, title, body, _ in found if slow or not kind.endswith("slow")]
    kept = [i for i, (kind, *_) in enumerate(found) if slow or not kind.endswith("slow")]
    env = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    env |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error:::workbench",
        "WORKBENCH_HOME": str(folder),
        "WORKBENCH_NOTEBOOKS": str(ROOT / "notebooks"),
    }
    command, given = [sys.executable, "-c", DRIVER], json.dumps(steps)
    done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=folder, env=env, check=False)
    assert done.returncode == 0, done.stderr
    for i, (output, failed) in zip(kept, json.loads(done.stdout), strict=True):
        where = f"{page}, line {found[i][3]}"
        assert not failed, f"{where}:\n{failed}"
        if i in expected:
            assert plain(output) == plain(expected[i]), f"{where} gives:\n{output}"


@pytest.mark.parametrize("page", ["features.md", "features-labels.md", "write-your-own-feature.md"])
def test_a_page_does_what_it_shows(page: str, tmp_path: Path) -> None:
    run_page(page, tmp_path, slow=False)


@pytest.mark.slow
def test_the_five_minutes_with_their_experiment(tmp_path: Path) -> None:
    run_page("write-your-own-feature.md", tmp_path, slow=True)


def test_the_guide_lists_what_there_is() -> None:
    """Families with their numbers, sets and operators."""
    text = (PAGES / "features.md").read_text()
    table = list_features()
    ours = table[[REGISTRY.get(n).trusted for n in table["name"]]]  # other tests register their own
    counts = ours["family"].value_counts().to_dict()
    assert f"shows {len(ours)} features in {len(counts)} families" in text
    for page in ("README.md", "CHANGELOG.md"):
        assert f"{len(ours)} " in (ROOT / page).read_text()
        assert f"{len(counts)} families" in (ROOT / page).read_text()
    listed = re.findall(r"^\| (\w+) \| (\d+) \| .*$", text, re.MULTILINE)
    assert {name: int(count) for name, count in listed if name in counts} == counts
    for found in SETS:
        if found.name in ("classic31", "alpha158"):
            assert f"| `{found.name}` | {len(found)} |" in text
    assert f"features and {len(OPERATORS)} operators" in text
    words = set(re.findall(r"[\w]+", " ".join(line for line in text.splitlines() if line.startswith("| "))))
    unsaid = [o.name for o in OPERATORS if not o.sign and o.name not in words]
    assert unsaid == []
