"""Robots, what they did for which record and why, and the messages that leave because of them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, UniqueConstraint, literal_column
from sqlalchemy import text as sql

from hub.model.base import at, hub, json, key, number, ref, text

robot = Table(
    "robot",
    hub,
    key(),
    text("name"),
    ref("direction_id"),  # null: all
    text("block"),  # lead | deal
    json("trigger"),  # {"on": "stage", "stage": "silent"}, {"on": "field", "field": "amount"}, {"on": "time", ...}
    json("conditions", list),
    json("delay"),  # {"ms": ..., "working": true} | {"before": "next_step_at", "ms": ...} | {"exact": "10:00"}
    json("actions", list),  # [{"do": "task", ...}, {"do": "message", ...}]
    Column("active", Boolean, nullable=False, default=True),
    text("held"),  # why the storm brake holds it; "" when it runs
    number("position"),
    at("made_at", nullable=False),
)

robot_run = Table(
    "robot_run",
    hub,
    key(),
    ref("robot_id", ForeignKey("robot.id"), nullable=False),
    text("subject"),  # lead | deal
    ref("subject_id", nullable=False),
    text("occasion"),  # the journal line or the moment that was the trigger
    text("state"),  # waiting | done | skipped | held | failed
    at("due_at", nullable=False),
    number("depth"),  # how many robots caused each other
    text("why"),
    at("at", nullable=False),
    UniqueConstraint("robot_id", "subject_id", "occasion"),
)
WAITING = sql("state = 'waiting'")
IS_WAITING = robot_run.c.state == literal_column("'waiting'")
"""For queries: a generic plan of PostgreSQL does not know that a bound value makes a partial index do."""
Index("ix_robot_run_due", robot_run.c.due_at, sqlite_where=WAITING, postgresql_where=WAITING)
Index("ix_robot_run_at", robot_run.c.robot_id, robot_run.c.at)
Index("ix_robot_run_subject", robot_run.c.subject_id, robot_run.c.at)

task = Table(
    "task",
    hub,
    key(),
    text("subject"),
    ref("subject_id", nullable=False, index=True),
    ref("member_id", ForeignKey("member.id"), nullable=False),
    text("text"),
    at("due_at", nullable=False),
    at("done_at"),
    text("by"),
    text("occasion", unique=True),  # what asked for it; asking twice makes one task
)
UNDONE = sql("done_at IS NULL")
Index("ix_task_mine", task.c.member_id, task.c.due_at, sqlite_where=UNDONE, postgresql_where=UNDONE)

letter = Table(
    "letter",
    hub,
    key(),  # the sender's own id: carriers that know repeats by it send once
    ref("run_id"),
    text("occasion", unique=True),  # run and place of the action: one letter each
    text("channel"),  # email | sms | messenger | webhook | audience
    json("body"),
    text("state"),  # new | sending | sent | unknown | refused
    text("lease"),
    at("lease_until"),
    number("attempts"),
    at("due_at", nullable=False),
    text("provider_id"),
    text("why"),
    at("at", nullable=False),
)
Index(
    "ix_letter_provider", letter.c.provider_id,
    sqlite_where=sql("provider_id <> ''"), postgresql_where=sql("provider_id <> ''"),
)  # fmt: skip
"""What leaves the house. `unknown` was perhaps sent: a person looks, it never leaves twice."""
LEAVING = sql("state IN ('new','sending')")
IS_LEAVING = letter.c.state.in_((literal_column("'new'"), literal_column("'sending'")))
Index("ix_letter_due", letter.c.due_at, sqlite_where=LEAVING, postgresql_where=LEAVING)
