"""Hooks of the stand-in: form-encoded, unsigned, tried again by the vendor's table, lost and doubled on demand."""

from __future__ import annotations

import heapq
import http.client
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from connectors.crms.amocrm.sandbox.state import Account, Row

RETRIES = (300.0, 900.0, 900.0, 3600.0)
_SINGULAR = {"leads": "lead", "contacts": "contact", "companies": "company"}
_FIELDS = ("id", "name", "status_id", "old_status_id", "old_pipeline_id", "price", "responsible_user_id", "pipeline_id",
           "created_at", "updated_at")  # fmt: skip


class Postman:
    """One thread that delivers. `trouble` holds what happens to the next bodies: "lose" or "double"."""

    def __init__(self, account: Account, retries: tuple[float, ...] = RETRIES) -> None:
        self._account = account
        self.retries = retries
        self.trouble: list[str] = []
        self.sent: list[tuple[str, int]] = []  # destination, status (0: nobody there)
        self._due: list[tuple[float, int, str, bytes, int]] = []
        self._ready = threading.Condition()
        self._count = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def deliver(self, events: list[tuple[str, str, Row]]) -> None:
        """Queue one body per subscriber."""
        with self._ready:
            for hook in self._account.hooks:
                wanted = [e for e in events if f"{e[0]}_{_SINGULAR[e[1]]}" in hook["settings"]]
                copies = {"lose": 0, "double": 2}.get(self.trouble.pop(0) if wanted and self.trouble else "", 1)
                for _ in range(copies if wanted else 0):
                    self._put(0.0, hook["destination"], body(self._account, wanted), 0)
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

    def _put(self, wait: float, destination: str, data: bytes, tries: int) -> None:
        self._count += 1
        heapq.heappush(self._due, (time.monotonic() + wait, self._count, destination, data, tries))

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._closed and (not self._due or self._due[0][0] > time.monotonic()):
                    self._ready.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._closed:
                    return
                _, _, destination, data, tries = heapq.heappop(self._due)
            status = _post(destination, data)
            self.sent.append((destination, status))
            if not 100 <= status < 300 and tries < len(self.retries):
                with self._ready:
                    self._put(self.retries[tries], destination, data, tries + 1)


def _post(destination: str, data: bytes) -> int:
    """Two seconds for an answer, as the vendor gives."""
    parts = urlsplit(destination)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    line = kind(parts.hostname or "", parts.port, timeout=2.0)
    try:
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        line.request("POST", path, data, {"Content-Type": "application/x-www-form-urlencoded"})
        return line.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        line.close()


def body(account: Account, events: list[tuple[str, str, Row]]) -> bytes:
    """PHP brackets and the names of API v2; companies come as contacts of type company."""
    counts: dict[str, int] = {}
    pairs: list[tuple[str, Any]] = []
    for action, kind, row in events:
        group = f"{'contacts' if kind == 'companies' else kind}[{action}]"
        n = counts[group] = counts.get(group, -1) + 1
        pairs += ((f"{group}[{n}][{key}]", value) for key, value in _told(action, kind, row))
    pairs += [("account[subdomain]", account.subdomain), ("account[id]", account.id)]
    return urlencode(pairs).encode()


def _told(action: str, kind: str, row: Row) -> Iterator[tuple[str, Any]]:
    if action == "delete":
        yield from ((key, row[key]) for key in ("id", "status_id", "pipeline_id") if key in row)
    else:
        yield from ((key, row[key]) for key in _FIELDS if row.get(key) is not None)
        yield from (("last_modified", row["updated_at"]), ("modified_user_id", row["updated_by"]))
        yield from _cells(row)
    if kind != "leads":
        yield "type", _SINGULAR[kind]


def _cells(row: Row) -> Iterator[tuple[str, Any]]:
    """Names and shapes differ from the API's: bracketed, by field id."""
    for n, (field, values) in enumerate(row["cells"].items()):
        yield f"custom_fields][{n}][id", field
        for m, one in enumerate(values):
            yield f"custom_fields][{n}][values][{m}][value", one["value"]
