"""Facts and rules from what is stored: contacts that came another way than by an inquiry, and this installation's
settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from connectors.contract import Handle, Person
from hub.identity.companies import company_key
from hub.identity.emails import emails
from hub.identity.facts import PERSONAL, SHARED, Facts, Tie
from hub.identity.keys import of_email, of_phone
from hub.identity.names import name
from hub.identity.phones import phones
from hub.identity.rules import Rules, configured
from hub.model import setting

SETTING, BEFORE = "identity", "identity_before"
"""The rules that this installation replaces, and what it replaced before somebody last did."""
REPLACED = select(setting.c.value).where(setting.c.name == SETTING)
KINDS = {"phone": "p", "email": "m", "visitor": "v"}
Row = Mapping[str, Any]


def read_rules_of_identity(conn: Connection) -> Rules:
    """The rules of this installation: the defaults, and what the setting `identity` replaces."""
    value = conn.execute(REPLACED).scalar()
    return configured(value) if value else Rules()


def replace_rules(conn: Connection, values: Mapping[str, object]) -> None:
    """Replace single rules of this installation; those that were replaced before stay. Raises `BadRules`."""
    held = replaced(conn)
    both = {**held, **values}
    configured(both)
    _keep(conn, {SETTING: both, BEFORE: held})


def replaced(conn: Connection, name: str = SETTING) -> dict[str, object]:
    """The rules that this installation replaces; under the name `BEFORE` those of the last time."""
    return dict(conn.execute(select(setting.c.value).where(setting.c.name == name)).scalar() or {})


def bring_back(conn: Connection) -> bool:
    """The rules as they were before they were last replaced; False when nothing was, or that is done already."""
    if conn.execute(select(setting.c.name).where(setting.c.name == BEFORE)).first() is None:
        return False
    _keep(conn, {SETTING: replaced(conn, BEFORE)})
    return True


def _keep(conn: Connection, values: Mapping[str, Mapping[str, object]]) -> None:
    conn.execute(delete(setting).where(setting.c.name.in_([SETTING, BEFORE])))
    conn.execute(setting.insert(), [{"name": name, "value": dict(value)} for name, value in values.items()])


def person_of(stored: Row) -> Person:
    """A person as they wrote themselves, from the column `person` of their inquiry."""
    kept: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    return Person(**{**kept, "handles": tuple(Handle(**one) for one in kept.get("handles", ()))})


def of_contact(row: Row, points: Sequence[Row], keys: Sequence[tuple[str, str]] = ()) -> Facts:
    """The facts of a contact from its row and its contact points; `keys` are rows of match_key it owns."""
    at = int(row["updated_at"]) // 1000
    ids = {f"{KINDS.get(kind, kind)}:{value}": Tie(PERSONAL, 1, at, at) for kind, value in keys}
    for point in points:
        seen = int(point["first_seen_at"]) // 1000
        for place, strength in _places(point):
            ids.setdefault(place, Tie(strength, 1, seen, max(seen, at), bool(point["attested"])))
    whole = name(row["name"], row["first_name"], row["last_name"], row["middle_name"])
    firm = company_key(row["company"]) if row["company"] else ""
    return Facts(ids, [whole] if whole.given or whole.surname else [], [firm] if firm else [], at=at)


def _places(point: Row) -> list[tuple[str, int]]:
    if point["kind"] == "phone":
        found = [key for phone in phones(point["value"]) for key in of_phone(phone, bool(point["attested"]))]
    elif point["kind"] == "email":
        found = [key for email in emails(point["value"]) for key in of_email(email)]
    else:
        return (
            []
            if point["kind"] == "whatsapp"
            else [(f"{KINDS.get(point['kind'], point['kind'])}:{point['value']}", PERSONAL)]
        )
    return [
        (f"{KINDS[key.kind]}:{key.value}", SHARED if key.strength == "shared" or point["ext"] else PERSONAL)
        for key in found
        if key.strength != "weak"
    ]
