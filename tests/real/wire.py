"""The line between a connector and a real server, on which a call goes wrong when a test wants it to.

A real CRM cannot be told to fail. What a connector sees of a failure it sees on its wire, so here it happens there.
"""

from __future__ import annotations

from typing import Any

from connectors.contract import Answer
from connectors.errors import Retry
from connectors.http import Received, Wire

PAGES = {
    "html": b"<!doctype html><title>Log in</title>",
    "error200": b'{"status": "error", "detail": "Something went wrong"}',
    "garbage": b'{"data": [{"id": 1',
}


class Interposed:
    """A `Wire` whose next `times` calls have a `fault`: "429" (refused before it), "lost" and "500_after" (the answer
    of a call that changes something does not arrive), or a body of `PAGES` instead of the answer. `calls` counts those
    that went out."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self.fault, self.times, self.calls = wire, "", 0, 0

    def fail(self, fault: str, times: int = 1) -> None:
        """Let the next calls go wrong."""
        self.fault, self.times = fault, times

    def send(self, method: str, url: str, **given: Any) -> Answer:
        spared = method == "GET" and self.fault in {"lost", "500_after"}
        fault = self.fault if self.times and not spared else ""
        self.times = max(0, self.times - (not spared))
        if fault == "429":
            self.calls += 1
            self.wire.gate.shut(60.0)
            return Received(429, {"retry-after": "60"}, b"")
        if fault in PAGES:
            return Received(200, {"date": "Mon, 02 Mar 2026 09:00:00 GMT"}, PAGES[fault])
        answer = self.wire.send(method, url, **given)
        self.calls += 1
        if fault == "lost":
            raise Retry("the connection broke", effect=True)
        return Received(500, answer.headers, b"") if fault == "500_after" else answer
