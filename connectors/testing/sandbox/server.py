"""Serves a stand-in on loopback: from a thread for tests, from the command line for people and benches.

A process of its own runs on Granian, which takes half as much of a core for a call as Werkzeug (0.43 and 0.97 ms): what
is measured beside it should be slowed down by its own work.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from werkzeug.serving import WSGIRequestHandler, make_server

AT_ONCE = 96
"""Calls of a process of its own: each takes as long as its latency says, and a hub may have 64 in flight."""


class _KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def send_response(self, code: int, message: str | None = None) -> None:
        self.send_response_only(code, message)  # the Date header is the account's, not this machine's

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def serving(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve on loopback from a thread; gives "http://127.0.0.1:port". Closes `app.extensions["sandbox"]` at the end."""
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
        if state := app.extensions.get("sandbox"):
            state.close()


def main(title: str, create: Callable[[argparse.Namespace], Flask], rate: int, token: str = "sandbox-token") -> None:  # noqa: S107
    """The command line of a stand-in: serve on loopback until interrupted. `create` gets what was asked for."""
    ask = argparse.ArgumentParser(description=f"A stand-in for {title}, with its board at /")
    ask.add_argument("--port", type=int, default=5081)
    ask.add_argument("--rate", type=int, default=rate, help="calls a second, 0 for any number")
    ask.add_argument("--lag", type=float, default=0.0, help="seconds the search index is behind")
    ask.add_argument("--latency", type=float, default=0.0, help="seconds every call takes")
    ask.add_argument("--token", default=token)
    ask.add_argument("--demo", action="store_true", help="with stages and some cards")
    told = ask.parse_args()
    told.rate = told.rate or None
    server = Granian(
        title, address="127.0.0.1", port=told.port, interface=Interfaces.WSGI, workers=1, blocking_threads=AT_ONCE,
        log_access=False, log_level=LogLevels.error,
    )  # fmt: skip
    print(f"{title} stand-in: http://127.0.0.1:{told.port}  token: {told.token}", flush=True)
    server.serve(target_loader=lambda: create(told), wrap_loader=False)
