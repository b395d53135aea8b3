"""Records of a CRM as the hub reads them: their values, by what people are known, and which are known already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from connectors.contract import Person, Record
from connectors.errors import ConnectorError
from hub.identity.normalize import normalise
from hub.model import link
from hub.store.lists import among
from hub.sync.account import Account
from hub.sync.foreign import guarded
from hub.sync.plan import ABSENT

LINKED = select(link.c.remote_id).where(
    link.c.connection_id == bindparam("b_connection"),
    link.c.remote_kind == bindparam("b_kind"),
    among(link.c.remote_id),
)


def linked_refs(conn: Connection, account: Account, kind: str, refs: Sequence[str]) -> set[str]:
    """Which of these are known, alive or not."""
    asked = {"b_connection": account.id, "b_kind": kind, "wanted": list(refs)}
    return {str(ref) for ref in conn.execute(LINKED, asked).scalars()} if refs else set()


def values_of(account: Account, record: Record | None, role: str) -> dict[str, Any]:
    """Hub values of a record; what cannot be read is left out."""
    if record is None:
        return {}
    values = {}
    for slot in account.faces[role].slots:
        if slot.crm in record.values and slot.direction != "out":
            try:
                value = guarded(slot.into, record.values[slot.crm])
            except ConnectorError:
                continue
            if value is not ABSENT:
                values[slot.hub] = value
    return values


def personal_keys(account: Account, person: Record) -> list[tuple[str, str]]:
    """Identifiers of a person of theirs by which the hub knows people."""
    values = values_of(account, person, "contact")
    typed = Person(phones=tuple(values.get("phones") or ()), emails=tuple(values.get("emails") or ()))
    known = normalise(typed, account.live.row.region)
    return [(key.kind, key.value) for key in known.keys if key.strength == "personal"]
