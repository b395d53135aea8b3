"""Who works here and what the installation is set to."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Table
from sqlalchemy import text as sql

from hub.model.base import at, hub, json, key, text

ROLES = ("admin", "lead_desk", "sales")

member = Table(
    "member",
    hub,
    key(),
    text("login", unique=True),
    text("name"),
    text("password_hash"),
    text("role"),
    text("locale", default="en"),
    Column("active", Boolean, nullable=False, default=True),
    at("created_at", nullable=False),
    CheckConstraint("role IN ('admin','lead_desk','sales')", name="role"),
)
Index("ix_member_active", member.c.role, sqlite_where=sql("active"), postgresql_where=sql("active"))

setting = Table("setting", hub, text("name", primary_key=True), json("value"))
"""Installation-wide values by name, such as the fingerprint of the key that seals secrets."""
