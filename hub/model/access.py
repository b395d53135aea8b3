"""Who works here and what the installation is set to."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Table, UniqueConstraint
from sqlalchemy import text as sql

from hub.model.base import at, hub, json, key, ref, text

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

reach = Table(
    "reach",
    hub,
    key(),
    ref("member_id", ForeignKey("member.id"), nullable=False),
    text("channel"),  # email | messenger
    text("connection_id"),  # the bot it was linked with; "" for mail
    text("address"),  # "" until the member has shown that it is theirs
    text("code"),  # digest of the code that shows it; "" once used
    at("code_until"),
    at("at", nullable=False),
    UniqueConstraint("member_id", "channel", "connection_id"),
)
"""Where members are told of their leads, and from where their answers are theirs."""
LINKED = sql("address <> ''")
Index(
    "uq_reach_address", reach.c.channel, reach.c.connection_id, reach.c.address, unique=True,
    sqlite_where=LINKED, postgresql_where=LINKED,
)  # fmt: skip
CODED = sql("code <> ''")
Index("uq_reach_code", reach.c.code, unique=True, sqlite_where=CODED, postgresql_where=CODED)

setting = Table("setting", hub, text("name", primary_key=True), json("value"))
"""Installation-wide values by name, such as the fingerprint of the key that seals secrets."""
