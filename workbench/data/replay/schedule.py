"""When faults happen: a small language of windows, and Poisson mixes from a seed."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.config import did_you_mean
from workbench.data.replay.fault_kinds import FAULTS, checked_options, fault_kind, kinds_of
from workbench.data.replay.fault_windows import Window, seconds_of
from workbench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

_ITEM = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?(.*)", re.DOTALL)
_CLAUSE = re.compile(r"\s*(?:@\s*([\d.a-z]+)(?:\+([\d.a-z]+))?|(for|every|on)\s+(\S+)|x(\d+)(?=\s|$))")
_EXAMPLE = "'418@10m for 2m; 503@1h+30s every 6h; random(rate=12/day, seed=7, kinds=rest+ws)'"
_RANDOM_SPAN = 30 * 86400.0


@dataclass(frozen=True)
class FaultSchedule:
    """Which faults are on when. The same text and seed give the same faults, to the bit.

    Notes
    -----
    The language, items parted by ``;`` or line ends::

        KIND[(option=value, …)] [@START[+LENGTH]] [for LENGTH] [every PERIOD] [xTIMES] [on TEXT]
        random(rate=12/day, seed=7, kinds=rest+ws, on=binance, span=7d, stretch=1)

    Times are durations after the start (``10m``, ``1h30m``). Without ``@`` a fault begins at once; without a length it
    stays on to the end; a fault of a moment (a close, a burst) hits the sockets that are open then, or with a length
    each socket that it meets. ``x3``: three requests
    at most in each repeat. ``on``: only where host and path hold the text. ``p=0.3`` among the options: that share of
    requests. ``random``: a Poisson mix; its ``kinds`` are names, or ``rest`` (``answer``, ``body``, ``clock``), ``ws``.

    Examples
    --------
    >>> schedule = FaultSchedule.parse("418@10m for 2m on binance; 503@1h+30s every 6h")
    >>> [window.kind for window in schedule.windows]
    ['418', '503']
    >>> schedule.windows[1].active(7 * 3600 + 10)
    True
    """

    windows: tuple[Window, ...] = ()
    seed: int = 0

    @classmethod
    def parse(cls, text: str | Sequence[str | Mapping[str, Any]], seed: int = 0) -> FaultSchedule:
        """Read a schedule from its language, or from YAML: a list of such lines, or of mappings with the same words.

        Raises
        ------
        ConfigError
            Unknown fault or option (close matches are offered), or a line that cannot be read.
        """
        if isinstance(text, str):
            items: Sequence[Any] = [item for item in re.split(r"[;\n]", text) if item.strip()]
        else:
            items = text
        windows: list[Window] = []
        for item in items:
            windows += _windows_of(item if isinstance(item, str) else _line_of(item))
        return cls(tuple(windows), seed)

    @classmethod
    def random(
        cls,
        seed: int,
        duration: float,
        rate: float,
        kinds: str | Sequence[str] = "rest+ws",
        on: str = "",
        stretch: float = 1.0,
    ) -> FaultSchedule:
        """Draw faults at Poisson times, each kind as likely as another, lengths exponential around the kind's own.

        Parameters
        ----------
        seed : int
        duration : float
            Seconds in which they fall.
        rate : float
            Faults a day.
        kinds : str or sequence of str
            Names or groups, joined by ``+``.
        on : str
            Only where host and path hold this text.
        stretch : float
            Makes every fault so many times longer.
        """
        if not (rate > 0 and duration > 0 and stretch > 0):
            told = f"{rate:g} a day for {duration:g} s, stretch {stretch:g}"
            raise ConfigError(f"a random schedule needs a rate, a span and a stretch above 0, got {told}")
        names = kinds_of(kinds)
        draw = random.Random(f"faults:{seed}")  # noqa: S311
        windows: list[Window] = []
        at = draw.expovariate(rate / 86400.0)
        while at < duration:
            kind = FAULTS[draw.choice(names)]
            options = {key: draw.choice(choices) for key, choices in kind.drawn.items()}
            length = 0.0 if kind.moment else max(1.0, stretch * draw.expovariate(1.0 / kind.typical_s))
            windows.append(Window(kind.name, round(at, 3), round(length, 3), on=on, options=options))
            at += draw.expovariate(rate / 86400.0)
        return cls(tuple(windows), seed)

    def lines(self) -> list[str]:
        """Return the windows in the language that `parse` reads."""
        return [window.line() for window in self.windows]

    def end(self) -> float:
        """Return when the last fault is over, in seconds after the start (infinity: never)."""
        return max((math.inf if w.every else w.start + w.length for w in self.windows), default=0.0)

    def describe(self) -> pd.DataFrame:
        """Return a table: fault, kind, start, length and every (time deltas), times, on, what it does."""
        import pandas as pd

        def delta(seconds: float) -> pd.Timedelta | None:
            return pd.Timedelta(seconds=seconds) if math.isfinite(seconds) else None

        rows = [
            {
                "fault": window.line().partition("@")[0].partition(" ")[0],
                "side": FAULTS[window.kind].side,
                "start": delta(window.start),
                "length": delta(window.length),
                "every": delta(window.every) if window.every else None,
                "times": window.times,
                "on": window.on,
                "about": FAULTS[window.kind].about,
            }
            for window in self.windows
        ]
        columns = ["fault", "side", "start", "length", "every", "times", "on", "about"]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({name: "timedelta64[ns]" for name in ("start", "length", "every")})


def _windows_of(line: str) -> list[Window]:
    matched = _ITEM.fullmatch(line)
    if matched is None:
        raise ConfigError(f"cannot read the fault {line.strip()!r}; write such as {_EXAMPLE}")
    name, inner, rest = matched[1], matched[2] or "", matched[3]
    clauses = _clauses_of(rest, line)
    if name == "random":
        return list(_random_of(inner, line).windows)
    kind = fault_kind(name)
    if kind.moment and clauses.keys() & {"start", "every"}:
        clauses.setdefault("length", 0.0)
    return [Window(kind.name, options=checked_options(kind, _pairs_of(inner)), **clauses)]


def _clauses_of(text: str, line: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    position = 0
    while text[position:].strip():
        matched = _CLAUSE.match(text, position)
        if matched is None:
            raise ConfigError(
                f"cannot read {text[position:].strip()!r} in the fault {line.strip()!r}; "
                f"known: @START[+LENGTH], for LENGTH, every PERIOD, xTIMES, on TEXT"
            )
        at, plus, word, value, times = matched.groups()
        if at is not None:
            found["start"] = seconds_of(at)
            if plus is not None:
                found["length"] = seconds_of(plus)
        elif word == "on":
            found["on"] = value
        elif word is not None:
            found["length" if word == "for" else "every"] = seconds_of(value)
        else:
            found["times"] = int(times)
        position = matched.end()
    if found.get("every", 1.0) <= 0:
        raise ConfigError(f"a fault repeats after more than 0 seconds, got {line.strip()!r}")
    return found


def _pairs_of(inner: str) -> dict[str, str]:
    """Return options by name; the first may stand without one (key ``""``)."""
    pairs: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in inner.split(","))):
        key, equals, value = part.partition("=")
        pairs[key.strip() if equals else ""] = value.strip() if equals else key.strip()
    return pairs


def _random_of(inner: str, line: str) -> FaultSchedule:
    pairs = _pairs_of(inner)
    known = {"rate", "seed", "kinds", "on", "span", "stretch"}
    for key in pairs:
        if key not in known:
            raise ConfigError(f"random() has no option {key!r}.{did_you_mean(key, known)}")
    count, slash, unit = pairs.get("rate", "12/day").partition("/")
    try:
        per_day = float(count) * {"day": 1.0, "hour": 24.0, "": 1.0}[unit if slash else ""]
        seed, stretch = int(pairs.get("seed", "0")), float(pairs.get("stretch", "1"))
    except (ValueError, KeyError):
        raise ConfigError(f"cannot read {line.strip()!r}; write such as random(rate=12/day, seed=7)") from None
    span = seconds_of(pairs["span"]) if "span" in pairs else _RANDOM_SPAN
    return FaultSchedule.random(seed, span, per_day, pairs.get("kinds", "rest+ws"), pairs.get("on", ""), stretch)


def _line_of(item: Mapping[str, Any]) -> str:
    """Return the line of a YAML mapping: fault, at, for, every, times, on; all else are options of the fault."""
    words = dict(item)
    name = words.pop("fault", None)
    if name is None:
        raise ConfigError(f"a fault in YAML needs the word 'fault', got {dict(item)!r}")
    clauses = {key: words.pop(key) for key in ("at", "for", "every", "times", "on") if key in words}
    line = f"{name}({', '.join(f'{k}={v}' for k, v in words.items())})" if words else str(name)
    if "at" in clauses:
        line += f" @{clauses['at']}"
    line += "".join(f" {key} {clauses[key]}" for key in ("for", "every", "on") if key in clauses)
    return line + (f" x{clauses['times']}" if "times" in clauses else "")
