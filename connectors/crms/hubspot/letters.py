"""What is sent to HubSpot: one input of a batch per op, and how inputs are put into batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import Op
from connectors.crms.hubspot.shape import MARKER, properties

ORDER = ("companies", "contacts", "deals", "notes", "tasks")  # what others name comes first
MARKED = frozenset({"companies", "contacts", "deals"})
TYPES: Mapping[tuple[str, str], int] = {
    ("deals", "contacts"): 3, ("contacts", "deals"): 4, ("deals", "companies"): 5, ("companies", "deals"): 342,
    ("contacts", "companies"): 1, ("companies", "contacts"): 280,
    ("notes", "contacts"): 202, ("notes", "deals"): 214, ("notes", "companies"): 190,
    ("tasks", "contacts"): 204, ("tasks", "deals"): 216, ("tasks", "companies"): 192,
}  # fmt: skip
"""HubSpot's own kinds of links, to companies those of the primary one, which alone is shown as a property:
https://developers.hubspot.com/docs/api/crm/associations"""


@dataclass(frozen=True, slots=True)
class Letter:
    """One input on its way. `adopts`: the record was there before us, so what it holds must be read again."""

    n: int
    op: Op
    sent: Mapping[str, str]
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ref: str = ""
    adopts: bool = False

    @property
    def trace(self) -> str:
        return f"op-{self.n}"

    @property
    def key(self) -> str:
        """No batch may hold two of these."""
        return self.ref or self.op.marker or self.trace

    def body(self, verb: str) -> dict[str, Any]:
        """The input of a batch."""
        told: dict[str, Any] = {"objectWriteTraceId": self.trace, "properties": dict(self.sent)}
        if verb == "update":
            return {**told, "id": self.ref}
        if verb == "upsert":
            return {**told, "id": self.op.marker, "idProperty": MARKER}
        ends = [(kind, ref) for kind, refs in self.links.items() for ref in refs]
        return {**told, "associations": [{"to": {"id": r}, "types": [link_type(self.op.kind, k)]} for k, r in ends]}


def letter(n: int, op: Op, links: Mapping[str, tuple[str, ...]]) -> Letter:
    """The n-th op, with all its links. ValueError or TypeError for what HubSpot has no words for."""
    marker = {MARKER: op.marker} if op.marker and not op.ref and op.kind in MARKED else {}
    sent = properties(op.kind, {**op.values, **marker}, creating=not op.ref)
    refs = [op.ref or "0", *(ref for ends in links.values() for ref in ends)]
    if any((op.kind, kind) not in TYPES for kind in links) or not all(ref.isdecimal() for ref in refs):
        raise ValueError("no such link or id")
    return Letter(n, op, sent, links, op.ref or "")


def upserted(one: Letter) -> bool:
    """An upsert takes no links along, so a deal with links is cheaper created."""
    return bool(one.op.marker) and one.op.kind in MARKED and not (one.op.kind == "deals" and one.links)


def chunks(letters: Sequence[Letter], size: int) -> list[list[Letter]]:
    """Batches without the same record twice: HubSpot refuses those as a whole. Those of one record stay in order."""
    batches: list[list[Letter]] = []
    taken: list[set[str]] = []
    first = 0  # those before are full
    for one in letters:
        while first < len(batches) and len(batches[first]) >= size:
            first += 1
        last = max((n for n, keys in enumerate(taken) if one.key in keys), default=-1)
        place = next((n for n in range(max(first, last + 1), len(batches)) if len(batches[n]) < size), len(batches))
        if place == len(batches):
            batches.append([])
            taken.append(set())
        batches[place].append(one)
        taken[place].add(one.key)
    return batches


def link_type(kind: str, other: str) -> dict[str, Any]:
    """As batches and links want it."""
    return {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TYPES[kind, other]}
