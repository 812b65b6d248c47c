"""Addresses at which nobody answers: what a schedule cannot do, as it happens before a server sees a request."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_HOST = "127.0.0.1"
_WAITING = 8


@contextmanager
def silent_address() -> Iterator[str]:
    """Give an address that takes no connection and refuses none: whoever connects times out."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((_HOST, 0))
        listening.listen(0)
        for _ in range(_WAITING):  # more than the queue holds: those who come later wait for ever
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield f"http://{_HOST}:{listening.getsockname()[1]}"


@contextmanager
def refusing_address() -> Iterator[str]:
    """Give an address that refuses every connection."""
    with socket.socket() as bound:  # bound and not listening: nobody else can take the port meanwhile
        bound.bind((_HOST, 0))
        yield f"http://{_HOST}:{bound.getsockname()[1]}"
