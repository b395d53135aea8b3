"""Contacts and companies that only a CRM has, as its lists last showed them: asked before one is taken for new."""

from __future__ import annotations

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from hub.model.base import at, hub, json, ref, text

mirror = Table(
    "mirror",
    hub,
    ref("connection_id", nullable=False),
    text("remote_id"),
    text("remote_kind"),
    json("person"),  # name, first_name, last_name, middle_name, company, phones, emails: in the hub's words
    text("region"),
    at("at", nullable=False),
    PrimaryKeyConstraint("connection_id", "remote_id"),
    sqlite_with_rowid=False,
)

mirror_key = Table(
    "mirror_key",
    hub,
    text("kind"),  # as in match_key
    text("value"),
    ref("connection_id", nullable=False),
    text("remote_id"),
    PrimaryKeyConstraint("kind", "value", "connection_id", "remote_id"),
    sqlite_with_rowid=False,
)
Index("ix_mirror_key_record", mirror_key.c.connection_id, mirror_key.c.remote_id)

mirror_company = Table(
    "mirror_company",
    hub,
    text("kind"),  # as in company_key
    text("value"),
    ref("connection_id", nullable=False),
    text("remote_id"),
    PrimaryKeyConstraint("kind", "value", "connection_id", "remote_id"),
    sqlite_with_rowid=False,
)
Index("ix_mirror_company_record", mirror_company.c.connection_id, mirror_company.c.remote_id)
