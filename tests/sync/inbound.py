"""Inquiries that come in while everything else goes wrong: a sender who comes again until he hears an answer, a disk
that says no, and the hub's own door and flow of events behind it. I9 and I10 are judged here."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from connectors.contract import Raw
from connectors.sources.webhook import Webhook
from hub.clock import instant
from hub.config import Config
from hub.intake.accept import Accepted, Intake
from hub.intake.connections import Live
from hub.intake.process import Flow
from hub.model import connection, event, event_work, inquiry
from hub.store.groupcommit import Inbox, NotStored, Ticket, _Ask, _Group

if TYPE_CHECKING:
    from tests.sync.world import World

FORM_ID = "form-1"
EFFECTS = frozenset({"new_lead", "joined", "joined_deal", "new_deal_inquiry"})
KEPT = ("connection_id", "delivery", "digest", "received_at", "verdict", "method", "headers", "body")


class Door(Inbox):
    """The inbox whose writer is the caller himself: a seam before the commit and after it, and no thread."""

    def __init__(self, world: World) -> None:
        self._engine, self._lock = world.store.inbox, threading.Lock()
        self._world = world

    def submit(self, rows: Sequence[dict[str, Any]], cursor: dict[str, Any] | None = None) -> Ticket:
        self._world.seam("tx<")
        ask, group = _Ask(rows, cursor), _Group()
        self._write([ask])
        group.done.set()
        self._world.seam("tx>")
        return Ticket(group, ask, self._lock)

    def _commit(self, asks: Sequence[_Ask]) -> Any:
        if self._world.fault("disk"):
            raise OperationalError("COMMIT", {}, OSError("no space left on device"))
        return super()._commit(asks)


class Inquiries:
    """What senders sent, and what they were told."""

    def __init__(self, world: World) -> None:
        self.world = world
        with world.store.hub.begin() as conn:
            values = {"id": FORM_ID, "kind": "source", "connector": "webhook", "token": "form", "name": "Form"}
            conn.execute(connection.insert().values(**values, created_at=1))
            row = conn.execute(select(connection).where(connection.c.id == FORM_ID)).one()
        self.live = Live(row, Webhook({}, {}, None))
        folder = Path(".")
        self.intake = Intake(Door(world), world.clock, Config(folder, "", "", quarantine_per_minute=1_000))
        self.flow = Flow(world.store, world.clock, world.places)  # type: ignore[arg-type]
        self.posts: dict[str, bytes] = {}
        self.told: dict[str, list[str]] = defaultdict(list)
        self.kept: dict[str, tuple[Any, ...]] = {}

    def write(self) -> str:
        """Somebody fills the form in, sometimes a person who did before; answers the key of this post."""
        number = len(self.posts)
        person = self.world.chance.randrange(number + 1)
        said = {"name": f"Visitor {person}", "phone": f"+1202555{1000 + person}", "message": self.world.token().strip()}
        key = f"post-{number}"
        self.posts[key] = orjson.dumps(said)
        return key

    def send(self, key: str) -> None:
        """One attempt of the sender; he counts only the answers that reach him."""
        headers = {"content-type": "application/json", "idempotency-key": key}
        raw = Raw(self.posts[key], instant(self.world.clock.now()), headers, path="/in/form")
        try:
            told = self.intake.accept(self.live, raw, "192.0.2.1")
        except NotStored:
            return
        if isinstance(told, Accepted):
            self.told[key].append(told.receipt)
            self.kept.setdefault(told.receipt, tuple(self._event(told.receipt)))

    def unheard(self) -> list[str]:
        """Posts whose sender never heard an answer."""
        return [key for key in self.posts if not self.told[key]]

    def _event(self, receipt: str) -> Sequence[Any]:
        columns = [event.c[name] for name in KEPT]
        with self.world.store.read_inbox() as conn:
            return conn.execute(select(*columns).where(event.c.id == receipt)).one_or_none() or ()

    # ── what must be true ────────────────────────────────────────────────────────────────────────

    def violations(self) -> Iterator[str]:
        """I9: what was acknowledged is there as it was sent; I10: one effect and one answer for one signal."""
        for receipt, before in self.kept.items():
            after = tuple(self._event(receipt))
            if not after or after != before or after[-1] not in self.posts.values():
                yield f"I9 acknowledged and not kept as it came: {receipt}"
        yield from (f"I10 {key} was answered {told}" for key, told in self.told.items() if len(set(told)) > 1)
        with self.world.store.read_inbox() as conn:
            events = {row.delivery: row.id for row in conn.execute(select(event.c.id, event.c.delivery))}
        if len(events) != len(self.posts):
            yield f"I10 {len(events)} events of {len(self.posts)} posts"
        with self.world.store.read() as conn:
            done = {row.event_id: row.state for row in conn.execute(select(event_work))}
            said = list(conn.execute(select(inquiry.c.event_id, inquiry.c.decision)))
        for one in events.values():
            mine = [row.decision for row in said if row.event_id == one]
            if done.get(one) != "done" or len(mine) != 1 or mine[0] not in EFFECTS:
                yield f"I10 event {one} is {done.get(one)} and had the effects {mine}"
