"""Each fault of answers alone does on the wire what it says, and unmodified ccxt meets it."""

from __future__ import annotations

import gzip
import http.client
import json
import math
import socket
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import ccxt
import pytest

from workbench.data.replay import FAULTS, fault_table
from workbench.data.replay.fault_ports import refusing_address, silent_address
from workbench.data.replay.running import Running

KLINES = "/api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=40"
OHLC = "/api.kraken.com/0/public/OHLC?pair=XBTUSDT&interval=1"
Get = Callable[..., Any]


@pytest.fixture
def binance(faulty: Running, exchange_at: Callable[[str, str], Any]) -> Any:
    """Plain ccxt that already knows the markets."""
    return _loaded(exchange_at("binance", faulty.base_url))


@pytest.fixture
def kraken(faulty: Running, exchange_at: Callable[[str, str], Any]) -> Any:
    """Plain ccxt that already knows the markets."""
    return _loaded(exchange_at("kraken", faulty.base_url))


def _loaded(exchange: Any) -> Any:
    exchange.options["fetchMarkets"] = {"types": ["spot"]}
    exchange.options["fetchCurrencies"] = False
    exchange.load_markets()
    return exchange


# statuses


@pytest.mark.parametrize("path", [KLINES, OHLC])
@pytest.mark.parametrize("status", [429, 418, 403, 451, 500, 502, 503, 504])
def test_statuses_come_as_they_are_named(faults_on: Any, get: Get, status: int, path: str) -> None:
    plan = faults_on(str(status))
    answer = get(path)
    assert answer.status == status
    assert plan.counts == {str(status): 1}
    html = status in (403, 502, 503, 504)
    assert answer.headers["Content-Type"].startswith("text/html" if html else "application/json")
    assert ("Retry-After" in answer.headers) == (status in (418, 429))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("429(30)", "30"),
        ("429(0)", "0"),
        ("429(-5)", "-5"),
        ("429(1e9)", "1e9"),
        ("429(garbage)", "in a while, perhaps"),
        ("429(missing)", None),
        ("429 for 90s", "90"),
        ("418 for 2m", "120"),
    ],
)
def test_retry_after_good_and_bad(faults_on: Any, get: Get, kind: str, told: str | None) -> None:
    faults_on(kind)
    assert get().headers["Retry-After"] == told


def test_retry_after_as_a_date_is_when_the_fault_ends(faults_on: Any, get: Get, faulty: Running) -> None:
    faults_on("429(date) for 90s")
    told = parsedate_to_datetime(get().headers["Retry-After"]).timestamp()
    assert told == math.ceil(faulty.venue.clock.now()) + 90


# the connection


def test_reset_cuts_the_connection(faults_on: Any, get: Get) -> None:
    faults_on("reset x1")
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        get()
    assert get().status == 200  # once only


def test_timeout_keeps_silent_until_the_client_leaves(faults_on: Any, get: Get) -> None:
    faults_on("timeout")
    with pytest.raises(TimeoutError):
        get(seconds=0.3)


def test_timeout_gives_up_after_its_hold(faults_on: Any, get: Get) -> None:
    faults_on("timeout(hold=0.1)")
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        get()


def test_drip_sends_a_few_bytes_at_a_time(faults_on: Any, faulty: Running) -> None:
    faults_on("drip(0.02, bytes=1)")
    pieces = []
    with socket.create_connection(("127.0.0.1", faulty.venue.port), timeout=60) as plain:
        plain.sendall(b"GET /api.binance.com/api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n")
        while not b"".join(pieces).endswith(b"}"):
            pieces.append(plain.recv(4096))
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head.lower()
    assert json.loads(body)["serverTime"] > 0
    assert len(pieces) > len(body) / 2  # some bytes may have met on the way


def test_slow_waits(faults_on: Any, get: Get) -> None:
    faults_on("slow(0.2)")
    begun = time.monotonic()
    assert get().status == 200
    assert time.monotonic() - begun >= 0.2


def test_who_leaves_while_it_waits_was_told_nothing(faults_on: Any, get: Get, faulty: Running) -> None:
    plan = faults_on("slow(0.5); 418")
    with pytest.raises(TimeoutError):
        get(seconds=0.1)
    _wait(lambda: plan.counts["slow"] == 1)
    time.sleep(1)
    assert (plan.counts["418"], faulty.venue.requests.calls[-1].status) == (0, 0)


def test_a_cut_off_body_is_shorter_than_promised(faults_on: Any, get: Get) -> None:
    faults_on("cut-off")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        get()


def test_a_redirect_leads_to_itself(faults_on: Any, get: Get) -> None:
    faults_on("redirect")
    answer = get()
    assert (answer.status, answer.headers["Location"]) == (302, KLINES)


# what is no JSON


def test_a_login_page_an_empty_body_and_half_of_one_come_with_status_200(faults_on: Any, get: Get) -> None:
    whole = get().body
    faults_on("html")
    page = get()
    assert (page.status, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    assert b"<form>" in page.body
    faults_on("empty")
    assert (get().status, get().body) == (200, b"")
    faults_on("truncated")
    half = get()
    assert half.status == 200
    assert whole.startswith(half.body)
    assert int(half.headers["Content-Length"]) == len(half.body) < len(whole)
    with pytest.raises(ValueError, match="Expecting|Unterminated|delimiter"):
        json.loads(half.body)


@pytest.mark.parametrize("kind", ["big(3)", "gzip-bomb(3)"])
def test_a_big_body_holds_the_answer_and_megabytes_of_nothing(faults_on: Any, get: Get, kind: str) -> None:
    whole = get().body
    faults_on(kind)
    answer = get()
    if kind.startswith("gzip"):
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.body) < 100_000
    body = gzip.decompress(answer.body) if kind.startswith("gzip") else answer.body
    assert len(body) == len(whole) + 3 * (1 << 20)
    assert json.loads(body) == json.loads(whole)


# ccxt


MET: list[tuple[str, type[BaseException], type[BaseException]]] = [
    ("429", ccxt.DDoSProtection, ccxt.DDoSProtection),
    ("418", ccxt.DDoSProtection, ccxt.DDoSProtection),
    ("403", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("451", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("500", ccxt.OperationFailed, ccxt.ExchangeNotAvailable),
    ("502", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("503", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("504", ccxt.RequestTimeout, ccxt.RequestTimeout),
    ("reset", ccxt.NetworkError, ccxt.NetworkError),
    ("timeout", ccxt.RequestTimeout, ccxt.RequestTimeout),
    ("redirect", ccxt.ExchangeError, ccxt.ExchangeError),
    ("cut-off", ccxt.NetworkError, ccxt.NetworkError),
]


@pytest.mark.parametrize(("kind", "at_binance", "at_kraken"), MET)
def test_unmodified_ccxt_raises(
    faults_on: Any,
    binance: Any,
    kraken: Any,
    kind: str,
    at_binance: type[BaseException],
    at_kraken: type[BaseException],
) -> None:
    faults_on(kind)
    for exchange, expected in ((binance, at_binance), (kraken, at_kraken)):
        exchange.timeout = 300 if kind == "timeout" else 60_000
        with pytest.raises(expected):
            exchange.fetch_ohlcv("BTC/USDT", "1m", limit=20)


@pytest.mark.parametrize("kind", ["html", "truncated", "nested-error"])
def test_unmodified_ccxt_takes_garbage_with_status_200_for_bars(faults_on: Any, binance: Any, kind: str) -> None:
    """Why a venue's rows are judged again after ccxt: it raises nothing here and answers rows of nothing."""
    faults_on(kind)
    rows = binance.fetch_ohlcv("BTC/USDT", "1m", limit=20)
    assert rows
    assert any(None in row for row in rows)


def test_addresses_at_which_nobody_answers(exchange_at: Callable[[str, str], Any]) -> None:
    with silent_address() as url:
        exchange = exchange_at("binance", url)
        exchange.timeout = 300
        with pytest.raises(ccxt.RequestTimeout):
            exchange.fetch_time()
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=0.3)
    with refusing_address() as url:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60)
        with pytest.raises(ccxt.NetworkError):
            exchange_at("binance", url).fetch_time()


def test_the_catalogue_is_a_table() -> None:
    table = fault_table().set_index("fault")
    assert table.index.tolist() == list(FAULTS)
    assert table.loc["skew", "options"] == "seconds=1.5, drift=0.0"


# which requests


def test_a_fault_meets_only_whom_it_is_meant_for_as_often_as_it_may(faults_on: Any, get: Get, faulty: Running) -> None:
    plan = faults_on("503@10s for 10s every 60s x2 on klines")
    clock = faulty.venue.clock
    assert get().status == 200
    clock.sleep(10)
    assert [get().status for _ in range(3)] == [503, 503, 200]
    assert get("/api.binance.com/api/v3/time").status == 200
    assert get(OHLC).status == 200
    clock.sleep(10)
    assert get().status == 200
    clock.sleep(50)
    assert [get().status for _ in range(3)] == [503, 503, 200]  # and again in the next repeat
    assert plan.counts == {"503": 4}


def test_a_share_of_requests_is_hit_and_the_same_ones_for_a_seed(faults_on: Any, get: Get) -> None:
    def statuses(seed: int) -> list[int]:
        faults_on("500(p=0.5) on time", seed=seed)
        return [get("/api.binance.com/api/v3/time").status for _ in range(40)]

    first = statuses(1)
    assert statuses(1) == first
    assert statuses(2) != first
    assert 8 < first.count(500) < 32


def test_faults_are_told_on_the_status_page(faults_on: Any, get: Get) -> None:
    faults_on("418 for 2m on nowhere; frozen@3h")
    assert get("/status").json["faults"] == ["418 for 2m on nowhere", "next: frozen@3h"]


def test_every_fault_is_met_by_a_test() -> None:
    here = Path(__file__).parent
    text = "".join((here / f"test_fault{which}.py").read_text() for which in ("s", "y_bodies", "y_sockets"))
    named = [name for name in FAULTS if not name.isdigit() and not name.startswith("close-1")]
    assert [name for name in named if f'"{name}' not in text] == []


def _wait(done: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)
