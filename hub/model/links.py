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
    at("since", nullable=False),  # when it came into this state and cause
    at("seen_at"),  # when `raw` was read or written; what was read earlier is stale
    text("run"),  # the sync run that made the record over there, or here
    CheckConstraint(
        "state IN ('new','sending','uncertain','linked','history','held','parked','tombstoned')", name="state"
    ),
    UniqueConstraint("connection_id", "remote_kind", "remote_id", "role"),
    UniqueConstraint("connection_id", "record_id", "role"),
)
DUE = sql("dirty > 0 AND state IN ('new','sending','uncertain','linked')")
"""In the words of the index: who asks in others (a parameter for the 0) has all links of the connection read."""
Index(
    "ix_link_due", link.c.connection_id, link.c.lane, link.c.due_at, link.c.role.desc(),
    sqlite_where=DUE, postgresql_where=DUE,
)  # fmt: skip
FIRM = sql("role = 'company'")
Index("ix_link_company", link.c.connection_id, sqlite_where=FIRM, postgresql_where=FIRM)
STUCK = sql("state IN ('parked','held')")
Index("ix_link_stuck", link.c.since, sqlite_where=STUCK, postgresql_where=STUCK)
CAUSE = sql("code <> ''")
Index("ix_link_cause", link.c.connection_id, link.c.code, link.c.since, sqlite_where=CAUSE, postgresql_where=CAUSE)

pull_state = Table(
    "pull_state",
    hub,
    ref("connection_id", nullable=False),
    text("kind"),
    text("cursor"),
    at("whole_at"),  # when a scan from the beginning first came to its end
    at("read_at"),  # what the CRM's clock said at the end of the last scan that came to its end
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

hanging = Table(
    "hanging",
    hub,
    key(),
    ref("connection_id", nullable=False),
    text("what"),  # note | task | call | message | mail | meeting
    text("subject"),  # lead | deal | contact: what it hangs on here
    ref("subject_id", nullable=False, index=True),
    text("text"),
    at("until_at"),  # of a task
    ref("member_id"),  # who wrote it, or shall do it
    ref("task_id", index=True),
    text("state"),  # new | sending | uncertain | there | parked | theirs (came from there) | done (a task)
    text("remote_kind"),
    ref("remote_id"),  # null until the CRM has told us
    at("due_at"),
    text("lease"),
    at("lease_until"),
    number("attempts"),
    text("code"),
    text("why"),
    at("since", nullable=False),
    CheckConstraint("state IN ('new','sending','uncertain','there','parked','theirs','done')", name="state"),
    UniqueConstraint("connection_id", "remote_kind", "remote_id"),
)
"""What hangs on a record on both sides: our notes and tasks on their way, and what people did over there."""
GOING = sql("state IN ('new','sending','uncertain')")
Index("ix_hanging_due", hanging.c.connection_id, hanging.c.due_at, sqlite_where=GOING, postgresql_where=GOING)
REFUSED = sql("code <> ''")
Index("ix_hanging_cause", hanging.c.connection_id, hanging.c.code, sqlite_where=REFUSED, postgresql_where=REFUSED)

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

sync_write = Table(
    "sync_write",
    hub,
    key(),
    at("at", nullable=False),
    ref("connection_id", nullable=False),
    text("run"),
    text("side"),  # hub | crm: where the values were written
    text("role"),
    ref("record_id", nullable=False),
    json("before"),  # hub values by field
    json("after"),
)
"""What a sync run changed, with the values from before: so it can be undone for 30 days."""
Index("ix_sync_write_at", sync_write.c.connection_id, sync_write.c.at)
Index("ix_sync_write_run", sync_write.c.run)

audit_run = Table(
    "audit_run",
    hub,
    key(),
    ref("connection_id", nullable=False),
    at("at", nullable=False),
    at("ended_at"),
    number("records"),
    number("differences"),  # what nobody knew of before
    number("repaired"),
    number("missing"),
    number("strangers"),
    text("why"),
)
"""One full comparison of a connection with its CRM."""
Index("ix_audit_run", audit_run.c.connection_id, audit_run.c.at)
