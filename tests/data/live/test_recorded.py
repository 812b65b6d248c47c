"""Streams written down and read again, and venues' recorded traffic."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.data import synthetic_market
from workbench.data.live import BarUpdate, RecordedStream, RecordingStream, ReplayStream
from workbench.data.live.traffic import decode, market_key, markets_in
from workbench.errors import DataError

Run = Callable[[Any], Any]
SYMBOLS = ("AAA/USDT", "BBB/USDT")


def replay(n: int = 60, start: int = 20) -> ReplayStream:
    bars, _ = synthetic_market(f"gbm(n_bars={n}, seed=3)", SYMBOLS, "1h")
    return ReplayStream(bars, "1h", source="replay:gbm", speed=math.inf, start=bars.index[start])


async def read_all(stream: Any) -> list[BarUpdate]:
    updates = [update async for update in stream]
    await stream.close()
    return updates


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_recording_is_read_as_it_was_written(tmp_path: Path, virtually: Run, name: str) -> None:
    written = virtually(read_all(RecordingStream(replay(), tmp_path / name)))
    stream = RecordedStream(tmp_path / name, speed=math.inf)
    assert virtually(read_all(stream)) == written
    assert (stream.symbols, stream.timeframe) == (SYMBOLS, "1h")
    assert len(stream.history(30)) == 30


def test_a_recording_knows_its_history_before_its_first_update(tmp_path: Path, virtually: Run) -> None:
    virtually(read_all(RecordingStream(replay(), tmp_path / "a.jsonl")))

    async def history_first() -> int:
        stream = RecordedStream(tmp_path / "a.jsonl")
        await stream.start()
        return len(stream.history(1000))

    assert virtually(history_first()) == 20


def test_a_recording_keeps_its_pace(tmp_path: Path, virtually: Run) -> None:
    virtually(read_all(RecordingStream(replay(), tmp_path / "a.jsonl")))

    async def how_long() -> float:
        await read_all(RecordedStream(tmp_path / "a.jsonl", speed=360.0))
        return asyncio.get_running_loop().time()

    assert virtually(how_long()) == pytest.approx(40 * 3600 / 360)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("cut", [1, 7, 40, 300])
def test_a_torn_recording_is_read_to_its_tear_and_written_on(
    tmp_path: Path, virtually: Run, name: str, cut: int
) -> None:
    path = tmp_path / name
    written = virtually(read_all(RecordingStream(replay(), path)))
    path.write_bytes(path.read_bytes()[:-cut])
    read = virtually(read_all(RecordedStream(path, speed=math.inf)))
    only_the_trailer = name.endswith("gz") and cut < 10
    assert len(written) > len(read) or only_the_trailer
    assert read == written[: len(read)]
    virtually(read_all(RecordingStream(replay(80), path)))  # a second session in the same file
    both = virtually(read_all(RecordedStream(path, speed=math.inf)))
    for symbol in SYMBOLS:
        finals = [u.time for u in both if u.final and u.symbol == symbol]
        assert finals == sorted(set(finals))
        assert (finals[-1] - finals[0]) // 3_600_000 == len(finals) - 1 == 59


def test_a_recording_of_something_else_is_not_written_over(tmp_path: Path, virtually: Run) -> None:
    bars, _ = synthetic_market("gbm(n_bars=9, seed=3)", ["CCC/USDT"], "1h")
    virtually(read_all(RecordingStream(ReplayStream(bars, "1h", speed=math.inf), tmp_path / "a.jsonl")))
    with pytest.raises(DataError, match="holds a recording of CCC/USDT at 1h"):
        virtually(read_all(RecordingStream(replay(), tmp_path / "a.jsonl")))
    (tmp_path / "b.jsonl").write_text("my diary\n")
    with pytest.raises(DataError, match="no recording of a stream"):
        virtually(read_all(RecordingStream(replay(), tmp_path / "b.jsonl")))
    assert (tmp_path / "b.jsonl").read_text() == "my diary\n"


def test_wrong_questions_to_a_recording_are_one_line(tmp_path: Path, virtually: Run) -> None:
    path = tmp_path / "a.jsonl"
    virtually(read_all(RecordingStream(replay(), path)))
    with pytest.raises(DataError, match="Did you mean 'AAA/USDT'"):
        RecordedStream(path, ["AAA/USD"])
    with pytest.raises(DataError, match="holds bars of 1h, not of 4h"):
        RecordedStream(path, timeframe="4h")
    with pytest.raises(DataError, match="there is no recording"):
        RecordedStream(tmp_path / "none.jsonl")
    (tmp_path / "empty.log").write_text("")
    with pytest.raises(DataError, match="no trade or candle"):
        RecordedStream(tmp_path / "empty.log")


def kline(second: float, minute: int, close: float, volume: float) -> str:
    start = 1_700_000_040_000 + minute * 60_000
    k = {"t": start, "T": start + 59_999, "s": "BTCUSDT", "i": "1m", "o": "100", "h": "200", "l": "50"}
    message = {"e": "kline", "s": "BTCUSDT", "k": {**k, "c": str(close), "v": str(volume), "x": False}}
    return f"{1_700_000_040 + second}: {json.dumps({'stream': 'btcusdt@kline_1m', 'data': message})}\n"


def test_candles_of_a_log_become_bars_when_seen_whole(tmp_path: Path, virtually: Run) -> None:
    lines = ["wss://stream <- 1700000040.0: subscribe\n", kline(1, 0, 101, 5), kline(61, 1, 102, 1), "garbage\n"]
    lines += [kline(90, 1, 103, 2), "1700000131.5: {torn\n", kline(121, 2, 104, 1)]
    path = tmp_path / "traffic.log.gz"
    with gzip.open(path, "wt") as stream:
        stream.writelines(lines)
    updates = virtually(read_all(RecordedStream(path, ["BTC/USDT"], speed=math.inf)))
    assert [(u.time, u.close, u.volume) for u in updates if u.final] == [(1_700_000_100_000, 103.0, 2.0)]
    assert {u.symbol for u in updates} == {"BTC/USDT"}


@pytest.mark.parametrize(
    ("message", "market", "price"),
    [
        ({"e": "aggTrade", "s": "BTCUSDT", "a": 1, "p": "7.5", "q": "2", "T": 1700000000000}, "BTCUSDT", 7.5),
        ([1, [["7.5", "2", "1700000000.123", "b", "l", ""]], "trade", "XBT/USD"], "XBT/USD", 7.5),
        ({"type": "match", "trade_id": 1, "size": "2", "price": "7.5", "product_id": "BTC-USD",
          "time": "2023-11-14T22:13:20.5Z"}, "BTC-USD", 7.5),
        ({"type": "match", "product_id": "BTC-USD"}, None, 0),
        ({"arg": {"channel": "trades"}, "data": [{"instId": "A", "ts": "x", "px": "1", "sz": "1"}]}, None, 0),
        ([], None, 0), ("text", None, 0), (None, None, 0), ({"e": "kline"}, None, 0),
    ],
)  # fmt: skip
def test_messages_are_understood_or_passed_over(message: Any, market: str | None, price: float) -> None:
    said = decode(message)
    assert [(s.market, s.what.price) for s in said] == ([(market, price)] if market else [])  # type: ignore[union-attr]


def test_spellings_of_a_market_are_one() -> None:
    spellings = ["BTC/USDT", "btcusdt", "BTC-USDT", "XBT/USDT", "BTC/USDT:USDT"]
    assert {market_key(s) for s in spellings} == {"BTCUSDT"}


@pytest.mark.parametrize(
    ("file", "symbol", "what"),
    [
        ("binance/websocket_BINANCE.ws.1.0.log", "NKN/USDT", "candles 1m"),
        ("binance-usdm/websocket_BINANCE_FUTURES.ws.1.0.log.gz", "SUSHI/USDT", "candles 1m"),
        ("coinbase-exchange/websocket_COINBASE.ws.28.0.log.gz", "SKL/USD", "trades"),
        ("okx/websocket_OKX.ws.1.0.log.gz", "BTC/USDT", "trades"),
        ("bybit-v2/websocket_BYBIT.ws.26.0.log.gz", "BTC/USD", "trades"),
        ("bitstamp/websocket_BITSTAMP.ws.1.0.log.gz", "ETH/USD", "trades"),
    ],
)
def test_recorded_traffic_of_venues_is_a_stream(
    shared_data: Path, virtually: Run, file: str, symbol: str, what: str
) -> None:
    path = shared_data / "exchange-responses" / file
    if not path.is_file():
        pytest.skip(f"{file} is not in the folder of real market files")
    told = {market_key(m): kinds for m, kinds in markets_in(path).items()}
    if market_key(symbol) not in told:
        pytest.skip(f"{file} tells nothing of {symbol}; it has {sorted(told)}")
    assert what in told[market_key(symbol)]
    updates = virtually(read_all(RecordedStream(path, [symbol], "1m", speed=math.inf)))
    assert updates
    for before, after in itertools.pairwise(updates):
        assert after.time >= before.time
        assert after.received >= before.received
        assert abs(after.received * 1000 - after.time) < 10 * 60_000


def test_a_log_of_books_alone_is_refused_in_one_line(shared_data: Path) -> None:
    path = shared_data / "exchange-responses" / "kraken" / "websocket_KRAKEN.ws.50.0.log.gz"
    if not path.is_file():
        pytest.skip("no Kraken log in the folder of real market files")
    with pytest.raises(DataError, match="no trade or candle of a venue that is understood"):
        RecordedStream(path)
