"""One piece of work in parts: run them somewhere, keep each as it finishes, tell the progress, stop when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from threading import Event
from typing import Any

import numpy as np

from workbench.backtest.scale.backends import Backend, run_on
from workbench.backtest.scale.kept import KeptParts
from workbench.errors import ConfigError, WorkbenchError
from workbench.typing import FloatArray

Arrays = Mapping[str, FloatArray]
_LARGEST = 64
_PARTS = 16


class SweepCancelledError(WorkbenchError):
    """The work was stopped on request; what had finished is kept where a folder was given."""


def fan_out(
    task: Callable[[Any, Sequence[Mapping[str, Any]]], Arrays],
    shared: Any,
    items: Sequence[Mapping[str, Any]],
    backend: Backend,
    *,
    kept: KeptParts | None = None,
    chunk: int | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancel: Event | None = None,
) -> dict[str, FloatArray]:
    """Run ``task(shared, part)`` over parts of ``items`` and join the arrays along their first axis, in order.

    The numbers are the same, bit for bit, whatever the backend and the size of the parts, because an item is computed
    from ``shared`` alone.

    Parameters
    ----------
    task
        Returns arrays by name, each with one row per item; a function of a module, so that it can be sent.
    shared
        What all parts need; sent once to each worker.
    items
        Configurations.
    backend
        From `choose_backend`.
    kept
        Where finished parts are read from and written to; None keeps nothing.
    chunk
        Items a part; None for 16 parts, of at most 64 items.
    progress
        Called in the caller's thread with the share done and a few words.
    cancel
        When set, no further part begins and `SweepCancelledError` is raised.

    Raises
    ------
    SweepCancelledError
        When ``cancel`` was set before the end.
    ConfigError
        When ``chunk`` is below 1.
    """
    parts = _parts(items, chunk)
    results: list[Arrays | None] = [kept.read(part) if kept else None for part in parts]
    done = sum(len(part) for part, result in zip(parts, results, strict=True) if result is not None)
    if done and progress:
        progress(done / len(items), f"{done} of {len(items)} configurations, computed before")
    missing = [number for number, result in enumerate(results) if result is None]
    _stop_if(cancel, done, len(items), kept)
    if missing:
        with closing(_generator(run_on(backend, task, shared, [parts[n] for n in missing]))) as finished:
            for place, arrays in finished:
                number = missing[place]
                results[number] = arrays
                if kept:
                    kept.write(parts[number], arrays)
                done += len(parts[number])
                if progress:
                    progress(done / len(items), f"{done} of {len(items)} configurations")
                if done < len(items):
                    _stop_if(cancel, done, len(items), kept)
    whole = [result for result in results if result is not None]
    return {name: np.concatenate([arrays[name] for arrays in whole]) for name in whole[0]}


def _parts(items: Sequence[Mapping[str, Any]], chunk: int | None) -> list[Sequence[Mapping[str, Any]]]:
    if chunk is not None and (isinstance(chunk, bool) or chunk < 1):
        raise ConfigError(f"chunk must be at least 1 configuration, or None, got {chunk}")
    size = chunk or min(max(-(-len(items) // _PARTS), 1), _LARGEST)
    return [items[start : start + size] for start in range(0, len(items), size)]


def _stop_if(cancel: Event | None, done: int, of: int, kept: KeptParts | None) -> None:
    if cancel is not None and cancel.is_set():
        where = "they are kept: run it again to go on" if kept else "nothing is kept: give a folder to go on from here"
        raise SweepCancelledError(f"cancelled after {done} of {of} configurations; {where}")


def _generator(results: Any) -> Any:
    yield from results
