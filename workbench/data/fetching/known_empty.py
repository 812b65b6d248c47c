"""What venues have already said: spans of a series at which they hold no bar, so that nobody asks again.

A hole that nothing explains is believed when two fetches at least an hour apart found it; until then it is asked again
after an hour, so what a venue lost for a while comes by itself.

One file a series under ``data/venues/empty``, one line an answer, each with its checksum. Lines are only ever added;
a torn or damaged line is passed over, and its span is simply asked once more.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from workbench.config import Settings
from workbench.data.fetching.spans import Span, intersect, n_bars, step_ms, subtract, union
from workbench.data.store.names import to_folder
from workbench.ops import append_line, atomic_write

CAUSES = {
    "venue_down": "no venue could be asked",
    "not_listed": "the symbol did not trade yet",
    "delisted": "the symbol trades no more",
    "capped": "the venue keeps only its latest bars",
    "refused": "the venue's row breaks the bars convention",
    "unknown": "asked twice, the venue has no bar: no trade, or an outage of its own",
    "pending": "the venue does not have it yet",
}
"""Why bars are missing: machine key and words."""

_DOUBTFUL = ("unknown", "refused")
DOUBT_S = 3600.0
"""A doubtful answer is asked again after so many seconds; two answers as far apart are believed."""

_MOST_LINES = 256


@dataclass(frozen=True)
class Answer:
    """Spans without a bar at a venue, the cause, when it was asked (seconds since 1970 UTC), and whether for good."""

    venue: str
    cause: str
    asked: float
    spans: tuple[Span, ...]
    sure: bool = True


class KnownEmpty:
    """The answers about one series.

    Parameters
    ----------
    path : path
        File of the series; made with the first answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: list[Answer] = _read(path)
        if len(self.answers) > _MOST_LINES:
            self._gather()

    def empty(self, venue: str, now: float | None = None) -> list[Span]:
        """Return the spans at which a venue has no bar; with ``now``, without those that should be asked again."""
        chosen = (a for a in self.answers if a.venue == venue and (now is None or a.sure or now - a.asked < DOUBT_S))
        return union(s for a in chosen for s in a.spans)

    def add(self, venue: str, cause: str, asked: float, spans: Iterable[Span]) -> None:
        """Remember new answers, durably."""
        wanted = union(spans)
        if cause not in _DOUBTFUL:
            self._keep(Answer(venue, cause, asked, tuple(subtract(wanted, self._said(venue, cause, sure=True)))))
            return
        mine = [a for a in self.answers if a.venue == venue and a.cause in _DOUBTFUL]
        before = [s for a in mine if asked - a.asked >= DOUBT_S for s in a.spans]
        again = intersect(wanted, before)
        self._keep(Answer(venue, cause, asked, tuple(subtract(again, self._said(venue, cause, sure=True)))))
        recent = [s for a in mine if asked - a.asked < DOUBT_S for s in a.spans]
        self._keep(Answer(venue, cause, asked, tuple(subtract(wanted, [*again, *recent])), sure=False))

    def _said(self, venue: str, cause: str, *, sure: bool) -> list[Span]:
        return [s for a in self.answers if (a.venue, a.cause, a.sure) == (venue, cause, sure) for s in a.spans]

    def _keep(self, answer: Answer) -> None:
        if answer.spans:
            append_line(self.path, _line(answer))
            self.answers.append(answer)

    def causes(self, gaps: Iterable[Span], otherwise: str) -> list[tuple[Span, str]]:
        """Split spans by what is known of them; newer answers win, the rest gets the cause ``otherwise``."""
        told = self.told(gaps)
        rest = subtract(gaps, [span for span, _ in told])
        return _joined(sorted([(s, a.cause) for s, a in told] + [(s, otherwise) for s in rest]))

    def told(self, gaps: Iterable[Span], venue: str = "") -> list[tuple[Span, Answer]]:
        """Return the parts of spans that are known to be empty, each with the newest answer about it."""
        left, told = union(gaps), []
        for answer in reversed(self.answers):
            shared = intersect(left, answer.spans) if venue in ("", answer.venue) else []
            told += [(span, answer) for span in shared]
            left = subtract(left, shared) if shared else left
        return sorted(told, key=lambda pair: pair[0])

    def _gather(self) -> None:
        groups: dict[tuple[str, str, bool], list[Answer]] = {}
        for answer in self.answers:
            groups.setdefault((answer.venue, answer.cause, answer.sure), []).append(answer)
        self.answers = [
            Answer(venue, cause, group[-1].asked, tuple(union(s for a in group for s in a.spans)), sure)
            for (venue, cause, sure), group in sorted(groups.items(), key=lambda item: item[1][-1].asked)
        ]
        atomic_write(self.path, "".join(_line(a) + "\n" for a in self.answers))


def known_answers(settings: Settings, source: str, symbol: str, timeframe: str) -> KnownEmpty:
    """Return what venues have said about a series of a workbench home."""
    folder = settings.data_dir / "venues" / "empty" / source / timeframe
    return KnownEmpty(folder / f"{to_folder(symbol)}.jsonl")


def known_empty(settings: Settings, source: str, symbol: str, timeframe: str) -> pd.DataFrame:
    """Return the spans that venues have said to be empty: start, stop, bars, venue, cause (a key of `CAUSES`), asked.

    ``stop`` is the open time of the first bar after the span.
    """
    step = step_ms(timeframe)
    known = known_answers(settings, source, symbol, timeframe)
    rows = [
        (_time(s.start), _time(s.stop), n_bars([s], step), a.venue, a.cause, _time(int(a.asked * 1000)))
        for venue in sorted({a.venue for a in known.answers})
        for s, a in known.told(known.empty(venue), venue)
    ]
    frame = pd.DataFrame(rows, columns=["start", "stop", "bars", "venue", "cause", "asked"])
    return frame.sort_values(["start", "venue"], ignore_index=True)


def _joined(told: list[tuple[Span, str]]) -> list[tuple[Span, str]]:
    joined: list[tuple[Span, str]] = []
    for span, cause in told:
        if joined and joined[-1][1] == cause and joined[-1][0].stop == span.start:
            joined[-1] = (Span(joined[-1][0].start, span.stop), cause)
        else:
            joined.append((span, cause))
    return joined


def _time(milliseconds: int) -> pd.Timestamp:
    return pd.Timestamp(milliseconds, unit="ms", tz="UTC")


def _line(answer: Answer) -> str:
    text = json.dumps(asdict(answer))
    return f"{zlib.crc32(text.encode()):08x} {text}"


def _read(path: Path) -> list[Answer]:
    if not path.is_file():
        return []
    answers = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        check, _, text = line.partition(" ")
        if check == f"{zlib.crc32(text.encode()):08x}":  # a torn or flipped line: that span is asked once more
            found = json.loads(text)
            spans = tuple(Span(*span) for span in found["spans"])
            answers.append(Answer(found["venue"], found["cause"], found["asked"], spans, found["sure"]))
    return answers
