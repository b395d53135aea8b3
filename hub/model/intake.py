"""What arrived, how far it got, and what we understood of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, UniqueConstraint
from sqlalchemy import text as sql

from hub.model.base import at, hub, inbox, json, key, number, ref, text

event = Table(
    "event",
    inbox,
    # The log's order. Commits are serialised (SQLite: one writer; PostgreSQL: an advisory lock), so a reader that has
    # seen seq n will never find a smaller one appear later.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    text("id", unique=True),  # the receipt
    text("connection_id"),
    text("delivery"),  # the sender's id of this delivery, else our own id
    text("digest"),
    at("received_at", nullable=False),
    text("verdict", default="ok"),  # ok | unverified | flood | probe
    text("why"),
    text("method"),
    text("path"),
    text("query"),
    json("headers"),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("connection_id", "delivery"),
    sqlite_autoincrement=True,
)

poll_cursor = Table(
    "poll_cursor",
    inbox,
    text("connection_id", primary_key=True),
    text("cursor"),
    at("updated_at", nullable=False),
)
"""How far a pull channel was read; moves in the commit that stores what was read."""

inbox_reader = Table("inbox_reader", hub, text("name", primary_key=True), Column("seq", BigInteger, nullable=False))
"""How far the hub has taken events out of the log."""

event_work = Table(
    "event_work",
    hub,
    text("event_id", primary_key=True),
    Column("seq", BigInteger, nullable=False),
    text("connection_id"),
    text("state"),  # taken | waiting | done | parked | quarantined
    text("lease"),
    at("lease_until"),
    number("attempts"),
    at("due_at"),
    text("code"),
    text("why"),
    at("at", nullable=False),
)
UNDECIDED = sql("state IN ('taken','waiting')")
"""In the words of the index: who asks in others has every event read that there ever was."""
Index("ix_event_work_open", event_work.c.due_at, sqlite_where=UNDECIDED, postgresql_where=UNDECIDED)
Index(
    "ix_event_work_attention",
    event_work.c.at,
    sqlite_where=sql("state IN ('parked','quarantined')"),
    postgresql_where=sql("state IN ('parked','quarantined')"),
)

inquiry = Table(
    "inquiry",
    hub,
    key(),
    ref("event_id", nullable=False, index=True),
    number("position"),
    ref("connection_id", nullable=False),
    text("key"),  # the sender's id of the inquiry, or a digest of its body within the connection's window
    text("kind"),  # inquiry | note | quarantine | test
    text("decision"),  # new_lead | joined | new_deal_inquiry | repeated | quarantined | test | note
    ref("contact_id", ForeignKey("contact.id"), index=True),
    ref("lead_id", ForeignKey("lead.id"), index=True),
    at("received_at", nullable=False),
    at("occurred_at"),
    text("form"),
    text("subject"),
    text("text"),
    json("person"),  # as it was typed
    json("touch"),
    json("first_touch"),
    json("consent"),
    json("files", list),
    json("fields"),
    json("flags", list),
    json("why", list),
    UniqueConstraint("connection_id", "key"),
)

thread = Table(
    "thread",
    hub,
    text("id", primary_key=True),
    ref("contact_id", nullable=False),
    ref("lead_id"),
    at("seen_at", nullable=False),
)
"""A conversation (chat, mail thread) and the lead it belongs to."""
