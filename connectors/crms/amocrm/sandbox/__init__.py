"""A strict stand-in for an amoCRM account: same rules, same refusals, kept in memory.

It imitates what breaks connectors: whole-array 400, 204 for nothing, ids-only answers, a palette of 21 colours,
the stages 142 and 143 in every pipeline, whole-second change times, a lagging search, 429 and then 403,
unsigned hooks that get lost or come twice, answers that never arrive. `/` shows the account as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...
    app.extensions["amocrm"]          # the `Account`, to look at, to break and to play the human
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from connectors.crms.amocrm.sandbox.board import board
from connectors.crms.amocrm.sandbox.hooks import Postman
from connectors.crms.amocrm.sandbox.setup_routes import api
from connectors.crms.amocrm.sandbox.state import Account

__all__ = ["Account", "Sandbox", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the account behind it."""

    state: Account


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = 7,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """An empty account. `rate` calls a second (None: any), `lag` of the search index and `latency` in seconds."""
    app = Sandbox(__name__)
    app.state = Account(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.state.postman = Postman(app.state)
    app.extensions["amocrm"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(board)
    return app


class _KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def send_response(self, code: int, message: str | None = None) -> None:
        self.send_response_only(code, message)  # the Date header is the account's, not this machine's

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def serving(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve on loopback from a thread; gives "http://127.0.0.1:port"."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_KeepAlive)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        with suppress(OSError):
            server.server_close()
        if isinstance(app, Sandbox):
            app.state.close()
