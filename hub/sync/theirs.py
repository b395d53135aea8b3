"""Records of a CRM as the hub reads them: their values, by what people are known, and which are known already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from connectors.contract import Person, Record
from connectors.errors import ConnectorError
from hub.identity.normalize import normalise
from hub.model import link
from hub.sync.account import Account
from hub.sync.foreign import guarded
from hub.sync.plan import ABSENT


def linked_refs(conn: Connection, account: Account, kind: str, refs: Sequence[str]) -> set[str]:
    """Which of these are known, alive or not."""
    mine = (link.c.connection_id == account.id) & (link.c.remote_kind == kind)
    found: set[str] = set()
    for start in range(0, len(refs), 400):
        there = link.c.remote_id.in_(refs[start : start + 400])
        found.update(str(ref) for ref in conn.execute(select(link.c.remote_id).where(mine, there)).scalars())
    return found


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
