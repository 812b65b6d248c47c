"""Logs: JSON lines with run and job on them, nothing on standard output, no secret anywhere."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from workbench.errors import ConfigError
from workbench.ops import get_logger, log_context, redact_text, set_up_logging


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """Leave logging as it was found."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def test_json_lines_carry_run_and_job(tmp_path: Path) -> None:
    stream, file = io.StringIO(), tmp_path / "logs" / "day.jsonl"
    set_up_logging(file=file, level="warning", stream=stream)
    log = get_logger("reports")
    with log_context(run_id="a1", job="sample-SPX"):
        log.info("started", n_bars=3)
        log.warning("slow", seconds=2.5)
    log.info("after")
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [e["event"] for e in events] == ["started", "slow", "after"]
    bound = {"run_id": "a1", "job": "sample-SPX", "n_bars": 3, "room": "reports", "level": "info"}
    assert events[0] | bound == events[0]
    assert "run_id" not in events[2]
    assert "started" not in stream.getvalue()
    assert "slow job=sample-SPX run_id=a1 seconds=2.5" in stream.getvalue()


def test_standard_output_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    log = get_logger("x")
    log.info("quiet")
    log.warning("shown")
    out, err = capsys.readouterr()
    assert out == ""
    assert "shown" in err
    assert "quiet" not in err


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "api_key",
        "apiKey",
        "API-SECRET",
        "access_token",
        "Authorization",
        "set-cookie",
        "private_key",
        "db_pwd",
    ],
)
def test_secret_keys_are_struck_out_at_any_depth(tmp_path: Path, key: str) -> None:
    stream, file = io.StringIO(), tmp_path / "x.jsonl"
    set_up_logging(file=file, stream=stream)
    get_logger("x").warning("sent", **{key: "hunter2"}, body={"a": [{key: "hunter2"}, (1, {key: b"hunter2"})]}, seed=7)
    assert "hunter2" not in stream.getvalue() + file.read_text()
    assert json.loads(file.read_text())["seed"] == 7


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach postgresql://ann:hunter2@db:5432/mlflow",
        "header was Authorization: Bearer hunter2hunter2",
        "GET /v1?symbol=BTC&api_key=hunter2&x=1",
        '{"secret": "hunter2"}',
    ],
)
def test_secrets_inside_text_and_errors_are_struck_out(text: str) -> None:
    assert "hunter2" not in redact_text(text)
    stream = io.StringIO()
    set_up_logging(stream=stream, json=True)
    log = get_logger("x")
    try:
        raise ValueError(text)
    except ValueError as err:
        log.exception(text, err=err)
    assert "ValueError" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_harmless_text_is_left_alone() -> None:
    text = "run a1: sharpe_ratio=0.7 of sample:1d:SPX at http://127.0.0.1:5006/app"
    assert redact_text(text) == text


def test_a_log_file_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    stream = io.StringIO()
    set_up_logging(file=tmp_path / "file" / "x.jsonl", stream=stream)
    for i in range(3):
        get_logger("x").info("event", i=i)
    assert stream.getvalue().count("log file given up: cannot write") == 1
    assert stream.getvalue().count("event") == 3


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match="log level 'loud' is unknown; use one of debug, info, warning, error"):
        set_up_logging(level="loud")
