"""Structured logs: plain lines for people on standard error, JSON lines in a file, secrets struck out of both."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import structlog

from workbench.errors import ConfigError, WorkbenchError
from workbench.ops.files import append_line

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
STRUCK_OUT = "[redacted]"
_SENSITIVE = (
    r"(?:api|access|private|secret|signing|encryption)[_-]?key|passw(?:or)?d|passphrase|pwd|secret|token|authori[sz]ation|"
    r"credentials?|cookie|mnemonic|seed[_-]?phrase|signature|session[_-]?id"
)
_SECRET_KEY = re.compile(_SENSITIVE, re.IGNORECASE)
_IN_TEXT = (
    (re.compile(r"(\w+://[^\s:/@]*):[^\s/@]+@"), rf"\1:{STRUCK_OUT}@"),  # scheme://user:password@host
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {STRUCK_OUT}"),
    (
        re.compile(rf"([\w-]*(?:{_SENSITIVE})[\w-]*[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}}]+", re.IGNORECASE),
        rf"\1{STRUCK_OUT}",
    ),
)


def set_up_logging(
    *, file: Path | str | None = None, level: str = "info", json: bool = False, stream: TextIO | None = None
) -> None:
    """Send log events to standard error, and to a file of JSON lines where one is named.

    Standard output is never written to: it belongs to ``--json``.

    Parameters
    ----------
    file : path, optional
        Every event is appended here as one JSON line, such as ``experiments/logs/2024-03-01.jsonl``.
    level : str
        Least level shown on the stream: debug, info, warning or error. The file takes info and above, or debug too.
    json : bool
        JSON on the stream too, instead of plain lines.
    stream : text stream, optional
        Instead of standard error.
    """
    if level not in LEVELS:
        raise ConfigError(f"log level {level!r} is unknown; use one of {', '.join(LEVELS)}")
    least = LEVELS[level] if file is None else min(LEVELS[level], LEVELS["info"])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            _Writer(None if file is None else Path(file), LEVELS[level], json, stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def get_logger(room: str) -> Any:
    """Return a logger of one room; without `set_up_logging` it shows warnings as plain lines on standard error."""
    if not structlog.is_configured():
        set_up_logging(level="warning")
    return structlog.get_logger(room=room)


@contextmanager
def log_context(**bound: str) -> Iterator[None]:
    """Put values such as ``run_id`` and ``job`` on every event of the block, in this thread or task."""
    with structlog.contextvars.bound_contextvars(**bound):
        yield


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Strike out values whose key looks like a secret's, at any depth, and secrets inside text."""
    return {key: _redacted(key, value) for key, value in event.items()}


def redact_text(text: str) -> str:
    """Strike out passwords in addresses, bearer tokens and ``key=value`` secrets in free text."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _redacted(key: object, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_KEY.search(key) and value is not None:
        return STRUCK_OUT
    if isinstance(value, Mapping):
        return {k: _redacted(k, v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [_redacted(None, v) for v in value]
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if value is None or isinstance(value, int | float):
        return value
    return redact_text(str(value))  # errors and other objects too: their text may quote a secret


class _Writer:
    """The last processor: one line to the stream, one JSON line to the file."""

    def __init__(self, file: Path | None, least: int, json: bool, stream: TextIO | None) -> None:
        self.file, self.least, self.json, self.stream = file, least, json, stream
        self.to_json = structlog.processors.JSONRenderer(default=str)
        self.file_failed = False

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        if LEVELS.get(method.replace("exception", "error").replace("critical", "error"), 20) >= self.least:
            print(self._line(logger, method, event), file=self.stream or sys.stderr, flush=True)
        if self.file is not None and not self.file_failed:
            try:
                append_line(self.file, str(self.to_json(logger, method, dict(event))), durable=False)
            except WorkbenchError as err:  # a full disk must not end a run for want of a log line: say so, once
                self.file_failed = True
                print(f"log file given up: {err}", file=self.stream or sys.stderr, flush=True)
        return ""

    def _line(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        if self.json:
            return str(self.to_json(logger, method, dict(event)))
        rest = {k: v for k, v in event.items() if k not in ("timestamp", "level", "event", "exception", "room")}
        words = [event["timestamp"][11:19], event["level"], str(event.get("event", ""))]
        line = " ".join([*words, *(f"{k}={v}" for k, v in sorted(rest.items()))])
        return f"{line}\n{event['exception']}" if event.get("exception") else line
