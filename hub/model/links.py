"""What connects our records with theirs, and what still has to travel."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy import text as sql

from hub.model.base import at, hub, json, key, number, ref, text

link = Table(
    "link",
    hub,
    key(),
    ref("connection_id", nullable=False),
    text("role"),  # contact | lead | deal
    ref("record_id", nullable=False, index=True),
    text("remote_kind"),
    ref("remote_id"),  # null until the CRM has told us
    text("state"),  # new | sending | uncertain | linked | history | held | parked | tombstoned
    json("base"),  # canonical values both sides agreed on
    json("raw"),  # what the CRM last showed us
    json("sent"),  # what we wrote and nobody has confirmed yet
    text("remote_version"),
    text("mapping_version"),
    number("dirty"),  # grows with every reason to look; the pusher resets it to 0 only if it did not grow meanwhile
    number("lane", 2),  # 0 fresh lead, 1 a person's edit, 2 everything else
    at("due_at"),
    text("lease"),
    at("lease_until"),
    number("attempts"),
    number("lookups"),
    text("code"),
    text("why"),
    at("since", nullable=False),
    CheckConstraint(
        "state IN ('new','sending','uncertain','linked','history','held','parked','tombstoned')", name="state"
    ),
    UniqueConstraint("connection_id", "remote_kind", "remote_id", "role"),
    UniqueConstraint("connection_id", "record_id", "role"),
)
DUE = sql("dirty > 0 AND state IN ('new','sending','uncertain','linked')")
Index("ix_link_due", link.c.connection_id, link.c.lane, link.c.due_at, sqlite_where=DUE, postgresql_where=DUE)
STUCK = sql("state IN ('parked','held')")
Index("ix_link_stuck", link.c.since, sqlite_where=STUCK, postgresql_where=STUCK)

pull_state = Table(
    "pull_state",
    hub,
    ref("connection_id", nullable=False),
    text("kind"),
    text("cursor"),
    at("due_at", nullable=False),
    text("lease"),
    at("lease_until"),
    text("code"),
    text("why"),
    PrimaryKeyConstraint("connection_id", "kind"),
)

look_again = Table(
    "look_again",
    hub,
    ref("connection_id", nullable=False),
    text("kind"),
    text("remote_id"),
    at("at", nullable=False),
    number("times", 1),
    PrimaryKeyConstraint("connection_id", "kind", "remote_id"),
)
"""A hook said so, or a write may have been lost: this record has to be read."""

provision_run = Table(
    "provision_run",
    hub,
    key(),
    ref("connection_id", nullable=False, index=True),
    text("state"),  # planned | applying | applied | stopped (broken off) | undone
    json("before"),
    json("steps", list),
    json("refs", list),
    at("at", nullable=False),
)
