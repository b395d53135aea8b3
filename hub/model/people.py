"""People and companies, how to reach them, and the keys by which they are recognised."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, PrimaryKeyConstraint, Table

from hub.model.base import at, hub, json, key, number, ref, text

company = Table("company", hub, key(), text("name"), text("key", index=True), at("created_at", nullable=False))

contact = Table(
    "contact",
    hub,
    key(),
    text("name"),
    text("first_name"),
    text("last_name"),
    text("middle_name"),
    text("name_key"),
    text("company"),
    text("position"),
    text("language"),
    ref("merged_into"),
    number("version", 1),
    at("created_at", nullable=False),
    at("updated_at", nullable=False),
)

contact_point = Table(
    "contact_point",
    hub,
    ref("contact_id", ForeignKey("contact.id"), nullable=False),
    text("kind"),  # phone | email | handle kind
    text("value"),  # E.164, address to send to, lasting id
    text("raw"),
    text("ext"),
    json("flags", list),
    Column("attested", Boolean, nullable=False, default=False),
    at("first_seen_at", nullable=False),
    PrimaryKeyConstraint("contact_id", "kind", "value"),
    sqlite_with_rowid=False,
)

match_key = Table(
    "match_key",
    hub,
    text("kind"),
    text("value"),
    ref("contact_id", ForeignKey("contact.id"), nullable=False, index=True),
    at("seen_at", nullable=False),
    PrimaryKeyConstraint("kind", "value"),
    sqlite_with_rowid=False,
)
"""A personal identifier belongs to one contact. The primary key is what makes two workers meet."""

shared_key = Table(
    "shared_key",
    hub,
    text("kind"),
    text("value"),
    text("why"),
    at("since", nullable=False),
    PrimaryKeyConstraint("kind", "value"),
)
"""Identifiers that several people use (an office phone): they never join anybody."""
