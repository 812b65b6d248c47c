"""Everything that can go wrong at a venue: one name each, its options, and what it does on the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.config import did_you_mean
from workbench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

Option = str | float

GROUPS = {
    "rest": ("answer", "body", "clock"),
    "ws": ("socket",),
    "all": ("answer", "body", "clock", "socket"),
    "answer": ("answer",),
    "body": ("body",),
    "clock": ("clock",),
    "socket": ("socket",),
}


@dataclass(frozen=True)
class FaultKind:
    """One way in which a venue fails.

    Attributes
    ----------
    side : str
        ``answer``: in place of the venue's answer, or how it travels; ``body``: the answer's content; ``clock``;
        ``socket``: WebSockets.
    options : mapping
        Its options with their usual values; the first may be given without its name. All take ``p``, the share of
        requests or messages hit.
    moment : bool
        It happens once to each socket and needs no length.
    typical_s : float
        Mean length in random schedules.
    drawn : mapping
        Options that random schedules draw, each from these.
    """

    name: str
    side: str
    about: str
    options: Mapping[str, Option] = field(default_factory=dict)
    moment: bool = False
    typical_s: float = 300.0
    drawn: Mapping[str, Sequence[Option]] = field(default_factory=dict)


_WAITS = ("left", "date", "garbage", "0", "-5", "1e9", "missing")
_ROWS = {"rows": 5.0}
_KINDS = (
    FaultKind(
        "429",
        "answer",
        "too many requests; Retry-After: seconds left, an HTTP date, any text, or missing",
        {"retry_after": "left"},
        typical_s=60,
        drawn={"retry_after": _WAITS},
    ),
    FaultKind("418", "answer", "banned, Retry-After until the ban's end", {"retry_after": "left"}, typical_s=120),
    FaultKind("403", "answer", "refused by a firewall, with an HTML page"),
    FaultKind("451", "answer", "not served in this region"),
    FaultKind("500", "answer", "internal error"),
    FaultKind("502", "answer", "bad gateway, with an HTML page"),
    FaultKind("503", "answer", "unavailable, with a gateway's HTML page"),
    FaultKind("504", "answer", "gateway time-out, with an HTML page"),
    FaultKind("reset", "answer", "the connection is cut before an answer"),
    FaultKind("timeout", "answer", "no answer; the connection stays open", {"hold": 60.0}, typical_s=120),
    FaultKind("slow", "answer", "the answer waits so many seconds of the machine", {"seconds": 2.0}),
    FaultKind(
        "drip", "answer", "the answer comes a few bytes at a time", {"interval": 1.0, "bytes": 1.0}, typical_s=120
    ),
    FaultKind("redirect", "answer", "redirected to itself, for ever"),
    FaultKind("html", "answer", "a login page with status 200"),
    FaultKind("empty", "answer", "status 200 without a body"),
    FaultKind("truncated", "answer", "JSON cut in the middle, with a matching Content-Length"),
    FaultKind("cut-off", "answer", "the connection is cut in the middle of the body"),
    FaultKind("big", "answer", "so many MB of spaces after the answer", {"mb": 100.0}, drawn={"mb": (8.0,)}),
    FaultKind("gzip-bomb", "answer", "so many MB of spaces, gzipped", {"mb": 100.0}, drawn={"mb": (8.0,)}),
    FaultKind("strings", "body", "numbers as texts that are none, texts as numbers"),
    FaultKind("nulls", "body", "null where values belong"),
    FaultKind("nested-error", "body", "status 200, and an error object inside an error object"),
    FaultKind("nan", "body", "NaN in some bars"),
    FaultKind("negative", "body", "negative prices and volumes in some bars"),
    FaultKind("high-low", "body", "high below low in some bars"),
    FaultKind("overflow", "body", "1e400 in some bars"),
    FaultKind("hole", "body", "blocks of bars missing, the same at each read", _ROWS),
    FaultKind("overlap", "body", "a page begins with the last bars of the page before", _ROWS),
    FaultKind("duplicate", "body", "some bars twice"),
    FaultKind("unordered", "body", "bars out of order"),
    FaultKind("short-page", "body", "at most so many bars a page, whatever is asked", {"rows": 50.0}),
    FaultKind("revised", "body", "an ended bar read a second time has another close"),
    FaultKind("seconds", "body", "times in seconds where milliseconds belong, and the reverse"),
    FaultKind(
        "skew",
        "clock",
        "the venue's clock is ahead by so many seconds, and drifts by so many a day",
        {"seconds": 1.5, "drift": 0.0},
        typical_s=7200,
        drawn={"seconds": (0.5, -0.5, 1.5, -1.5, 5.0, -5.0, 60.0, -60.0), "drift": (0.0, 10.0)},
    ),
    FaultKind("close-1000", "socket", "closed: normal", moment=True),
    FaultKind("close-1001", "socket", "closed: going away", moment=True),
    FaultKind("close-1006", "socket", "the connection is cut without a close", moment=True),
    FaultKind("close-1012", "socket", "closed: the service restarts", moment=True),
    FaultKind("half-open", "socket", "TCP stays open, nothing more comes: no data, no pongs, no FIN"),
    FaultKind("no-pong", "socket", "data comes, pings stay unanswered"),
    FaultKind("frozen", "socket", "no more data, pings are answered"),
    FaultKind("burst", "socket", "the latest message so many times at once", {"n": 10_000.0}, moment=True),
    FaultKind("ws-duplicate", "socket", "each message twice"),
    FaultKind("ws-reorder", "socket", "messages shuffled in groups of so many", {"group": 4.0}),
    FaultKind("partial", "socket", "half a frame, then the connection is cut", moment=True),
    FaultKind("ws-truncated", "socket", "half of each message, as a whole frame"),
    FaultKind("wrong-symbol", "socket", "every other message names a symbol that nobody asked for"),
    FaultKind("unsubscribed", "socket", "the venue ends one subscription by itself", moment=True),
)
FAULTS: dict[str, FaultKind] = {kind.name: kind for kind in _KINDS}
"""Every fault by name."""

_COMMON: Mapping[str, Option] = {"p": 1.0}


def fault_kind(name: str) -> FaultKind:
    """Return a fault by name.

    Raises
    ------
    ConfigError
        Unknown; close matches are offered.
    """
    if name not in FAULTS:
        raise ConfigError(f"no fault is called {name!r}.{did_you_mean(name, FAULTS)}")
    return FAULTS[name]


def kinds_of(kinds: str | Sequence[str]) -> list[str]:
    """Return the names of faults and groups such as ``rest+ws`` or ``["418", "frozen"]``, in the catalogue's order."""
    wanted = kinds.split("+") if isinstance(kinds, str) else list(kinds)
    names: set[str] = set()
    for word in (w.strip() for w in wanted):
        if word in GROUPS:
            names.update(kind.name for kind in _KINDS if kind.side in GROUPS[word])
        elif word in FAULTS:
            names.add(word)
        else:
            raise ConfigError(f"no fault or group is called {word!r}.{did_you_mean(word, [*GROUPS, *FAULTS])}")
    return [name for name in FAULTS if name in names]


def fault_table() -> pd.DataFrame:
    """Return the catalogue as a table: fault, side, options with their usual values, about."""
    import pandas as pd

    rows = [
        (kind.name, kind.side, ", ".join(f"{key}={value}" for key, value in kind.options.items()), kind.about)
        for kind in _KINDS
    ]
    return pd.DataFrame(rows, columns=["fault", "side", "options", "about"])


def checked_options(kind: FaultKind, given: Mapping[str, str]) -> dict[str, Option]:
    """Return options with their types; key ``""`` stands for the first one.

    Raises
    ------
    ConfigError
        An option that the fault has not, or a number that is none.
    """
    known = {**kind.options, **_COMMON}
    checked: dict[str, Option] = {}
    for key, text in given.items():
        name = key or next(iter(kind.options), "")
        if name not in known:
            raise ConfigError(f"fault {kind.name} has no option {key or text!r}.{did_you_mean(key or text, known)}")
        checked[name] = text if isinstance(known[name], str) else _number(text, f"{name} of fault {kind.name}")
    if not 0 < float(checked.get("p", 1.0)) <= 1:
        raise ConfigError(f"p of fault {kind.name} is a share above 0 and at most 1, got {checked['p']}")
    return checked


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{what} must be a number, got {text!r}")
    return value
