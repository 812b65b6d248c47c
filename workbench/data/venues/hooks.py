"""An unmodified ccxt exchange whose requests pass our guard: only its documented places for that are filled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from workbench.data.venues.address import redirect
from workbench.data.venues.answers import BadAnswerError
from workbench.data.venues.budget import UNIT_MS, is_loopback
from workbench.data.venues.catalogue import VenueInfo
from workbench.data.venues.clock import Clock
from workbench.data.venues.guard import Guard
from workbench.data.venues.keys import Keys
from workbench.data.venues.rows import shown
from workbench.data.venues.transport import make_session
from workbench.errors import WorkbenchError

T = TypeVar("T")

_WRONG_SHAPE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class LastAnswer(threading.local):
    """The decoded answer to this thread's last request, and the weight of its next one."""

    json: Any = None
    units: int = 1


def guarded_exchange(
    info: VenueInfo, guard: Guard, clock: Clock, *, at: str, keys: Keys, answer_s: float
) -> tuple[Any, LastAnswer]:
    """Return a synchronous ccxt exchange behind a guard, and the place of its last decoded answer.

    Signing, addresses, parameters and errors are ccxt's own. Replaced on this one object are ``throttle`` (weights go
    to the shared budget), ``fetch`` (ban and budget before, JSON or an error after), ``on_rest_response`` (status and
    headers), ``milliseconds`` (the clock), ``parse_ohlcvs`` (bars are read from the answer itself, without a loop) and
    ``filter_by_symbol_since_limit`` (rows of another market or of impossible times must be seen, not passed over).
    """
    import ccxt

    exchange = getattr(ccxt, info.exchange)(
        {
            "session": make_session(answer_s=answer_s, proxies=not at, patience=guard.patience),
            "timeout": int(answer_s * 1000),
            "enableRateLimit": True,  # makes ccxt work out each request's weight; the waiting is the shared budget's
            "options": dict(info.options),
            "apiKey": keys.key or None,
            "secret": keys.secret or None,
        }
    )
    exchange.has["fetchCurrencies"] = False  # private at Binance, of no use here, and one more request
    if at:
        redirect(exchange, at)
    last, send = LastAnswer(), exchange.fetch

    def throttle(cost: float | None = None) -> None:
        last.units = max(1, round((1.0 if cost is None else cost) * exchange.rateLimit / UNIT_MS))

    def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        guard.before(url, 1 if is_loopback(urlsplit(url).hostname or "") else last.units)
        answer = send(url, method, headers, body)
        if not isinstance(answer, dict | list):
            raise BadAnswerError(f"it answered {shown(answer)} where JSON was expected")
        last.json = answer
        return answer

    def received(code: int, _reason: str, _url: str, _method: str, headers: Any, body: str, *_request: Any) -> str:
        guard.answered(code, headers)
        return body.strip()

    exchange.throttle, exchange.fetch, exchange.on_rest_response = throttle, fetch, received
    exchange.milliseconds = lambda: int(clock.now() * 1000)
    exchange.parse_ohlcvs = lambda *_args, **_kwargs: []
    exchange.filter_by_symbol_since_limit = lambda rows, *_args, **_kwargs: rows
    return exchange, last


def in_shape(read: Callable[[], T]) -> T:
    """Call ccxt; where it falls over an answer of another shape than the venue documents, raise `BadAnswerError`."""
    import ccxt

    try:
        return read()
    except (ccxt.BaseError, WorkbenchError):
        raise
    except _WRONG_SHAPE as err:
        raise BadAnswerError(f"its answer has another shape than expected ({type(err).__name__}: {err})") from err
