"""The HTTP session that ccxt is handed: certificates checked, a deadline for the whole answer, a bound on its size.

Plain `requests` bounds the wait for each piece of an answer, so a server that sends one byte a second holds it for
ever, and a small compressed answer may unpack to gigabytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from workbench.data.venues.answers import BadAnswerError

ANSWER_S = 15.0
"""An answer must be complete after so many seconds."""
LARGEST_ANSWER = 48 * 2**20
"""Bytes after unpacking; the largest real answer, Binance's list of markets, is near 20 MB."""
MOST_REDIRECTS = 2
"""Venues' interfaces do not redirect; the library's thirty would be thirty requests past the budget and the bans."""


def make_session(
    *, answer_s: float, largest: int = LARGEST_ANSWER, proxies: bool = True, patience: Callable[[], float] | None = None
) -> Any:
    """Return a `requests.Session` whose answers must be complete ``answer_s`` seconds after they were asked for.

    Parameters
    ----------
    answer_s : float
        Seconds of the machine's own clock: sockets know no other.
    largest : int
        Most bytes of one unpacked answer.
    proxies : bool
        Whether the machine's proxies and certificate bundles are honoured (its environment).
    patience : callable, optional
        Returns the seconds that the whole call has left: an answer is waited for no longer than that.
    """
    import requests
    from requests.adapters import HTTPAdapter

    class BoundedAdapter(HTTPAdapter):
        """Reads the body itself, piece by piece, within a deadline and a size."""

        def send(  # the signature is the library's
            self,
            request: Any,
            stream: bool = False,
            timeout: Any = None,
            verify: Any = True,
            cert: Any = None,
            proxies: Any = None,
        ) -> Any:
            if verify is False:
                raise BadAnswerError("certificates of venues are always checked; leave verify as it is")
            left = min(answer_s, max(patience(), 0.1)) if patience else answer_s
            ends = time.monotonic() + left
            piece_s = min(timeout, left) if isinstance(timeout, int | float) else left
            response = super().send(request, True, piece_s, verify, cert, proxies)
            if not stream:
                response._content = _body(response, ends, largest)
                response._content_consumed = True
            return response

    session = requests.Session()
    session.trust_env = proxies
    session.max_redirects = MOST_REDIRECTS
    session.mount("https://", BoundedAdapter(pool_maxsize=8))
    session.mount("http://", BoundedAdapter(pool_maxsize=8))
    return session


def _body(response: Any, ends: float, largest: int) -> bytes:
    import requests
    from urllib3.exceptions import DecodeError, HTTPError

    try:
        return _read(response.raw, ends, largest)
    except _LateError as err:
        raise requests.exceptions.ReadTimeout("the answer did not end in time", request=response.request) from err
    except DecodeError as err:
        raise requests.exceptions.ContentDecodingError(err) from err
    except (HTTPError, OSError) as err:
        timed_out = "timed out" in str(err)
        wrong = requests.exceptions.ReadTimeout if timed_out else requests.exceptions.ConnectionError
        raise wrong(err, request=response.request) from err
    finally:
        if response.raw.closed or response.raw.isclosed():
            response.raw.release_conn()
        else:  # given up half-way: the rest must not be taken for the next answer
            response.raw.close()


def _read(raw: Any, ends: float, largest: int) -> bytes:
    pieces, size = [], 0
    while piece := raw.read1(1 << 16, decode_content=True):
        size += len(piece)
        if size > largest:
            raise BadAnswerError(f"the answer is larger than {largest >> 20} MB; it was not read further")
        if time.monotonic() > ends:
            raise _LateError
        pieces.append(piece)
    return b"".join(pieces)


class _LateError(Exception):
    """The answer is not complete at its deadline."""
