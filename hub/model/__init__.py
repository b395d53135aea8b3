"""The hub's tables, one file per area.

Two sets: `inbox` (raw messages and poll cursors, written the moment something arrives) and `hub`
(everything that is derived or decided). On SQLite each set is a file of its own, because two processes
that write one file starve each other; on PostgreSQL they share a database. No transaction spans both:
the hub reads the inbox as a log, in order of `seq`, and may read it again.
"""

from hub.model.access import member, reach, setting
from hub.model.base import hub, inbox
from hub.model.connection import connection
from hub.model.funnel import conversion, deal, direction, lead, receipt, rotation, rule, stage
from hub.model.intake import event, event_work, inbox_reader, inquiry, poll_cursor, thread
from hub.model.journal import journal
from hub.model.links import audit_run, hanging, link, look_again, provision_run, pull_state, sync_write
from hub.model.mirror import mirror, mirror_company, mirror_key
from hub.model.people import (
    company,
    company_key,
    contact,
    contact_edit,
    contact_point,
    match_key,
    merge_log,
    not_same,
    profile,
    review,
    shared_key,
    term,
    trace,
)
from hub.model.robots import letter, robot, robot_run, task
from hub.model.routing import (
    absence,
    answer,
    assignment,
    calendar,
    deadline,
    deadline_rule,
    follower,
    lineup,
    pool,
    presence,
    question,
    rule_set,
    seat,
    signal,
)

__all__ = [
    "absence", "answer", "assignment", "audit_run", "calendar", "company", "company_key", "connection", "contact",
    "contact_edit", "contact_point", "conversion", "deadline", "deadline_rule", "deal", "direction", "event",
    "event_work", "follower", "hanging", "hub", "inbox", "inbox_reader", "inquiry", "journal", "lead", "letter",
    "lineup", "link", "look_again", "match_key", "member", "merge_log", "mirror", "mirror_company", "mirror_key",
    "not_same", "poll_cursor",
    "pool", "presence", "profile", "provision_run", "pull_state", "question", "reach", "receipt", "review", "robot",
    "robot_run", "rotation", "rule", "rule_set", "seat", "setting", "shared_key", "signal", "stage", "sync_write",
    "task", "term", "thread", "trace",
]  # fmt: skip
