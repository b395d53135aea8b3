"""What robots know of a record: flat facts for conditions and templates, and how its client may be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from hub.model import contact, contact_point, deal, direction, inquiry, lead, member

TABLES = {"lead": lead, "deal": deal}
CHANNEL_POINTS = {"email": ("email",), "sms": ("phone",), "messenger": ("telegram", "vk", "whatsapp")}
UNUSABLE = {"bad", "fake", "invalid", "noreply", "text", "typo"}


@dataclass(frozen=True, slots=True)
class Known:
    """A record, its facts, addresses by channel, and whether its client agreed to be written to and advertised to."""

    row: Any
    facts: Mapping[str, str]
    addresses: Mapping[str, str] = field(default_factory=dict)
    refused: bool = False
    agreed: bool = False


def read_known(conn: Connection, subject: str, subject_id: str, lock: bool = True) -> Known | None:
    """Everything about one record; with `lock` it is ours until the end of the transaction."""
    table = TABLES[subject]
    asked = select(table).where(table.c.id == subject_id)
    row = conn.execute(asked.with_for_update() if lock else asked).one_or_none()
    if row is None:
        return None
    person = conn.execute(select(contact).where(contact.c.id == row.contact_id)).one()
    points = list(conn.execute(select(contact_point).where(contact_point.c.contact_id == person.id)
                               .order_by(contact_point.c.first_seen_at)))  # fmt: skip
    said = [one.consent for one in conn.execute(
        select(inquiry.c.consent).where(inquiry.c.contact_id == person.id).order_by(inquiry.c.received_at)
    ) if one.consent]  # fmt: skip
    addresses = {channel: _address(points, kinds) for channel, kinds in CHANNEL_POINTS.items()}
    facts = _facts(conn, row, person, addresses)
    return Known(row, facts, addresses, bool(said) and not said[-1].get("given"), bool(said and said[-1].get("given")))


def _address(points: list[Any], kinds: tuple[str, ...]) -> str:
    return next((one.value for one in points if one.kind in kinds and not UNUSABLE & set(one.flags)), "")


def _facts(conn: Connection, row: Any, person: Any, addresses: Mapping[str, str]) -> dict[str, str]:
    own = ("stage", "state", "temperature", "source", "title", "amount", "currency", "reason", "form", "next_step")
    facts = {name: str(getattr(row, name, "") or "") for name in own}
    facts |= {name: str(getattr(person, name) or "") for name in ("name", "first_name", "company", "language")}
    place = conn.execute(select(direction.c.name).where(direction.c.id == row.direction_id)).scalar()
    owner = conn.execute(select(member.c.name).where(member.c.id == row.owner_id)).scalar()
    reach = {"phone": addresses["sms"], "email": addresses["email"]}
    facts["tags"] = ", ".join(row.tags)
    return {**facts, **reach, "direction": str(place or ""), "owner": str(owner or "")}
