"""Serves a stand-in on loopback: from a thread for tests, from the command line for people and benches.

A process of its own runs on Granian, which takes half as much of a core for a call as Werkzeug's own server (0.43 and
0.97 ms): what is measured beside it should be slowed down by its own work.
"""

from __future__ import annotations

import argparse
import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

AT_ONCE = 96
"""Calls of a process of its own: each takes as long as its latency says, and a hub may have 64 in flight."""


class _KeepAlive(WSGIRequestHandler):
    """Lines stay open, as with every real CRM, and an answer leaves in one packet. Werkzeug's own closes the line after
    each answer; a new one for each call makes that cost the hub and the stand-in 2.0 ms of a core instead of 0.7."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.lines.add(self.connection)

    def finish(self) -> None:
        self.server.lines.discard(self.connection)
        super().finish()

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        if "wsgi.input_terminated" not in environ:
            environ["wsgi.input"] = io.BytesIO(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        parts, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        body = b"".join(parts)
        if "Content-Length" not in headers and not status.startswith(("204", "304")):
            headers["Content-Length"] = str(len(body))  # and no Date of this machine: it is the account's
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.wfile.write(f"{self.protocol_version} {status}\r\n{head}\r\n".encode("latin-1") + body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log_error(self, format: str, *args: object) -> None:
        if not format.startswith("Request timed out"):  # a line that nobody used for a while
            super().log_error(format, *args)


class _Server(ThreadedWSGIServer):
    """Hangs up on everybody when it ends: nobody is to be served by a stand-in that is gone."""

    def __init__(self, *args: Any) -> None:
        self.lines: set[socket.socket] = set()
        super().__init__(*args)

    def server_close(self) -> None:
        super().server_close()
        for line in tuple(self.lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve on loopback from a thread; gives "http://127.0.0.1:port". Closes `app.extensions["sandbox"]` at the end."""
    server = _Server("127.0.0.1", port, app, _KeepAlive)
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
