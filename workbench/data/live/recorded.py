"""Streams written down and read again: any stream's updates in a JSON-lines file, or venues' recorded traffic."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import math
import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import did_you_mean
from workbench.data.live.pace import Pace
from workbench.data.live.traffic import market_key, markets_in, plain_lines, updates_in
from workbench.data.live.updates import BarUpdate, Row, Stream, StreamStatus
from workbench.data.timeframes import canonical_timeframe
from workbench.errors import DataError

if TYPE_CHECKING:
    from workbench.typing import Bars

_MARK = "workbench_stream"
_FLUSH_EVERY = 200
_KEPT = 1000
_BREATH = 64


class RecordingStream:
    """A stream that also writes each update down, as `workbench.data.live.updates.Stream`.

    The file is only ever appended to: a header, the history at the start, then one JSON line an update. Final bars are
    flushed at once. A path that ends in ``.gz`` is compressed.

    Raises
    ------
    DataError
        When the file holds a recording of other symbols or of another time frame, or cannot be written.
    """

    def __init__(self, stream: Stream, path: Path | str) -> None:
        self.stream, self.path = stream, Path(path)
        self.source, self.symbols, self.timeframe = stream.source, stream.symbols, stream.timeframe
        self._file: io.TextIOBase | None = None
        self._unflushed = 0

    @property
    def status(self) -> StreamStatus:
        """How the recorded stream is doing now."""
        return self.stream.status

    async def start(self) -> None:
        """Start the stream, open the file and write the history down."""
        await self.stream.start()
        if self._file is None:
            self._file = self._opened()
            try:
                self._write_history()
            except OSError as err:
                raise self._unwritable(err) from err

    def history(self, n: int = 500) -> Bars:
        """Return the newest ``n`` final bars known now."""
        return self.stream.history(n)

    def __aiter__(self) -> AsyncIterator[BarUpdate]:
        return self

    async def __anext__(self) -> BarUpdate:
        await self.start()
        update = await self.stream.__anext__()
        row = (update.time, update.open, update.high, update.low, update.close, update.volume)
        self._line(["u", update.symbol, *row, update.final, update.source, update.received], flush=update.final)
        return update

    async def close(self) -> None:
        """Close the stream and the file."""
        await self.stream.close()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> io.TextIOBase:
        if self.path.exists() and self.path.stat().st_size:
            header = _header(self.path)
            if header is None:
                raise DataError(f"{self.path} is no recording of a stream; record to another file")
            if (header["symbols"], header["timeframe"]) != (list(self.symbols), self.timeframe):
                held = f"{', '.join(header['symbols'])} at {header['timeframe']}"
                raise DataError(f"{self.path} holds a recording of {held}; record to another file")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.suffix == ".gz":
                _cut_torn_member(self.path)
                return gzip.open(self.path, "at", encoding="utf-8")
            _end_torn_line(self.path)
            return open(self.path, "a", encoding="utf-8")  # atomic: only whole lines count; a torn one is cut off
        except OSError as err:
            raise self._unwritable(err) from err

    def _write_history(self) -> None:
        from workbench.data.live.frames import rows_of_bars

        self._line({_MARK: 1, "source": self.source, "symbols": list(self.symbols), "timeframe": self.timeframe})
        try:
            rows = rows_of_bars(self.stream.history(_KEPT))
        except DataError:  # none is known yet
            rows = {}
        for symbol, series in rows.items():
            for row in series:
                self._line(["h", symbol, *row])
        self._line({"began": self.stream.status.last_message if rows else None}, flush=True)

    def _line(self, content: object, flush: bool = False) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(content, separators=(",", ":")) + "\n")
            self._unflushed += 1
            if flush or self._unflushed >= _FLUSH_EVERY:
                self._file.flush()
                self._unflushed = 0
        except OSError as err:
            raise self._unwritable(err) from err

    def _unwritable(self, err: OSError) -> DataError:
        return DataError(f"cannot write {self.path}: {err.strerror or err}; free space or record to another file")


class RecordedStream:
    """A recording as `workbench.data.live.updates.Stream`, at n× its pace.

    Reads what `RecordingStream` wrote, and logs of venues' WebSockets (`workbench.data.live.traffic`).

    Parameters
    ----------
    path : path
    symbols : sequence of str, optional
        Default: all that it holds. In a log of a venue ``BTC/USDT`` finds ``BTCUSDT`` and ``BTC-USDT``.
    timeframe : str, optional
        Of the bars built from a venue's log, ``1m`` by default; a recording has its own.
    speed : float
        Seconds of the recording for one of the reader's; infinity does not wait at all.
    """

    def __init__(
        self, path: Path | str, symbols: Sequence[str] = (), timeframe: str | None = None, *, speed: float = 1.0
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise DataError(f"there is no recording {self.path}; name a file that 'record_to' wrote")
        header = _header(self.path)
        self.source = f"recorded:{self.path.name}"
        self._past: dict[str, deque[Row]] = {}
        self._pace, self._dropped, self._last_message = Pace(speed), 0, math.nan
        self._started = self._ended = self._closed = False
        self._told = 0
        if header is not None:
            self.timeframe = _same_timeframe(self.path, header["timeframe"], timeframe)
            self.symbols = _chosen(self.path, symbols, header["symbols"])
            self._updates = self._own()
        else:
            self.timeframe = canonical_timeframe(timeframe or "1m")
            wanted = _markets(self.path, symbols)
            self.symbols = tuple(wanted.values())
            self._updates = updates_in(self.path, wanted, self.timeframe, self.source)

    @property
    def status(self) -> StreamStatus:
        """How the replay is doing now; its age is in recorded seconds."""
        state = "closed" if self._closed or self._ended else "live" if self._started else "connecting"
        age = self._pace.now() - self._last_message if self._started else math.nan
        detail = "paused" if self._pace.paused else "at its end" if self._ended else ""
        counts = {"dropped": self._dropped}
        return StreamStatus(state, self.source, age, self._last_message, detail=detail, counts=counts)

    @property
    def speed(self) -> float:
        """Seconds of the recording for one of the reader's; may be set at any time."""
        return self._pace.speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._pace.speed = value

    def pause(self) -> None:
        """Stand still until `resume`."""
        self._pace.pause()

    def resume(self) -> None:
        """Run on."""
        self._pace.resume()

    def history(self, n: int = 500) -> Bars:
        """Return the newest ``n`` final bars read so far, those written down at the start included."""
        from workbench.data.live.frames import bars_of_rows

        return bars_of_rows({s: list(rows)[-n:] for s, rows in self._past.items()})

    async def start(self) -> None:
        """Read the history and be at the first update; does nothing the second time."""
        if self._started:
            return
        self._started = True
        first = next(self._updates, None)
        if first is not None:
            self._updates = _again(first, self._updates)
            self._pace.move(first.received)

    def __aiter__(self) -> AsyncIterator[BarUpdate]:
        return self

    async def __anext__(self) -> BarUpdate:
        await self.start()
        update = None if self._closed else next(self._updates, None)
        if update is None:
            self._ended = True
            raise StopAsyncIteration
        while not self._closed and (self._pace.paused or self._pace.now() < update.received):
            await self._pace.reach(update.received)
        if self._closed:
            raise StopAsyncIteration
        self._told += 1
        if self._told % _BREATH == 0:
            await asyncio.sleep(0)
        self._last_message = update.received
        if update.final:
            self._keep(update.symbol, _row(update))
        return update

    async def close(self) -> None:
        """End the replay."""
        self._closed = True
        self._pace.resume()

    def _own(self) -> Iterator[BarUpdate]:
        """Yield the updates of a recording; of sessions appended to one file only what goes on in time."""
        newest: dict[str, int] = {}
        wanted = set(self.symbols)
        for line in plain_lines(self.path):
            try:
                content = json.loads(line)
                kind, symbol = (content[0], content[1]) if isinstance(content, list) else ("", "")
                row = Row(*content[2:8]) if kind in ("h", "u") else None
            except (ValueError, TypeError, IndexError):
                self._dropped += 1
                continue
            if row is None or symbol not in wanted or row.time <= newest.get(symbol, -1):
                continue
            if kind == "h" or content[8]:
                newest[symbol] = row.time
            if kind == "h":
                self._keep(symbol, row)
            else:
                yield BarUpdate(symbol, *row, *content[8:11])

    def _keep(self, symbol: str, row: Row) -> None:
        self._past.setdefault(symbol, deque(maxlen=_KEPT)).append(row)


def _row(update: BarUpdate) -> Row:
    return Row(update.time, update.open, update.high, update.low, update.close, update.volume)


def _again(first: BarUpdate, rest: Iterator[BarUpdate]) -> Iterator[BarUpdate]:
    yield first
    yield from rest


def _header(path: Path) -> dict[str, Any] | None:
    """Return the first line of a recording, ``None`` where the file is something else."""
    try:
        header = json.loads(next(plain_lines(path), ""))
    except ValueError:
        return None
    return header if isinstance(header, dict) and _MARK in header else None


def _chosen(path: Path, symbols: Sequence[str], held: list[str]) -> tuple[str, ...]:
    for symbol in symbols:
        if symbol not in held:
            raise DataError(f"the recording {path} holds no symbol {symbol!r}.{did_you_mean(symbol, held)}")
    return tuple(symbols) or tuple(held)


def _same_timeframe(path: Path, held: str, asked: str | None) -> str:
    if asked and canonical_timeframe(asked) != held:
        raise DataError(f"the recording {path} holds bars of {held}, not of {asked}; ask for {held}")
    return held


def _markets(path: Path, symbols: Sequence[str]) -> dict[str, str]:
    """Return the log's name of each wanted market, and what the reader calls it."""
    found = markets_in(path)
    if not found:
        raise DataError(f"{path} holds no recording, and no trade or candle of a venue that is understood")
    if not symbols:
        return {market: market for market in sorted(found)}
    names = {market_key(market): market for market in found}
    for symbol in symbols:
        if market_key(symbol) not in names:
            raise DataError(f"{path} tells nothing of {symbol!r}.{did_you_mean(symbol, found)}")
    return {names[market_key(symbol)]: symbol for symbol in symbols}


def _end_torn_line(path: Path) -> None:
    """Cut a half-written last line off, so that what is appended begins a line."""
    if not path.exists():
        return
    with open(path, "rb+") as stream:
        data = stream.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            stream.truncate(whole)


def _cut_torn_member(path: Path) -> None:
    """Rewrite a gzip file without its torn tail, where it has one: what is appended must begin a member."""
    from workbench.ops import atomic_path

    if not path.exists():
        return
    try:
        with gzip.open(path, "rb") as stream:
            while stream.read(1 << 20):
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile):
        lines = list(plain_lines(path))
        with atomic_path(path) as temporary, gzip.open(temporary, "wt", encoding="utf-8") as target:
            target.writelines(lines)
