"""The "did you mean" of every error about a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 40
"""Names listed at the most."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"``, or the list of known names where nothing is close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not close:
        folded = {n.casefold(): n for n in names}
        close = [folded[m] for m in difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)]
    if close:
        return f" Did you mean {close[0]!r}?"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f" Known: {', '.join(names[:_SHOWN])}{more}." if names else ""
