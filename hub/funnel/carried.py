"""What a conversion has to carry over, and the receipt that says what arrived: fields, files, activities, links.

The lead is remembered as it was, in the transaction that makes the deal; at its end the hub's own side is looked at
from the deal, as its page will show it. For every CRM that holds the lead a receipt waits until the deal's card was
told and read back there (`hub.sync.receipts`). Nothing is repaired here: what is missing is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, update

from hub.clock import Clock
from hub.model import deal, inquiry, journal, link, receipt
from hub.sync.records import PLACE, load

KEPT = (
    "stage", "owner_id", "taken_by", "taken_at", "next_step", "next_step_at", "title", "amount", "currency",
    "tags", "temperature", "qualified_at",
)  # fmt: skip
"""Columns of the lead that come back when the conversion is taken back."""
OF_THE_BLOCK = frozenset({"block", PLACE, "reject_reason", "qualified_at"})
"""Fields that a lead and its deal do not share."""
LIVE = ("new", "sending", "uncertain", "linked", "held", "parked")
WAITING, WHOLE, LACKING, VOID = "waiting", "whole", "lacking", "void"
HERE = ""
"""The connection of the hub's own receipt."""


@dataclass
class Found:
    """What was looked for and what of it is there, by kind; `missing` names the rest as [kind, name, why]."""

    counts: dict[str, list[int]] = field(default_factory=dict)
    missing: list[list[str]] = field(default_factory=list)

    def count(self, kind: str, name: str, there: bool, why: str = "") -> None:
        """One thing that had to arrive."""
        held = self.counts.setdefault(kind, [0, 0])
        held[0], held[1] = held[0] + there, held[1] + 1
        if not there:
            self.missing.append([kind, name, why])


def filled(value: Any) -> bool:
    """Whether there is anything to carry."""
    return value not in (None, "", [], {})


def remember(conn: Connection, row: Any) -> dict[str, Any]:
    """The lead before its conversion, as JSON."""
    flat = load(conn, "lead", [row.id])[row.id]
    mine = (link.c.record_id == row.id) & (link.c.role == "lead") & link.c.state.in_(LIVE)
    links = select(link.c.connection_id).where(mine)
    return {
        "lead": {name: getattr(row, name) for name in KEPT},
        "fields": {name: value for name, value in flat.items() if filled(value) and name not in OF_THE_BLOCK},
        "files": _files(conn, row.id),
        "activities": _activities(conn, row.id),
        "links": sorted(str(one) for one in conn.execute(links).scalars()),
    }


def _files(conn: Connection, lead_id: str) -> list[str]:
    said = select(inquiry.c.files).where(inquiry.c.lead_id == lead_id).order_by(inquiry.c.received_at, inquiry.c.id)
    return [str(one.get("name") or "") for some in conn.execute(said).scalars() for one in some]


def _activities(conn: Connection, lead_id: str) -> int:
    mine = (journal.c.subject == "lead") & (journal.c.subject_id == lead_id)
    return conn.execute(select(func.count()).where(mine)).scalar() or 0


def look(conn: Connection, before: Mapping[str, Any], deal_id: str) -> Found:
    """The hub's own side, from the deal: everything that its page shows of its lead."""
    found = Found()
    row = conn.execute(select(deal).where(deal.c.id == deal_id)).one()
    flat = load(conn, "deal", [deal_id])[deal_id]
    for name, value in before["fields"].items():
        found.count("fields", name, flat.get(name) == value)
    shown = _files(conn, row.lead_id or "")
    for name in before["files"]:
        found.count("files", name, name in shown)
        shown = [one for one in shown if one != name] + [name] * (shown.count(name) - 1)
    held = _activities(conn, row.lead_id or "")
    for n in range(before["activities"]):
        found.count("activities", str(n + 1), n < held)
    kept = select(link.c.connection_id).where(link.c.record_id == deal_id, link.c.role == "deal")
    there = set(conn.execute(kept).scalars())
    for one in before["links"]:
        found.count("links", one, one in there)
    return found


def sign(conn: Connection, clock: Clock, conversion_id: str, before: Mapping[str, Any], deal_id: str) -> None:
    """The receipts of a conversion: ours at once, those of CRMs when their cards were read back."""
    now = clock.now()
    found = look(conn, before, deal_id)
    ours = {"state": LACKING if found.missing else WHOLE, "counts": found.counts, "missing": found.missing}
    theirs = {"state": WAITING, "counts": {}, "missing": []}
    same = {"conversion_id": conversion_id, "deal_id": deal_id, "tries": 0, "at": now}
    rows = [{**same, **ours, "id": clock.new_id(), "connection_id": HERE, "due_at": None}]
    rows += [{**same, **theirs, "id": clock.new_id(), "connection_id": one, "due_at": now} for one in before["links"]]
    conn.execute(receipt.insert(), rows)


def void(conn: Connection, deal_id: str) -> None:
    """The conversion was taken back: nothing has to arrive any more."""
    conn.execute(update(receipt).where(receipt.c.deal_id == deal_id).values(state=VOID, due_at=None))


def receipts_of(conn: Connection, deal_id: str) -> Sequence[Any]:
    """The receipts of a deal that count, ours first."""
    mine = (receipt.c.deal_id == deal_id) & (receipt.c.state != VOID)
    return list(conn.execute(select(receipt).where(mine).order_by(receipt.c.connection_id)))


def lacking(conn: Connection, most: int = 50) -> Sequence[Any]:
    """Receipts that name something missing, with the title of their deals, newest first."""
    place = receipt.join(deal, deal.c.id == receipt.c.deal_id)
    mine = select(receipt, deal.c.title, deal.c.lead_id).select_from(place).where(receipt.c.state == LACKING)
    return list(conn.execute(mine.order_by(receipt.c.at.desc(), receipt.c.id).limit(most)))
