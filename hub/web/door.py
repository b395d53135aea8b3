"""The door: everything that is pushed to /in/<token>, from a request read to its end to the answer its sender expects.

Knows no web framework, so that a server that can wait without a thread asks it directly; the Flask view in `inbound`
asks the same. It decides nothing and never answers 500 to a form post: our own trouble is a 503 with Retry-After.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import parse_options_header

from connectors.contract import Raw, Reply, Source
from hub.clock import Clock, instant
from hub.config import Config
from hub.intake.accept import HEADERS_KEPT, Accepted, Begun, Intake, Refused
from hub.intake.connections import Connections, Live
from hub.model import event, event_work, inquiry
from hub.store.engine import Store
from hub.store.groupcommit import NotStored, Ticket

PREFIX = "/in/"
RATIO = 20
PARTS = 1000
RETRY_AFTER = "5"
A_MINUTE = "60"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Header names are in lower case, the query as it stood on the wire; `sender` is a network address,
    for limits only."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    sender: str


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message on its way to the disk: the answer is asked for, and sent, when the ticket is done."""

    ticket: Ticket
    finish: Callable[[], Told]


class House(Protocol):
    """What the door needs of a hub."""

    @property
    def config(self) -> Config: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def store(self) -> Store: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def ring(self) -> Callable[[str], None]: ...


class Door:
    """The receiving end of one hub."""

    def __init__(self, hub: House) -> None:
        self._hub = hub

    def ask(self, asked: Asked) -> Told | Waiting:
        """Take a message in (POST, or GET with data where the connection allows it), or tell a receipt's state."""
        token = asked.path.removeprefix(PREFIX)
        try:
            live = self._hub.connections.by_token(token)
            if live is not None:
                told = self._take(asked, live)
                return told if isinstance(told, Waiting) else _with_cors(told, live)
            return self._state_of(token) if asked.method == "GET" else error(404, "unknown", "There is no such address")
        except (NotStored, SQLAlchemyError):
            return come_again()

    def _take(self, asked: Asked, live: Live) -> Told | Waiting:
        if asked.method == "OPTIONS":
            return Told(200, [], b"")
        if asked.method == "HEAD" or (asked.method == "GET" and not (asked.query and live.row.config.get("get"))):
            return self._greet(asked, live)
        try:
            raw = self._raw(asked, live)
            begun = self._hub.intake.begin(live, raw, asked.sender)
        except Refused as refused:
            return _refusal(refused)
        if isinstance(begun, Reply):
            return _answer(live, raw, begun)
        return Waiting(begun.ticket, lambda: _with_cors(self._finished(live, raw, begun), live))

    def _finished(self, live: Live, raw: Raw, begun: Begun) -> Told:
        """The answer, now that the disk has spoken."""
        try:
            taken = begun.finish()
        except Refused as refused:
            return _refusal(refused)
        except NotStored:
            return come_again()
        if isinstance(taken, Accepted):
            self._hub.ring("flow")
        return _answer(live, raw, taken)

    def _greet(self, asked: Asked, live: Live) -> Told:
        """Senders probe an address before they use it; a browser that opens it by hand is told what it is for."""
        probe = Raw(b"", instant(self._hub.clock.now()), asked.headers, asked.method, asked.path, asked.query)
        if isinstance(live.connector, Source) and (shaken := live.source.reply(probe)):
            return _reply(shaken)
        if asked.method == "HEAD":
            return Told(200, [], b"")
        if not asked.query:
            return Told(200, [("content-type", "text/plain")], b"This address takes inquiries by POST.\n")
        answer = error(405, "post_here", "This address takes inquiries by POST")
        answer.headers.append(("allow", "POST, OPTIONS, HEAD"))
        return answer

    def _raw(self, asked: Asked, live: Live) -> Raw:
        """The message within its limits; raises Refused with 400, 413 or 431."""
        headers = asked.headers
        if sum(map(len, headers)) + sum(map(len, headers.values())) > HEADERS_KEPT:
            raise Refused(431, "headers_too_large", "More than 16 KiB of headers")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        limit = self._limit(live, kind)
        body = asked.body
        if len(body) > limit:
            raise Refused(413, "too_large", f"More than {limit // 1024} KiB")
        if headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip"):
            headers = {name: value for name, value in headers.items() if name != "content-encoding"}
            body = _unpacked(body, limit)
        if not body and not asked.query:
            raise Refused(400, "empty", "The body is empty")
        if kind == "multipart/form-data":
            _check_parts(headers["content-type"], body)
        return Raw(body, instant(self._hub.clock.now()), headers, asked.method, asked.path, asked.query)

    def _limit(self, live: Live, kind: str) -> int:
        config = self._hub.config
        if kind == "multipart/form-data" or live.row.kind == "crm":
            return config.file_limit
        return config.file_limit if live.source.pull and not live.source.browser else config.form_limit

    def _state_of(self, receipt: str) -> Told:
        """How far a message got: received, working, done, parked or quarantined. Says nothing about anybody."""
        found = receipt_state(self._hub.store, receipt)
        return _json(found) if found else error(404, "unknown", "There is no such receipt")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def _unpacked(body: bytes, limit: int) -> bytes:
    """A packed body may not grow more than twentyfold. It may consist of several gzip members (RFC 1952, 2.2)."""
    most = min(limit, RATIO * max(len(body), 1024))
    plain, rest = b"", body
    while rest:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            plain += unpacker.decompress(rest, most + 1 - len(plain))
        except zlib.error:
            raise Refused(400, "bad_gzip", "The body says it is gzip and is not") from None
        if len(plain) > most:
            raise Refused(413, "too_large", "The packed body grows too large")
        if not unpacker.eof:
            raise Refused(400, "bad_gzip", "The packed body breaks off")
        rest = unpacker.unused_data.lstrip(b"\0")
    return plain


def _check_parts(content_type: str, body: bytes) -> None:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    mark = b"--" + boundary.encode("latin-1", "replace")
    if not boundary or mark not in body:
        raise Refused(400, "no_boundary", "The multipart body does not contain its boundary")
    if body.count(mark) > PARTS + 1:
        raise Refused(413, "too_many_parts", f"More than {PARTS} parts")


# ── answering ────────────────────────────────────────────────────────────────────────────────────


def come_again() -> Told:
    """Our own trouble, whatever it is: the sender keeps the message and comes again."""
    answer = error(503, "not_stored", "Not stored, send it again later")
    answer.headers.append(("retry-after", RETRY_AFTER))
    return answer


def error(status: int, code: str, message: str, **extra: str) -> Told:
    """An answer that says what is wrong, for programs and for people."""
    return _json({"error": code, "message": message, **extra}, status)


def _refusal(refused: Refused) -> Told:
    answer = error(refused.status, refused.code, str(refused), **refused.extra)
    if refused.status == 429:
        answer.headers.append(("retry-after", A_MINUTE))
    return answer


def _answer(live: Live, raw: Raw, taken: Accepted | Reply) -> Told:
    if isinstance(taken, Reply):
        return _reply(taken)
    if live.source.browser and _plain_form(raw):
        thanks = live.row.settings.get("thanks_url") or f"/f/{quote(live.row.token)}/thanks"
        return Told(303, [("location", thanks)], b"")
    answer = _reply(taken.reply)
    answer.headers.append(("x-receipt", taken.receipt))
    return answer


def _plain_form(raw: Raw) -> bool:
    """A form posted without script: the visitor's browser shows our answer."""
    kind = raw.header("content-type").partition(";")[0].strip().lower()
    return kind in FORM_TYPES and "text/html" in raw.header("accept")


def _reply(reply: Reply) -> Told:
    return Told(reply.status, [("content-type", reply.content_type)], reply.body)


def _json(value: Mapping[str, Any], status: int = 200) -> Told:
    return Told(status, [("content-type", "application/json")], json.dumps(value).encode())


def _with_cors(answer: Told, live: Live) -> Told:
    """Browsers on the customer's own site may post and read the receipt; credentials are never asked for."""
    if isinstance(live.connector, Source) and live.source.browser:
        answer.headers.extend((
            ("access-control-allow-origin", live.row.config.get("origin", "*")),
            ("access-control-allow-methods", "POST, OPTIONS"),
            ("access-control-allow-headers", "Content-Type, Idempotency-Key"),
            ("access-control-expose-headers", "X-Receipt"),
            ("access-control-max-age", "600"),
        ))  # fmt: skip
    return answer


def receipt_state(store: Store, receipt: str) -> Mapping[str, Any] | None:
    """State of an event by its id; None if there is none."""
    with store.read_inbox() as conn:
        row = conn.execute(select(event.c.received_at).where(event.c.id == receipt)).one_or_none()
    if row is None:
        return None
    with store.read() as conn:
        work = conn.execute(
            select(event_work.c.state, event_work.c.code).where(event_work.c.event_id == receipt)
        ).one_or_none()
        inquiries = [
            decision
            for (decision,) in conn.execute(
                select(inquiry.c.decision).where(inquiry.c.event_id == receipt).order_by(inquiry.c.position)
            )
        ]
    state = {"taken": "working", "waiting": "working"}.get(work.state, work.state) if work else "received"
    return {
        "receipt": receipt,
        "received_at": instant(row.received_at).isoformat(),
        "state": state,
        "code": work.code if work else "",
        "inquiries": inquiries,
    }
