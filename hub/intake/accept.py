"""From the socket to the disk: verify over raw bytes, store, answer.

`accept` never parses and never decides more than "is it really them". What it answers is chosen for what
the sender does next: our own trouble is always 503, because many senders take a 4xx for delivered or
switch the hook off. An unverified message waits in a rate-limited quarantine; an admin who mistyped the
secret replays it. A flood of a public form is kept too, marked, and opens no leads by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connectors.contract import CRM, Polled, Raw, Reply, Source, digest
from connectors.errors import ConnectorError, Unverified
from hub.clock import Clock, millis
from hub.config import Config
from hub.intake.connections import Live
from hub.store.groupcommit import DifferentBody, Inbox, Stored, Ticket

HEADERS_KEPT = 16 * 1024
FORBIDDEN = ("authorization", "cookie", "proxy-authorization")
"""Headers that are needed to verify but never stored."""


class Refused(Exception):
    """Not stored. `status` is the HTTP status, `code` a stable word, `str()` says what to do."""

    def __init__(self, status: int, code: str, message: str, **extra: str) -> None:
        super().__init__(message)
        self.status, self.code, self.extra = status, code, extra


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable message and what to answer. `verdict` as in the event table."""

    receipt: str
    first: bool
    verdict: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Begun:
    """A message on its way to the disk: `finish` says what to answer once `ticket` is done."""

    ticket: Ticket
    finish: Callable[[], Accepted | Reply]


class Intake:
    """The accepting end of one process."""

    def __init__(self, inbox: Inbox, clock: Clock, config: Config) -> None:
        self._inbox, self._clock, self._config = inbox, clock, config

    @cached_property
    def _limiter(self) -> Callable[[str, str, int], bool]:
        """Counts a hit of somebody for something; answers whether that is within so many a minute. Read when somebody
        knocks: a process that only works never does."""
        from limits import RateLimitItemPerMinute
        from limits.storage import MemoryStorage
        from limits.strategies import FixedWindowRateLimiter

        window = FixedWindowRateLimiter(MemoryStorage())
        return lambda what, whose, per_minute: window.hit(RateLimitItemPerMinute(per_minute), what, whose)

    def accept(self, live: Live, raw: Raw, sender: str = "") -> Accepted | Reply:
        """Store one pushed message; a `Reply` alone is a handshake that was answered and not stored.

        `sender` is the network address, for limits only. Raises `Refused` or `NotStored`.
        """
        begun = self.begin(live, raw, sender)
        if isinstance(begun, Reply):
            return begun
        begun.ticket.wait()
        return begun.finish()

    def begin(self, live: Live, raw: Raw, sender: str = "") -> Begun | Reply:
        """Everything up to the disk, without waiting for it. `finish` raises what `accept` raises."""
        if live.row.kind == "crm":
            return self._hook(live, raw)
        source = live.source
        shaken = source.reply(raw)
        if shaken is not None:
            return shaken
        verdict, why = self._verdict(live, raw, sender)
        delivery = self._delivery(source, raw)
        if verdict == "unverified" and delivery:
            # Whoever cannot prove who he is must not take an id away from the real sender.
            delivery = f"unverified:{digest(raw.body, raw.query)}:{delivery}"
        ticket = self._inbox.submit([self._row(live.id, raw, delivery, verdict, why)])

        def finish() -> Accepted:
            try:
                stored = ticket.stored()[0]
            except DifferentBody:
                again = "This Idempotency-Key came with another body before"
                raise Refused(422, "idempotency_conflict", again) from None
            if verdict == "unverified":
                raise Refused(401, "unverified", why, receipt=stored.id)
            return Accepted(stored.id, stored.first, verdict, source.accepted(raw, stored.id))

        return Begun(ticket, finish)

    def _hook(self, live: Live, raw: Raw) -> Begun:
        """A CRM's hook only says "look again"; what its sender cannot prove waits in quarantine."""
        verdict, why = self._proof(live, live.crm, raw)
        ticket = self._inbox.submit([self._row(live.id, raw, "", verdict, why)])

        def finish() -> Reply:
            stored = ticket.stored()[0]
            if verdict == "unverified":
                raise Refused(401, "unverified", why, receipt=stored.id)
            return Reply()

        return Begun(ticket, finish)

    def store_polled(self, live: Live, polled: Polled) -> list[Stored]:
        """Store what a pull channel gave us, together with its cursor, in one commit."""
        rows = [self._row(live.id, raw, self._delivery(live.source, raw), "ok", "") for raw in polled.messages]
        cursor = {"connection_id": live.id, "cursor": polled.cursor, "updated_at": self._clock.now()}
        return self._inbox.add(rows, cursor)

    def _verdict(self, live: Live, raw: Raw, sender: str) -> tuple[str, str]:
        source = live.source
        verdict, why = self._proof(live, source, raw)
        if verdict != "ok":
            return verdict, why
        if live.row.state == "off":
            return "disabled", "This form is switched off"
        if source.unsigned and (code := source.refuse(raw)):
            raise Refused(400, code, "The body cannot be read: " + code.replace("_", " "))
        if source.browser and not self._within_limits(live, sender):
            return "flood", "More posts a minute than this form allows"
        return "ok", ""

    def _proof(self, live: Live, connector: Source | CRM, raw: Raw) -> tuple[str, str]:
        try:
            connector.verify(raw)
        except Unverified as error:
            self._allow("unverified", live.id, self._config.quarantine_per_minute)
            return "unverified", str(error)
        return "ok", ""

    def _within_limits(self, live: Live, sender: str) -> bool:
        limit = int(live.row.config.get("per_minute", self._config.form_per_minute))
        per_sender = max(10, limit // 10)
        return self._hit("form", live.id, limit) and self._hit("sender", live.id + sender, per_sender)

    def _allow(self, what: str, whose: str, per_minute: int) -> None:
        if not self._hit(what, whose, per_minute):
            raise Refused(429, "too_many", "Too many unverified messages; not stored")

    def _hit(self, what: str, whose: str, per_minute: int) -> bool:
        return self._limiter(what, whose, per_minute)

    def _delivery(self, source: Source, raw: Raw) -> str:
        given = raw.header("idempotency-key")
        if given:
            if len(given) > 255:
                raise Refused(400, "key_too_long", "Idempotency-Key may have 255 characters")
            return "key:" + given
        try:
            own = source.delivery(raw)
        except (ConnectorError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return ""  # its form will be complained about when it is parsed, in a worker
        # The same id with another body is another message (a sender's edit), which amends later.
        return f"id:{own}:{digest(raw.body)}" if own else ""

    def _row(self, connection_id: str, raw: Raw, delivery: str, verdict: str, why: str) -> dict[str, Any]:
        receipt = self._clock.new_id()
        return {
            "id": receipt,
            "connection_id": connection_id,
            "delivery": delivery or receipt,
            "digest": digest(raw.body, raw.query) if delivery else "",
            "received_at": millis(raw.received_at),
            "verdict": verdict,
            "why": why,
            "method": raw.method,
            "path": raw.path,
            "query": raw.query,
            "headers": _kept(raw.headers),
            "body": raw.body,
        }


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in FORBIDDEN}
