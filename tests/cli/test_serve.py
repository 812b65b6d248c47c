"""Servers start on loopback only and stop together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest

from workbench.cli.serve import Server, lab_server, mlflow_server, refuse_busy_port, running, stop
from workbench.config import Settings
from workbench.errors import ConfigError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_busy_port_is_named() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 cannot be used"):
            refuse_busy_port(port)


def test_leaving_stops_children_of_children(settings: Settings) -> None:
    settings.home.mkdir(exist_ok=True)
    sleep = "import time; time.sleep(60)"
    nested = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{sleep}']); {sleep}"
    with running([Server("x", (sys.executable, "-c", nested), "", 0)], settings) as processes:
        deadline = time.monotonic() + 60
        while not (family := psutil.Process(processes[0].pid).children(recursive=True)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert family
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
    assert processes[0].poll() is not None


def test_a_deaf_process_is_killed() -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    stop([process])
    assert process.returncode == -signal.SIGKILL


def test_jupyter_and_mlflow_are_told_to_stay_on_loopback(settings: Settings) -> None:
    lab = lab_server(settings, 8888)
    assert "--ServerApp.ip=127.0.0.1" in lab.command
    assert "--LabApp.news_url=None" in lab.command
    mlflow = mlflow_server(settings, 5000)
    assert mlflow.command[mlflow.command.index("--host") + 1] == "127.0.0.1"


@pytest.mark.slow
def test_up_serves_three_on_loopback_and_stops_on_interrupt(settings: Settings) -> None:
    ports = [free_port() for _ in range(3)]
    command = [
        sys.executable,
        "-m",
        "workbench",
        "up",
        "--port",
        str(ports[0]),
        "--lab-port",
        str(ports[1]),
        "--mlflow-port",
        str(ports[2]),
    ]
    (settings.home / "experiments").mkdir()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=os.environ
    )
    try:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if "Ctrl-C stops all three." in line:
                break
        assert "Ctrl-C stops all three." in seen, seen[-3000:]
        for path, port in zip(("/", "/api", "/health"), ports, strict=True):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                assert answer.status == 200
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        listening = {c.laddr.ip for p in family for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        _, alive = psutil.wait_procs(family[1:], timeout=30)
        assert not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
