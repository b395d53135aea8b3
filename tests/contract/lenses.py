"""A shipped mapping against an account: what it writes reads the same, and what it names can be there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.contract import CRM, Op, Step
from connectors.testing.farside import make, one
from mappings import check, load, shipped

LEAD = {
    "title": "Form: windows", "owner": "7", "amount": "1200.5", "reject_reason": "no money", "text": "Two\nlines",
    "source": "web", "form": "f", "page": "https://a.test/p", "utm_source": "ads", "temperature": "hot",
    "qualified_at": "2026-03-02T09:00:00+00:00", "block": "lead",
}  # fmt: skip
PERSON = {
    "first_name": "Nora", "last_name": "Feld", "phones": [f"+1202555011{n}" for n in range(3)], "position": "Head",
    "emails": ["nora@feld.test", "n2@feld.test"], "language": "en",
}  # fmt: skip
BLOCK = {"hub_block": {"type": "select", "options": ["lead", "deal"]}}


def reads_the_same(crm: CRM, role: str, kind: str, told: dict[str, Any]) -> None:
    """Write `told` by the shipped mapping; what comes back says the same, and leaves nothing to write."""
    mapping = load(shipped(crm.name), {"owners": {"7": crm.describe().users[0].ref}})
    codes = [line.crm for line in mapping.lines if line.kind == role and line.crm.startswith("hub_")]
    crm.provision([Step("field", "create", {"name": c, "code": c, **BLOCK.get(c, {})}, under=kind) for c in codes])
    made = make(crm, Op(kind, mapping.write(role, told, {}).values, marker="M-1"))
    read = one(crm, kind, made.ref).values
    seen = mapping.read(role, read)
    assert not seen.kept
    assert {name: seen.values.get(name) for name in told if name in seen.values}.items() <= told.items()
    assert mapping.write(role, told, read).values == {}


def fits(crm: CRM, kinds: Mapping[str, str], ours: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """The shipped mapping holds for an account that got our fields, whose names begin with `ours`."""
    text = shipped(crm.name)
    wanted = {(line.kind, line.crm) for line in load(text).lines if line.crm.startswith(ours)}
    crm.provision([Step("field", "create", {"code": code, "type": "text"}, under=kinds[kind]) for kind, code in wanted])
    fields = crm.describe().fields
    check(text, tables, remote={hub: fields[kind] for hub, kind in kinds.items()})
