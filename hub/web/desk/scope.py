"""What one member may see. Every query of the desk goes through here; no page decides this for itself.

Admins see everything. Sales see their own leads and their own deals. The lead desk sees all leads and nothing
of deals: no row, count, id, stage, nor a line of a lead's timeline that would tell that a deal exists or what
became of it. A record out of scope is answered like one that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import abort
from sqlalchemy import ColumnElement, Connection, Select, false, select, true

from hub.model import deal, journal, lead, link, stage
from hub.web.desk.access import Who, whoami


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the hub that `who` may see."""

    who: Who

    @property
    def sees_deals(self) -> bool:
        return self.who.role in ("admin", "sales")

    @property
    def blocks(self) -> tuple[str, ...]:
        return ("lead", "deal") if self.sees_deals else ("lead",)

    def leads(self) -> ColumnElement[bool]:
        """Condition on `lead`."""
        return {"admin": true(), "lead_desk": true(), "sales": lead.c.owner_id == self.who.id}.get(
            self.who.role, false()
        )

    def deals(self) -> ColumnElement[bool]:
        """Condition on `deal`."""
        return {"admin": true(), "sales": deal.c.owner_id == self.who.id}.get(self.who.role, false())

    def lead(self, conn: Connection, lead_id: str) -> Any:
        """One lead, or 404."""
        return conn.execute(select(lead).where(lead.c.id == lead_id, self.leads())).one_or_none() or abort(404)

    def deal(self, conn: Connection, deal_id: str) -> Any:
        """One deal, or 404."""
        return conn.execute(select(deal).where(deal.c.id == deal_id, self.deals())).one_or_none() or abort(404)

    def deal_of(self, conn: Connection, lead_id: str) -> Any | None:
        """The deal that a lead became, if it may be seen."""
        mine = select(deal).where(deal.c.lead_id == lead_id, deal.c.state != "reverted", self.deals())
        return conn.execute(mine.order_by(deal.c.id.desc()).limit(1)).one_or_none()

    def stages(self) -> Select[Any]:
        """Stages of the blocks this member knows of."""
        return select(stage).where(stage.c.block.in_(self.blocks)).order_by(stage.c.position)

    def links(self, row: Any, block: str) -> Select[Any]:
        """Where a record is in the CRMs. The card of a converted lead is the deal's."""
        hidden = not self.sees_deals and (block != "lead" or row.state == "converted")
        mine = (link.c.record_id == row.id) & (link.c.role == block)
        return select(link).where(false() if hidden else mine).order_by(link.c.id)

    def lines(self, subjects: dict[str, str]) -> ColumnElement[bool]:
        """Journal lines of records by id: role ("contact", "lead", "deal")."""
        known = [key for key, role in subjects.items() if role != "deal" or self.sees_deals]
        return journal.c.subject_id.in_(known) & journal.c.subject.in_(("contact", *self.blocks))


def my_scope() -> Scope:
    """The scope of the member behind this request."""
    return Scope(whoami())
