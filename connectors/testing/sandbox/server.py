"""Serves a stand-in on loopback: from a thread for tests, from the command line for people."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server


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
    with serving(create(told), told.port) as address:
        print(f"{title} stand-in: {address}  token: {told.token}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("bye")
