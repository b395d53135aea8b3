"""When people work and how much they take, how pools give leads out, and the ledger of who was given what."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, UniqueConstraint, literal_column
from sqlalchemy import text as sql

from hub.model.base import at, hub, json, key, number, ref, text
from hub.model.funnel import lead
from hub.model.journal import journal
from hub.model.people import contact

calendar = Table(
    "calendar",
    hub,
    key(),
    text("name"),
    text("zone", default="UTC"),
    json("week", list),  # seven lists from Monday on: [["09:00", "18:00"], ...]
    text("country"),  # "" keeps no public holidays
    text("region"),
    json("days"),  # {"2026-12-31": [["09:00", "15:00"]], "2026-05-11": []}
)

pool = Table(
    "pool",
    hub,
    text("name", primary_key=True),
    ref("calendar_id"),
    Column("offer", Boolean, nullable=False, default=False),
    text("off_hours", default="hold"),  # hold | duty | give
    ref("duty_id"),
    text("overflow"),
    Column("own_first", Boolean, nullable=False, default=True),
    json("skills", list),  # fields whose value the person must know: ["language"]
    number("seen_within_ms"),  # 0 = presence is not asked
    number("open_limit"),  # for members without limits of their own; 0 = none
    number("day_limit"),
    number("month_limit"),
)
"""What is special about a pool. Who is in it stands in `rotation`; a pool without a row has the defaults."""

seat = Table(
    "seat",
    hub,
    ref("member_id", ForeignKey("member.id"), primary_key=True),
    ref("calendar_id"),
    json("skills", list),  # ["language:de", "product:kitchens"]
    number("open_limit"),
    number("day_limit"),
    number("month_limit"),
)
"""How a member works; a member without a row works whenever their pools do."""

absence = Table(
    "absence",
    hub,
    key(),
    ref("member_id", ForeignKey("member.id"), nullable=False, index=True),
    at("begin", nullable=False),
    at("end", nullable=False),
    ref("stand_in_id"),
    text("why"),
    at("spread_at"),  # when the open leads were given to others
    at("back_at"),  # when those came back that were still where they went
)

presence = Table(
    "presence",
    hub,
    ref("member_id", ForeignKey("member.id"), primary_key=True),
    at("seen_at", nullable=False),
    text("by"),  # hub | crm:<connection id> | call | messenger | mail
)
"""The last touch of a member on any channel."""

lineup = Table(
    "lineup",
    hub,
    key(),  # a digest of pool and members with their shares
    text("pool"),
    json("members", list),  # [["member id", share], ...]
)

assignment = Table(
    "assignment",
    hub,
    key(),
    at("at", nullable=False),
    ref("lead_id", nullable=False, index=True),
    ref("member_id", nullable=False),
    ref("from_id"),
    ref("instead_of_id"),  # the own owner, while a stand-in has the lead
    text("by"),  # rotation | own | stand_in | duty | last_resort | person | taken | deadline | gone | back
    text("pool"),
    Column("turn", BigInteger),  # the pool's turn number where this was a turn
    ref("lineup_id"),
    json("why"),
    UniqueConstraint("pool", "turn"),
)
"""Every change of a lead's owner that the hub decided, with those who took part: the turns can be played again."""
Index("ix_assignment_member", assignment.c.member_id, assignment.c.at)

rule_set = Table(
    "rule_set",
    hub,
    key(),
    number("n"),  # 0 while it is a draft
    text("state"),  # draft | live | past
    text("note"),
    text("by"),
    at("at", nullable=False),
    json("body"),  # rules, shares and pools: hub.insight.drafts
    json("announced"),  # what a trial said it would change
)
"""Versions of the whole of routing, drafts included."""

question = Table(
    "question",
    hub,
    key(),
    ref("direction_id"),  # null: asked in every direction
    number("position"),
    text("name"),  # budget | term | need | decision | portrait | ...
    json("words"),  # {"en": "...", "ru": "..."}
    text("kind"),  # text | choice | number | date | yes
    json("options", list),  # [{"value": "...", "points": 10, "words": {...}}]
    number("points"),  # for any answer
    Column("required", Boolean, nullable=False, default=False),  # before the border
    Column("motive", Boolean, nullable=False, default=False),  # an answer is a fact of motivation
    Column("active", Boolean, nullable=False, default=True),
)

answer = Table(
    "answer",
    hub,
    ref("lead_id", ForeignKey("lead.id"), primary_key=True),
    text("name", primary_key=True),
    text("value"),
    text("by"),
    at("at", nullable=False),
)

deadline_rule = Table(
    "deadline_rule",
    hub,
    key(),
    number("position"),
    text("name"),
    text("kind"),  # first_touch | next_touch | qualify
    ref("direction_id"),  # null: all
    text("source"),  # connector name, "": all
    at("within_ms", nullable=False),  # working time
    number("warn_percent", 70),
    json("chain", list),  # [{"pool": "desk"}, {"member": id}]: who gets it each time it runs out
    ref("head_id"),  # who is told when the chain is at its end
    Column("active", Boolean, nullable=False, default=True),
)

deadline = Table(
    "deadline",
    hub,
    key(),
    ref("lead_id", ForeignKey("lead.id"), nullable=False),
    ref("rule_id", nullable=False),
    text("kind"),
    ref("owner_id"),
    number("step"),  # how often it ran out already
    text("state"),  # running | met | void
    at("started_at", nullable=False),
    at("warn_at"),  # null once warned
    at("due_at", nullable=False),
    at("next_at", nullable=False),  # what comes first of the two
    at("ended_at"),
    text("ended_by"),  # the journal line that was evidence
)
RUNNING = sql("state = 'running'")
Index("ix_deadline_due", deadline.c.next_at, sqlite_where=RUNNING, postgresql_where=RUNNING)
IS_RUNNING = deadline.c.state == literal_column("'running'")
"""For queries: a generic plan of PostgreSQL does not know that a bound value makes a partial index do."""
GOING = sql("state IN ('running','late')")
Index(
    "uq_deadline_going", deadline.c.lead_id, deadline.c.kind, unique=True,
    sqlite_where=GOING, postgresql_where=GOING,
)  # fmt: skip
Index("ix_deadline_lead", deadline.c.lead_id)

signal = Table(
    "signal",
    hub,
    key(),
    text("name"),  # what it is about, e.g. "deadline:<lead id>:first_touch" or "conversion:<source>"
    ref("member_id"),
    text("state"),  # open | over
    json("facts"),
    at("since", nullable=False),
    at("over_at"),
)
"""Something a head has to know, told once, and once more when it is over."""
OPEN = sql("state = 'open'")
Index("uq_signal_open", signal.c.name, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)

follower = Table("follower", hub, text("name", primary_key=True), text("line_id"), json("near", list))
"""How far a reader of the journal has come. Lines may be committed a little out of order: `near` are the ids after
`line_id` that it has handled."""

STILL_OPEN = sql("state = 'open'")
Index("ix_lead_next_step", lead.c.next_step_at, sqlite_where=STILL_OPEN, postgresql_where=STILL_OPEN)
"""Robots look for next steps that come near or are over."""
AT_THE_BORDER = sql("what IN ('converted','reverted','forced','sent_back','accepted')")
Index(
    "ix_journal_border", journal.c.what, journal.c.at,
    sqlite_where=AT_THE_BORDER, postgresql_where=AT_THE_BORDER,
)  # fmt: skip
"""Crossings of the border, counted."""
HAS_COMPANY = sql("company_id IS NOT NULL")
Index("ix_contact_company", contact.c.company_id, sqlite_where=HAS_COMPANY, postgresql_where=HAS_COMPANY)
"""Own owners are looked for by company too."""
