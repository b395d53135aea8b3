"""Counting: what came in, what became of it, and whether anything was lost or doubled on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from hub.clock import Clock
from hub.demo.scene import Scene, Sent
from hub.model import contact, deal, event, event_work, inbox_reader, inquiry, lead, link

ENDED = ("done", "parked", "quarantined")
MOVING = ("new", "sending", "uncertain", "linked")


@dataclass
class Tally:
    """The figures of one play; `complaints` are sentences about what should not be."""

    received: int = 0
    inquiries: int = 0
    contacts: int = 0
    leads: int = 0
    deals: int = 0
    crm_records: int = 0
    joined: int = 0
    quarantined: int = 0
    parked: int = 0
    refused: int = 0
    lost: int = 0
    doubled: int = 0
    seconds: float = 0.0
    complaints: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing lost, nothing doubled, every open lead has an owner and a card."""
        return not (self.lost or self.doubled or self.complaints)

    def as_json(self) -> dict[str, Any]:
        """The figures alone."""
        return {name: value for name, value in vars(self).items() if name != "complaints"}


def calm(scene: Scene, sent: Sent, patience_s: float) -> None:
    """Wait until nothing moves: all events decided, all polled messages here, nothing on its way to the CRM."""
    end = Clock().monotonic() + patience_s
    quiet = 0
    while quiet < 5 and Clock().monotonic() < end:
        quiet = quiet + 1 if _still(scene, sent) else 0
        Clock().sleep(0.3)


def _still(scene: Scene, sent: Sent) -> bool:
    store = scene.hub.store
    with store.read_inbox() as conn:
        newest = conn.execute(select(func.max(event.c.seq))).scalar() or 0
        stored = Counter(row.connection_id for row in conn.execute(select(event.c.connection_id)))
    if any(stored[connection_id] < number for connection_id, number in sent.polled.items()):
        return False
    with store.read() as conn:
        taken = conn.execute(select(inbox_reader.c.seq)).scalar() or 0
        working = conn.execute(select(func.count()).where(event_work.c.state.in_(("taken", "waiting")))).scalar()
        moving = conn.execute(select(func.count()).where(link.c.dirty > 0, link.c.state.in_(MOVING))).scalar()
    return bool(taken >= newest and not working and not moving)


def count(scene: Scene, sent: Sent) -> Tally:
    """The figures as the databases and the CRM show them."""
    tally = Tally(received=sent.received, refused=sent.refused)
    _count_hub(scene, tally)
    _count_crm(scene, tally)
    _count_lost(scene, sent, tally)
    return tally


def _count_hub(scene: Scene, tally: Tally) -> None:
    with scene.hub.store.read() as conn:
        decisions = Counter(row.decision for row in conn.execute(select(inquiry.c.decision)))
        states = Counter(row.state for row in conn.execute(select(event_work.c.state)))
        tally.inquiries = sum(decisions.values())
        tally.joined = decisions["joined"] + decisions["joined_deal"]
        tally.quarantined, tally.parked = states["quarantined"], states["parked"]
        for name, table in (("contacts", contact), ("leads", lead), ("deals", deal)):
            setattr(tally, name, conn.execute(select(func.count()).select_from(table)).scalar() or 0)
        linked = select(link.c.record_id).where(link.c.role == "lead", link.c.state == "linked")
        open_leads = select(lead.c.id, lead.c.owner_id).where(lead.c.state == "open")
        for row in conn.execute(open_leads.where((lead.c.owner_id.is_(None)) | lead.c.id.not_in(linked))):
            tally.complaints.append(f"open lead {row.id} has {'no CRM record' if row.owner_id else 'no owner'}")


def _count_crm(scene: Scene, tally: Tally) -> None:
    """Cards and contacts over there; two live ones with the same hub id are doubles."""
    state = scene.crm_state
    for kind in ("leads", "contacts"):
        codes = {str(one["id"]) for one in state.fields[kind].values() if one.get("code") == "HUB_ID"}
        rows = [row for row in state.rows[kind].values() if not row["is_deleted"]]
        marks = Counter(
            cell["value"]
            for row in rows
            for number, cells in row["cells"].items()
            if str(number) in codes
            for cell in cells
        )
        tally.crm_records += len(rows)
        tally.doubled += sum(times - 1 for times in marks.values())


def _count_lost(scene: Scene, sent: Sent, tally: Tally) -> None:
    """Acknowledged or handed over, but without an end."""
    with scene.hub.store.read_inbox() as conn:
        events = list(conn.execute(select(event.c.id, event.c.connection_id)))
    with scene.hub.store.read() as conn:
        ended = {
            row.event_id for row in conn.execute(select(event_work.c.event_id).where(event_work.c.state.in_(ENDED)))
        }
    known = {row.id for row in events}
    tally.lost = sum(receipt not in known for receipt in sent.receipts) + sum(row.id not in ended for row in events)
    stored = Counter(row.connection_id for row in events)
    tally.lost += sum(max(number - stored[one], 0) for one, number in sent.polled.items())
