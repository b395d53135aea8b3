"""Directions, stages, leads, deals, and who gets them.

That an open lead has an owner and a next step is a rule of the database itself.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy import (
    text as sql,
)

from hub.model.base import at, hub, json, key, number, ref, text

direction = Table(
    "direction", hub, key(), text("name"), number("position"), Column("main", Boolean, nullable=False, default=False)
)

stage = Table(
    "stage",
    hub,
    ref("direction_id", ForeignKey("direction.id"), nullable=False),
    text("key"),
    text("block"),  # lead | deal
    number("position"),
    text("name"),
    text("colour"),
    text("final"),  # "" | rejected | won | lost
    PrimaryKeyConstraint("direction_id", "block", "key"),
)

OWNED = "owner_id IS NOT NULL AND owner_id <> '' AND next_step <> '' AND next_step_at IS NOT NULL"

lead = Table(
    "lead",
    hub,
    key(),
    ref("contact_id", ForeignKey("contact.id"), nullable=False),
    ref("direction_id", ForeignKey("direction.id"), nullable=False),
    text("stage"),
    text("state", default="open"),  # open, or the one decision: converted | contact | nurture | rejected
    ref("owner_id", ForeignKey("member.id")),
    text("next_step"),
    at("next_step_at"),
    text("title"),
    text("text"),
    text("source"),
    ref("connection_id"),
    text("form"),
    json("touch"),
    json("first_touch"),
    text("temperature"),
    text("amount"),  # as a deal's: what people in a CRM expect of it
    text("currency"),
    json("tags", list),
    json("own"),  # x_name → value: hub.funnel.own
    number("inquiries", 1),
    ref("taken_by"),
    at("taken_at"),
    at("qualified_at"),
    text("reason"),
    number("version", 1),
    at("opened_at", nullable=False),
    at("active_at", nullable=False),
    at("closed_at"),
    at("return_at"),  # when a nurtured lead comes back by itself at the latest
    CheckConstraint("state IN ('open','converted','contact','nurture','rejected')", name="state"),
    CheckConstraint(f"state <> 'open' OR ({OWNED})", name="open_has_owner_and_next_step"),
    CheckConstraint("state = 'open' OR closed_at IS NOT NULL", name="closed_has_time"),
    CheckConstraint("state NOT IN ('rejected','nurture') OR reason <> ''", name="decided_has_reason"),
    CheckConstraint("(state = 'nurture') = (return_at IS NOT NULL)", name="nurture_has_end"),
)
Index(
    "uq_lead_open", lead.c.contact_id, lead.c.direction_id, unique=True,
    sqlite_where=sql("state = 'open'"), postgresql_where=sql("state = 'open'"),
)  # fmt: skip
Index("ix_lead_contact", lead.c.contact_id)
Index("ix_lead_inbox", lead.c.state, lead.c.active_at)
Index("ix_lead_mine", lead.c.owner_id, lead.c.state, lead.c.active_at)
NURTURED = sql("state = 'nurture'")
Index("ix_lead_nurture", lead.c.return_at, sqlite_where=NURTURED, postgresql_where=NURTURED)

deal = Table(
    "deal",
    hub,
    key(),
    ref("lead_id", ForeignKey("lead.id"), index=True),
    ref("contact_id", ForeignKey("contact.id"), nullable=False, index=True),
    ref("direction_id", ForeignKey("direction.id"), nullable=False),
    text("stage"),
    text("state", default="open"),  # open | won | lost | reverted
    ref("owner_id", ForeignKey("member.id"), nullable=False),
    text("title"),
    text("amount"),  # decimal as text, "" = not said
    text("currency"),
    json("tags", list),
    json("own"),
    text("reason"),
    number("version", 1),
    at("opened_at", nullable=False),
    at("active_at", nullable=False),
    at("closed_at"),
    CheckConstraint("state IN ('open','won','lost','reverted')", name="state"),
)

conversion = Table(
    "conversion",
    hub,
    key(),
    ref("lead_id", ForeignKey("lead.id"), nullable=False),
    number("n", 1),
    ref("deal_id", ForeignKey("deal.id"), nullable=False),
    text("state"),  # done | reverted
    text("by"),  # member id, or "crm:<connection id>"
    at("at", nullable=False),
    json("before"),  # the lead as it was, and what it had to carry over: hub.funnel.carried
    UniqueConstraint("lead_id", "n"),
)
DONE = sql("state = 'done'")
Index("uq_conversion_done", conversion.c.lead_id, unique=True, sqlite_where=DONE, postgresql_where=DONE)

receipt = Table(
    "receipt",
    hub,
    key(),
    ref("conversion_id", ForeignKey("conversion.id"), nullable=False),
    ref("deal_id", ForeignKey("deal.id"), nullable=False, index=True),
    ref("connection_id", nullable=False),  # "" for the hub's own side
    text("state"),  # waiting | whole | lacking | void
    json("counts"),  # {"fields": [there, wanted], "files": ..., "activities": ..., "links": ...}
    json("missing", list),
    number("tries"),
    at("due_at"),
    at("at", nullable=False),
    CheckConstraint("state IN ('waiting','whole','lacking','void')", name="state"),
    UniqueConstraint("conversion_id", "connection_id"),
)
"""What arrived on the other side of a conversion, checked after the fact."""
Index("ix_receipt_due", receipt.c.state, receipt.c.due_at)

rule = Table(
    "rule",
    hub,
    key(),
    number("position"),
    text("name"),
    json("conditions", list),  # [{"field": "source", "op": "is", "value": "telegram"}]; all must hold
    ref("direction_id", ForeignKey("direction.id"), nullable=False),
    text("pool"),
    Column("active", Boolean, nullable=False, default=True),
)

rotation = Table(
    "rotation",
    hub,
    text("pool"),
    ref("member_id", ForeignKey("member.id"), nullable=False),
    number("weight", 1),
    number("credit"),
    number("given"),
    PrimaryKeyConstraint("pool", "member_id"),
)
"""Whose turn it is: `credit` grows by weight with every turn and pays the sum of weights when one is given."""
