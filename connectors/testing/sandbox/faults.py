"""What goes wrong on order: before the effect, after it, or instead of an answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from flask import Blueprint, Response, g, request


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with the next `times` matching calls.

    `kind`: a status such as 429, 403, 503 or drop (all before the effect) · 500_after, drop_after (the effect stays,
    its answer does not come) · html, error200, garbage, or what the stand-in adds · slow. `seconds`: Retry-After of
    a status (0: none), or how long slow, drop and drop_after take.
    """

    kind: str
    times: int = 1
    method: str = ""
    path: str = ""
    seconds: float = 0.0


@dataclass
class Faults:
    """The faults that wait for their call. Thread-safe."""

    waiting: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, kind: str, times: int = 1, *, method: str = "", path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong whose method and path begin so; see `Fault`."""
        with self._lock:
            self.waiting.append(Fault(kind, times, method, path, seconds))

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that hits this call, used up by one."""
        with self._lock:
            for fault in self.waiting:
                if method.startswith(fault.method) and path.startswith(fault.path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.waiting.remove(fault)
                    return fault
        return None


def guard(
    api: Blueprint,
    faults: Callable[[], Faults],
    problem: Callable[[int], Response],
    clock: Callable[[], float] = time.time,
    more: Callable[[str], Response | None] = lambda _kind: None,
) -> None:
    """Let every call of `api` meet its fault. `problem(status)` is a refusal in the vendor's words, `more(kind)`
    answers fault kinds of its own. Register it after what counts calls and before what checks tokens."""

    @api.before_request
    def meet() -> Response | None:
        g.fault = fault = faults().take(request.method, request.path)
        if fault is None:
            return None
        if fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault.kind == "drop":
            return hang_up(fault.seconds)
        if fault.kind.isdecimal():
            return _status(problem(int(fault.kind)), fault.seconds)
        return more(fault.kind) or _nonsense(fault.kind)

    @api.after_request
    def lose(answer: Response) -> Response:
        answer.headers["Date"] = formatdate(clock(), usegmt=True)
        fault = g.get("fault")
        if fault and fault.kind == "500_after":
            return problem(500)
        return hang_up(fault.seconds) if fault and fault.kind == "drop_after" else answer


def hang_up(seconds: float = 0.0) -> Response:
    """Close the connection without an answer."""
    time.sleep(seconds)
    line = request.environ.get("werkzeug.socket")
    if isinstance(line, socket.socket):
        line.shutdown(socket.SHUT_RDWR)
    return Response(status=504)


def _status(answer: Response, seconds: float) -> Response:
    if seconds:
        answer.headers["Retry-After"] = str(int(seconds))
    return answer


def _nonsense(kind: str) -> Response | None:
    pages = {
        "html": ("<!doctype html><title>Log in</title>", "text/html"),
        "error200": ('{"status": "error", "detail": "Something went wrong"}', "application/json"),
        "garbage": ('{"data": [{"id": 1', "application/json"),
    }
    if kind not in pages:
        return None
    body, mimetype = pages[kind]
    return Response(body, mimetype=mimetype)
