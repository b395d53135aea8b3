"""Delivers hooks from a thread of its own: tried again by the vendor's table, lost and doubled on demand."""

from __future__ import annotations

import heapq
import http.client
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit


class _Letter(NamedTuple):
    due: float
    number: int
    destination: str
    data: bytes
    headers: Mapping[str, str]
    tries: int


class Postman:
    """One thread that delivers. `trouble` holds what happens to the next bodies: "lose" or "double"; `sent` are
    (destination, status) with status 0 where nobody answered. `patience` is in seconds."""

    def __init__(self, retries: tuple[float, ...] = (), patience: float = 2.0) -> None:
        self.retries, self.patience = retries, patience
        self.trouble: list[str] = []
        self.sent: list[tuple[str, int]] = []
        self._due: list[_Letter] = []
        self._ready = threading.Condition()
        self._count = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def deliver(self, destination: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Queue one body for one subscriber."""
        with self._ready:
            copies = {"lose": 0, "double": 2}.get(self.trouble.pop(0) if self.trouble else "", 1)
            for _ in range(copies):
                self._put(0.0, destination, data, headers, 0)
            if self._thread is None and self._due:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._ready.notify()

    def close(self) -> None:
        """Stop; what is queued stays undelivered."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        if self._thread:
            self._thread.join(5)

    def _put(self, wait: float, destination: str, data: bytes, headers: Mapping[str, str], tries: int) -> None:
        self._count += 1
        heapq.heappush(self._due, _Letter(time.monotonic() + wait, self._count, destination, data, headers, tries))

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._closed and (not self._due or self._due[0].due > time.monotonic()):
                    self._ready.wait(self._due[0].due - time.monotonic() if self._due else None)
                if self._closed:
                    return
                letter = heapq.heappop(self._due)
            status = _post(letter, self.patience)
            self.sent.append((letter.destination, status))
            if not 200 <= status < 300 and letter.tries < len(self.retries):
                with self._ready:
                    wait = self.retries[letter.tries]
                    self._put(wait, letter.destination, letter.data, letter.headers, letter.tries + 1)


def _post(letter: _Letter, patience: float) -> int:
    parts = urlsplit(letter.destination)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    line = kind(parts.hostname or "", parts.port, timeout=patience)
    try:
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        line.request("POST", path, letter.data, dict(letter.headers))
        return line.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        line.close()
