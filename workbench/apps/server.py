"""The Panel server of the notebooks: on 127.0.0.1 only, no request to any other machine."""

from __future__ import annotations

import importlib
import signal
import socket
import time
import webbrowser
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from workbench import charts
from workbench.apps.session import cells_of, run_page
from workbench.apps.shell import Page, find_pages, index_html
from workbench.config import Settings
from workbench.errors import ConfigError
from workbench.ops import get_logger

HOST = "127.0.0.1"
_SOON = (
    "workbench.apps.live",
    "workbench.features",
    "workbench.data.store.barstore",
    "workbench.apps.riskcenter",
    "workbench.apps.training",
)
_log = get_logger("apps")


def serve(
    settings: Settings,
    port: int = 5006,
    notebooks: Path | None = None,
    open_browser: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve every notebook of a folder as a page, until Ctrl-C or SIGTERM.

    Parameters
    ----------
    settings : Settings
    port : int
        TCP port on 127.0.0.1.
    notebooks : Path, optional
        Folder of notebooks; default ``settings.notebooks_dir``.
    open_browser : bool
        Open the index in the default browser once it answers.
    on_ready : callable, optional
        Called with the address once the server listens; default prints it.

    Raises
    ------
    ConfigError
        When the port is taken or not a port, or there is no notebook to serve.
    """
    folder = notebooks or settings.notebooks_dir
    pages = find_pages(folder)
    refuse_taken(port)
    address = f"http://{HOST}:{port}/"
    server = _server(pages, folder, port)
    _stop_on_signals(server)
    server.start()
    (on_ready or _announce)(address)
    warm_up(pages, server.io_loop)
    if open_browser:
        server.io_loop.call_later(0.1, webbrowser.open, address)
    try:
        server.io_loop.start()
    finally:
        server.stop()
        _log.info("server stopped", address=address)


def refuse_taken(port: int) -> None:
    """Raise one clear line when the port cannot be had."""
    if not 1 <= port <= 65535:
        raise ConfigError(f"port {port} is not between 1 and 65535; choose another with --port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as err:
            reason = err.strerror or str(err)
            raise ConfigError(
                f"port {port} on {HOST} cannot be used ({reason}); stop what listens there or choose another: --port"
            ) from None


def _server(pages: Sequence[Page], folder: Path, port: int) -> Any:
    import panel as pn
    from panel.io.application import Application
    from panel.io.handlers import FunctionHandler
    from panel.io.server import get_server

    pn.config.reconnect = True
    applications = {
        f"/{page.stem}": Application(FunctionHandler(partial(_visit, page=page, pages=pages))) for page in pages
    }
    return get_server(
        applications,
        port=port,
        address=HOST,
        show=False,
        start=False,
        verbose=False,
        session_history=0,
        use_index=False,
        websocket_origin=[f"{HOST}:{port}", f"localhost:{port}"],
        extra_patterns=[(r"/", _index_handler(), {"pages": pages, "folder": folder})],
        check_unused_sessions_milliseconds=5_000,
        unused_session_lifetime_milliseconds=30_000,
    )


def _visit(doc: Any, page: Page, pages: Sequence[Page]) -> None:
    began = time.perf_counter()
    run_page(doc, page, pages)
    _log.info("page served", page=page.stem, seconds=round(time.perf_counter() - began, 3))


def _index_handler() -> Any:
    from tornado.web import RequestHandler

    class Index(RequestHandler):
        """The page at ``/``."""

        def initialize(self, pages: Sequence[Page], folder: Path) -> None:
            self.pages, self.folder = pages, folder

        def get(self) -> None:
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.set_header("Cache-Control", "no-store")
            self.write(index_html(self.pages, self.folder))

    return Index


def warm_up(pages: Sequence[Page], loop: Any) -> None:
    """Do ahead of the first visit what it would wait for, in short steps between which the server answers."""
    steps: list[Callable[[], object]] = [partial(_read, page) for page in pages]
    steps += [partial(importlib.import_module, name) for name in _SOON]
    steps.append(charts.preload)

    def next_step() -> None:
        if steps:
            steps.pop(0)()
            loop.call_later(0.005, next_step)

    loop.add_callback(next_step)


def _read(page: Page) -> None:
    try:
        cells_of(page)
    except (ValueError, KeyError, OSError, SyntaxError) as err:
        _log.warning("notebook cannot be read", page=page.stem, error=str(err))


def _announce(address: str) -> None:
    print(f"workbench pages: {address}  (Ctrl-C stops)", flush=True)


def _stop_on_signals(server: Any) -> None:
    def stop(_signal: int, _frame: Any) -> None:
        server.io_loop.asyncio_loop.call_soon_threadsafe(server.io_loop.stop)

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
