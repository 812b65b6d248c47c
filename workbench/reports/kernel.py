"""Papermill's engine with two changes: the kernel is this interpreter's, and what a notebook shows is capped."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

from workbench.errors import JobError

ENGINE = "workbench"
DATA_LIMIT = 64_000_000
"""Characters of tables and charts kept per job."""


class InterpreterKernelManager(AsyncKernelManager):
    """Start ``ipykernel`` of the running interpreter, whatever kernels are installed for the user or the machine."""

    process: subprocess.Popen[bytes] | None = None

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel of ``sys.executable``; no kernel folder is looked up."""
        stream = "--IPKernelApp.outstream_class=workbench.reports.stream.CappedStream"
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", stream]
        return KernelSpec(argv=command, display_name="Python 3", language="python")

    async def _async_post_start_kernel(self, **kwargs: Any) -> None:
        await super()._async_post_start_kernel(**kwargs)
        self.process = getattr(self.provisioner, "process", None)


class CappedClient(PapermillNotebookClient):
    """Run cells, join what a cell prints, and end a job whose tables and charts grow without end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shown = 0

    def output(self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Add one output to its cell.

        Raises
        ------
        JobError
            When the notebook shows more than `DATA_LIMIT`.
        """
        content = msg["content"]
        last = outs[-1] if outs else None
        if msg["msg_type"] == "stream" and last is not None and last.get("name") == content["name"]:
            last.text += content["text"]
            return None
        self._shown += sum(len(v) for v in content.get("data", {}).values() if isinstance(v, str))
        if self._shown > DATA_LIMIT:
            raise JobError(f"the notebook shows more than {DATA_LIMIT / 1e6:.0f} MB of tables and charts; show less")
        return super().output(outs, msg, display_id, cell_index)


class Engine(NBClientEngine):
    """The engine that `workbench.reports.child` names; it keeps the notebook reachable when execution breaks off."""

    notebook: NotebookNode | None = None
    client: CappedClient | None = None
    manager: InterpreterKernelManager | None = None

    @classmethod
    def execute_managed_notebook(cls, nb_man: NotebookExecutionManager, kernel_name: str, **_: Any) -> Any:
        """Execute the notebook; called by papermill."""
        Engine.notebook = nb_man.nb
        Engine.manager = InterpreterKernelManager(kernel_name=kernel_name)
        client = CappedClient(
            nb_man, km=Engine.manager, timeout=None, startup_timeout=60, iopub_timeout=60, kernel_name=kernel_name
        )
        client.owns_km = True
        return client.execute()


def kernel_death() -> str:
    """Say how the kernel ended, as far as the system tells."""
    process = Engine.manager.process if Engine.manager else None
    code = process.poll() if process else None
    if code is None:
        return "the kernel stopped answering"
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; often the machine ran out of memory" if name == "SIGKILL" else ""
        return f"the kernel was killed by {name}{hint}"
    return f"the kernel ended with exit code {code}"


def register() -> str:
    """Make the engine known to papermill and return its name."""
    papermill_engines.register(ENGINE, Engine)
    return ENGINE
