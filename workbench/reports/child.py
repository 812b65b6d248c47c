"""The process of one job: ``python -m workbench.reports.child spec.json``. It executes, renders and leaves a result.

It is started by `workbench.reports.runner` only. When its standard input closes, its parent has died: it then ends
its kernel and itself.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import JobError, WorkbenchError
from workbench.ops import atomic_write, sha256_file
from workbench.reports.processes import end_tree

if TYPE_CHECKING:
    from nbformat import NotebookNode

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Spec:
    """What the runner asks of the child; paths are absolute."""

    name: str
    title: str
    source: str
    parameters: dict[str, Any]
    folder: str
    work: str
    limit_s: float
    mark: str
    started: str
    index: str = ""
    """Address of the nightly's index page, as seen from the report."""


@dataclass(frozen=True)
class Failure:
    """Why and where a notebook stopped."""

    status: str
    error: str
    cell: str = ""
    traceback: str = ""


def main(path: str) -> int:
    """Execute the job in ``path`` and write ``result.json`` beside it; 0 whenever a result was written."""
    spec = Spec(**json.loads(Path(path).read_text(encoding="utf-8")))
    logging.getLogger("papermill").setLevel(logging.ERROR)
    threading.Thread(target=_end_with_parent, args=(spec.mark,), daemon=True).start()
    deadline = _Deadline(spec.limit_s, spec.mark)
    notebook, failure = _execute(spec, deadline)
    deadline.stop()
    result = _write(spec, notebook, failure)
    atomic_write(Path(spec.work) / "result.json", json.dumps(result))
    return 0


def _end_with_parent(mark: str) -> None:
    sys.stdin.buffer.read()
    end_tree(None, mark)
    os._exit(3)


class _Deadline:
    """Kill everything but this process once the time is over, again and again until stopped."""

    def __init__(self, limit_s: float, mark: str) -> None:
        self.passed = False
        self._mark = mark
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(limit_s,), daemon=True)
        self._thread.start()

    def _watch(self, limit_s: float) -> None:
        if self._stopped.wait(limit_s):
            return
        self.passed = True
        while True:
            end_tree(None, self._mark)
            if self._stopped.wait(0.5):
                return

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


def _execute(spec: Spec, deadline: _Deadline) -> tuple[NotebookNode, Failure | None]:
    """Run the notebook without its ``app`` cells; return it as far as it came."""
    import nbformat

    notebook = nbformat.read(spec.source, as_version=4)
    notebook.cells = [c for c in notebook.cells if "app" not in c.metadata.get("tags", [])]
    nbformat.write(notebook, Path(spec.work) / "input.ipynb")
    done, failure = _attempt(spec, deadline, notebook)
    if failure is not None and failure.status == "failed" and not failure.cell:
        # Not one cell was begun: the kernel never answered, as when another one took its port. Once more.
        done, failure = _attempt(spec, deadline, notebook)
    return done, failure


def _attempt(spec: Spec, deadline: _Deadline, notebook: NotebookNode) -> tuple[NotebookNode, Failure | None]:
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from workbench.reports import kernel

    work = Path(spec.work)
    try:
        done = papermill.execute_notebook(
            _braced(work / "input.ipynb"),
            _braced(work / "output.ipynb"),
            parameters=spec.parameters,
            engine_name=kernel.register(),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            autosave_cell_every=0,
        )
    except PapermillExecutionError as err:
        done = nbformat.read(work / "output.ipynb", as_version=4)
        line = f"{err.ename}: {_ANSI.sub('', err.evalue)}".strip().splitlines()
        failure = Failure("failed", line[0] if line else err.ename, _last_cell(done)[1], "\n".join(err.traceback))
        return done, _timeout(spec, done) if deadline.passed else failure
    except Exception as err:  # noqa: BLE001 - whatever broke the execution off is what the error page must show
        done = kernel.Engine.notebook or notebook
        failure = _timeout(spec, done) if deadline.passed else _broken(err, done, kernel.kernel_death)
        _note_error(done, failure)
        return done, failure
    return done, _timeout(spec, done) if deadline.passed else None


def _braced(path: Path) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")  # papermill formats its paths


def _timeout(spec: Spec, notebook: NotebookNode) -> Failure:
    return Failure(
        "timeout",
        f"ran longer than its limit of {spec.limit_s:.0f} s (timeout_s) and was ended",
        _last_cell(notebook)[1],
    )


def _broken(err: Exception, notebook: NotebookNode, death: Any) -> Failure:
    from nbclient.exceptions import DeadKernelError

    cell = _last_cell(notebook)[1]
    if isinstance(err, WorkbenchError):
        return Failure("failed", f"JobError: {err}", cell)
    if isinstance(err, DeadKernelError) or "Kernel died" in str(err):
        return Failure("failed", f"JobError: {death()}", cell)
    return Failure(
        "failed", f"{type(err).__name__}: {str(err).splitlines()[0] if str(err) else ''}", cell, traceback.format_exc()
    )


def _last_cell(notebook: NotebookNode) -> tuple[NotebookNode | None, str]:
    """Return the cell that was started last and how to call it: its place, tag and first line."""
    code = [c for c in notebook.cells if c.cell_type == "code"]
    started = [(n, c) for n, c in enumerate(code, start=1) if c.metadata.get("papermill", {}).get("start_time")]
    if not started:
        return None, ""
    number, cell = started[-1]
    tag = next(iter(cell.metadata.get("tags", [])), "")
    line = next((x.strip() for x in cell.source.splitlines() if x.strip()), "")
    return cell, f"code cell {number}" + (f" ({tag})" if tag else "") + f": {line[:100]}"


def _note_error(notebook: NotebookNode, failure: Failure) -> None:
    """Write the error into the cell that was running, so that the notebook itself tells it too."""
    from nbformat.v4 import new_output

    cell, _ = _last_cell(notebook)
    if cell is not None:
        cell.outputs.append(new_output("error", ename=failure.status, evalue=failure.error, traceback=[failure.error]))


def _write(spec: Spec, notebook: NotebookNode, failure: Failure | None) -> dict[str, Any]:
    """Write the executed notebook (read-only from then on) and its page; return the result."""
    import nbformat

    from workbench.reports.html import Banner, render_notebook

    notebook.metadata.get("papermill", {}).update(input_path=Path(spec.source).name, output_path="")
    folder = Path(spec.folder)
    executed = atomic_write(folder / f"{Path(spec.source).stem}.ipynb", nbformat.writes(notebook) + "\n")
    executed.chmod(0o444)
    banner = Banner(failure.status, failure.error, failure.cell, failure.traceback) if failure else None
    page = render_notebook(
        notebook,
        title=spec.title,
        parameters=spec.parameters,
        name=spec.name,
        started=spec.started,
        banner=banner,
        index=spec.index,
    )
    atomic_write(folder / "report.html", page)
    return {
        **asdict(failure or Failure("ok", "")),
        "notebook": executed.name,
        "sha256": sha256_file(executed),
        "html": "report.html",
    }


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except JobError as err:
        sys.exit(str(err))
