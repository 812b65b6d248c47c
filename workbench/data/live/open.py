"""One line opens any stream: live, replayed or recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config import Settings, did_you_mean, load_settings
from workbench.data.live.options import LiveOptions
from workbench.data.live.updates import Stream
from workbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from workbench.data.venues.clock import Clock

KINDS = ("live", "replay", "recorded")
_MOST_HISTORY = 500


def is_stream(source: str) -> bool:
    """Tell whether a source names a stream by its kind, such as ``live:binance``; a bare name is a stored source."""
    return source.partition(":")[0] in KINDS and ":" in source


def open_stream(
    source: str, symbols: Sequence[str] | str, timeframe: str, *, settings: Settings | None = None, at: str = "",
    speed: float = 1.0, start: object = None, record_to: Path | str | None = None, store_to: str = "",
    clock: Clock | None = None, options: LiveOptions | None = None,
) -> Stream:  # fmt: skip
    """Return a stream of bars that starts when it is first read; its reader cannot tell where they come from.

    Parameters
    ----------
    source : str
        ``live:binance``: a venue, by WebSocket and REST. ``replay:import``: a stored source, the sample or a synthetic
        market such as ``replay:gbm(seed=1)``, at ``speed``×. ``recorded:PATH``: a file that ``record_to`` wrote, or a
        venue's recorded traffic. A bare name is replayed: ``import`` is ``replay:import``.
    symbols : str or sequence of str
        For a recording none at all means all that it holds.
    timeframe : str
    settings : Settings, optional
        Default: those of the environment.
    at : str
        Address of a replay venue, for ``live:``; default the setting ``venues_at``. Empty: the venue itself.
    speed : float
        Of a replay or recording: seconds of the past for one of the reader's. Of a live stream: how fast the clock of
        the replay venue at ``at`` runs.
    start : time, optional
        First replayed bar. Default: after the first half of the bars, at most 500, which are then the history.
    record_to : path, optional
        Also write every update to this file.
    store_to : str
        Also append final bars to the bar store under this source name; of a live stream all of them are then
        confirmed by REST.
    clock : Clock, optional
        For the times that a live stream names.
    options : LiveOptions, optional
        How patient a live stream is.

    Raises
    ------
    ConfigError
        When the kind of source is unknown.
    DataError
        When a venue, source, symbol, time frame or recording does not exist, with the closest name.
    """
    settings = settings or load_settings()
    names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    kind, name = _parsed(source)
    if kind == "live":
        stream = _live(name, names, timeframe, settings, at, speed, clock, options, confirm=bool(store_to))
    elif kind == "recorded":
        stream = _recorded(name, names, timeframe, speed)
    else:
        stream = _replay(name, names, timeframe, settings, speed, start)
    if store_to:
        from workbench.data.live.storing import StoringStream
        from workbench.data.store.barstore import open_store

        stream = StoringStream(stream, open_store(settings), store_to)
    if record_to is not None:
        from workbench.data.live.recorded import RecordingStream

        stream = RecordingStream(stream, record_to)
    return stream


def _parsed(source: str) -> tuple[str, str]:
    kind, colon, name = source.partition(":")
    if not colon:
        return "replay", source
    if kind not in KINDS:
        known = "live:VENUE, replay:SOURCE or recorded:PATH"
        raise ConfigError(f"source {source!r} is of an unknown kind; write {known}.{did_you_mean(kind, KINDS)}")
    if not name:
        raise ConfigError(f"source {source!r} lacks a name after the colon, such as live:binance")
    return kind, name


def _live(
    venue: str, symbols: tuple[str, ...], timeframe: str, settings: Settings, at: str, speed: float,
    clock: Clock | None, options: LiveOptions | None, *, confirm: bool,
) -> Stream:  # fmt: skip
    from dataclasses import replace

    from workbench.data.live.live import LiveStream

    _some(symbols)
    at = at or settings.venues_at
    if speed != 1 and not at:
        raise ConfigError(f"{venue} itself runs at speed 1, not {speed:g}; a replay venue (at=…) can run faster")
    options = (options or LiveOptions()).at_speed(speed)
    if confirm:
        options = replace(options, confirm=True)
    folder = settings.data_dir / "venues"
    return LiveStream(venue, symbols, timeframe, options=options, clock=clock, at=at, folder=folder)


def _replay(
    name: str, symbols: tuple[str, ...], timeframe: str, settings: Settings, speed: float, start: object
) -> Stream:
    from workbench.data.dataset import load_dataset
    from workbench.data.live.replay import ReplayStream
    from workbench.data.venues.catalogue import VENUES

    _some(symbols)
    try:
        data = load_dataset(name, symbols, timeframe, settings=settings)
    except DataError as err:
        hint = f"; its live stream is 'live:{name}'" if name in VENUES else ""
        raise DataError(f"{err}{hint}") from err
    if start in (None, ""):
        start = data.bars.index[min(len(data.bars) // 2, _MOST_HISTORY)]
    return ReplayStream(data.bars, data.timeframe, source=f"replay:{name}", speed=speed, start=start)


def _recorded(path: str, symbols: tuple[str, ...], timeframe: str, speed: float) -> Stream:
    from workbench.data.live.recorded import RecordedStream

    return RecordedStream(Path(path).expanduser(), symbols, timeframe, speed=speed)


def _some(symbols: tuple[str, ...]) -> None:
    if not symbols:
        raise DataError("no symbol is named; give at least one, such as BTC/USDT")
    twice = [s for s in symbols if symbols.count(s) > 1]
    if twice:
        raise DataError(f"symbol {twice[0]!r} is named twice; name it once")
