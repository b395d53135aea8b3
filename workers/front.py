"""Stands between the web server and the application: a request reaches a thread when its last byte is here.

Flask reads a body inside a thread, so as many slow senders as there are threads would stop the hub for everybody
(sync.md X35; measured: 64 half-sent bodies, 64 threads, no answer to anybody else). Here bodies gather on the event
loop, which holds thousands of them, within a size and a time; then a thread runs the application on the whole request.
A body of unknown length (chunked) arrives like any other.

Not covered: 16,384 open connections at once, which is the reverse proxy's work; and a chunked body whose sender hangs
up in the middle, which Granian's iterator ends like a whole one (2.8.7; one with a Content-Length is told apart).
"""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from hub.store.groupcommit import PATIENCE_S, Ticket
from hub.web.inbound import LATER

BODY_S = 30.0
DOOR = "/in/"
AT_ONCE = 64 * 1024
"""A larger body is looked at on a thread: reading it must not hold up everybody else's."""
PLAN = "LEADHUB_FRONT"
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Answer = tuple[int, list[tuple[str, str]], bytes]


def _refusal(status: int, code: str, message: str) -> Answer:
    body = json.dumps({"error": code, "message": message}).encode()
    return status, [("content-type", "application/json"), ("connection", "close")], body


TOO_SLOW = _refusal(408, "too_slow", "The body did not arrive in time")
TOO_LARGE = _refusal(413, "too_large", "The body is too large")
CUT = _refusal(400, "cut", "The body broke off")


class Unfit(Exception):
    """This body never reaches the application."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer[0])
        self.answer = answer


def front(app: Wsgi, threads: int, largest: int, patience_s: float = BODY_S) -> Callable[[Any, Any], Awaitable[None]]:
    """`app` as an RSGI application that runs on `threads` threads. `largest` is the longest body in bytes; who sends
    more reads 413, who takes longer than `patience_s` 408."""
    pool = ThreadPoolExecutor(threads, "web")

    async def serve(scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            return
        try:
            async with asyncio.timeout(patience_s):
                body = await _body(scope, protocol, largest)
        except TimeoutError:
            answer = TOO_SLOW
        except Unfit as unfit:
            answer = unfit.answer
        else:
            if scope.method == "POST" and len(body) <= AT_ONCE and scope.path.startswith(DOOR):
                answer = await _at_the_door(app, scope, body)
            else:
                answer = await asyncio.get_running_loop().run_in_executor(
                    pool, partial(_run, app, _environ(scope, body))
                )
        protocol.response_bytes(*answer)

    return serve


def plan(target: str, threads: int, largest: int) -> str:
    """What `make` is to load, as the value of the variable `PLAN`; `target` is "module:function"."""
    return json.dumps({"target": target, "threads": threads, "largest": largest})


def make() -> Callable[[Any, Any], Awaitable[None]]:
    """What the web server loads."""
    told = json.loads(os.environ[PLAN])
    module, _, function = told["target"].partition(":")
    return front(getattr(importlib.import_module(module), function)(), told["threads"], told["largest"])


async def _body(scope: Any, protocol: Any, largest: int) -> bytes:
    """The whole body; raises `Unfit` when it is too long, or breaks off before its announced end."""
    announced = scope.headers.get("content-length") or ""
    if announced.isdecimal() and int(announced) > largest:
        raise Unfit(TOO_LARGE)
    parts, size = [], 0
    async for part in protocol:
        parts.append(bytes(part))
        size += len(part)
        if size > largest:
            raise Unfit(TOO_LARGE)
    if announced.isdecimal() and int(announced) != size:
        raise Unfit(CUT)
    return b"".join(parts)


async def _at_the_door(app: Wsgi, scope: Any, body: bytes) -> Answer:
    """A post to the door: no thread waits for the disk, so a hundred posts share one commit without a hundred threads
    waking up. What the application has to say is asked when its rows are on the disk."""
    later: list[tuple[Ticket, Callable[[], Wsgi]]] = []
    environ = {**_environ(scope, body), LATER: later}
    answer = _run(app, environ)
    for ticket, finish in later:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        ticket.then(partial(_wake, loop, done))
        await asyncio.wait([done], timeout=PATIENCE_S)
        answer = _run(finish(), environ)
    return answer


def _wake(loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the server is stopping and its loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_settle, done)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _run(app: Wsgi, environ: dict[str, Any]) -> Answer:
    """One request through the application."""
    told: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
        told[:] = [int(status[:3]), headers]

    parts = app(environ, start)
    try:
        content = b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    return told[0], [(name.lower(), value) for name, value in told[1]], content


def _environ(scope: Any, body: bytes) -> dict[str, Any]:
    """PEP 3333: texts are bytes read as latin-1."""
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "REQUEST_URI": quote(scope.path),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "HTTP_HOST": scope.authority or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ and key != "HTTP_HOST" else value
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return environ
