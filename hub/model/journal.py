"""Everything that happened to a record, in plain facts that the pages turn into sentences."""

from __future__ import annotations

from sqlalchemy import Index, Table

from hub.model.base import at, hub, json, key, ref, text

journal = Table(
    "journal",
    hub,
    key(),
    at("at", nullable=False),
    text("subject"),  # contact | lead | deal | connection
    ref("subject_id", nullable=False),
    text("what"),  # arrived | recognised | opened | joined | routed | taken | moved | field | converted | ...
    text("actor"),  # hub | member:<id> | crm:<connection id> | source:<connection id>
    json("facts"),
)
Index("ix_journal_subject", journal.c.subject_id, journal.c.at)
