"""``workbench data serve-replay`` as a user starts, reads and ends it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.cli.main import main
from workbench.config import Settings
from workbench.data import open_store
from workbench.data.bars import bars_of
from workbench.data.replay import FAULTS


@pytest.fixture
def stored_bars(settings: Settings) -> Settings:
    """A home whose store holds hourly bars of one symbol."""
    index = pd.date_range("2024-01-01", periods=48, freq="1h", tz="UTC", name="time")
    closes = 100.0 + np.arange(48)
    frame = pd.DataFrame({f: closes for f in ("open", "high", "low", "close")} | {"volume": 1.0}, index=index)
    open_store(settings).write("mine", "BTC/USDT", "1h", bars_of({"BTC/USDT": frame}))
    return settings


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--source", "synthetik"], "unknown source 'synthetik'. Did you mean 'synthetic'?"),
        (["--source", "mime"], "unknown source 'mime'. Did you mean 'mine'?"),
        (["--source", "regimez(seed=1)"], "unknown synthetic market 'regimez'. Did you mean 'regimes'?"),
        (["--source", "mine", "--symbols", "BTC/USD"], "holds no symbol 'BTC/USD'. Did you mean 'BTC/USDT'?"),
        (["--source", "mine", "--timeframe", "1m"], "BTC/USDT of 'mine' is stored at 1h, not at 1m"),
        (["--symbols", "BTCUSDT"], "symbol 'BTCUSDT' is not written BASE/QUOTE"),
        (["--faults", "429x"], "Did you mean '429'?"),
        (["--host", "0.0.0.0"], "host '0.0.0.0' is not this machine's loopback"),  # noqa: S104  # refused, not used
        (["--host", "example.com"], "host 'example.com' is not this machine's loopback"),
        (["--speed", "0"], "speed of a replay must be above 0"),
        (["--start", "soon"], "start 'soon' is not a date"),
        (["--start", "2010-01-01"], "start 2010-01-01 lies outside the bars, which are from 2020-01-01 00:00 on"),
        (["--source", "mine", "--start", "2024-02-01"], "which are from 2024-01-01 00:00 to 2024-01-03 00:00"),
        (["--port", "99999"], "port 99999 is not between 0 and 65535"),
    ],
)
def test_wrong_words_are_one_line(
    stored_bars: Settings, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert main(["data", "serve-replay", *words]) == 2
    said = capsys.readouterr()
    assert line in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_the_help_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "serve-replay", "--help"]) == 0
    said = capsys.readouterr().out.replace("│", " ").split()
    assert {kind for kind in FAULTS if not {f"{kind},", f"{kind}."} & set(said)} == set()


def test_a_taken_port_is_one_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["data", "serve-replay", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 cannot be used (Address already in use); choose another with --port" in said


def start(settings: Settings, *words: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Start the command in a process of its own and return it with the lines it says at first."""
    command = [sys.executable, "-m", "workbench", "data", "serve-replay", "--port", "0", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(settings.home),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith("Ctrl-C"):
            break
    return process, lines


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_to_use_it_and_ends_cleanly(stored_bars: Settings, number: int) -> None:
    process, lines = start(stored_bars, "--source", "mine", "--speed", "50", "--faults", "503@100d for 1m")
    try:
        text = "\n".join(lines)
        found = re.search(r"Replay venue: http://127\.0\.0\.1:(\d+)/", text)
        assert found, process.communicate(timeout=60)
        for words in ("stored bars of 'mine'", "50x", "WORKBENCH_VENUES_AT=http://127.0.0.1:", "redirect(", "faults: "):
            assert words in text
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
        connection.request("GET", "/status")
        status = json.loads(connection.getresponse().read())
        assert status["symbols"] == ["BTC/USDT", "BTC/USDT:USDT"]
        assert pd.Timestamp(status["clock_ms"], unit="ms") >= pd.Timestamp("2024-01-02")
        connection.request("GET", "/api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=2&startTime=0")
        assert [float(row[4]) for row in json.loads(connection.getresponse().read())] == [100.0, 101.0]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "stopped\n", "")
