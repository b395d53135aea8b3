"""Configured connectors: one row per form, mailbox, bot or CRM account."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, LargeBinary, Table

from hub.model.base import at, hub, json, key, number, ref, text

connection = Table(
    "connection",
    hub,
    key(),
    text("kind"),  # source | crm | carrier
    text("connector"),
    text("name"),
    text("token", unique=True),  # the unguessable part of /in/<token> and of hook addresses
    json("settings"),
    Column("secrets", LargeBinary, nullable=False, default=b""),  # sealed, see hub.store.secrets
    json("config"),  # what the hub itself keeps: placement, window, limits
    text("mapping"),  # TOML text of this connection's own mapping, "" = the connector's default
    text("region"),  # default country of phone numbers, ISO 3166 ("RU"), "" = none
    ref("direction_id"),
    text("state", default="active"),  # active | paused | off
    text("why"),
    text("fingerprint"),
    number("generation", 1),
    at("created_at", nullable=False),
    CheckConstraint("kind IN ('source','crm','carrier')", name="kind"),
    CheckConstraint("state IN ('active','paused','off')", name="state"),
)
