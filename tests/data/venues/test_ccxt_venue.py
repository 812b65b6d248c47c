"""Venues through unmodified ccxt: what comes back, what is refused, what is said."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.data.venues.answers import BadAnswerError, HistoryError
from workbench.data.venues.catalogue import VENUES
from workbench.data.venues.ccxt_venue import CcxtVenue
from workbench.data.venues.clock import SystemClock
from workbench.data.venues.open import open_venue, venue_states
from workbench.data.venues.skew import check_skew, measure_skew
from workbench.data.venues.vocabulary import VenueDownError
from workbench.errors import ConfigError, DataError, VenueError

MINUTE = 60_000
SINCE = 1_699_999_980_000 - 30 * MINUTE  # half an hour before the step clock's now, on a minute


@pytest.fixture
def opened(settings: Any, scripted_server: Any, step_clock: Any) -> Any:
    """Open a venue at the scripted server."""
    return lambda name, **given: open_venue(
        name, settings, at=scripted_server.url, clock=given.pop("clock", step_clock), seed=0, **given
    )


def binance_row(time: int, o: Any = "100", h: Any = "110", low: Any = "90", c: Any = "105", v: Any = "7") -> list[Any]:
    return [time, o, h, low, c, v, time + MINUTE - 1, "700", 3, "1", "100", "0"]


ROWS = [[SINCE, 100.0, 110.0, 90.0, 105.0, 7.0], [SINCE + MINUTE, 105.0, 106.0, 104.0, 105.5, 0.0]]
SECONDS = SINCE // 1000
DIALECTS: dict[str, tuple[str, Any]] = {
    "binance": ("BTC/USDT", [binance_row(SINCE), binance_row(SINCE + MINUTE, "105", "106", "104", "105.5", "0")]),
    "binanceusdm": (
        "BTC/USDT:USDT",
        [binance_row(SINCE), binance_row(SINCE + MINUTE, "105", "106", "104", "105.5", "0")],
    ),
    "kraken": (
        "BTC/USD",
        {
            "error": [],
            "result": {
                "XXBTZUSD": [
                    [SECONDS - 60, "1", "1", "1", "1", "1", "1", 1],  # the one before, which Kraken sends too
                    [SECONDS, "100", "110", "90", "105", "101.5", "7", 3],
                    [SECONDS + 60, "105", "106", "104", "105.5", "0", "0", 0],
                ],
                "last": SECONDS,
            },
        },
    ),
    "coinbase": ("BTC/USD", [[SECONDS + 60, 104, 106, 105, 105.5, 0], [SECONDS, 90, 110, 100, 105, 7]]),
    "okx": (
        "BTC/USDT:USDT",
        {
            "code": "0",
            "msg": "",
            "data": [
                [str(SINCE + MINUTE), "105", "106", "104", "105.5", "0", "0", "0", "1"],
                [str(SINCE), "100", "110", "90", "105", "700", "7", "700", "1"],  # 700 contracts of 0.01
            ],
        },
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_venue_gives_the_same_page(name: str, opened: Any, scripted_server: Any, answer_of: Any) -> None:
    symbol, body = DIALECTS[name]
    scripted_server.say(answer_of(body))
    venue = opened(name)
    page = venue.fetch_bars(symbol, "1m", SINCE, 100)
    assert page.dtype == np.float64
    assert page.tolist() == ROWS
    assert len(scripted_server.pages) == 1  # one request
    assert venue.refused == []


def test_a_page_is_cut_to_what_was_asked(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    scripted_server.say(answer_of([binance_row(SINCE + i * MINUTE) for i in range(9)]))
    assert opened("binance").fetch_bars("BTC/USDT", "1m", SINCE, 4)[:, 0].tolist() == [
        SINCE + i * MINUTE for i in range(4)
    ]
    assert scripted_server.pages[0].query["limit"] == "4"
    assert scripted_server.pages[0].query["startTime"] == str(SINCE)


@pytest.mark.parametrize(
    "fault",
    [
        {"o": "NaN"},
        {"h": None},
        {"v": None},
        {"o": "-1"},
        {"c": "0"},
        {"v": "-0.1"},
        {"h": "1e400"},
        {"low": "inf"},
        {"h": "80"},  # below low
        {"h": "104"},  # below close
        {"low": "101"},  # above open
        {"time": SINCE + 1},  # between two steps
        {"time": SINCE + MINUTE + 30_000},
        {"time": 1_700_000_040_000 + MINUTE},  # in the future
        {"time": 4_000_000_020_000},
        {"o": None, "h": None, "low": None, "c": None, "v": None},
    ],
    ids=str,
)
def test_an_impossible_bar_is_asked_for_again_then_left_out(
    fault: dict[str, Any], opened: Any, scripted_server: Any, answer_of: Any, settings: Any, step_clock: Any
) -> None:
    venue = opened("binance")
    venue.markets()
    bad = binance_row(**{"time": SINCE + MINUTE, **fault})
    good = [binance_row(SINCE), binance_row(SINCE + 2 * MINUTE)]
    body = [good[0], bad, good[1]]

    def answer(asked: Any) -> Any:
        return answer_of({"serverTime": 1_700_000_000_000} if asked.path.endswith("time") else body)

    scripted_server.answer = answer
    page = venue.fetch_bars("BTC/USDT", "1m", SINCE, 100)
    assert page[:, 0].tolist() == [SINCE, SINCE + 2 * MINUTE]
    assert [(s, t) for s, t, _ in venue.refused] == [("BTC/USDT", "1m")]
    klines = [a for a in scripted_server.pages if a.path.endswith("klines")]
    assert len(klines) == 3
    skew_asked = sum(a.path.endswith("time") for a in scripted_server.pages)
    assert skew_asked == (3 if venue.refused[0][2].kind == "future_time" else 0)  # ours may be the clock that is wrong
    assert venue_states(settings, at=scripted_server.url, clock=step_clock)["failures"].sum() == 0


def test_a_passing_fault_costs_one_more_request(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    scripted_server.say(answer_of([binance_row(SINCE, h="1")]), answer_of([binance_row(SINCE)]))
    venue = opened("binance")
    assert len(venue.fetch_bars("BTC/USDT", "1m", SINCE, 9)) == 1
    assert venue.refused == []
    assert len(scripted_server.pages) == 2


def test_the_same_bar_twice_is_one_and_two_versions_of_it_are_none(
    opened: Any, scripted_server: Any, answer_of: Any
) -> None:
    venue = opened("binance")
    rows = [binance_row(SINCE + MINUTE), binance_row(SINCE), binance_row(SINCE + MINUTE)]
    scripted_server.say(answer_of(rows))
    assert venue.fetch_bars("BTC/USDT", "1m", SINCE, 9)[:, 0].tolist() == [SINCE, SINCE + MINUTE]
    scripted_server.say(answer_of([*rows, binance_row(SINCE + MINUTE, c="104")]))
    assert venue.fetch_bars("BTC/USDT", "1m", SINCE, 9)[:, 0].tolist() == [SINCE]
    assert {bar.kind for _, _, bar in venue.refused} == {"changed_twin"}


WRONG = {
    "html": b"<html><body>maintenance</body></html>",
    "nothing": b"",
    "text": b"OK",
    "number": b"17",
    "null": b"null",
    "torn": json.dumps([binance_row(SINCE)]).encode()[:-9],
    "torn in a number": b"[[1699",
    "object": {},
    "object of rows": {"data": [binance_row(SINCE)]},
    "row is an object": [{"time": SINCE}],
    "row is text": ["abc"],
    "row is a number": [5],
    "row is null": [None],
    "short row": [[SINCE, "1", "1"]],
    "price is text": [binance_row(SINCE, o="cheap")],
    "price is empty": [binance_row(SINCE, o="")],
    "price is a list": [binance_row(SINCE, o=["1"])],
    "price is an object": [binance_row(SINCE, h={"v": 1})],
    "price is true": [binance_row(SINCE, c=True)],
    "price with underscore": [binance_row(SINCE, c="1_05")],
    "price in other digits": [binance_row(SINCE, c="١٠٥")],
    "time is text": [["yesterday", *binance_row(SINCE)[1:]]],
    "time is null": [[None, *binance_row(SINCE)[1:]]],
    "time in seconds": [[SINCE // 1000, *binance_row(SINCE)[1:]]],
    "time is 0": [[0, *binance_row(SINCE)[1:]]],
    "time is negative": [[-SINCE, *binance_row(SINCE)[1:]]],
    "time too large": [[10**400, *binance_row(SINCE)[1:]]],
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_is_no_page_is_a_typed_error_after_three_tries(
    name: str, opened: Any, scripted_server: Any, answer_of: Any
) -> None:
    venue = opened("binance")
    venue.markets()
    scripted_server.say(answer_of(WRONG[name]))
    with pytest.raises(BadAnswerError, match="binance") as raised:
        venue.fetch_bars("BTC/USDT", "1m", SINCE, 100)
    assert "\n" not in str(raised.value)
    assert len(scripted_server.pages) == 3


@pytest.mark.parametrize("name", ["kraken", "coinbase", "okx", "binanceusdm"])
@pytest.mark.parametrize(
    "body", [{"result": []}, {"data": {}}, [[]], b"<html>", {"result": {"list": 5}}, {}, ["x"]], ids=str
)
def test_no_venue_takes_a_foreign_answer_for_an_empty_page(
    name: str, body: Any, opened: Any, scripted_server: Any, answer_of: Any
) -> None:
    venue = opened(name)
    symbol = DIALECTS[name][0]
    venue.markets()
    scripted_server.say(answer_of(body))
    with pytest.raises(VenueError):
        venue.fetch_bars(symbol, "1m", SINCE, 100)


def test_wrong_lists_of_markets_are_typed_errors(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    scripted_server.markets = False
    for body in (
        {"symbols": []},
        {"symbols": [{"symbol": 5}]},
        [],
        {"symbols": "many"},
        b"<html>",
        {"symbols": [None]},
    ):
        scripted_server.say(answer_of(body))
        with pytest.raises(VenueError):
            opened("binance").markets()


def test_markets_are_asked_for_once(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    scripted_server.say(answer_of([]))
    venue = opened("binanceusdm")
    for _ in range(3):
        venue.fetch_bars("BTC/USDT:USDT", "1m", SINCE, 5)
    assert [a.path for a in scripted_server.asked] == ["/fapi/v1/exchangeInfo", *["/fapi/v1/klines"] * 3]
    market = venue.markets()["BTC/USDT:USDT"]
    assert (market.kind, market.price_tick, market.amount_step, market.min_notional) == ("swap", 0.01, 1e-5, 5.0)
    assert market.listed == pd.Timestamp("2019-09-25 08:00", tz="UTC")
    assert market.delisted is None


def test_what_does_not_exist_is_one_line_with_a_cure(opened: Any, scripted_server: Any) -> None:
    binance, usdm, kraken = opened("binance"), opened("binanceusdm"), opened("kraken")
    asks = [
        (lambda: binance.fetch_bars("BTC/USTD", "1m", SINCE, 5), "Did you mean 'BTC/USDT'"),
        (lambda: usdm.fetch_bars("BTC/USDT", "1m", SINCE, 5), "Did you mean 'BTC/USDT:USDT'"),
        (lambda: kraken.fetch_bars("BTC/USD", "2h", SINCE, 5), "fetch 1h .* resample"),
        (lambda: kraken.page_limit("3m"), "fetch 1m .* resample"),
        (lambda: binance.fetch_bars("BTC/USDT", "1x", SINCE, 5), "time frame '1x'"),
        (lambda: binance.fetch_bars("BTC/USDT", "1m", SINCE, 5, price="marc"), "Did you mean 'mark'"),
        (lambda: binance.fetch_bars("BTC/USDT", "1m", SINCE, 5, price="mark"), "binanceusdm"),
        (lambda: binance.fetch_funding("BTC/USDT", SINCE, 5), "binanceusdm"),
        (lambda: kraken.fetch_open_interest("BTC/USD", "1h", SINCE, 5), "binanceusdm"),
        (lambda: usdm.fetch_open_interest("BTC/USDT:USDT", "1m", SINCE, 5), "no open interest of 1m, it has 5m 15m"),
    ]
    for ask, words in asks:
        with pytest.raises(DataError, match=words) as raised:
            ask()
        assert "\n" not in str(raised.value)
    assert scripted_server.pages == []


def test_kraken_says_that_it_keeps_720_bars(opened: Any, scripted_server: Any, answer_of: Any, step_clock: Any) -> None:
    venue = opened("kraken")
    scripted_server.say(answer_of({"error": [], "result": {"unixtime": int(step_clock.now())}}))
    with pytest.raises(HistoryError, match="last 720 bars only.*trades.*another venue") as raised:
        venue.fetch_bars("BTC/USD", "1h", 1_600_000_000_000, 100)
    assert [a.path for a in scripted_server.pages] == ["/0/public/Time"]  # a replay venue may live in another year
    earliest = raised.value.earliest_ms
    assert earliest % 3_600_000 == 0
    assert 719 <= (step_clock.now() * 1000 - earliest) / 3_600_000 < 721
    scripted_server.say(answer_of({"error": [], "result": {"XXBTZUSD": [], "last": 0}}))
    assert len(venue.fetch_bars("BTC/USD", "1h", earliest, 100)) == 0


def test_mark_and_index_prices_are_bars_without_volume(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    venue = opened("binanceusdm")
    scripted_server.say(answer_of([binance_row(SINCE, v="0")]))
    for price in ("mark", "index"):
        assert venue.fetch_bars("BTC/USDT:USDT", "1m", SINCE, 5, price=price).tolist() == [[*ROWS[0][:5], 0.0]]
    assert [a.path for a in scripted_server.pages] == ["/fapi/v1/markPriceKlines", "/fapi/v1/indexPriceKlines"]


def test_threads_do_not_mix_up_their_answers(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    scripted_server.answer = lambda asked: answer_of(
        [binance_row(int(asked.query["startTime"]), v=asked.query["startTime"])]
    )
    venue = opened("binance", clock=SystemClock())
    venue.markets()
    starts = [SINCE - i * MINUTE for i in range(60)]
    with ThreadPoolExecutor(6) as pool:
        pages = list(pool.map(lambda since: venue.fetch_bars("BTC/USDT", "1m", since, 1), starts))
    assert [(p[0, 0], p[0, 5]) for p in pages] == [(s, s) for s in starts]


def test_certificates_are_checked(opened: Any, tmp_path: Path, step_clock: Any) -> None:
    with pytest.raises(ConfigError, match="verify=False"):
        CcxtVenue(VENUES["binance"], folder=tmp_path, clock=step_clock, rng=np.random.default_rng(), verify=False)
    venue = opened("binance")
    venue.exchange.validateServerSsl = False  # someone reaches inside
    with pytest.raises(VenueError, match="certificates"):
        venue.markets()


def test_an_answer_that_drips_or_bursts_is_given_up(
    settings: Any, scripted_server: Any, answer_of: Any, monkeypatch: pytest.MonkeyPatch, step_clock: Any
) -> None:
    from workbench.data.venues import transport

    bomb = gzip.compress(b" " * 2**22 + b"[]")
    assert len(bomb) < 10_000
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 2**20)
    make = transport.make_session
    monkeypatch.setattr(
        "workbench.data.venues.hooks.make_session", lambda **given: make(**given, largest=transport.LARGEST_ANSWER)
    )
    venue = open_venue("binance", settings, at=scripted_server.url, clock=step_clock, seed=0)
    venue.markets()
    scripted_server.say(answer_of(bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(BadAnswerError, match="larger than 1 MB"):
        venue.fetch_bars("BTC/USDT", "1m", SINCE, 5)
    scripted_server.say(answer_of([binance_row(SINCE)], cut=30))
    with pytest.raises(VenueDownError):
        venue.fetch_bars("BTC/USDT", "1m", SINCE, 5)


def test_a_drip_is_given_up_when_the_answer_is_late(
    tmp_path: Path, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    venue = CcxtVenue(
        VENUES["binance"],
        folder=tmp_path,
        clock=step_clock,
        rng=np.random.default_rng(0),
        at=scripted_server.url,
        answer_s=0.5,
    )
    venue.exchange.timeout = 60_000  # each byte comes in time: only the deadline of the whole answer ends this
    scripted_server.markets = False
    scripted_server.say(answer_of(b" " * 100_000, drip_s=0.1))  # three hours of it
    with pytest.raises(VenueDownError, match="RequestTimeout"):
        venue.markets()
    assert len(scripted_server.asked) == 4


def test_one_answer_is_not_waited_for_longer_than_the_whole_call(
    tmp_path: Path, scripted_server: Any, answer_of: Any
) -> None:
    where = {"folder": tmp_path, "clock": SystemClock(), "rng": np.random.default_rng(0), "at": scripted_server.url}
    venue = CcxtVenue(VENUES["binance"], **where, deadline_s=1.0, answer_s=10_000.0)
    scripted_server.markets = False
    scripted_server.say(answer_of(b"[]" * 50_000, drip_s=0.2))  # five hours of it
    with pytest.raises(VenueDownError):
        venue.markets()


# Records beside bars.


def test_trades_are_a_frame_and_impossible_ones_an_error(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    def trade(number: int, **more: Any) -> dict[str, Any]:
        said = {"a": number, "p": "100.5", "q": "0.25", "f": 1, "l": 1, "T": SINCE + number, "m": False, "M": True}
        return {**said, **more}

    venue = opened("binance")
    scripted_server.say(answer_of([trade(1), trade(2, m=True), trade(2, m=True)]))
    frame = venue.fetch_trades("BTC/USDT", SINCE, 10)
    assert frame.index.name == "time"
    assert str(frame.index.tz) == "UTC"
    assert frame.to_dict("list") == {
        "id": ["1", "2"],
        "price": [100.5] * 2,
        "amount": [0.25] * 2,
        "side": ["buy", "sell"],
    }
    for fault in ({"p": "0"}, {"q": "-1"}, {"q": "NaN"}, {"T": 5}, {"T": 4_000_000_000_000}, {"a": None}, {"p": None}):
        scripted_server.say(answer_of([trade(1), trade(2, **fault)]))
        with pytest.raises(BadAnswerError):
            venue.fetch_trades("BTC/USDT", SINCE, 10)
    scripted_server.say(answer_of([]))
    assert list(venue.fetch_trades("BTC/USDT", SINCE, 10).columns) == ["id", "price", "amount", "side"]


def test_trades_of_contracts_are_in_base_units(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    row = {"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "300", "px": "100", "tradeId": "9", "ts": str(SINCE)}
    scripted_server.say(answer_of({"code": "0", "msg": "", "data": [row]}))
    frame = opened("okx").fetch_trades("BTC/USDT:USDT", SINCE, 10)
    assert frame["amount"].tolist() == [3.0]  # 300 contracts of 0.01


def test_funding_has_its_mark_price(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    def funding(time: int, **more: Any) -> dict[str, Any]:
        return {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": time, "markPrice": "35000.5", **more}

    venue = opened("binanceusdm")
    scripted_server.say(answer_of([funding(SINCE), funding(SINCE + 5, markPrice="")]))
    frame = venue.fetch_funding("BTC/USDT:USDT", SINCE, 10)
    assert frame["rate"].tolist() == [0.0001, 0.0001]
    assert frame["mark_price"].tolist()[0] == 35000.5
    assert np.isnan(frame["mark_price"].iloc[1])
    for fault in ({"fundingRate": "2"}, {"fundingRate": None}, {"fundingTime": 4_000_000_000_000}):
        scripted_server.say(answer_of([funding(SINCE, **fault)]))
        with pytest.raises(BadAnswerError):
            venue.fetch_funding("BTC/USDT:USDT", SINCE, 10)
    scripted_server.say(answer_of([funding(SINCE), funding(SINCE, fundingRate="0.0002")]))
    with pytest.raises(BadAnswerError, match="two different"):
        venue.fetch_funding("BTC/USDT:USDT", SINCE, 10)


def test_open_interest_book_and_ticker(opened: Any, scripted_server: Any, answer_of: Any) -> None:
    venue = opened("binanceusdm")
    row = {"symbol": "BTCUSDT", "sumOpenInterest": "20.5", "sumOpenInterestValue": "717500.25", "timestamp": SINCE}
    scripted_server.say(answer_of([row]))
    frame = venue.fetch_open_interest("BTC/USDT:USDT", "5m", SINCE, 10)
    assert frame.to_dict("list") == {"amount": [20.5], "value": [717500.25]}
    scripted_server.say(answer_of([{**row, "sumOpenInterest": "-1"}]))
    with pytest.raises(BadAnswerError):
        venue.fetch_open_interest("BTC/USDT:USDT", "5m", SINCE, 10)

    scripted_server.say(
        answer_of({"lastUpdateId": 1, "T": SINCE, "bids": [["99", "1"], ["98", "2"]], "asks": [["101", "3"]]})
    )
    book = venue.fetch_order_book("BTC/USDT:USDT")
    assert book.bids.tolist() == [[99, 1], [98, 2]]
    assert book.time == SINCE / 1000
    for bids in ([["102", "1"]], [["99", "1"], ["98", "NaN"]], [["99", "-1"]], [["99", "x"]]):
        scripted_server.say(answer_of({"lastUpdateId": 1, "T": SINCE, "bids": bids, "asks": [["101", "3"]]}))
        with pytest.raises(BadAnswerError):
            venue.fetch_order_book("BTC/USDT:USDT")

    told = {
        "symbol": "BTCUSDT",
        "lastPrice": "100",
        "bidPrice": "99",
        "askPrice": "101",
        "volume": "5",
        "quoteVolume": "500",
    }
    scripted_server.say(answer_of({**told, "closeTime": SINCE}))
    ticker = opened("binance").fetch_ticker("BTC/USDT")
    assert (ticker.bid, ticker.ask, ticker.last, ticker.base_volume, ticker.time) == (99, 101, 100, 5, SINCE / 1000)
    scripted_server.say(answer_of({**told, "closeTime": SINCE, "bidPrice": "102"}))
    with pytest.raises(BadAnswerError):
        opened("binance").fetch_ticker("BTC/USDT")


# Clock skew.


@pytest.mark.parametrize(
    ("ahead", "warned", "refused"),
    [(0.5, False, False), (-1.6, True, False), (4.9, True, False), (5.1, True, True), (-60, True, True)],
)
def test_skew_is_measured_shown_warned_of_and_refused(
    ahead: float,
    warned: bool,
    refused: bool,
    opened: Any,
    scripted_server: Any,
    answer_of: Any,
    step_clock: Any,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scripted_server.answer = lambda _: answer_of({"serverTime": int((step_clock.now() + ahead) * 1000)})
    venue = opened("binance")
    if refused:
        with pytest.raises(VenueError, match="signed calls are refused"):
            check_skew(venue)
    else:
        assert check_skew(venue).seconds == pytest.approx(ahead, abs=0.01)
    assert ("clock" in capsys.readouterr().err) == warned
    table = venue_states(settings, at=scripted_server.url, clock=step_clock).set_index("venue")
    assert table.loc["binance", "clock_skew"] == pytest.approx(ahead, abs=0.01)
    assert len(scripted_server.asked) == 3


def test_the_quickest_of_three_tries_tells_the_skew(
    opened: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    delays = [8.0, 0.2, 4.0]

    def slow(_asked: Any) -> Any:
        half = delays.pop(0)
        step_clock.time += half  # the way there
        said = answer_of({"serverTime": int((step_clock.now() + 3) * 1000)})
        step_clock.time += half if half < 1 else half / 4
        return said

    scripted_server.answer = slow
    skew = measure_skew(opened("binance"))
    assert skew.seconds == pytest.approx(3, abs=0.01)
    assert skew.uncertainty == pytest.approx(0.2, abs=0.01)


def test_a_slow_clock_here_does_not_cost_the_newest_bars(
    opened: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    newest = 1_700_000_040_000 + 2 * MINUTE
    ahead = 170.0

    def answer(asked: Any) -> Any:
        time = asked.path.endswith("time")
        return answer_of({"serverTime": int((step_clock.now() + ahead) * 1000)} if time else [binance_row(newest)])

    scripted_server.answer = answer
    venue = opened("binance")
    assert venue.fetch_bars("BTC/USDT", "1m", SINCE, 5)[:, 0].tolist() == [newest]
    assert venue.refused == []
