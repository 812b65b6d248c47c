"""Faults of how an answer comes: other statuses, silence, cuts, drips and floods."""

from __future__ import annotations

import asyncio
import json
import math
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from workbench.data.replay.channel import DroppedError

if TYPE_CHECKING:
    from aiohttp import web

    from workbench.data.replay.calls import Call
    from workbench.data.replay.faults import Hit

_LEFT_S = 60.0
_LOOK_S = 0.05
_MB = 1 << 20
_LOGIN = "<!doctype html><html><head><title>Sign in</title></head><body><form>Network login</form></body></html>"


async def _status(hit: Hit, call: Call, _request: web.Request) -> web.Response:
    from aiohttp import web

    status = int(hit.kind)
    headers = retry_after(hit, call.time) if status in (418, 429) else {}
    if status in (403, 502, 503, 504):
        title = f"{status} {HTTPStatus(status).phrase}"
        text = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
        return web.Response(text=text, status=status, content_type="text/html")
    return web.Response(text=_words(status, call, hit), status=status, headers=headers, content_type="application/json")


def retry_after(hit: Hit, now: float) -> dict[str, str]:
    """Return the Retry-After header of a hit, good or bad, or none."""
    asked = str(hit.option("retry_after"))
    left = max(1, math.ceil(hit.left_s)) if math.isfinite(hit.left_s) else int(_LEFT_S)
    if asked == "missing":
        return {}
    if asked == "date":
        return {"Retry-After": format_datetime(datetime.fromtimestamp(math.ceil(now) + left, UTC), usegmt=True)}
    words = {"left": str(left), "garbage": "in a while, perhaps"}
    return {"Retry-After": words.get(asked, asked)}


def _words(status: int, call: Call, hit: Hit) -> str:
    kraken = "kraken" in call.host
    if status in (418, 429):
        left = hit.left_s if math.isfinite(hit.left_s) else _LEFT_S
        until = int((call.time + left) * 1000)
        message = (
            f"Way too much request weight used; IP banned until {until}." if status == 418 else "Too many requests."
        )
        return json.dumps({"error": ["EGeneral:Too many requests"]} if kraken else {"code": -1003, "msg": message})
    if status == 451:
        return json.dumps({"code": 0, "msg": "Service unavailable from a restricted location."})
    return json.dumps({"error": ["EService:Unavailable"]} if kraken else {"code": -1000, "msg": "Unknown error."})


async def _reset(_hit: Hit, _call: Call, _request: web.Request) -> web.Response:
    raise DroppedError


async def _timeout(hit: Hit, _call: Call, request: web.Request) -> web.Response:
    """Keep silent until the client leaves or the hold is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + hit.number("hold")
    while loop.time() < until and not gone(request):
        await asyncio.sleep(_LOOK_S)
    raise DroppedError


async def _slow(hit: Hit, _call: Call, request: web.Request) -> None:
    await asyncio.sleep(hit.number("seconds"))
    if gone(request):  # nobody is told anything: the log must not say that somebody was
        raise DroppedError


async def _redirect(_hit: Hit, _call: Call, request: web.Request) -> web.Response:
    from aiohttp import web

    return web.Response(status=302, headers={"Location": request.raw_path})


async def _html(_hit: Hit, _call: Call, _request: web.Request) -> web.Response:
    from aiohttp import web

    return web.Response(text=_LOGIN, content_type="text/html")


async def _empty(_hit: Hit, _call: Call, _request: web.Request) -> web.Response:
    from aiohttp import web

    return web.Response(body=b"", content_type="application/json")


def gone(request: web.Request) -> bool:
    """Tell whether the client has left."""
    return request.transport is None or request.transport.is_closing()


def _body(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else (answer.text or "").encode()


async def _drip(hit: Hit, request: web.Request, answer: web.Response) -> web.StreamResponse:
    body, step = _body(answer), max(1, int(hit.number("bytes")))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), step):
            yield body[at : at + step]
            await asyncio.sleep(hit.number("interval"))

    return await _stream(request, answer, pieces(), {"Content-Length": str(len(body))})


async def _truncated(hit: Hit, _request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _body(answer)
    answer.body = body[: max(1, int(len(body) * hit.draw.uniform(0.2, 0.95)))]
    return answer


async def _cut_off(_hit: Hit, request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _body(answer)

    async def half() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await asyncio.sleep(_LOOK_S)
        raise DroppedError

    return await _stream(request, answer, half(), {"Content-Length": str(len(body))})


def _padded(body: bytes, mb: float) -> Iterator[bytes]:
    yield body
    spaces = b" " * _MB
    left = int(mb * _MB)
    while left > 0:
        yield spaces[:left]
        left -= _MB


async def _big(hit: Hit, request: web.Request, answer: web.Response) -> web.StreamResponse:
    body, mb = _body(answer), hit.number("mb")

    async def pieces() -> AsyncIterator[bytes]:
        for piece in _padded(body, mb):
            yield piece

    return await _stream(request, answer, pieces(), {"Content-Length": str(len(body) + int(mb * _MB))})


async def _gzip_bomb(hit: Hit, _request: web.Request, answer: web.Response) -> web.StreamResponse:
    def packed() -> bytes:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        return b"".join(packer.compress(piece) for piece in _padded(_body(answer), hit.number("mb"))) + packer.flush()

    answer.body = await asyncio.to_thread(packed)
    answer.headers["Content-Encoding"] = "gzip"
    return answer


async def _stream(
    request: web.Request, answer: web.Response, pieces: AsyncIterator[bytes], headers: dict[str, str]
) -> web.StreamResponse:
    """Send an answer in pieces; a client that leaves ends it."""
    from aiohttp import web

    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type, **headers})
    try:
        await response.prepare(request)
        async for piece in pieces:
            if gone(request):
                raise DroppedError
            await response.write(piece)
    except ConnectionError as err:
        raise DroppedError from err
    return response


_STATUSES = ("429", "418", "403", "451", "500", "502", "503", "504")
INSTEAD: dict[str, Callable[[Hit, Call, web.Request], Awaitable[web.Response | None]]] = {
    **dict.fromkeys(_STATUSES, _status),
    "reset": _reset,
    "timeout": _timeout,
    "slow": _slow,
    "redirect": _redirect,
    "html": _html,
    "empty": _empty,
}
"""Faults that need nothing of the venue's answer."""

BEFORE = frozenset(INSTEAD)

AFTER: dict[str, Callable[[Hit, web.Request, web.Response], Awaitable[web.StreamResponse]]] = {
    "drip": _drip,
    "truncated": _truncated,
    "cut-off": _cut_off,
    "big": _big,
    "gzip-bomb": _gzip_bomb,
}
"""Faults of how the venue's answer travels."""
