"""People and companies, how to reach them, and the keys by which they are recognised."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql

from hub.model.base import at, hub, json, key, number, ref, text

company = Table(
    "company",
    hub,
    key(),
    text("name"),
    text("key", index=True),
    text("website"),
    text("domain"),
    text("tax_id"),  # as people write it, without our scheme
    text("address"),
    json("phones", list),
    json("emails", list),
    json("own"),  # x_name → value: hub.funnel.own
    ref("merged_into"),
    at("created_at", nullable=False),
)

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
    ref("company_id"),
    text("position"),
    text("language"),
    ref("merged_into"),
    json("own"),
    json("basis"),  # field -> [trust, instant, by]: why this value is shown, see hub.identity.survivorship
    number("version", 1),
    at("created_at", nullable=False),
    at("updated_at", nullable=False),
)

MERGED = sql("merged_into IS NOT NULL")
Index("ix_contact_merged", contact.c.merged_into, sqlite_where=MERGED, postgresql_where=MERGED)

contact_edit = Table(
    "contact_edit",
    hub,
    ref("contact_id", ForeignKey("contact.id"), nullable=False),
    text("field"),
    text("by"),  # member:<id> | crm:<connection id>
    text("value"),
    at("at", nullable=False),
    PrimaryKeyConstraint("contact_id", "field", "by"),
    sqlite_with_rowid=False,
)
"""The latest that somebody entered into a field of a contact themselves. A merge moves none of these rows."""

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

# ── who is whom (hub.identity) ───────────────────────────────────────────────────────────────────

profile = Table(
    "profile",
    hub,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # hub.identity.places.number_of(contact_id)
    ref("contact_id", nullable=False),
    text("facts"),  # what is compared: hub.identity.profile
    at("seen_at", nullable=False),
    number("rules"),
)
"""One row per living contact: everything a comparison needs, in one read. Derived: inquiries hold the raw facts."""

trace = Table(
    "trace",
    hub,
    Column("place", BigInteger, nullable=False),  # 63 bits of a hash of an exact or fuzzy key
    Column("person", BigInteger, nullable=False),  # profile.number
    PrimaryKeyConstraint("place", "person"),
    sqlite_with_rowid=False,
)
"""Where to look for candidates. A place that two dozen people share says nothing and takes no more."""

term = Table("term", hub, Column("token", Text, primary_key=True), number("n"), sqlite_with_rowid=False)
"""How common a name is among the contacts: a rare last name says more than a common one."""

merge_log = Table(
    "merge_log",
    hub,
    key(),
    at("at", nullable=False),
    ref("winner_id", nullable=False, index=True),
    ref("loser_id", nullable=False, index=True),
    text("event_id"),  # the late bridge, "" when a person merged
    text("actor"),
    json("why", list),
    number("rules"),
    json("moved"),  # table -> rows as they were: what an undo puts back
    at("undone_at"),
    text("undone_by"),
)

review = Table(
    "review",
    hub,
    key(),
    ref("first_id", nullable=False),
    ref("second_id", nullable=False, index=True),
    at("at", nullable=False),
    Column("score", Float, nullable=False, default=0.0),
    json("why", list),
    number("rules"),
    text("event_id"),
    text("state", default="open"),  # open | same | different | never (the identifier is shared) | gone
    text("answered_by"),
    at("answered_at"),
    UniqueConstraint("first_id", "second_id"),
)
"""May be the same person; somebody has to say. `first_id` < `second_id`."""
OPEN_REVIEW = sql("state = 'open'")
Index("ix_review_open", review.c.at, sqlite_where=OPEN_REVIEW, postgresql_where=OPEN_REVIEW)

not_same = Table(
    "not_same",
    hub,
    ref("first_id", nullable=False),
    ref("second_id", nullable=False, index=True),
    text("by"),
    at("at", nullable=False),
    PrimaryKeyConstraint("first_id", "second_id"),
    sqlite_with_rowid=False,
)
"""Somebody said that these are two people: nobody and nothing joins them again. `first_id` < `second_id`."""

company_key = Table(
    "company_key",
    hub,
    text("kind"),  # domain | tax | name
    text("value"),
    ref("company_id", ForeignKey("company.id"), nullable=False, index=True),
    PrimaryKeyConstraint("kind", "value"),
    sqlite_with_rowid=False,
)
