"""``workbench app``, ``lab`` and ``up``: servers on loopback, stopped together."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from workbench.config import Settings, load_settings
from workbench.errors import ConfigError

HOST = "127.0.0.1"
_START_S = 60.0
_STOP_S = 8.0


def serve_app(*, port: int = 5006, open_browser: bool = False) -> None:
    """Serve the notebooks as pages on 127.0.0.1.

    Parameters
    ----------
    port
        TCP port on loopback.
    open_browser
        Open the index page in the default browser.
    """
    from workbench.apps import serve

    serve(load_settings(), port=port, open_browser=open_browser)


def lab(*, port: int = 8888, open_browser: Annotated[bool, Parameter(negative="--no-open-browser")] = True) -> int:
    """Open JupyterLab on the notebooks, on 127.0.0.1.

    Parameters
    ----------
    port
        TCP port on loopback.
    open_browser
        Open it in the default browser.
    """
    settings = load_settings()
    refuse_busy_port(port)
    server = lab_server(settings, port)
    print(f"JupyterLab: {server.address}", flush=True)
    command = [*server.command, *([] if open_browser else ["--no-browser"])]
    with running([Server(server.name, tuple(command), server.address, port)], settings) as processes:
        return _until_one_stops(processes)


def up(*, port: int = 5006, lab_port: int = 8888, mlflow_port: int = 5000) -> int:
    """Start the pages, JupyterLab and the MLflow UI together on 127.0.0.1; Ctrl-C stops all.

    Parameters
    ----------
    port
        Port of the pages.
    lab_port
        Port of JupyterLab.
    mlflow_port
        Port of the MLflow UI.
    """
    settings = load_settings()
    for number in (port, lab_port, mlflow_port):
        refuse_busy_port(number)
    servers = [app_server(port), lab_server(settings, lab_port, browser=False), mlflow_server(settings, mlflow_port)]
    with running(servers, settings) as processes:
        for server, process in zip(servers, processes, strict=True):
            _wait_until_open(server, process)
            print(f"{server.name + ':':12} {server.address}", flush=True)
        print("Ctrl-C stops all three.", flush=True)
        return _until_one_stops(processes)


@dataclass(frozen=True)
class Server:
    """A server process to start: its name, command, address and port."""

    name: str
    command: tuple[str, ...]
    address: str
    port: int


def app_server(port: int) -> Server:
    """Describe the Panel server of the notebooks."""
    return Server(
        "Pages", (sys.executable, "-m", "workbench", "app", "--port", str(port)), f"http://{HOST}:{port}/", port
    )


def lab_server(settings: Settings, port: int, *, browser: bool = True) -> Server:
    """Describe a JupyterLab that listens on loopback, asks for a token and fetches no news."""
    token = secrets.token_urlsafe(16)
    inside = settings.notebooks_dir.is_relative_to(settings.home)
    root = settings.home if inside else settings.notebooks_dir
    command = (
        sys.executable, "-m", "jupyterlab", f"--ServerApp.ip={HOST}", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}", f"--FileContentsManager.preferred_dir={settings.notebooks_dir}",
        f"--IdentityProvider.token={token}", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.extension_manager=readonly",
        *(("--ServerApp.allow_root=True",) if os.geteuid() == 0 else ()), *(() if browser else ("--no-browser",)),
    )  # fmt: skip
    return Server("JupyterLab", command, f"http://{HOST}:{port}/lab?token={token}", port)


def mlflow_server(settings: Settings, port: int) -> Server:
    """Describe an MLflow UI over the tracking database, on loopback."""
    from workbench.tracking import prepare_store

    prepare_store(settings)
    command = (
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
        "--backend-store-uri", settings.mlflow_uri, "--default-artifact-root", settings.artifacts_dir.as_uri(),
    )  # fmt: skip
    return Server("MLflow", command, f"http://{HOST}:{port}/", port)


def refuse_busy_port(port: int) -> None:
    """Raise when something already listens on the port."""
    if not 1 <= port <= 65535:
        raise ConfigError(f"port {port} is not between 1 and 65535; choose another with --port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as err:
            raise ConfigError(
                f"port {port} on {HOST} cannot be used ({err.strerror}); stop what listens there or choose another port"
            ) from None


@contextlib.contextmanager
def running(servers: list[Server], settings: Settings) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start servers, each in its own process group, and stop every group on the way out, whatever happens."""
    from workbench.tracking import mlflow_environment

    environment = {**os.environ, **mlflow_environment(), "WORKBENCH_HOME": str(settings.home)}
    quiet_lab = str(Path(__file__).parent / "jupyter")  # asks nobody for news
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        filter(None, [quiet_lab, os.environ.get("JUPYTER_CONFIG_PATH")])
    )
    processes: list[subprocess.Popen[bytes]] = []
    previous = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        for server in servers:
            processes.append(
                subprocess.Popen(server.command, env=environment, start_new_session=True, cwd=settings.home)
            )
        yield processes
    except KeyboardInterrupt:
        print("\nstopping …", flush=True)
    finally:
        signal.signal(signal.SIGTERM, previous)
        stop(processes)


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End process groups: first by request, after eight seconds by force."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_open(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ConfigError(
                f"{server.name} stopped at once with exit code {process.returncode}; its last lines above say why"
            )
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex((HOST, server.port)) == 0:
                return
        time.sleep(0.1)
    raise ConfigError(f"{server.name} did not open port {server.port} within {_START_S:.0f} s; look at its lines above")


def _until_one_stops(processes: list[subprocess.Popen[bytes]]) -> int:
    while True:
        for process in processes:
            if process.poll() is not None:
                return process.returncode
        time.sleep(0.3)
