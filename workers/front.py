"""Stands between the web server and the application: a request is looked at when its last byte is here.

Flask reads a body inside a thread, so as many slow senders as there are threads would stop the hub for everybody
(sync.md X35; measured: 64 half-sent bodies, 64 threads, no answer to anybody else). Here bodies gather on the event
loop, which holds thousands of them, within a size and a time. A post to the door is then taken in on the loop itself
and waits for the disk without a thread; pages run on threads.

Not covered: 16,384 open connections at once, which is the reverse proxy's work; and a chunked body whose sender hangs
up in the middle, which Granian's iterator ends like a whole one (2.8.7; one with a Content-Length is told apart).
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from hub.store.groupcommit import PATIENCE_S, Ticket
from hub.web.door import PREFIX, Asked, Told, Waiting, come_again, error
from workers.outermost import survive

BODY_S = 30.0
AT_ONCE = 64 * 1024
"""A larger body is looked at on a thread: reading it must not hold up everybody else's."""
Application = Callable[[Any, Any], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Ask = Callable[[Asked], Told | Waiting]


def _refusal(status: int, code: str, message: str) -> Told:
    answer = error(status, code, message)
    answer.headers.append(("connection", "close"))
    return answer


TOO_SLOW = _refusal(408, "too_slow", "The body did not arrive in time")
TOO_LARGE = _refusal(413, "too_large", "The body is too large")
CUT = _refusal(400, "cut", "The body broke off")


class Unfit(Exception):
    """This body never reaches the application."""

    def __init__(self, answer: Told) -> None:
        super().__init__(answer.status)
        self.answer = answer


def front(
    ask: Ask, pages: Wsgi, *, threads: int, largest: int, patience_s: float = BODY_S, proxies: int = 0
) -> Application:
    """The door and the pages as one RSGI application. `largest` is the longest body in bytes; who sends more reads
    413, who takes longer than `patience_s` 408. `proxies` stand before us and tell who they ask for."""
    pool = ThreadPoolExecutor(threads, "web")
    bells: dict[asyncio.AbstractEventLoop, Bell] = {}

    async def serve(scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            return
        try:
            body = await _body(scope, protocol, largest, patience_s)
        except Unfit as unfit:
            told = unfit.answer
        else:
            loop = asyncio.get_running_loop()
            if scope.path.startswith(PREFIX):
                bell = bells.get(loop) or bells.setdefault(loop, Bell(loop))
                told = await _at_the_door(ask, _asked(scope, body, proxies), bell, pool)
            else:
                told = await loop.run_in_executor(pool, partial(_run, pages, _environ(scope, body)))
        protocol.response_bytes(told.status, told.headers, told.body)

    return serve


class Bell:
    """Wakes everybody on one event loop whose rows a commit brought to the disk, all at once: waking the loop costs as
    much as answering a request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._done: list[asyncio.Future[None]] = []

    async def heard(self, ticket: Ticket) -> None:
        """When the disk has answered, or a sender's patience is over."""
        done = self._loop.create_future()
        over = self._loop.call_later(PATIENCE_S, _settle, done)
        ticket.then(partial(self._ring, done))
        await done
        over.cancel()

    def _ring(self, done: asyncio.Future[None]) -> None:
        """From the thread that writes, or from the loop when the disk was quicker than we."""
        with self._lock:
            first = not self._done
            self._done.append(done)
        if first:
            with suppress(RuntimeError):  # the server is stopping and its loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._lock:
            woken, self._done = self._done, []
        for done in woken:
            _settle(done)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


async def _at_the_door(ask: Ask, asked: Asked, bell: Bell, pool: ThreadPoolExecutor) -> Told:
    """A post waits for the disk without a thread, so a hundred posts share one commit without a hundred threads waking
    up. What reads the disk (a receipt) or is large runs on a thread."""
    if asked.method == "POST" and len(asked.body) <= AT_ONCE:
        told = _safely(partial(ask, asked))
    else:
        told = await asyncio.get_running_loop().run_in_executor(pool, _safely, partial(ask, asked))
    if isinstance(told, Told):
        return told
    await bell.heard(told.ticket)
    answer = _safely(told.finish)
    assert isinstance(answer, Told)  # noqa: S101
    return answer


def _safely(answer: Callable[[], Told | Waiting]) -> Told | Waiting:
    """A fault of ours at the door: the sender keeps its message and comes again."""
    told: list[Told | Waiting] = []
    return told[0] if survive("door", lambda: told.append(answer())) else come_again()


def _asked(scope: Any, body: bytes, proxies: int) -> Asked:
    headers: dict[str, str] = {}
    for name, value in scope.headers.items():
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return Asked(scope.method, scope.path, scope.query_string, headers, body, _sender(scope, headers, proxies))


def _sender(scope: Any, headers: dict[str, str], proxies: int) -> str:
    """The network address of who sent it: the last that a proxy of ours wrote down."""
    told = [part.strip() for part in headers.get("x-forwarded-for", "").split(",")]
    if 0 < proxies <= len(told) and told[-proxies]:
        return told[-proxies]
    return str(scope.client.rpartition(":")[0].strip("[]"))


async def _body(scope: Any, protocol: Any, largest: int, patience_s: float) -> bytes:
    """The whole body; raises `Unfit` when it is too long, too slow, or breaks off before its announced end."""
    announced = scope.headers.get("content-length") or ""
    if announced.isdecimal() and int(announced) > largest:
        raise Unfit(TOO_LARGE)
    parts, size = [], 0
    try:
        async with asyncio.timeout(patience_s):
            async for part in protocol:
                parts.append(bytes(part))
                size += len(part)
                if size > largest:
                    raise Unfit(TOO_LARGE)
    except TimeoutError:
        raise Unfit(TOO_SLOW) from None
    if announced.isdecimal() and int(announced) != size:
        raise Unfit(CUT)
    return b"".join(parts)


def _run(app: Wsgi, environ: dict[str, Any]) -> Told:
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
    return Told(told[0], [(name.lower(), value) for name, value in told[1]], content)


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
