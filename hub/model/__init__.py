"""The hub's tables, one file per area.

Two sets: `inbox` (raw messages and poll cursors, written the moment something arrives) and `hub`
(everything that is derived or decided). On SQLite each set is a file of its own, because two processes
that write one file starve each other; on PostgreSQL they share a database. No transaction spans both:
the hub reads the inbox as a log, in order of `seq`, and may read it again.
"""

from hub.model.access import member, setting
from hub.model.base import hub, inbox
from hub.model.connection import connection
from hub.model.funnel import conversion, deal, direction, lead, rotation, rule, stage
from hub.model.intake import event, event_work, inbox_reader, inquiry, poll_cursor, thread
from hub.model.journal import journal
from hub.model.links import audit_run, link, look_again, provision_run, pull_state, sync_write
from hub.model.people import (
    company,
    company_key,
    contact,
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

__all__ = [
    "audit_run", "company", "company_key", "connection", "contact", "contact_point", "conversion", "deal", "direction",
    "event", "event_work", "hub", "inbox", "inbox_reader", "inquiry", "journal", "lead", "link", "look_again",
    "match_key", "member", "merge_log", "not_same", "poll_cursor", "profile", "provision_run", "pull_state", "review",
    "rotation", "rule", "setting", "shared_key", "stage", "sync_write", "term", "thread", "trace",
]  # fmt: skip
